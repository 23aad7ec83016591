package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestASectionIsReplacedAndTheRestOfThePageIsKept(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	write(t, page, "# By hand\n\n<!-- measured: build -->\nold\n<!-- end: build -->\n\nExplained by hand.\n")
	for range 2 {
		if err := replaceSection(page, "build", "\nnew\n\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# By hand\n\n<!-- measured: build -->\nnew\n<!-- end: build -->\n\nExplained by hand.\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := replaceSection(page, "job", "new"); err == nil {
		t.Error("a page without the section's marks is not refused")
	}
}

func TestThePageHasEverySection(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range (&bench{}).sections() {
		if !strings.Contains(string(page), "<!-- measured: "+section.name+" -->") {
			t.Errorf("docs/benchmarks.md has no place for %s", section.name)
		}
	}
}

func TestThePaceOfARunIsTheLeastOfEach(t *testing.T) {
	got := least([]usage{{Wall: 3, CPU: 1, RSS: 9}, {Wall: 2, CPU: 5, RSS: 7}})
	if got != (usage{Wall: 2, CPU: 1, RSS: 7}) {
		t.Errorf("got %v", got)
	}
}

func TestARatioAboveItsTargetIsCalledMissed(t *testing.T) {
	if got := verdict(13*time.Second, 10*time.Second, 1.25); got != "missed: 1.30" {
		t.Errorf("got %q", got)
	}
	if got := verdict(12*time.Second, 10*time.Second, 1.25); got != "met: 1.20" {
		t.Errorf("got %q", got)
	}
	if got := verdict(int64(1), int64(0), 1.25); got != "not measured here" {
		t.Errorf("got %q", got)
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

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
