package docs

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
)

// terminal is a checkout of the repository with a shell in it, in which a test types what a person types: the commands
// are the real Pulumi CLI's, which compiles main.go and runs it. The engine finds the sandbox's ARM and Vault.
type terminal struct {
	*lab.Lab
	dir string   // the checkout, a copy
	env []string // of every command
}

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
	term := &terminal{Lab: lab.Open(t, sandbox.Options{Root: dir, Dir: state}), dir: dir}
	settings, err := term.Environment()
	require.NoError(t, err)
	term.env = append(quietEnvironment(),
		"PATH="+filepath.Dir(lab.Pulumi)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PULUMI_HOME="+filepath.Join(state, "home"),
		"PULUMI_SKIP_CONFIRMATIONS=true", // nobody answers the question after a preview
		"ARM_USE_OIDC=true",              // a login to Azure that nobody tries: the sandbox has none
		"VAULT_CACERT="+term.Vault.CAFile(),
	)
	for name, value := range settings {
		// The proxy is for the genuine plugin, and leads to Vault's name only: Go's own downloads and Python go without.
		if name != "PATH" && name != "HTTPS_PROXY" {
			term.env = append(term.env, name+"="+value)
		}
	}
	requireLanguageHost(t)
	keepProgram(t, dir)
	return term
}

// keepProgram lets the language host keep the compiled program, so that not every command links it anew: the option that
// docs/decisions/0010-prebuilt-program.md is about.
func keepProgram(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "Pulumi.yaml")
	project, err := workspace.LoadProject(file)
	require.NoError(t, err)
	project.Runtime.SetOption("buildTarget", filepath.Join(".sandbox", "bin", "mlvault.exe"))
	require.NoError(t, project.Save(file))
}

// quietEnvironment is this process's, without what would lead a command to somebody's real account.
func quietEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name == "PATH" || name == "PULUMI_HOME" || sandbox.Foreign(name)
	})
}

// requireLanguageHost puts our language host beside a CLI that was built here; a released CLI brings its own.
func requireLanguageHost(t *testing.T) {
	t.Helper()
	builder := lab.Builder()
	if filepath.Dir(lab.Pulumi) != builder.Bin {
		return
	}
	require.NoError(t, builder.Build(t.Context(), "the language host", builder.Executable("pulumi-language-go"), "-s -w", builder.Module, "./languagehost"))
}

// copyRepository copies what a clone has, and what is not committed yet.
func copyRepository(t *testing.T, to string) {
	t.Helper()
	from := os.DirFS(lab.Repository())
	require.NoError(t, fs.WalkDir(from, ".", func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		target := filepath.Join(to, filepath.FromSlash(path))
		if entry.IsDir() {
			if slices.Contains([]string{".git", ".sandbox", "__pycache__", "node_modules"}, entry.Name()) {
				return fs.SkipDir
			}
			return os.MkdirAll(target, 0o755)
		}
		if entry.Name() == ".git" { // of a worktree
			return nil
		}
		content, err := fs.ReadFile(from, path)
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		return os.WriteFile(target, content, info.Mode().Perm())
	}))
}

// adapt gives the project's stack what only the sandbox needs: the CA of its Vault, and its issuer.
func (term *terminal) adapt(stack string, edits ...lab.Edit) {
	term.T.Helper()
	file := term.settings(stack)
	for _, edit := range edits {
		edit(file.Stack.Config)
	}
	settled, err := term.Settle(file, sandbox.Settings{Stack: stack, Credentials: `{"ml_api_key":{"api_key":"x"}}`})
	require.NoError(term.T, err)
	require.Equal(term.T, stack, settled.Stack)
	require.NoError(term.T, file.Stack.Save(filepath.Join(term.dir, "Pulumi."+stack+".yaml")))
}

func (term *terminal) settings(stack string) *sandbox.StackFile {
	term.T.Helper()
	file, err := term.OpenStackFile(stack)
	require.NoError(term.T, err)
	return file
}

// deployer is a Vault token as the documentation says to make one: with the printed policy of the stack's credentials.
// The stack's own settings are dev's, so that there is a token for one that is yet to be made from a copy of them.
func (term *terminal) deployer(stack, credentials string) string {
	term.T.Helper()
	cfg, err := term.Settle(term.settings("dev"), sandbox.Settings{Stack: stack, Credentials: credentials})
	require.NoError(term.T, err)
	token, err := term.DeployerToken(term.T.Context(), cfg, nil)
	require.NoError(term.T, err)
	return token
}

// run runs a shell script in the checkout and returns what it printed.
func (term *terminal) run(script string, environment ...string) (string, error) {
	return runIn(term.T.Context(), term.dir, script, append(slices.Clone(term.env), environment...))
}

func (term *terminal) mustRun(script string, environment ...string) string {
	term.T.Helper()
	printed, err := term.run(script, environment...)
	require.NoError(term.T, err, "%s\n%s", script, printed)
	return printed
}

func runIn(ctx context.Context, dir, script string, environment []string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+script)
	cmd.Dir, cmd.Env = dir, environment
	printed, err := cmd.CombinedOutput()
	return string(printed), err
}

// The project's name is the one thing that `pulumi new` changes in Pulumi.yaml.
func projectName(t *testing.T, dir string) string {
	t.Helper()
	project, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
	require.NoError(t, err)
	return project.Name.String()
}
