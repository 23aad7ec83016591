package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const of = "5a9db0c5-0000-4000-8000-000000000009"

func operation(kind, urn, token, inputs string) string {
	return fmt.Sprintf(`{"type":%q,"resource":{"urn":%q,"custom":true,"type":%q,"inputs":%s,"provider":"p"}}`, kind, urn, token, inputs)
}

func export(operations ...string) []byte {
	return fmt.Appendf(nil, `{"version":3,"deployment":{"manifest":{"time":"2026-01-01T00:00:00Z"},"resources":[{"urn":"known","id":"/subscriptions/%s/x",`+
		`"big":12345678901234567890}],"pending_operations":[%s],"metadata":{}}}`, of, strings.Join(operations, ","))
}

func TestWhatWasBeingCreatedIsAdoptedUnderItsIDAndEverythingElseStays(t *testing.T) {
	state := export(
		operation("creating", "secret", "vault:kv/secretV2:SecretV2", `{"mount":"secret","name":"mlvault/dev/k","dataJson":{"ciphertext":"c"}}`),
		operation("creating", "account", "azure-native:storage/v20220901:StorageAccount", `{"resourceGroupName":"rg","accountName":"ml1"}`),
		operation("creating", "lock", "azure-native:authorization/v20200501:ManagementLockByScope", `{"scope":"/subscriptions/s/resourceGroups/rg","lockName":"l"}`),
		operation("creating", "nameless", "azure-native:storage/v20220901:StorageAccount", `{"resourceGroupName":"rg"}`),
		operation("creating", "stranger", "random:index/randomId:RandomId", `{}`),
		operation("creating", "provider", "pulumi:providers:azure-native", `{"location":"westeurope"}`),
		operation("creating", "known", "vault:index/policy:Policy", `{"name":"p"}`),
		operation("updating", "other", "vault:index/policy:Policy", `{"name":"p"}`))
	require.Equal(t, of, Subscription(state))
	repaired, adopted, unknown, err := Adopt(state, of)
	require.NoError(t, err)
	require.Equal(t, []string{"secret", "account", "lock"}, adopted)
	require.Equal(t, []string{"nameless", "stranger"}, unknown)

	var got struct {
		Version    int
		Deployment struct {
			Manifest, Metadata json.RawMessage
			Resources          []struct {
				URN, ID, Provider string
				Big               json.Number
				Inputs, Outputs   json.RawMessage
			}
			Pending []struct{ Resource struct{ URN string } } `json:"pending_operations"`
		}
	}
	require.NoError(t, json.Unmarshal(repaired, &got))
	require.Equal(t, 3, got.Version)
	require.JSONEq(t, `{"time":"2026-01-01T00:00:00Z"}`, string(got.Deployment.Manifest))
	require.Equal(t, json.Number("12345678901234567890"), got.Deployment.Resources[0].Big)
	var found []string
	for _, r := range got.Deployment.Resources[1:] {
		require.JSONEq(t, string(r.Inputs), string(r.Outputs))
		require.Equal(t, "p", r.Provider)
		found = append(found, r.ID)
	}
	require.Equal(t, []string{
		"secret/data/mlvault/dev/k",
		"/subscriptions/" + of + "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/ml1",
		"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/locks/l",
	}, found)
	require.Len(t, got.Deployment.Pending, 2)

	again, adopted, _, err := Adopt(repaired, of)
	require.NoError(t, err)
	require.Empty(t, adopted)
	require.Equal(t, repaired, again)
}

// backend is a file backend's folder with one stack.
func backend(t *testing.T, files map[string]string) Files {
	t.Helper()
	f := Files{Root: t.TempDir(), Project: "mlvault", Stack: "dev"}
	for name, text := range files {
		file := f.path(filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return f
}

func TestADamagedStateIsReplacedByTheNewestWholeOne(t *testing.T) {
	const state, history = "stacks/mlvault/dev.json", "history/mlvault/dev/dev-"
	good := func(n int) string { return fmt.Sprintf(`{"version":3,"checkpoint":{"n":%d}}`, n) }
	for name, row := range map[string]struct {
		files      map[string]string
		want, said string
	}{
		"a whole one":           {map[string]string{state: good(1), state + ".bak": good(0)}, good(1), ""},
		"cut off":               {map[string]string{state: good(1)[:20], state + ".bak": good(0)}, good(0), "dev.json.bak"},
		"empty, and so its bak": {map[string]string{state: "", state + ".bak": "", history + "1.checkpoint.json": good(1), history + "2.checkpoint.json": good(2)}, good(2), "dev-2."},
		"missing with history":  {map[string]string{history + "1.checkpoint.json": good(1)}, good(1), "dev-1."},
		"removed":               {map[string]string{state + ".bak": good(0)}, "", ""},
		"compressed":            {map[string]string{state + ".gz": "x", history + "1.checkpoint.json": good(1)}, "", ""},
		"empty attributes":      {map[string]string{state: good(1), "stacks/mlvault/prod.json.attrs": ""}, good(1), "prod.json.attrs"},
	} {
		f := backend(t, row.files)
		done, err := f.Mend()
		require.NoError(t, err, name)
		require.Contains(t, strings.Join(done, "\n"), row.said, name)
		require.Equal(t, row.said == "", len(done) == 0, name)
		text, _ := os.ReadFile(f.path(state))
		require.Equal(t, row.want, string(text), name)
	}
	_, err := backend(t, map[string]string{state: "{", state + ".bak": "{"}).Mend()
	require.ErrorContains(t, err, "is damaged, and no whole copy is left")
}

func TestOnlyLocksOfProcessesThatAreGoneAreRemoved(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	cli := &exec.Cmd{Path: filepath.Join(t.TempDir(), "pulumi"), Args: []string{"sleep", "60"}}
	require.NoError(t, os.Symlink(sleep, cli.Path))
	require.NoError(t, cli.Start())
	t.Cleanup(func() { _, _ = cli.Process.Kill(), cli.Wait() })
	const lock = "locks/organization/mlvault/dev/a.json"
	for name, row := range map[string]struct {
		text                  string
		held, living, cancels int
	}{
		"none":            {"", 0, 0, 0},
		"gone":            {fmt.Sprintf(`{"pid":%d,"hostname":%q}`, 1<<22, host), 1, 0, 1},
		"cut off":         {`{"pi`, 1, 0, 1},
		"living":          {fmt.Sprintf(`{"pid":%d,"hostname":%q}`, cli.Process.Pid, host), 1, 1, 0},
		"another machine": {`{"pid":1,"hostname":"another"}`, 1, 1, 0},
	} {
		f := Files{Root: t.TempDir(), Project: "mlvault", Stack: "dev"}
		if row.text != "" {
			f = backend(t, map[string]string{lock: row.text})
		}
		held, living, err := f.Locks()
		require.NoError(t, err, name)
		require.Equal(t, []int{row.held, row.living}, []int{held, living}, name)
		if living > 0 {
			continue // waited for, for half a minute
		}
		cancels := 0
		unlocked, err := f.Unlock(t.Context(), func(context.Context) error { cancels++; return nil })
		require.NoError(t, err, name)
		require.Equal(t, row.cancels, cancels, name)
		require.Equal(t, row.cancels > 0, unlocked, name)
	}
}
