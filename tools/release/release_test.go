package main

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	day     = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	samples = []file{
		{name: "mlvault", content: []byte("#!/bin/sh\necho ran\n"), executable: true},
		{name: "docs/page.md", content: []byte("a page\n")},
	}
)

func TestAnArchiveUnpacksAsItWasPackedAndTwiceTheSame(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.tar.gz")
	second := filepath.Join(dir, "second.tar.gz")
	for _, name := range []string{first, second} {
		if err := writeTar(name, "mlvault_0.1.0", day, samples); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("the same files give another archive")
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-xzf", first, "-C", dir)
	if printed, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	program := filepath.Join(dir, "mlvault_0.1.0", "mlvault")
	printed, err := exec.CommandContext(t.Context(), program).Output()
	if err != nil || string(printed) != "ran\n" {
		t.Errorf("the program does not run: %v, %q", err, printed)
	}
	page := filepath.Join(dir, "mlvault_0.1.0", "docs", "page.md")
	if text := read(t, page); string(text) != "a page\n" {
		t.Errorf("the page is %q", text)
	}
}

func TestAnArchiveForWindowsHasTheSameFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "archive.zip")
	if err := writeZip(name, "mlvault_0.1.0", day, samples); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	var names []string
	for _, entry := range archive.File {
		names = append(names, entry.Name+" "+entry.Mode().String())
	}
	const want = "mlvault_0.1.0/mlvault -rwxr-xr-x, mlvault_0.1.0/docs/page.md -rw-r--r--"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAProjectOfAReleaseRunsTheProgramBesideIt(t *testing.T) {
	text, err := withBinary(read(t, "../../Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nruntime:\n  name: go\n  options:\n    binary: mlvault\n") {
		t.Errorf("got:\n%s", text)
	}
	if _, err := withBinary(text); err == nil {
		t.Error("a project that is not compiled is taken for one that is")
	}
}

func TestAVersionThatTheChangelogLacksIsNotReleased(t *testing.T) {
	for version, want := range map[string]string{
		"":       "is not one such as 0.1.0",
		"v0.1.0": "is not one such as 0.1.0",
		"9.9.9":  "CHANGELOG.md has no section",
	} {
		arguments := []string{"-root", "../..", "-version", version, "-out", t.TempDir()}
		err := run(t.Context(), arguments)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", version, err, want)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
