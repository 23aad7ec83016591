package settings

import (
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// ReadProject is the text of the project's file in a folder, or nil where there is none.
func ReadProject(dir string) []byte {
	for _, name := range []string{"Pulumi.yaml", "Pulumi.yml", "Pulumi.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return text
		}
	}
	return nil
}

// AlwaysRefreshes tells whether the project's file has each run begin with a refresh.
func AlwaysRefreshes(projectFile []byte) bool {
	var file struct{ Options struct{ Refresh string } }
	err := yaml.Unmarshal(projectFile, &file)
	return err == nil && file.Options.Refresh == "always"
}

// NeedsRefresh tells whether a run without a refresh would undo what the settings ask for. Pulumi
// ignores a change by sending what its state has, azure-native sends all tags of a resource, and
// only a refresh takes the tags of others into the state.
func (s *Settings) NeedsRefresh() bool {
	return len(s.Azure.IgnoreTags) > 0
}

// validateRefresh refuses settings that a run without a refresh would undo. Without a project's
// file at hand nothing is known, and nothing refused.
func (s *Settings) validateRefresh(r *report, projectFile []byte) {
	if projectFile == nil || !s.NeedsRefresh() || AlwaysRefreshes(projectFile) {
		return
	}
	r.addf("azure.ignoreTags", "needs each run to begin with a refresh: without one an update takes "+
		"away the tags that it has not seen. Add `options: {refresh: always}` to Pulumi.yaml")
}
