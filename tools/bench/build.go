package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// floorProgram is the least that a Pulumi program in Go can be: it links the SDK and registers one component.
const floorProgram = `package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

type component struct{ pulumi.ResourceState }

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		return ctx.RegisterComponentResource("floor:index:Component", "floor", &component{})
	})
}
`

// build measures cold and warm builds of the floor and of the program.
func (b *bench) build(ctx context.Context) (string, error) {
	floor, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	graph := b.path("actions.json")
	programs := []struct {
		name string
		args []string
	}{
		{"floor: the Pulumi SDK and one component", []string{floor}},
		{"the program", []string{"-debug-actiongraph", graph, "."}},
	}
	runs := make([][]usage, len(programs))
	for range b.builds {
		for i, program := range programs {
			cache := b.path(fmt.Sprintf("cache-%d", i))
			if err := os.RemoveAll(cache); err != nil {
				return "", err
			}
			taken, err := b.goBuild(ctx, cache, b.path(fmt.Sprintf("program-%d", i)), program.args...)
			if err != nil {
				return "", err
			}
			runs[i] = append(runs[i], taken)
		}
	}
	base, ours := least(runs[0]), least(runs[1])
	var t table
	t.head("cold build, empty build cache", "CPU s", "ratio", "peak memory of a step, MB", "ratio", "wall s", "binary, MB")
	for i, p := range programs {
		info, err := os.Stat(b.path(fmt.Sprintf("program-%d", i)))
		if err != nil {
			return "", err
		}
		taken := least(runs[i])
		t.row(p.name, seconds(taken.CPU), ratio(taken.CPU, base.CPU), megabytes(taken.RSS), ratio(taken.RSS, base.RSS), seconds(taken.Wall), megabytes(info.Size()))
	}
	t.line(fmt.Sprintf("Target: at most 1.6 times the CPU (%s), at most 1.1 times the memory (%s).",
		verdict(ours.CPU, base.CPU, 1.6), verdict(ours.RSS, base.RSS, 1.1)))
	warm, err := b.warm(ctx, floor)
	if err != nil {
		return "", err
	}
	t.head("warm build after an edit", "CPU s", "ratio", "wall s")
	t.row("floor: its only file", seconds(warm[0].CPU), "1.00", seconds(warm[0].Wall))
	t.row("`internal/config/config.go`", seconds(warm[1].CPU), ratio(warm[1].CPU, warm[0].CPU), seconds(warm[1].Wall))
	expensive, err := dearest(graph, 8)
	if err != nil {
		return "", err
	}
	var steps []string
	for _, step := range expensive {
		_, name, _ := strings.Cut(step.Package, "/pulumi/")
		steps = append(steps, fmt.Sprintf("`%s` %s", name, seconds(step.cpu())))
	}
	t.line("Longest compile steps, CPU s: " + strings.Join(steps, ", ") + ".")
	return t.String(), nil
}

func (b *bench) writeFloor() (string, error) {
	file := b.path("floor/main.go")
	return file, errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(floorProgram), 0o600))
}

// goBuild builds in the root module with the flags of Pulumi's language host, and nothing of the user's own.
func (b *bench) goBuild(ctx context.Context, cache, output string, args ...string) (usage, error) {
	args = append([]string{"build", "-buildvcs=false", "-trimpath", "-ldflags=-w -s", "-o", output}, args...)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // G204: our own arguments.
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "GOCACHE="+cache, "GOFLAGS=", "GOWORK=off")
	taken, _, err := measure(cmd)
	return taken, err
}

// warm builds again after an edit, with the caches of the cold builds. The edit is an overlay: no file is touched.
func (b *bench) warm(ctx context.Context, floor string) ([]usage, error) {
	edits := 0
	edited := func(cache, file, target string) func() (usage, error) {
		return func() (usage, error) {
			edits++
			source, err := os.ReadFile(file)
			if err != nil {
				return usage{}, err
			}
			replacement, overlay := b.path(fmt.Sprintf("edit-%d.go", edits)), b.path("overlay.json")
			source = fmt.Appendf(source, "\nfunc edited%d() int { return %d }\n", edits, edits)
			instead, err := json.Marshal(map[string]any{"Replace": map[string]string{file: replacement}})
			if err := errors.Join(err, os.WriteFile(replacement, source, 0o600), os.WriteFile(overlay, instead, 0o600)); err != nil {
				return usage{}, err
			}
			return b.goBuild(ctx, b.path(cache), b.path("warm"), "-overlay", overlay, target)
		}
	}
	return interleave(4, edited("cache-0", floor, floor),
		edited("cache-1", filepath.Join(b.root, "internal", "config", "config.go"), "."))
}

// action is a step of a build in the file of -debug-actiongraph.
type action struct {
	Mode, Package   string
	CmdUser, CmdSys time.Duration
}

func (a action) cpu() time.Duration { return a.CmdUser + a.CmdSys }

// dearest returns the compile steps of Pulumi's packages that took most.
func dearest(graph string, n int) ([]action, error) {
	text, err := os.ReadFile(graph)
	if err != nil {
		return nil, err
	}
	var actions []action
	if err := json.Unmarshal(text, &actions); err != nil {
		return nil, err
	}
	actions = slices.DeleteFunc(actions, func(a action) bool {
		return !strings.Contains(a.Package, "/pulumi/") || a.Mode != "build" || a.cpu() == 0
	})
	slices.SortFunc(actions, func(a, b action) int { return cmp.Compare(b.cpu(), a.cpu()) })
	return actions[:min(n, len(actions))], nil
}
