package sandbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// digests are all files of a sandbox but the engine's and Vault's own. What Vault holds is told by its requests.
func digests(t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(l.Options.Dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && slices.Contains([]string{"state", "pulumi", "vault"}, entry.Name()) {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		found[path] = hex.EncodeToString(sum[:])
		return err
	}))
	return found
}

func previewed(t *testing.T, l *lab.Lab, credentials lab.Payloads, edits ...lab.Edit) map[string]int {
	t.Helper()
	configured, err := l.ConfigurePreview(t.Context(), sandbox.Settings{Stack: "dev", Credentials: credentials.JSON(t), Edit: func(m pulumiconfig.Map) {
		for _, edit := range edits {
			edit(m)
		}
	}})
	require.NoError(t, err)
	return l.Planned(configured)
}

func TestAPreviewWritesNothing(t *testing.T) {
	l := lab.New(t)
	_, err := os.ReadFile(l.Path("passphrase"))
	require.Error(t, err, "nothing has run yet")
	for _, phase := range []string{"before the first up", "after it"} {
		for name, edits := range map[string][]lab.Edit{"as it is": nil, "with other paths": {lab.With(t, "vault.prefix", "elsewhere"), lab.With(t, "workload.authPath", "jwt-elsewhere")}} {
			before, requests := digests(t, l), l.ARM.Requests()
			l.Vault.ResetRequests()
			require.NotZero(t, previewed(t, l, lab.Sample(), edits...)[map[string]string{"before the first up": "create", "after it": "same"}[phase]])
			require.Empty(t, l.Vault.Requests(), "%s, %s: Vault is asked nothing", phase, name)
			require.Equal(t, requests, l.ARM.Requests(), "%s, %s: nor is ARM", phase, name)
			after := digests(t, l)
			delete(after, l.Path("passphrase")) // the engine's: the key of its state
			delete(before, l.Path("passphrase"))
			require.Equal(t, before, after, "%s, %s: no file has changed", phase, name)
		}
		l.Up("dev", lab.Sample())
	}
}

// The second preview and up are allowed what their own settings need, and still what the state needs.
func TestTheDeployersRightsCoverTheStateAndTheConfiguration(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	previewed(t, l, lab.Sample(), lab.With(t, "vault.prefix", "previewed"), lab.With(t, "workload.authPath", "jwt-previewed"))
	third := []lab.Edit{lab.With(t, "vault.prefix", "third"), lab.With(t, "workload.authPath", "jwt-third"), lab.With(t, "vault.deleteOnDestroy", "true")}
	moved := lab.Payloads{"moved": {"key": lab.Canary}}
	l.Up("dev", moved, third...)
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "the old path is left")

	l.ARM.Inject(arm.Fault{Type: "Microsoft.Storage/storageAccounts", Method: "PUT", Times: 4, Status: 500, Code: "InternalServerError", Message: "internal"})
	_, err := l.Prepare("dev", lab.Sample(), append(third, lab.With(t, "azure.tags.generation", "two"), lab.With(t, "vault.prefix", "fourth"))...).Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	selected, err := l.Select(t.Context(), "dev")
	require.NoError(t, err)
	l.Destroy(selected)
	require.Empty(t, l.ARM.List(""), "a down after a failed up leaves nothing")
	for _, folder := range []string{"third", "fourth"} {
		listed, err := l.Vault.Root().Logical().ListWithContext(t.Context(), "secret/metadata/"+folder)
		require.NoError(t, err)
		require.Nil(t, listed, folder)
	}
}

// The settings of the sandbox are one way on which a payload could change, the engine and the plugin are the others: these
// go all the way.
func TestVaultHoldsWhatTheCredentialsFileSays(t *testing.T) {
	t.Parallel()
	l, bytes := lab.New(t), 0
	for seed := range uint64(sandbox.Runs) {
		text := sandbox.RandomCredentials(seed, sandbox.Credentials, sandbox.Within)
		bytes += len(text)
		configured, err := l.Configure(t.Context(), sandbox.Settings{Stack: "dev", Credentials: text})
		require.NoError(t, err)
		_, err = configured.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err)
		var file lab.Payloads
		require.NoError(t, json.Unmarshal([]byte(text), &file))
		for name, want := range file {
			held, _ := l.Read("secret/data/mlvault/dev/" + name)
			encoded, err := json.Marshal(held)
			require.NoError(t, err)
			var got map[string]any
			require.NoError(t, json.Unmarshal(encoded, &got))
			require.True(t, reflect.DeepEqual(want, got), "seed %d: %s", seed, name)
		}
	}
	if sandbox.Within > 0 {
		lab.Publish(t, "proofs.md", "payloads", fmt.Sprintf("%s\n\n%d runs of %d credentials held %d random payloads in %d bytes of JSON. Vault held each as the file said it.\n",
			l.Means(), sandbox.Runs, sandbox.Credentials, sandbox.Runs*sandbox.Credentials*(1+sandbox.Within), bytes))
	}
}
