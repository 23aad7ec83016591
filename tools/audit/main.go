// Command audit runs govulncheck on modules. It fails for each known vulnerability whose code a module reaches, unless
// exceptions.txt gives a reason. One of Go itself fails nothing: this repository does not choose which Go builds it.
//
//	go run ./audit -govulncheck golang.org/x/vuln/cmd/govulncheck@v1.9.0 .. ../preflight
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed exceptions.txt
var exceptions string

// finding is govulncheck's. A trace begins at the vulnerable symbol. It has no function if the code is not reached.
type finding struct {
	OSV          string `json:"osv"`
	FixedVersion string `json:"fixed_version"`
	Trace        []struct{ Module, Version, Package, Function string }
}

func main() {
	tool := flag.String("govulncheck", "", "package of govulncheck, with its version")
	database := flag.String("db", "https://vuln.go.dev", "the vulnerability database")
	flag.Parse()
	accepted, err := parse(exceptions)
	for _, dir := range flag.Args() {
		cmd := exec.CommandContext(context.Background(), "go", "run", *tool, "-C", dir, "-db", *database, "-format", "json", "./...") //nolint:gosec // G204,G702: what the Makefile names.
		cmd.Stderr = os.Stderr
		output, runErr := cmd.Output()
		err = errors.Join(err, runErr, judge(os.Stdout, name(dir), output, accepted))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

// name is a folder as exceptions.txt has it: relative to the repository, whose tools folder this runs in.
func name(dir string) string {
	if relative, err := filepath.Rel("..", dir); err == nil {
		dir = relative
	}
	return filepath.ToSlash(dir)
}

// parse returns the reasons by id and folder.
func parse(text string) (map[string]string, error) {
	accepted := map[string]string{}
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		dir, reason, _ := strings.Cut(rest, " ")
		if strings.HasPrefix(id, "GO-") && reason != "" {
			accepted[id+" "+dir] = reason
		} else if !strings.HasPrefix(id, "#") {
			return nil, fmt.Errorf("exceptions.txt: %q is not an id, a folder and a reason", line)
		}
	}
	return accepted, nil
}

// judge prints what govulncheck found in a module, and returns an error if any of it is neither accepted nor Go's own.
func judge(out io.Writer, dir string, output []byte, accepted map[string]string) error {
	reached := map[string]finding{}
	decoder := json.NewDecoder(bytes.NewReader(output))
	for first := true; ; first = false {
		var message struct{ Finding *finding }
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) && !first {
			break
		} else if err != nil {
			return fmt.Errorf("%s: output of govulncheck: %w", dir, err)
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			reached[f.OSV] = *f
		}
	}
	fmt.Fprintf(out, "%s: %d known vulnerabilities are reached\n", dir, len(reached))
	var refused []string
	for _, id := range slices.Sorted(maps.Keys(reached)) {
		at, verdict := reached[id].Trace[0], "not accepted"
		if reason, known := accepted[id+" "+dir]; known {
			verdict = "accepted: " + reason
		} else if at.Module == "stdlib" {
			verdict = "of Go itself: update Go"
		} else {
			refused = append(refused, id)
		}
		fmt.Fprintf(out, "  %s %s@%s, %s.%s, fixed in %q; %s\n", id, at.Module, at.Version, at.Package, at.Function, reached[id].FixedVersion, verdict)
	}
	if len(refused) == 0 {
		return nil
	}
	return fmt.Errorf("%s reaches %s: upgrade the module, or give a reason in tools/audit/exceptions.txt", dir, strings.Join(refused, ", "))
}
