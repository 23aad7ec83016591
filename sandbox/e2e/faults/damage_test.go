package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// What a full disk or a kill leaves of the engine's files is mended by the next run, from what the
// engine keeps beside it. What cannot be mended is named in one sentence, with the command that
// does.
func TestADamagedStateIsMendedOrNamed(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	state := l.Path("state/.pulumi/stacks/mlvault/dev.json")
	whole := lab.ReadFile(t, state)
	attributes, err := filepath.Glob(l.Path("state/.pulumi/stacks/mlvault/*.attrs"))
	require.NoError(t, err)
	for _, cut := range []int{0, 1, len(whole) / 2, len(whole) - 2} {
		require.NoError(t, os.WriteFile(state, []byte(whole[:cut]), 0o600))
		for _, file := range attributes {
			require.NoError(t, os.WriteFile(file, nil, 0o600))
		}
		_, changes := l.Up("dev", lab.Sample())
		made := changes["create"] + changes["delete"] + changes["replace"]
		require.Zero(t, made, "%d bytes were left: %v", cut, changes)
	}

	require.NoError(t, os.RemoveAll(l.Path("state")))
	for name, run := range map[string]func() error{
		"up": func() error {
			again := sandbox.Settings{Stack: "dev", Credentials: lab.Sample().JSON(t)}
			_, err := l.Configure(t.Context(), again)
			return err
		},
		"down": func() error { _, err := l.Select(t.Context(), "dev"); return err },
	} {
		require.ErrorContains(t, run(), "`make clean`, then start anew with `make up`", name)
	}
}
