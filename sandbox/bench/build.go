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
	"regexp"
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

// build measures cold and warm builds of the floor, of the program and, where they can be had, of the program with the
// official modules in place of the derived slim ones.
func (b *bench) build(ctx context.Context) (string, error) {
	floor, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	official, err := b.officialModfile(ctx)
	if err != nil {
		return "", err
	}
	programs := []struct {
		name  string
		args  []string
		taken usage
		size  int64
	}{
		{name: "floor: the Pulumi SDK and one component", args: []string{floor}},
		{name: "the program", args: []string{"."}},
		{name: "the program on the official modules, but for the two that cannot be fetched everywhere", args: []string{"-modfile", official, "."}},
	}
	runs := make([][]usage, len(programs))
	graph := filepath.Join(b.work, "actions.json")
	for round := range b.builds {
		for i, program := range programs {
			if round > 0 && i == len(programs)-1 {
				break // the comparison is worth one run
			}
			cache, output := b.path(fmt.Sprintf("cache-%d", i)), b.path(fmt.Sprintf("program-%d", i))
			if err := os.RemoveAll(cache); err != nil {
				return "", err
			}
			args := program.args
			if i == 1 {
				args = append([]string{"-debug-actiongraph", graph}, args...)
			}
			taken, err := b.goBuild(ctx, cache, output, args...)
			if err != nil {
				return "", err
			}
			runs[i] = append(runs[i], taken)
			info, err := os.Stat(output)
			if err != nil {
				return "", err
			}
			programs[i].size = info.Size()
		}
	}
	for i := range programs {
		programs[i].taken = least(runs[i])
	}
	warm, err := b.warm(ctx, floor)
	if err != nil {
		return "", err
	}
	expensive, err := dearest(graph, 14)
	if err != nil {
		return "", err
	}

	base, ours := programs[0].taken, programs[1].taken
	var t table
	t.head("cold build, empty build cache", "CPU s", "ratio", "peak memory of a step, MB", "ratio", "wall s", "binary, MB")
	for _, p := range programs {
		t.row(p.name, seconds(p.taken.CPU), ratio(p.taken.CPU, base.CPU), megabytes(p.taken.RSS), ratio(p.taken.RSS, base.RSS), seconds(p.taken.Wall), megabytes(p.size))
	}
	t.line(fmt.Sprintf("Target: at most 1.25 times the CPU (%s), at most 1.1 times the memory (%s).",
		verdict(ours.CPU, base.CPU, 1.25), verdict(ours.RSS, base.RSS, 1.1)))
	t.head("warm build after an edit", "CPU s", "ratio", "wall s", "ratio")
	t.row("floor: its only file", seconds(warm[0].CPU), "", seconds(warm[0].Wall), "")
	t.row("`internal/config/config.go`", seconds(warm[1].CPU), ratio(warm[1].CPU, warm[0].CPU), seconds(warm[1].Wall), ratio(warm[1].Wall, warm[0].Wall))
	t.row("the same, linked with `-ldflags=-w`", seconds(warm[3].CPU), ratio(warm[3].CPU, warm[2].CPU), seconds(warm[3].Wall), ratio(warm[3].Wall, warm[2].Wall))
	t.line(fmt.Sprintf("Target: at most 1.2 times the CPU (%s). The last row's floor is linked the same way (%s s).",
		verdict(warm[1].CPU, warm[0].CPU, 1.2), seconds(warm[2].CPU)))
	t.head("what the program compiles beyond the floor, and the SDK's own package", "CPU s")
	for _, step := range expensive {
		t.row("`"+step.Package+"`"+step.mode(), seconds(step.cpu()))
	}
	return t.String(), nil
}

func (b *bench) path(name string) string { return filepath.Join(b.work, name) }

func (b *bench) writeFloor() (string, error) {
	file := b.path("floor/main.go")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(floorProgram), 0o600)
}

// goBuild builds in the root module with a build cache and nothing of the user's flags.
func (b *bench) goBuild(ctx context.Context, cache, output string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", output}, args...)...) //nolint:gosec // G204: our own arguments.
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "GOCACHE="+cache, "GOFLAGS=", "GOWORK=off")
	taken, _, err := measure(cmd)
	return taken, err
}

var derivedReplace = regexp.MustCompile(`(?m)^\t\S+ => \./sdks/(\w+)\n`)

// officialModfile is the root's go.mod without the replace lines of modules that a Go proxy serves, and fetches them.
func (b *bench) officialModfile(ctx context.Context) (string, error) {
	gomod, err := os.ReadFile(filepath.Join(b.root, "go.mod"))
	if err != nil {
		return "", err
	}
	gosum, err := os.ReadFile(filepath.Join(b.root, "go.sum"))
	if err != nil {
		return "", err
	}
	gomod = derivedReplace.ReplaceAllFunc(gomod, func(line []byte) []byte {
		if name := string(derivedReplace.FindSubmatch(line)[1]); name == "machinelearningservices" || name == "managedidentity" {
			return line
		}
		return nil
	})
	file := b.path("official.mod")
	if err := errors.Join(os.WriteFile(file, gomod, 0o600), os.WriteFile(b.path("official.sum"), gosum, 0o600)); err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-mod=mod", "-modfile", file, "-deps", ".") //nolint:gosec // G204: our own file.
	list.Dir = b.root
	if output, err := list.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch the official modules: %w\n%s", err, output)
	}
	return file, nil
}

// warm builds again after an edit, with the caches of the cold builds: the floor and the program, then both without
// DWARF. The edit is an overlay: no file of the repository is touched.
func (b *bench) warm(ctx context.Context, floor string) ([]usage, error) {
	edits := 0
	edited := func(cache, file string, args ...string) func() (usage, error) {
		return func() (usage, error) {
			edits++
			source, err := os.ReadFile(file)
			if err != nil {
				return usage{}, err
			}
			replacement, overlay := b.path(fmt.Sprintf("edit-%d.go", edits)), b.path("overlay.json")
			source = fmt.Appendf(source, "\nfunc edited%d() int { return %d }\n", edits, edits)
			instead, err := json.Marshal(map[string]any{"Replace": map[string]string{file: replacement}})
			if err != nil {
				return usage{}, err
			}
			if err := errors.Join(os.WriteFile(replacement, source, 0o600), os.WriteFile(overlay, instead, 0o600)); err != nil {
				return usage{}, err
			}
			return b.goBuild(ctx, b.path(cache), b.path("warm"), append([]string{"-overlay", overlay}, args...)...)
		}
	}
	ours := filepath.Join(b.root, "internal", "config", "config.go")
	best, err := interleave(4,
		edited("cache-0", floor, floor), edited("cache-1", ours, "."),
		edited("cache-0", floor, "-ldflags=-w", floor), edited("cache-1", ours, "-ldflags=-w", "."))
	return best, err
}

// action is a step of a build in the file of -debug-actiongraph.
type action struct {
	Mode, Package   string
	CmdUser, CmdSys time.Duration
}

func (a action) cpu() time.Duration { return a.CmdUser + a.CmdSys }

func (a action) mode() string {
	if a.Mode == "link" {
		return ", link"
	}
	return ""
}

// dearest returns the steps that took most, of packages that the floor does not have, and the SDK's own package.
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
		return !strings.HasPrefix(a.Package, "mlvault") && !strings.Contains(a.Package, "/pulumi-") && a.Package != "github.com/pulumi/pulumi/sdk/v3/go/pulumi" || a.cpu() == 0
	})
	slices.SortFunc(actions, func(a, b action) int { return cmp.Compare(b.cpu(), a.cpu()) })
	return actions[:min(n, len(actions))], nil
}
