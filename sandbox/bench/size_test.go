package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the program compiles beyond the Pulumi SDK is what a cold build costs beyond the floor. A new line is a decision:
// look at what it costs (make bench) before UPDATE_GOLDEN=1 writes it down.
func TestBeyondThePulumiSDKTheProgramCompilesExactlyThesePackages(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	floor, err := (&bench{work: t.TempDir(), root: root}).writeFloor()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, p := range listed(t, root, floor) {
		known[p] = true
	}
	beyond := slices.DeleteFunc(listed(t, root, "."), func(p string) bool { return known[p] })
	slices.Sort(beyond)
	got := strings.Join(beyond, "\n") + "\n"

	golden := filepath.Join("testdata", "compiled.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the program compiles:\n%s\nand %s says:\n%s", got, golden, want)
	}
}

func TestTheSandboxBringsNoModuleIntoTheProgramsGraph(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := dependencies(t.Context(), root, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if p.Module != nil && (strings.HasPrefix(p.Module.Path, "github.com/hashicorp/vault") || strings.HasPrefix(p.Module.Path, "github.com/Azure/azure-sdk") || p.Module.Path == "github.com/pulumi/pulumi/pkg/v3") {
			t.Errorf("the program compiles %s of %s", p.ImportPath, p.Module.Path)
		}
	}
}

func listed(t *testing.T, dir, target string) []string {
	t.Helper()
	packages, err := dependencies(t.Context(), dir, target)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range packages {
		if p.ImportPath != "command-line-arguments" {
			paths = append(paths, p.ImportPath)
		}
	}
	return paths
}
