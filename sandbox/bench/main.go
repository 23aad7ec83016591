// Command bench measures the program against floors that it measures beside it, and writes the tables into
// docs/benchmarks.md. `make bench` runs it; nothing in it is asserted by a test.
//
//	go run ./bench [-sizes 1,10,100,1000] [-builds 2]     in the sandbox folder
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mlvault/sandbox/internal/cli"
)

type bench struct {
	root   string // the repository
	work   string // a folder of this run
	cli    cli.CLI
	log    string // of the wrapped CLI
	sizes  []int
	builds int
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
	only := flags.String("only", "", "sections to run, comma separated; the others stay as they are in the page")
	flags.IntVar(&b.builds, "builds", 2, "how often each cold build is run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.sizes, err = numbers(*sizes); err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()

	page := filepath.Join(b.root, "docs", "benchmarks.md")
	for _, section := range b.sections() {
		if *only != "" && !strings.Contains(","+*only+",", ","+section.name+",") {
			continue
		}
		started := time.Now()
		fmt.Fprintf(os.Stderr, "bench: %s ...\n", section.name)
		table, err := section.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
		fmt.Fprintf(os.Stdout, "\n%s\n", table)
		// Written section by section: an interrupted run has not been for nothing.
		if err := replaceSection(page, section.name, table); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "bench: %s took %.0f s\n", section.name, time.Since(started).Seconds())
	}
	return nil
}

type section struct {
	name    string // of its marks in the page
	measure func(context.Context) (string, error)
}

func (b *bench) sections() []section {
	return []section{
		{"machine", b.machine}, {"build", b.build}, {"start", b.start}, {"runs", b.runs}, {"scale", b.scale}, {"settings", b.settings}, {"job", b.job}, {"size", b.size},
	}
}

func numbers(text string) ([]int, error) {
	var list []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-sizes: %q is not a number of credentials", word)
		}
		list = append(list, n)
	}
	return list, nil
}

// prepare finds the CLI, building it if need be, and puts the one that notes its usage in front of it.
func (b *bench) prepare(ctx context.Context) error {
	module, err := os.Getwd()
	if err != nil {
		return err
	}
	b.root = filepath.Dir(module)
	builder := cli.Builder{Module: module, Bin: filepath.Join(b.root, ".sandbox", "bin"), Log: os.Stderr}
	if b.cli, err = builder.Find(ctx); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp("", "mlvault-bench-"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(b.work, "bin"), 0o700); err != nil {
		return err
	}
	if err := os.Symlink(self, b.wrapper()); err != nil {
		return err
	}
	b.log = filepath.Join(b.work, "cli.log")
	return errors.Join(os.Setenv(realCLI, b.cli.Path), os.Setenv(usageLog, b.log))
}

func (b *bench) wrapper() string {
	return filepath.Join(b.work, "bin", "pulumi"+filepath.Ext(b.cli.Path))
}

// replaceSection puts a text between the two marks of a section, and keeps everything else of the page.
func replaceSection(page, name, text string) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- measured: "+name+" -->", "<!-- end: "+name+" -->"
	before, rest, found := strings.Cut(string(content), begin)
	if !found {
		return fmt.Errorf("%s has no line %s", page, begin)
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return fmt.Errorf("%s has no line %s", page, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n"+end+after), 0o644) //nolint:gosec // A page of the docs.
}
