// Package lab runs the program in a sandbox of a test's own. The long tests below sandbox/e2e share it.
package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/cli"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// Canary is part of every value that must not be seen.
const Canary = "canary-e5b1f0a9c2"

// APIKeyPath and StorePath are where the dev stack's sample credentials are.
const (
	//nolint:gosec // G101: paths, no credential.
	APIKeyPath = "secret/data/mlvault/dev/ml_api_key"
	StorePath  = "secret/data/mlvault/dev/feature_store"
)

// Pulumi is the CLI that the tests drive: the one on PATH or the one that is built once, never none.
var Pulumi string

// Main is a package's TestMain.
func Main(m *testing.M) {
	sandbox.ForgetEnvironment()
	builder := Builder()
	found, err := builder.Find(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "the sandbox's tests need a Pulumi CLI:", err)
		os.Exit(1)
	}
	Pulumi = found.Path
	os.Exit(m.Run())
}

// Builder builds commands where make up builds them.
func Builder() cli.Builder {
	return cli.Builder{Module: Module(), Bin: filepath.Join(Repository(), ".sandbox", "bin"), Log: os.Stderr}
}

// Module is the folder of sandbox/go.mod.
func Module() string { return filepath.Join(Repository(), "sandbox") }

// Repository is found from the package's own folder, in which go test runs.
func Repository() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "Pulumi.yaml")); missing == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	panic(fmt.Sprint("no Pulumi.yaml in a folder above this test's: ", err))
}

// Lab is a sandbox that ends with its test.
type Lab struct {
	*sandbox.Sandbox

	T      *testing.T
	Adjust func(*sandbox.Settings) // what every Prepare of the test changes; nil: nothing
}

// New starts a sandbox of this repository in a folder of its own.
func New(t *testing.T) *Lab { t.Helper(); return Open(t, sandbox.Options{}) }

// Open starts a sandbox; what the options leave out is as New has it.
func Open(t *testing.T, options sandbox.Options) *Lab {
	t.Helper()
	if options.Root == "" {
		options.Root = Repository()
	}
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	options.Pulumi = Pulumi
	l := &Lab{T: t}
	l.open(options)
	return l
}

func (l *Lab) open(options sandbox.Options) {
	l.T.Helper()
	s, err := sandbox.Open(l.T.Context(), options)
	require.NoError(l.T, err)
	l.T.Cleanup(s.Close)
	l.Sandbox = s
}

// Reopen is the sandbox after a restart, as the next make up finds it.
func (l *Lab) Reopen() {
	l.T.Helper()
	l.Close()
	l.open(l.Options)
}

// In makes a lab use another's Vault, as two states of one team do. Its own ends with it, unused.
func (l *Lab) In(other *Lab) *Lab {
	own := l.Vault
	l.Vault = other.Vault
	l.T.Cleanup(func() { l.Vault = own })
	return l
}

// Project is a folder with the settings of dev under the names of other stacks, and of a project.
func Project(t *testing.T, name string, stacks ...string) string {
	t.Helper()
	root := t.TempDir()
	place := func(from, to string) {
		text, err := os.ReadFile(filepath.Join(Repository(), from))
		require.NoError(t, err)
		text = bytes.Replace(text, []byte("name: mlvault"), []byte("name: "+name), 1)
		require.NoError(t, os.WriteFile(filepath.Join(root, to), text, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "job"), 0o700))
	place("job/vault_credentials.py", "job/vault_credentials.py")
	place("Pulumi.yaml", "Pulumi.yaml")
	for _, stack := range stacks {
		place("Pulumi.dev.yaml", "Pulumi."+stack+".yaml")
	}
	return root
}

// Payloads are credentials of a test: name -> key -> value.
type Payloads map[string]map[string]any

// JSON is what a credentials file would hold.
func (p Payloads) JSON(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return string(text)
}

// Sample is a credential of texts and one that the CLI cannot mask whole.
func Sample() Payloads {
	return Payloads{
		"ml_api_key":    {"api_key": Canary + "-key"},
		"feature_store": {"user": "ml", "password": Canary + `-"<&>`, "port": 5432},
	}
}

