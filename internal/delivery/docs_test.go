package delivery

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	cited   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+|test_\\w+|\\w+Test)`")
	defined = regexp.MustCompile(`(?m)^(?:func|class| +def) ((?:Test|Fuzz)\w+|test_\w+|\w+Test)\b`)
	link    = regexp.MustCompile(`\]\(([^)\s:#]*)(#[^)\s]+)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unnamed = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// files reads what is below root and ends so. Generated code and what is not of the repository are left out.
func files(t *testing.T, root string, endings ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	skipped := []string{".git", ".sandbox", "node_modules", "sdks"}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains(skipped, entry.Name()) {
			return fs.SkipDir
		}
		if slices.Contains(endings, filepath.Ext(path)) {
			found[path] = read(t, path)
		}
		return err
	})
	if err != nil || len(found) < 5 {
		t.Fatalf("%d files below %s, %v", len(found), root, err)
	}
	return found
}

func TestEachTestThatThePagesNameExists(t *testing.T) {
	names := map[string]bool{}
	for _, text := range files(t, "../..", ".go", ".py") {
		for _, m := range defined.FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	}
	for page, text := range files(t, "../..", ".md") {
		for _, m := range cited.FindAllStringSubmatch(text, -1) {
			if !names[m[1]] {
				t.Errorf("%s: there is no test %s", page, m[1])
			}
		}
	}
}

func TestEachLinkOfThePagesLeadsSomewhere(t *testing.T) {
	anchors := map[string]bool{}
	pages := files(t, "../..", ".md")
	for page, text := range pages {
		for _, m := range heading.FindAllStringSubmatch(text, -1) {
			anchors[page+"#"+anchor(m[1])] = true
		}
	}
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			_, err := os.Stat(target)
			namesNoHeading := m[2] != "" && !anchors[target+m[2]]
			if err != nil || namesNoHeading {
				t.Errorf("%s: there is no %s%s", page, m[1], m[2])
			}
		}
	}
}

// anchor is the name that GitHub gives a heading.
func anchor(heading string) string {
	name := unnamed.ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(name, " ", "-")
}
