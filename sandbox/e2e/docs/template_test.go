package docs

import (
	"os"
	"path/filepath"
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/stretchr/testify/require"
)

// A person makes a project of their own from this repository, under another name, and previews and deploys it.
func TestPulumiNewMakesAProjectThatPreviewsAndDeploys(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template")
	copyRepository(t, template)
	term := newTerminal(t)
	made := filepath.Join(t.TempDir(), "ml-platform")

	printed := term.mustRun(`pulumi new "$TEMPLATE" --yes --name ml-platform --stack dev --dir "$MADE"`, "TEMPLATE="+template, "MADE="+made)
	require.Contains(t, printed, "Your new project is ready to go!")
	require.Contains(t, printed, "make up", "it says what to do next")
	require.Equal(t, "ml-platform", projectName(t, made))

	term.Close()
	fresh := openTerminal(t, made, term.Options.Dir)
	printed, err := fresh.run("pulumi preview")
	require.Error(t, err)
	require.Contains(t, printed, "missing configuration value 'vaultAddress'", "what has no default is asked for by name:\n%s", printed)

	fresh.adapt("dev")
	fresh.mustRun(`
		pulumi config set --secret vaultAddress "$ADDRESS"
		pulumi config set --secret vaultToken "$TOKEN"
		pulumi config set --path --secret credentials.ml_api_key.api_key `+lab.Canary+`
		pulumi preview
		pulumi up
		pulumi preview --expect-no-changes`,
		"ADDRESS="+fresh.Vault.Addr(), "TOKEN="+fresh.deployer("dev", `{"ml_api_key":{"api_key":"x"}}`))
	data, _ := fresh.Read("secret/data/ml-platform/dev/ml_api_key")
	require.Equal(t, lab.Canary, data["api_key"], "the copy's own name is in every path")
}

// What `pulumi new` would put a name into must not be in any file but those that want it.
func TestTheTemplateHasNoPlaceholderByAccident(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template")
	copyRepository(t, template)
	require.NoError(t, filepath.WalkDir(template, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, placeholder := range []string{"PROJECT", "DESCRIPTION"} {
			require.NotContains(t, string(content), "${"+placeholder+"}", path)
		}
		return nil
	}))
}
