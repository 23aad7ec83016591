package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

type goPackage struct {
	ImportPath, Dir string
	Standard        bool
	GoFiles         []string
	Module          *struct{ Path string }
}

// size counts what each command is made of.
func (b *bench) size(ctx context.Context) (string, error) {
	floor, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	var t table
	t.head("made of", "packages", "of the standard library", "modules", "Go source, MB")
	for _, program := range []struct{ name, dir, target string }{
		{"floor", ".", floor},
		{"the program", ".", "."},
		{"preflight", "preflight", "."},
		{"the sandbox", "sandbox", "."},
		{"the sandbox's own Vault server", "sandbox/vaultd", "."},
		{"the Pulumi CLI", "sandbox", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
	} {
		packages, err := dependencies(ctx, filepath.Join(b.root, program.dir), program.target)
		if err != nil {
			return "", err
		}
		modules, standard, bytes := map[string]bool{}, 0, int64(0)
		for _, p := range packages {
			if p.Standard {
				standard++
			}
			if p.Module != nil {
				modules[p.Module.Path] = true
			}
			for _, file := range p.GoFiles {
				if info, err := os.Stat(filepath.Join(p.Dir, file)); err == nil {
					bytes += info.Size()
				}
			}
		}
		t.row(program.name, fmt.Sprint(len(packages)), fmt.Sprint(standard), fmt.Sprint(len(modules)), megabytes(bytes))
	}
	return t.String(), nil
}

func dependencies(ctx context.Context, dir, target string) ([]goPackage, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Standard,Dir,GoFiles,Module", target) //nolint:gosec // G204: our own arguments.
	cmd.Dir = dir
	_, output, err := measure(cmd)
	if err != nil {
		return nil, err
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}
