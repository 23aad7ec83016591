package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/cli"
)

// pulumiPath is the CLI that the tests drive: the one on PATH or the one that is built once, never none.
var pulumiPath string

func TestMain(m *testing.M) {
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"} {
		_ = os.Unsetenv(name)
	}
	builder := cli.Builder{Module: module(), Bin: filepath.Join(repository(), ".sandbox", "bin"), Log: os.Stderr}
	found, err := builder.Find(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "the sandbox's tests need a Pulumi CLI:", err)
		os.Exit(1)
	}
	pulumiPath = found.Path
	os.Exit(m.Run())
}

// module and repository are found from this package's own folder, in which go test runs.
func module() string     { return absolute("../..") }
func repository() string { return absolute("../../..") }

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}

// lab is a sandbox of a test's own.
type lab struct {
	*Sandbox
	t      *testing.T
	adjust func(*Settings) // what every configure of the test changes; nil: nothing
}

// newLab starts a sandbox that ends with the test.
func newLab(t *testing.T) *lab {
	t.Helper()
	s, err := Open(t.Context(), Options{Root: repository(), Dir: t.TempDir(), Pulumi: pulumiPath})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return &lab{Sandbox: s, t: t}
}

// reopen is the sandbox after a restart, as the next make up finds it.
func (l *lab) reopen() {
	l.t.Helper()
	l.Close()
	s, err := Open(l.t.Context(), l.opts)
	require.NoError(l.t, err)
	l.t.Cleanup(s.Close)
	l.Sandbox = s
}

// payloads are credentials of a test: name -> key -> value.
type payloads map[string]map[string]any

func (s payloads) json(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return string(text)
}

// edit changes a stack's settings before a test deploys it.
type edit = func(pulumiconfig.Map)

// with sets one setting, by the path that `pulumi config set --path` takes.
func with(t *testing.T, key, value string) edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		require.NoError(t, m.Set(pulumiconfig.MustMakeKey("mlvault", key), pulumiconfig.NewValue(value), true))
	}
}

func (l *lab) configure(stack string, credentials payloads, edits ...edit) *Stack {
	l.t.Helper()
	settings := Settings{Stack: stack, Credentials: credentials.json(l.t), Edit: func(m pulumiconfig.Map) {
		for _, edit := range edits {
			edit(m)
		}
	}}
	if l.adjust != nil {
		l.adjust(&settings)
	}
	configured, err := l.Configure(l.t.Context(), settings)
	require.NoError(l.t, err)
	return configured
}

// up deploys a stack and returns it with the number of resources for each kind of change.
func (l *lab) up(stack string, credentials payloads, edits ...edit) (*Stack, map[string]int) {
	l.t.Helper()
	configured := l.configure(stack, credentials, edits...)
	result, err := configured.Up(l.t.Context(), optup.SuppressProgress())
	require.NoError(l.t, err)
	return configured, *result.Summary.ResourceChanges
}

// planned is what an up would change.
func (l *lab) planned(stack *Stack, options ...optpreview.Option) map[string]int {
	l.t.Helper()
	result, err := stack.Preview(l.t.Context(), append(options, optpreview.SuppressProgress())...)
	require.NoError(l.t, err)
	changes := map[string]int{}
	for operation, count := range result.ChangeSummary {
		changes[string(operation)] = count
	}
	return changes
}

func (l *lab) destroy(stack *Stack) {
	l.t.Helper()
	_, err := stack.Destroy(l.t.Context(), optdestroy.SuppressProgress())
	require.NoError(l.t, err)
}

// read is a credential's data in Vault and its current version, or no data when the newest version is deleted.
func (l *lab) read(path string) (data map[string]any, version int) {
	l.t.Helper()
	secret, err := l.Vault.Root().Logical().ReadWithContext(l.t.Context(), path)
	require.NoError(l.t, err)
	if secret == nil {
		return nil, 0
	}
	data, _ = secret.Data["data"].(map[string]any)
	metadata, isMap := secret.Data["metadata"].(map[string]any)
	require.True(l.t, isMap, "%s has no metadata: not a KV v2 secret", path)
	number, isNumber := metadata["version"].(json.Number)
	require.True(l.t, isNumber)
	at, err := number.Int64()
	require.NoError(l.t, err)
	return data, int(at)
}