// Edit changes a stack's settings before a test deploys it.
type Edit = func(pulumiconfig.Map)

// With sets one setting, by the path that `pulumi config set --path` takes.
func With(t *testing.T, key, value string) Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		project := "mlvault"
		for known := range m {
			if known.Name() == "workload" { // every stack has that
				project = known.Namespace()
			}
		}
		require.NoError(t, m.Set(pulumiconfig.MustMakeKey(project, key), pulumiconfig.NewValue(value), true))
	}
}

// Configured prepares a stack with settings that it must accept.
func (l *Lab) Configured(settings sandbox.Settings) *sandbox.Stack {
	l.T.Helper()
	if l.Adjust != nil {
		l.Adjust(&settings)
	}
	configured, err := l.Configure(l.T.Context(), settings)
	require.NoError(l.T, err)
	return configured
}

// Prepare is Configured with credentials and changes of the stack's own settings.
func (l *Lab) Prepare(stack string, credentials Payloads, edits ...Edit) *sandbox.Stack {
	l.T.Helper()
	return l.Configured(sandbox.Settings{Stack: stack, Credentials: credentials.JSON(l.T), Edit: func(m pulumiconfig.Map) {
		for _, edit := range edits {
			edit(m)
		}
	}})
}

// Up deploys a stack and returns it with the number of resources for each kind of change.
func (l *Lab) Up(stack string, credentials Payloads, edits ...Edit) (*sandbox.Stack, map[string]int) {
	l.T.Helper()
	configured := l.Prepare(stack, credentials, edits...)
	result, err := configured.Up(l.T.Context(), optup.SuppressProgress())
	require.NoError(l.T, err)
	return configured, *result.Summary.ResourceChanges
}

// Planned is what an up would change.
func (l *Lab) Planned(stack *sandbox.Stack, options ...optpreview.Option) map[string]int {
	l.T.Helper()
	result, err := stack.Preview(l.T.Context(), append(options, optpreview.SuppressProgress())...)
	require.NoError(l.T, err)
	changes := map[string]int{}
	for operation, count := range result.ChangeSummary {
		changes[string(operation)] = count
	}
	return changes
}

// Destroy takes a stack down.
func (l *Lab) Destroy(stack *sandbox.Stack) {
	l.T.Helper()
	_, err := stack.Destroy(l.T.Context(), optdestroy.SuppressProgress())
	require.NoError(l.T, err)
}

// Read is a credential's data in Vault and its current version, or no data when the newest version is deleted.
func (l *Lab) Read(path string) (data map[string]any, version int) {
	l.T.Helper()
	secret, err := l.Vault.Root().Logical().ReadWithContext(l.T.Context(), path)
	require.NoError(l.T, err)
	if secret == nil {
		return nil, 0
	}
	data, _ = secret.Data["data"].(map[string]any)
	metadata, isMap := secret.Data["metadata"].(map[string]any)
	require.True(l.T, isMap, "%s has no metadata: not a KV v2 secret", path)
	number, isNumber := metadata["version"].(json.Number)
	require.True(l.T, isNumber)
	at, err := number.Int64()
	require.NoError(l.T, err)
	return data, int(at)
}

// SharedBackend is an auth backend of somebody else's in the lab's Vault, which trusts the lab's issuer.
func (l *Lab) SharedBackend(path string) {
	l.T.Helper()
	require.NoError(l.T, l.Vault.Root().Sys().EnableAuthWithOptionsWithContext(l.T.Context(), path, &api.EnableAuthOptions{Type: "jwt"}))
	_, err := l.Vault.Root().Logical().WriteWithContext(l.T.Context(), "auth/"+path+"/config", map[string]any{
		"oidc_discovery_url": l.Issuer.URL(issuer.V1), "oidc_discovery_ca_pem": ReadFile(l.T, l.IssuerCA), "bound_issuer": l.Issuer.URL(issuer.V1),
	})
	require.NoError(l.T, err)
}

// ReadFile is a file's text.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
