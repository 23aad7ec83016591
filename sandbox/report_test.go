package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
)

func exampleOutputs() auto.OutputMap {
	return auto.OutputMap{
		outputs.WorkspaceName: {Value: "ml-workspace"},
		outputs.VaultRole:     {Value: "mlvault-dev"},
		outputs.VaultAddress:  {Value: "https://vault.example.com", Secret: true},
		outputs.Readme:        {Value: "# mlvault"},
		outputs.CredentialPaths: {Value: map[string]any{
			"a": "database/creds/a",
			"b": "kv/data/it's/b",
		}},
	}
}

func TestTheEndOfAnUpFitsOnOneScreen(t *testing.T) {
	var out, read strings.Builder
	for i := range 100 {
		fmt.Fprintf(&read, "credential%d: key\n", i)
	}
	report := upReport{
		changes: map[string]int{"create": 17, "same": 3},
		outputs: exampleOutputs(),
		read:    strings.TrimSpace(read.String()),
		readme:  ".sandbox/readme-dev.md",
	}
	report.print(&out)
	printNext(&out, options{stack: "prod"},
		next{command: "pipeline", what: "a"},
		next{command: "vault", what: "b"},
		next{command: "clean", what: "c"},
	)
	text := out.String()
	require.LessOrEqual(t, strings.Count(text, "\n"), 25)
	require.Contains(t, text, "Done: create 17, leave 3 as they are.")
	require.Contains(t, text, "credential7: key\n  and 92 more\n")
	require.Contains(t, text, "make vault STACK=prod")
	require.Contains(t, text, "make clean  ")
}

func TestTheReadmeHasEveryOutputAndNoSecret(t *testing.T) {
	page := filepath.Join(t.TempDir(), "readme.md")
	require.NoError(t, writeReadme(page, exampleOutputs()))
	text := readFile(t, page)
	require.True(t, strings.HasPrefix(text, "# mlvault\n"))
	require.Contains(t, text, "| vaultAddress | [secret] |")
	require.Contains(t, text, "| workspaceName | ml-workspace |")
	require.NotContains(t, text, "vault.example.com")
}

func TestWhatMakeVaultPrintsIsReadByAShellAsItIsMeant(t *testing.T) {
	folder := filepath.Join(t.TempDir(), `it's "a" $b`)
	token := filepath.Join(folder, "deployer.token")
	writeFile(t, token, "s.token")
	writeFile(t, filepath.Join(folder, "job.env"), "VAULT_ROLE=ml\n")
	vault := fakeCommand(t, "vault")
	printedLines := readLines(token, exampleOutputs()) + jobLines(filepath.Join(folder, "job.env"))
	script := "curl() { :; }\n"
	for line := range strings.Lines(printedLines) {
		isCommand := strings.HasPrefix(line, "  ")
		if isCommand && !strings.Contains(line, "python3") {
			script += line
		}
	}
	printed := runShell(t, vault, script+"echo $VAULT_TOKEN $VAULT_ROLE\n")
	require.Contains(t, printed, "vault kv get -mount=kv it's/b\n")
	require.Contains(t, printed, "s.token ml\n")
}
