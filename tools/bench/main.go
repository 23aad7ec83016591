// Command bench measures the program against floors in the same run, and writes the tables of docs/benchmarks.md.
// `make bench` runs it. No test asserts a time.
//
//	go run ./bench [-sizes 1,10,100,1000] [-builds 2] [-only build,job]     in the tools folder
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

type bench struct {
	root   string // the repository
	work   string // a folder of this run
	pulumi string // the Pulumi CLI
	builds int
	note   string // below each table: when and on how busy a machine it was measured
	sizes  []int
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

func run(ctx context.Context, args []string) (err error) {
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := flags.String("sizes", "1,10,100,1000", "numbers of credentials; the largest takes most of the time")
	only := flags.String("only", "", "sections to run, comma separated; the others keep their tables")
	flags.IntVar(&b.builds, "builds", 2, "how often each cold build runs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for word := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return fmt.Errorf("-sizes: %q is not a number of credentials", word)
		}
		b.sizes = append(b.sizes, n)
	}
	if b.root, err = filepath.Abs(".."); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp("", "mlvault-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	load, _, _ := strings.Cut(fromProc("loadavg", ""), " ")
	b.note = fmt.Sprintf("Measured %s at commit %s, %s, on %d cores of %s with a load of %s.", time.Now().UTC().Format(time.DateOnly),
		b.said(ctx, "git", "rev-parse", "--short", "HEAD"), b.said(ctx, "go", "env", "GOVERSION"), runtime.NumCPU(), fromProc("cpuinfo", "model name"), load)
	for _, section := range b.sections() {
		if *only != "" && !strings.Contains(","+*only+",", ","+section.name+",") {
			continue
		}
		started := time.Now()
		table, err := section.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
		table += "\n" + b.note + "\n"
		fmt.Fprintf(os.Stdout, "\n%s\n%s took %.0f s\n", table, section.name, time.Since(started).Seconds())
		// After each section, so that an interrupted run keeps what it has measured.
		if err := replaceSection(filepath.Join(b.root, "docs", "benchmarks.md"), section.name, table); err != nil {
			return err
		}
	}
	return nil
}

type section struct {
	name    string // of its marks in the page
	measure func(context.Context) (string, error)
}

func (b *bench) sections() []section {
	return []section{
		{"build", b.build}, {"runs", b.runs}, {"scale", b.scale}, {"job", b.job},
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.work, name) }

// replaceSection puts a text between the two marks of a section and keeps the rest of the page.
func replaceSection(page, name, text string) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- measured: "+name+" -->", "<!-- end: "+name+" -->"
	before, rest, found := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s lacks the line %s or %s", page, begin, end)
	}
	//nolint:gosec // A page of the docs, for all to read.
	return os.WriteFile(page, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n"+end+after), 0o644)
}

// said is the first line that a command prints in the repository.
func (b *bench) said(ctx context.Context, name string, args ...string) string {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // G204: our own arguments.
	cmd.Dir = b.root
	output, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return line
}

// fromProc returns the value of a name, or the first line, of a file that Linux has.
func fromProc(file, name string) string {
	text, err := os.ReadFile(filepath.Join("/proc", file))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name); found {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:"))
		}
	}
	return "unknown"
}
