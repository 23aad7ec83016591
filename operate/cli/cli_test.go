package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/operate/cli"
)

// What creates must keep its checkpoints: they alone know what a run that was killed has made.
func TestOnlyWhatCreatesNothingRunsWithoutCheckpoints(t *testing.T) {
	folder := t.TempDir()
	script := []byte("#!/bin/sh\necho \"${PULUMI_EXPERIMENTAL:-no} ${PULUMI_SKIP_CHECKPOINTS:-no}\"\n")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pulumi"), script, 0o700))
	t.Setenv("PATH", folder)
	for command, want := range map[string]string{
		"preview": "true true\n",
		"refresh": "true true\n",
		"destroy": "true true\n",
		"up":      "no no\n",
		"import":  "no no\n",
		"stack":   "no no\n",
	} {
		said, err := cli.CLI{Root: folder}.Run(t.Context(), nil, command)
		require.NoError(t, err)
		require.Equal(t, want, string(said), command)
	}
}

// The CLI's standard output has the values in the clear.
func TestAnAnswerOfTheCLIIsNeverQuoted(t *testing.T) {
	for _, row := range []struct{ script, said string }{
		{script: "echo canary", said: "did not print JSON"},
		{
			script: "echo canary; echo error: something >&2; exit 1",
			said:   "`pulumi config` failed: something",
		},
	} {
		folder := t.TempDir()
		script := []byte("#!/bin/sh\n" + row.script)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "pulumi"), script, 0o700))
		t.Setenv("PATH", folder)
		err := cli.CLI{Root: folder}.JSON(t.Context(), new(any), "config")
		require.ErrorContains(t, err, row.said)
		require.NotContains(t, err.Error(), "canary")
	}
}

// Pulumi Cloud lists an import as an update. A run that ends has another result than before.
func TestAnImportIsNoRun(t *testing.T) {
	folder := t.TempDir()
	script := []byte(`#!/bin/sh
[ "$*" = "stack history --json --page-size 10 --stack dev --non-interactive" ] && echo '[
	{"kind":"import","version":3,"startTime":"2026-01-01T00:02:00.000Z","result":"succeeded"},
	{"kind":"update","version":2,"startTime":"2026-01-01T00:01:00.000Z","result":"in-progress"}]'
`)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pulumi"), script, 0o700))
	t.Setenv("PATH", folder)
	runs, err := cli.Stack{CLI: cli.CLI{Root: folder}, Name: "dev"}.Runs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"update of 2026-01-01T00:01:00.000Z, version 2 (in-progress)"}, runs)
}

// A preview that fails says why on its standard output, where the engine masks what is secret.
func TestWhyAPreviewFailsIsInTheError(t *testing.T) {
	for _, row := range []struct{ name, printed string }{
		{
			name: "for people",
			printed: "Previewing update (dev):\n    mlvault-dev canary\nDiagnostics:\n  pulumi:pulumi:Stack:\n" +
				"    error: azure.names: is wrong\n\nResources:\n    1 canary\n",
		},
		{
			name: "as JSON",
			printed: `{"steps":["canary"],"diagnostics":[{"message":"canary","severity":"info"},` +
				`{"message":"error: azure.names: is wrong\n","severity":"error"}]}` + "\n",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "printed"), []byte(row.printed), 0o600))
			script := []byte("#!/bin/sh\nwhile read -r line; do printf '%s\\n' \"$line\"; done < printed; exit 1\n")
			require.NoError(t, os.WriteFile(filepath.Join(folder, "pulumi"), script, 0o700))
			t.Setenv("PATH", folder)
			_, err := cli.CLI{Root: folder}.Diagnosed(t.Context(), "preview")
			require.ErrorContains(t, err, "`pulumi preview` failed: \n")
			require.ErrorContains(t, err, "error: azure.names: is wrong")
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
