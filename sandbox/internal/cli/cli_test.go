package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newModule is a builder of a module whose only file has this text.
func newModule(t *testing.T, text string) Builder {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "go.mod"), "module toy\n")
	write(t, filepath.Join(folder, "main.go"), text)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	return Builder{Module: folder, Bin: filepath.Join(folder, "bin"), Log: log}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700)) //nolint:gosec // G306: a script.
}

func TestABuildThatFailsSaysWhatTheCompilerSaid(t *testing.T) {
	b := newModule(t, "package main\n\nfunc main() { undeclared() }\n")
	err := b.Build(t.Context(), Command{What: "a toy", Name: "toy", Package: "."})
	require.ErrorContains(t, err, "build a toy")
	require.ErrorContains(t, err, "main.go:3:15: undefined: undeclared")
}

func TestABuildMakesTheCommand(t *testing.T) {
	b := newModule(t, "package main\n\nfunc main() {}\n")
	require.NoError(t, b.Build(t.Context(), Command{What: "a toy", Name: "toy", Package: "."}))
	require.FileExists(t, b.Executable("toy"))
}

func TestAGoModThatCannotBeReadIsTold(t *testing.T) {
	b := newModule(t, "package main\n")
	write(t, filepath.Join(b.Module, "go.mod"), "no module at all\n")
	_, err := b.pinned(t.Context())
	require.ErrorContains(t, err, "go.mod:1: unknown directive: no")
}

func TestAFolderHasChangedWhenAnyFileOfItIsNewer(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "stubs"), 0o700))
	write(t, filepath.Join(folder, "stubs", "one.go"), "package one\n")
	require.False(t, changedSince(folder, time.Now().Add(time.Hour)))
	require.True(t, changedSince(folder, time.Now().Add(-time.Hour)))
	require.True(t, changedSince(filepath.Join(folder, "missing"), time.Now()))
}

func TestPythonThatIsMissingOrTooOldIsTold(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	_, err := FindPython(t.Context())
	require.ErrorContains(t, err, "Python 3.9 or newer: install it as `python3`")

	python := filepath.Join(folder, "python3")
	write(t, python, "#!/bin/sh\nexit 1\n")
	_, err = FindPython(t.Context())
	require.ErrorContains(t, err, python+" is older")

	write(t, python, "#!/bin/sh\n")
	found, err := FindPython(t.Context())
	require.NoError(t, err)
	require.Equal(t, python, found)
}
