package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// floorProgram is the least that a Pulumi program in Go can be: it links the SDK and registers one
// component.
const floorProgram = `package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

type component struct{ pulumi.ResourceState }

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		return ctx.RegisterComponentResource("floor:index:Component", "floor", &component{})
	})
}
`

// build measures cold builds of the floor and of the program.
func (b *bench) build(ctx context.Context) (string, error) {
	floor, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	best, err := interleave(2,
		b.coldBuild(ctx, "floor-program", floor),
		b.coldBuild(ctx, "program", "."))
	if err != nil {
		return "", err
	}
	var t table
	t.head("cold build, empty build cache", "CPU s", "ratio",
		"peak memory of a step, MB", "ratio", "wall s")
	for i, name := range []string{"floor: the Pulumi SDK and one component", "the program"} {
		t.row(name,
			seconds(best[i].CPU), ratio(best[i].CPU, best[0].CPU),
			megabytes(best[i].RSS), ratio(best[i].RSS, best[0].RSS),
			seconds(best[i].Wall))
	}
	t.line(fmt.Sprintf("Target: at most 1.6 times the CPU (%s), at most 1.1 times the memory (%s).",
		verdict(best[1].CPU, best[0].CPU, 1.6), verdict(best[1].RSS, best[0].RSS, 1.1)))
	return t.String(), nil
}

func (b *bench) writeFloor() (string, error) {
	file := b.path("floor/main.go")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(floorProgram), 0o600)
}

// coldBuild builds in the root module with an empty cache, the flags of Pulumi's language host, and
// nothing of the user's own.
func (b *bench) coldBuild(ctx context.Context, name, target string) func() (usage, error) {
	return func() (usage, error) {
		cache := b.path(name + "-cache")
		if err := os.RemoveAll(cache); err != nil {
			return usage{}, err
		}
		//nolint:gosec // G204: our own arguments.
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath",
			"-ldflags=-w -s", "-o", b.path(name), target)
		cmd.Dir = b.root
		cmd.Env = append(os.Environ(), "GOCACHE="+cache, "GOFLAGS=", "GOWORK=off")
		taken, _, err := measure(cmd)
		return taken, err
	}
}
