// Command reference writes what people and editors know of the settings, from the one list of them
// in package settings:
//
//   - the tables of docs/configuration.md,
//   - the table of changes in docs/operate.md,
//   - the config block of Pulumi.yaml,
//   - docs/stack.schema.json, by which editors complete and check Pulumi.<stack>.yaml.
//
// Usage, in the tools folder:
//
//	go run ./reference [-check]
//
// With -check it writes nothing and fails if a file would change.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mlvault/internal/settings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file would change")
	flag.Parse()
	if err := run("..", *check, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// generated are the files below the repository's root, and what each becomes.
var generated = []struct {
	path   string
	render func(old string, reference []settings.Setting) (string, error)
}{
	{path: "docs/configuration.md", render: renderPage},
	{path: "docs/operate.md", render: renderChanges},
	{path: "Pulumi.yaml", render: renderProject},
	{path: schemaPath, render: renderSchema},
}

func run(root string, check bool, out io.Writer) error {
	isStale := false
	for _, file := range generated {
		path := filepath.Join(root, filepath.FromSlash(file.path))
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		text, err := file.render(string(old), settings.Reference())
		if err != nil {
			return fmt.Errorf("%s: %w", file.path, err)
		}
		if bytes.Equal(old, []byte(text)) {
			continue
		}
		isStale = true
		fmt.Fprintf(out, "%s differs from what the settings give\n", file.path)
		if check {
			continue
		}
		//nolint:gosec // G306: a page for all to read.
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if check && isStale {
		return errors.New("run make generate")
	}
	return nil
}

// replaceBetween puts a text on the lines between two marks and keeps the rest.
func replaceBetween(page, begin, end, text string) (string, error) {
	before, rest, hasBegin := strings.Cut(page, begin+"\n")
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		return "", fmt.Errorf("there is no line %q, or no %q behind it", begin, end)
	}
	return before + begin + "\n" + text + end + after, nil
}
