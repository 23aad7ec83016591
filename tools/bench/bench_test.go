package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEachSectionOfThePageIsReplacedAndTheRestIsKept(t *testing.T) {
	for _, name := range []string{"benchmarks.md", "fleet.md"} {
		t.Run(name, func(t *testing.T) { requireReplaced(t, name) })
	}
}

func requireReplaced(t *testing.T, name string) {
	t.Helper()
	before, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, before, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, section := range append(sections, sections...) {
		if section.page != name {
			continue
		}
		if err := replaceSection(page, section.name, "\nnew\n\n"); err != nil {
			t.Error(err)
		}
	}
	measured := regexp.MustCompile(`(?s)(<!-- measured: \w+ -->\n).*?(\n<!-- end: )`)
	got, err := os.ReadFile(page)
	if want := measured.ReplaceAll(before, []byte("${1}new$2")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if err := replaceSection(page, "nothing", "new"); err == nil {
		t.Error("a page without the section's marks is accepted")
	}
}

func TestTheBestOfSeveralRunsIsTheLeastOfEach(t *testing.T) {
	runs := []usage{{Wall: 3, CPU: 1, RSS: 9}, {Wall: 2, CPU: 5, RSS: 7}}
	got, err := interleave(2, func() (usage, error) {
		taken := runs[0]
		runs = runs[1:]
		return taken, nil
	})
	if err != nil || got[0] != (usage{Wall: 2, CPU: 1, RSS: 7}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestARatioAboveItsTargetIsCalledMissed(t *testing.T) {
	for want, got := range map[string]string{
		"missed: 1.30":      verdict(13*time.Second, 10*time.Second, 1.25),
		"met: 1.20":         verdict(12*time.Second, 10*time.Second, 1.25),
		"not measured here": verdict(int64(1), int64(0), 1.25),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOneChangedCredentialIsOneChangedValue(t *testing.T) {
	before := credentials(2, 0)
	const changed = "00000000000000000000000001048576"
	want := strings.Replace(before, strings.Repeat("0", 32), changed, 1)
	if got := credentials(2, 1); got != want {
		t.Errorf("got %s after %s", got, before)
	}
}

// What the program compiles beyond the Pulumi SDK is what a cold build costs beyond the floor. A new
// line is a decision: run `make bench ONLY=build` to see its cost before UPDATE_GOLDEN=1 writes it
// down.
func TestBeyondThePulumiSDKTheProgramCompilesExactlyThesePackages(t *testing.T) {
	floor, err := (&bench{work: t.TempDir()}).writeFloor()
	if err != nil {
		t.Fatal(err)
	}
	ofTheFloor := packages(t, floor)
	beyond := slices.DeleteFunc(packages(t, "."), func(name string) bool {
		isStandard := !strings.Contains(name, ".")
		return isStandard || slices.Contains(ofTheFloor, name)
	})
	slices.Sort(beyond)
	const golden = "testdata/compiled.txt"
	got := strings.Join(beyond, "\n") + "\n"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("the program compiles:\n%s\nand %s says (%v):\n%s", got, golden, err, want)
	}
}

// packages are what compiling a target of the root module compiles.
func packages(t *testing.T, target string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", target)
	list.Dir = "../.."
	_, output, err := measure(list)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(output)
}
