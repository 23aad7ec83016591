//go:build unix

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlvault/sandbox/e2e/lab"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"
)

// docs/benchmarks.md recommends these for many credentials. A setting that makes a run faster is worth nothing if a
// killed run then loses what it wrote.
func TestWithTheRecommendedSettingsAKilledRunLosesNothing(t *testing.T) {
	t.Setenv("PULUMI_DIY_BACKEND_ZSTD", "true")
	t.Setenv("GOGC", "400")
	pids := filepath.Join(t.TempDir(), "pid")
	original := lab.Pulumi
	lab.Pulumi = notingItsPID(t, original, pids)
	t.Cleanup(func() { lab.Pulumi = original })
	l := newRig(t)

	const credentials = 40
	generation := func(n int) lab.Payloads {
		all := lab.Payloads{}
		for i := range credentials {
			all[fmt.Sprintf("credential_%02d", i)] = map[string]any{"api_key": fmt.Sprintf("value-%d-%d", n, i)}
		}
		return all
	}
	for n, after := range []int{0: 7, 1: 23, 2: 36} { // the first creates, the others update
		killed := l.Prepare("dev", generation(n))
		l.Vault.ResetRequests()
		finished := make(chan error, 1)
		go func() {
			_, err := killed.Up(t.Context(), optup.SuppressProgress())
			finished <- err
		}()
		require.Eventually(t, func() bool { return l.Vault.Requests()["PUT */data/*"] >= after }, time.Minute, time.Millisecond)
		pid, err := os.ReadFile(pids)
		require.NoError(t, err)
		number, err := strconv.Atoi(strings.TrimSpace(string(pid)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(number, syscall.SIGKILL))
		require.Error(t, <-finished, "the run was killed after %d writes", after)

		require.NoError(t, killed.Cancel(t.Context()), "pulumi cancel takes the dead run's lock away")
		repaired, _ := l.Up("dev", generation(n))
		for name, want := range generation(n) {
			data, version := l.Read("secret/data/mlvault/dev/" + name)
			require.Equal(t, want, data, name)
			require.LessOrEqual(t, version, 2*(n+1), "%s: a write in flight is made once more, and no other", name)
		}
		require.NotContains(t, l.Planned(repaired), "update", "and nothing is left to do")
	}
	states, err := filepath.Glob(filepath.Join(l.Options.Dir, "state", ".pulumi", "stacks", "mlvault", "dev.json*"))
	require.NoError(t, err)
	require.NotContains(t, states, filepath.Join(l.Options.Dir, "state", ".pulumi", "stacks", "mlvault", "dev.json"), "the state was compressed")
}

// notingItsPID is the CLI behind a script that leaves its process id in a file.
func notingItsPID(t *testing.T, cli, file string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "bin", "pulumi")
	require.NoError(t, os.MkdirAll(filepath.Dir(script), 0o700))
	text := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *' up '*) echo $$ > '%s';; esac\nexec '%s' \"$@\"\n", file, cli)
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700)) //nolint:gosec // A script has to be executable.
	return script
}
