package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine says on what and with what the page was measured.
func (b *bench) machine(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return "", err
	}
	commit, err := exec.CommandContext(ctx, "git", "-C", b.root, "rev-parse", "--short", "HEAD").Output() //nolint:gosec // G204: our own folder.
	if err != nil {
		commit = []byte("unknown")
	}
	var t table
	t.head("machine", "")
	t.row("measured", time.Now().UTC().Format(time.DateOnly)+", commit "+strings.TrimSpace(string(commit)))
	t.row("processor", fmt.Sprintf("%s, %d cores, %s/%s", fromProc("cpuinfo", "model name"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH))
	t.row("memory", fromProc("meminfo", "MemTotal"))
	t.row("load when it began (1, 5, 15 minutes)", fromProc("loadavg", ""))
	t.row("Go, Pulumi CLI", strings.TrimSpace(string(version))+", "+b.cli.Version+" "+b.cli.Source)
	return t.String(), nil
}

// fromProc returns the value of a name, or the first line, of a file of Linux; elsewhere that it is not told.
func fromProc(file, name string) string {
	text, err := os.ReadFile(filepath.Join("/proc", file))
	if err != nil {
		return "not told on " + runtime.GOOS
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name); found {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:"))
		}
	}
	return "unknown"
}

type goPackage struct {
	ImportPath  string
	Standard    bool
	Dir         string
	GoFiles     []string
	CgoFiles    []string
	Module      *struct{ Path string }
	sourceBytes int64
}

// size counts what the program and the sandbox are made of.
func (b *bench) size(ctx context.Context) (string, error) {
	floor, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	var t table
	t.head("made of", "packages", "of the standard library", "modules compiled", "modules in the graph", "Go source, MB")
	var sandboxPackages []goPackage
	for _, program := range []struct{ name, dir, target string }{
		{"floor", b.root, floor},
		{"the program", b.root, "."},
		{"the Pulumi CLI", filepath.Join(b.root, "sandbox"), "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
		{"the sandbox", filepath.Join(b.root, "sandbox"), "."},
	} {
		packages, err := dependencies(ctx, program.dir, program.target)
		if err != nil {
			return "", err
		}
		graph, err := modulesIn(ctx, program.dir)
		if err != nil {
			return "", err
		}
		compiled, standard, bytes := map[string]bool{}, 0, int64(0)
		for _, p := range packages {
			if p.Standard {
				standard++
			}
			if p.Module != nil {
				compiled[p.Module.Path] = true
			}
			bytes += p.sourceBytes
		}
		t.row(program.name, fmt.Sprint(len(packages)), fmt.Sprint(standard), fmt.Sprint(len(compiled)), fmt.Sprint(graph), megabytes(bytes))
		sandboxPackages = packages
	}
	t.head("largest modules of the sandbox", "packages", "Go source, MB")
	for _, module := range largest(sandboxPackages, 12) {
		t.row("`"+module.name+"`", fmt.Sprint(module.packages), megabytes(module.bytes))
	}
	return t.String(), nil
}

func dependencies(ctx context.Context, dir, target string) ([]goPackage, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Standard,Dir,GoFiles,CgoFiles,Module", target) //nolint:gosec // G204: our own arguments.
	cmd.Dir = dir
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -deps %s: %w", target, err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		for _, file := range slices.Concat(p.GoFiles, p.CgoFiles) {
			if info, err := os.Stat(filepath.Join(p.Dir, file)); err == nil {
				p.sourceBytes += info.Size()
			}
		}
		packages = append(packages, p)
	}
}

func modulesIn(ctx context.Context, dir string) (int, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "all")
	cmd.Dir = dir
	output, err := cmd.Output()
	return strings.Count(string(output), "\n"), err
}

type moduleSize struct {
	name     string
	packages int
	bytes    int64
}

func largest(packages []goPackage, n int) []moduleSize {
	sizes := map[string]moduleSize{}
	for _, p := range packages {
		if p.Module == nil {
			continue
		}
		size := sizes[p.Module.Path]
		sizes[p.Module.Path] = moduleSize{name: p.Module.Path, packages: size.packages + 1, bytes: size.bytes + p.sourceBytes}
	}
	list := slices.SortedFunc(maps.Values(sizes), func(a, b moduleSize) int { return cmp.Compare(b.bytes, a.bytes) })
	return list[:min(n, len(list))]
}
