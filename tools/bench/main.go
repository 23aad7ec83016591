// Command bench measures the program against floors in the same run, and writes the tables of
// docs/benchmarks.md and docs/fleet.md. `make bench` runs it. No test asserts a time.
//
//	go run ./bench [build job]     in the tools folder
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type bench struct {
	root   string // the repository
	work   string // a folder of this run
	pulumi string // the Pulumi CLI
}

func main() {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "pulumi") {
		os.Exit(wrapCLI(os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the sections of the page that are named, or all. The others keep their tables.
func run(ctx context.Context, only []string) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mlvault-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	b := &bench{root: root, work: work}
	for _, section := range sections {
		if len(only) > 0 && !slices.Contains(only, section.name) {
			continue
		}
		started := time.Now()
		table, err := section.measure(b, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
		table += note()
		took := time.Since(started).Seconds()
		fmt.Fprintf(os.Stdout, "\n%s\n%s took %.0f s\n", table, section.name, took)
		// After each section, so that an interrupted run keeps what it has measured.
		page := filepath.Join(b.root, "docs", section.page)
		if err := replaceSection(page, section.name, table); err != nil {
			return err
		}
	}
	return nil
}

// section is a table by the name of its marks in a page.
type section struct {
	name    string
	page    string
	measure func(*bench, context.Context) (string, error)
}

var sections = []section{
	{name: "build", page: "benchmarks.md", measure: (*bench).build},
	{name: "runs", page: "benchmarks.md", measure: (*bench).runs},
	{name: "scale", page: "benchmarks.md", measure: (*bench).scale},
	{name: "job", page: "benchmarks.md", measure: (*bench).job},
	{name: "fleet", page: "fleet.md", measure: (*bench).fleet},
}

func (b *bench) path(name string) string { return filepath.Join(b.work, name) }

// replaceSection puts a text between the two marks of a section and keeps the rest of the page.
func replaceSection(page, name, text string) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin := "<!-- measured: " + name + " -->"
	end := "<!-- end: " + name + " -->"
	before, rest, found := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s lacks the line %s or %s", page, begin, end)
	}
	changed := before + begin + "\n" + strings.TrimSpace(text) + "\n" + end + after
	//nolint:gosec // A page of the docs, for all to read.
	return os.WriteFile(page, []byte(changed), 0o644)
}

// note says when, and on how busy a machine, a table was measured.
func note() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown") // only Linux has the file
	}
	now, _, _ := strings.Cut(string(load), " ")
	today := time.Now().UTC().Format(time.DateOnly)
	return fmt.Sprintf("\nMeasured %s, %s, on %d cores with a load of %s.\n",
		today, runtime.Version(), runtime.NumCPU(), now)
}
