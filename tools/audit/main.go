// Command audit runs govulncheck on modules and fails for each known vulnerability whose code a module reaches, unless
// exceptions.txt gives a reason.
//
//	go run ./audit -govulncheck golang.org/x/vuln/cmd/govulncheck@v1.9.0 -db https://vuln.go.dev ../ ../preflight
//
// A vulnerability of Go itself is printed and fails nothing: which Go builds the program is not up to this repository.
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

// exceptions has a line for each: the id, the module's folder, and the reason.
//
//go:embed exceptions.txt
var exceptions string

// finding is govulncheck's. A trace begins at the vulnerable symbol and ends in the module that is scanned.
type finding struct {
	OSV          string `json:"osv"`
	FixedVersion string `json:"fixed_version"`
	Trace        []struct{ Module, Version, Package, Function, Receiver string }
}

func main() {
	tool := flag.String("govulncheck", "", "package of govulncheck, with its version")
	database := flag.String("db", "https://vuln.go.dev", "the vulnerability database")
	flag.Parse()
	accepted, err := parse(exceptions)
	failed := false
	for _, dir := range flag.Args() {
		if err != nil {
			break
		}
		cmd := exec.CommandContext(context.Background(), "go", "run", *tool, "-C", dir, "-db", *database, "-format", "json", "./...") //nolint:gosec // G204,G702: what the Makefile names.
		cmd.Stderr = os.Stderr
		var output []byte
		if output, err = cmd.Output(); err == nil {
			var bad bool
			bad, err = judge(os.Stdout, name(dir), output, accepted)
			failed = failed || bad
		}
	}
	if err == nil && failed {
		err = errors.New("known vulnerabilities are reached: upgrade the module, or give a reason in tools/audit/exceptions.txt")
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
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		words := strings.SplitN(line, " ", 3)
		if len(words) < 3 || !strings.HasPrefix(words[0], "GO-") {
			return nil, fmt.Errorf("exceptions.txt: %q is not an id, a folder and a reason", line)
		}
		accepted[words[0]+" "+words[1]] = words[2]
	}
	return accepted, nil
}

// judge prints what govulncheck found in a module and says whether any of it is neither accepted nor Go's own.
func judge(out io.Writer, dir string, output []byte, accepted map[string]string) (failed bool, err error) {
	reached := map[string]finding{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var message struct{ Finding *finding }
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return false, fmt.Errorf("%s: output of govulncheck: %w", dir, err)
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			reached[f.OSV] = *f
		}
	}
	if len(output) == 0 {
		return false, fmt.Errorf("%s: govulncheck said nothing", dir)
	}
	fmt.Fprintf(out, "%s: %d known vulnerabilities are reached\n", dir, len(reached))
	for _, id := range slices.Sorted(maps.Keys(reached)) {
		f := reached[id]
		at, verdict := f.Trace[0], ""
		reason, known := accepted[id+" "+dir]
		switch {
		case at.Module == "stdlib":
			verdict = "of Go itself: update Go"
		case known:
			verdict = "accepted: " + reason
		default:
			verdict, failed = "NOT ACCEPTED", true
		}
		fixed := f.FixedVersion
		if fixed == "" {
			fixed = "no version"
		}
		fmt.Fprintf(out, "  %s %s@%s, %s.%s, fixed in %s; %s\n", id, at.Module, at.Version, at.Package, at.Function, fixed, verdict)
	}
	return failed, nil
}
