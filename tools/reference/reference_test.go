package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsGeneratedIsAsTheSettingsAre(t *testing.T) {
	var out bytes.Buffer
	err := run("../..", true, &out)
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestAFileThatDiffersIsNamedAndWrittenOnce(t *testing.T) {
	root := t.TempDir()
	for _, path := range []string{"docs/configuration.md", "docs/operate.md", "Pulumi.yaml", schemaPath} {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("Make the mount"), []byte("Something else"), 1)
		target := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run(root, true, &out); err == nil {
		t.Error("a page that differs passes the check")
	}
	if !strings.Contains(out.String(), "docs/configuration.md differs") {
		t.Errorf("the check says %q", out.String())
	}
	if err := run(root, false, &out); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true, &out); err != nil {
		t.Errorf("what was just written differs: %v", err)
	}
}

func TestAPageWithoutItsMarksIsRefused(t *testing.T) {
	for _, page := range []string{"", "begin\n", "end\n", "end\nbegin\n"} {
		if _, err := replaceBetween(page, "begin", "end", "text\n"); err == nil {
			t.Errorf("%q has no marks and is written", page)
		}
	}
}
