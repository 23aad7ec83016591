// Package docs proves that the documents tell the truth: it types the commands of each page into a
// shell, makes a project with `pulumi new`, adopts an existing workspace, and runs the steps of the
// workflows and the job definition.
package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

func TestMain(m *testing.M) { lab.Main(m) }

// terminal is a shell in a checkout of the repository, in which a test types what a person types.
// The CLI compiles main.go and runs it.
type terminal struct{ *lab.Shell }

// newTerminal starts a lab whose project is a fresh copy of the repository.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	copyRepository(t, dir)
	return openTerminal(t, dir, t.TempDir())
}

// openTerminal starts a lab for the project in dir, which keeps its Vault and its stacks in state.
func openTerminal(t *testing.T, dir, state string) *terminal {
	t.Helper()
	l := lab.Open(t, sandbox.Options{Root: dir, Dir: state})
	// Nobody answers the question after a preview, and nobody tries the login to Azure: the sandbox
	// has none.
	term := &terminal{Shell: l.Shell(dir,
		"PULUMI_SKIP_CONFIRMATIONS=true",
		"ARM_USE_OIDC=true",
		"VAULT_CACERT="+l.Vault.CAFile(),
	)}
	// The language host keeps the compiled program, so that not every command links it anew: the
	// option that docs/decisions/0010-prebuilt-program.md is about.
	file := filepath.Join(dir, "Pulumi.yaml")
	project, err := workspace.LoadProject(file)
	require.NoError(t, err)
	project.Runtime.SetOption("buildTarget", filepath.Join(".sandbox", "bin", "mlvault.exe"))
	require.NoError(t, project.Save(file))
	return term
}

// copyRepository copies what a clone has, and what is not committed yet.
func copyRepository(t *testing.T, to string) {
	t.Helper()
	entries, err := os.ReadDir(lab.Repository())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(to, 0o700))
	for _, entry := range entries {
		from, to := filepath.Join(lab.Repository(), entry.Name()), filepath.Join(to, entry.Name())
		switch {
		case slices.Contains([]string{".git", ".sandbox", ".preflight", "node_modules"}, entry.Name()):
		case entry.IsDir():
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		default:
			text := underOneName(t, entry.Name(), lab.ReadFile(t, from))
			require.NoError(t, os.WriteFile(to, []byte(text), 0o600))
		}
	}
}

// underOneName is a file of the project as this repository has it, in a copy that `pulumi new` made
// under another name too: the pages name paths that begin with the project's.
func underOneName(t *testing.T, file, text string) string {
	t.Helper()
	switch {
	case file == "Pulumi.yaml":
		return lab.WithProjectName(text, lab.ProjectName)
	case strings.HasPrefix(file, "Pulumi."):
		return lab.Neutral(t, text)
	default:
		return text
	}
}

// settle is dev's settings with what only the sandbox needs, the CA of its Vault and its issuer, as
// those of a stack.
func (term *terminal) settle(
	stack, credentials string, edits ...lab.Edit,
) (*sandbox.StackFile, *settings.Settings) {
	term.T.Helper()
	file, err := term.OpenStackFile("dev")
	require.NoError(term.T, err)
	cfg, err := term.Settle(file,
		sandbox.Settings{Stack: stack, Credentials: credentials, Edits: edits})
	require.NoError(term.T, err)
	return file, cfg
}

// Credentials that a page sets, by their names: the deployer's policy holds to these.
const (
	oneKey         = `{"ml_api_key":{"api_key":"x"}}`
	twoCredentials = `{"ml_api_key":{"api_key":"x"},"feature_store":{"user":"x"}}`
)

// adapt writes them into the checkout.
func (term *terminal) adapt(edits ...lab.Edit) {
	term.T.Helper()
	file, _ := term.settle("dev", oneKey, edits...)
	require.NoError(term.T, file.Stack.Save(filepath.Join(term.Dir, "Pulumi.dev.yaml")))
}

// deployer is a Vault token as the documentation says to make one: with the printed policy of the
// stack's credentials. The stack's own settings are dev's, so that there is a token for one that is
// yet to be made from a copy of them.
func (term *terminal) deployer(stack, credentials string, edits ...lab.Edit) string {
	term.T.Helper()
	_, cfg := term.settle(stack, credentials, edits...)
	token, err := term.DeployerToken(term.T.Context(), cfg, rights.State{})
	require.NoError(term.T, err)
	return token
}

// A person makes a project of their own from this repository, under another name, and previews and
// deploys it.
func TestPulumiNewMakesAProjectThatPreviewsAndDeploys(t *testing.T) {
	template, made := filepath.Join(t.TempDir(), "template"), filepath.Join(t.TempDir(), "ml-platform")
	copyRepository(t, template)
	l := lab.New(t)
	const command = `pulumi new "$TEMPLATE" --yes --name ml-platform --stack dev --dir "$MADE"`
	printed := l.Shell(t.TempDir()).Must(command,
		"TEMPLATE="+template, "MADE="+made)
	require.Contains(t, printed, "Your new project is ready to go!")
	require.Contains(t, printed, "make up", "it says what to do next")
	// It puts the name into these two and into no other.
	for path, content := range lab.Files(t, template) {
		relative, err := filepath.Rel(template, path)
		require.NoError(t, err)
		if relative != "Pulumi.yaml" && relative != "Pulumi.dev.yaml" {
			require.Equal(t, string(content), lab.ReadFile(t, filepath.Join(made, relative)), relative)
		}
	}

	l.Close()
	fresh := openTerminal(t, made, l.Options.Dir)
	require.Equal(t, "ml-platform", fresh.Project)
	printed, err := fresh.Run("pulumi preview")
	require.Error(t, err)
	require.Contains(t, printed, "missing configuration value 'vaultAddress'",
		"what has no default is asked for by name:\n%s", printed)

	fresh.adapt()
	fresh.Must(`
		pulumi config set --secret vaultAddress "$ADDRESS"
		pulumi config set --secret vaultToken "$TOKEN"
		pulumi config set --path --secret credentials.ml_api_key.api_key `+lab.Canary+`
		pulumi preview
		pulumi up
		pulumi preview --expect-no-changes`,
		"ADDRESS="+fresh.Vault.Addr(), "TOKEN="+fresh.deployer("dev", oneKey))
	data, _ := fresh.Read("secret/data/ml-platform/dev/ml_api_key")
	require.Equal(t, lab.Canary, data["api_key"], "the copy's own name is in every path")
}
