package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestASectionIsReplacedAndTheRestOfThePageIsKept(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	const before = "# By hand\n\n<!-- measured: build -->\nold\n<!-- end: build -->\n\nExplained by hand.\n"
	if err := os.WriteFile(page, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := replaceSection(page, "build", "\nnew\n\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if want := strings.Replace(before, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if err := replaceSection(page, "job", "new"); err == nil {
		t.Error("a page without the section's marks is accepted")
	}
}

func TestThePageHasEverySection(t *testing.T) {
	page, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range (&bench{}).sections() {
		if !strings.Contains(string(page), "<!-- measured: "+section.name+" -->") {
			t.Errorf("docs/benchmarks.md has no place for %s", section.name)
		}
	}
}

func TestTheBestOfSeveralRunsIsTheLeastOfEach(t *testing.T) {
	got := least([]usage{{Wall: 3, CPU: 1, RSS: 9}, {Wall: 2, CPU: 5, RSS: 7}})
	if got != (usage{Wall: 2, CPU: 1, RSS: 7}) {
		t.Errorf("got %v", got)
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
	var before, after map[string]map[string]string
	for text, into := range map[string]*map[string]map[string]string{credentials(3, 0): &before, credentials(3, 1): &after} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	changed := 0
	for name, credential := range before {
		if len(credential["api_key"]) != 32 {
			t.Errorf("%s has %d characters", name, len(credential["api_key"]))
		}
		if after[name]["api_key"] != credential["api_key"] {
			changed++
		}
	}
	if changed != 1 || len(after) != 3 {
		t.Errorf("%d of %d changed", changed, len(after))
	}
}

// What the program compiles beyond the Pulumi SDK is what a cold build costs beyond the floor. A new line is a decision:
// run `make bench ONLY=build` to see its cost before UPDATE_GOLDEN=1 writes it down.
func TestBeyondThePulumiSDKTheProgramCompilesExactlyThesePackages(t *testing.T) {
	floor, err := (&bench{work: t.TempDir()}).writeFloor()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var beyond []string
	for _, target := range []string{floor, "."} {
		packages, err := dependencies(t.Context(), "../..", target)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			if target == floor {
				known[p.ImportPath] = true
			} else if !known[p.ImportPath] && strings.Contains(p.ImportPath, ".") {
				beyond = append(beyond, p.ImportPath)
			}
		}
	}
	slices.Sort(beyond)
	got, golden := strings.Join(beyond, "\n")+"\n", "testdata/compiled.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("the program compiles:\n%s\nand %s says (%v):\n%s", got, golden, err, want)
	}
}
