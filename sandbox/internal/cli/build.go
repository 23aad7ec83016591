package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// longestLine bounds a line of the Go command.
const longestLine = 1 << 20

// Builder builds Go commands of the sandbox and tells how far it is.
type Builder struct {
	// Module is the folder of the sandbox's go.mod.
	Module string
	// Bin is the folder for the commands. It is created when missing.
	Bin string
	// Log gets the progress: one line that changes on a terminal, else a line now and then.
	Log *os.File
}

// Command is a Go command to build.
type Command struct {
	// What it is, for people.
	What string
	// Name of its file in Bin, without .exe.
	Name string
	// Folder of its module. Empty: the sandbox's.
	Folder string
	// Package as `go build` takes it in that folder.
	Package string
	// LDFlags are the linker's.
	LDFlags string
}

// Executable is the path of a command in Bin.
func (b Builder) Executable(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.Bin, name)
}

// Build compiles a command. The Go command decides what is stale, so to build again what is built
// costs a second or two and compiles nothing. The error has all that the Go command said.
func (b Builder) Build(ctx context.Context, c Command) error {
	if err := b.build(ctx, c); err != nil {
		return fmt.Errorf("build %s: %w", c.What, err)
	}
	return nil
}

func (b Builder) build(ctx context.Context, c Command) error {
	output := b.Executable(c.Name)
	folder := cmp.Or(c.Folder, b.Module)
	if err := os.MkdirAll(b.Bin, 0o750); err != nil {
		return err
	}
	p := progress{out: b.Log, what: c.What, started: time.Now()}
	if _, err := os.Stat(output); err != nil {
		p.total = countStale(ctx, folder, c.Package)
	}
	//nolint:gosec // G204: every argument is the program's own.
	cmd := exec.CommandContext(ctx,
		"go", "build", "-v", "-ldflags", c.LDFlags, "-o", output, c.Package)
	cmd.Dir = folder
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the go command: %w", err)
	}
	p.begin()
	said := follow(stderr, &p)
	p.end()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}

// follow reads what `go build -v` prints, counts the packages that are compiled, and returns the
// rest: what the compiler or the linker has to say.
func follow(stderr io.Reader, p *progress) string {
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		line := lines.Text()
		isPackage := !strings.ContainsAny(line, " :#")
		isDownload := strings.HasPrefix(line, "go: downloading ")
		switch {
		case isPackage:
			p.add()
		case !isDownload:
			said.WriteString(line + "\n")
		}
	}
	return said.String()
}

// countStale is how many packages a build would compile. It is 0 where that cannot be told: then
// the build itself says what is wrong.
func countStale(ctx context.Context, folder, pkg string) int {
	//nolint:gosec // G204: our own arguments.
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{if .Stale}}.{{end}}", pkg)
	cmd.Dir = folder
	out, _ := cmd.Output()
	return bytes.Count(out, []byte("."))
}

// withStderr adds to the error of a command what the command itself said: `exit status 1` alone
// helps nobody.
func withStderr(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(exit.Stderr) == 0 {
		return err
	}
	return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(exit.Stderr))
}
