package settings

import (
	"strings"
	"testing"
)

// withoutRefresh is a Pulumi.yaml as the repository has it.
const withoutRefresh = "name: mlvault\nruntime: go\n"

func TestTagsOfOthersAreKeptOnlyWhereEachRunRefreshes(t *testing.T) {
	for _, test := range []struct {
		name, projectFile, azure, want string
	}{
		{
			name:        "no refresh",
			projectFile: withoutRefresh,
			azure:       `{"ignoreTags":["CostCenter"]}`,
			want:        "azure.ignoreTags: needs each run to begin with a refresh",
		},
		{
			name:        "a refresh",
			projectFile: withoutRefresh + "options:\n  refresh: always\n",
			azure:       `{"ignoreTags":["CostCenter"]}`,
		},
		{
			name:        "no tags of others",
			projectFile: withoutRefresh,
			azure:       `{}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := with(set("azure", test.azure)).source()
			src.ProjectFile = []byte(test.projectFile)
			_, err := From(src)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("want %q, got %v", test.want, err)
			}
		})
	}
}
