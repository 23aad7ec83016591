package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
}

// fakeCommand is a folder with a command that prints its own name and arguments.
func fakeCommand(t *testing.T, name string) string {
	t.Helper()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, name), "#!/bin/sh\necho "+name+" \"$@\"\n")
	return folder
}

// runShell runs a script with a folder before the others on PATH.
func runShell(t *testing.T, folder, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	path := folder + string(os.PathListSeparator) + os.Getenv("PATH")
	cmd.Env = []string{"PATH=" + path, "VAULT_CACERT=ca", "VAULT_ADDR=https://v"}
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, printed)
	return string(printed)
}

func TestACredentialsFileIsFoundFromTheRepositorysFolder(t *testing.T) {
	path := func(credentials string) string {
		return credentialsPath(options{root: "/repo", credentials: credentials})
	}
	require.Equal(t, "/repo/sandbox/sample-credentials.json", path(""))
	require.Equal(t, "/repo/my own.json", path("my own.json"))
	require.Equal(t, "/tmp/own.json", path("/tmp/own.json"))
	require.Equal(t, "/tmp/own.json", relativeTo("/repo", "/tmp/own.json"))
	require.Equal(t, "my own.json", relativeTo("/repo", "/repo/my own.json"))
}

func TestAnUnknownCommandIsToldWhichThereAre(t *testing.T) {
	_, _, err := parse([]string{"-root", ".", "upp"})
	require.ErrorContains(t, err, `"upp" is not one of down, `)
	require.ErrorContains(t, err, `, up, vault`)
	command, o, err := parse([]string{"-root", ".", "down", "-stack", "prod", "-unprotect"})
	require.NoError(t, err)
	require.Equal(t, "down", command.name)
	require.Equal(t, options{root: ".", stack: "prod", unprotect: true}, o)
}
