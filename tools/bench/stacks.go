package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// prepare builds the sandbox and puts the command that notes its usage in front of the CLI.
func (b *bench) prepare(ctx context.Context) error {
	if b.pulumi != "" {
		return nil
	}
	sandbox := filepath.Join(b.root, "sandbox")
	//nolint:gosec // G204: our own folder.
	build := exec.CommandContext(ctx, "go", "-C", sandbox, "run", "./bootstrap", "build")
	if _, _, err := measure(build); err != nil {
		return err
	}
	found, err := b.findCLI()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Mkdir(b.path("bin"), 0o700); err != nil {
		return err
	}
	b.pulumi = b.path(filepath.Join("bin", "pulumi"+filepath.Ext(found)))
	return errors.Join(
		os.Symlink(self, b.pulumi),
		os.Setenv(realCLI, found),
		os.Setenv(usageLog, b.path("cli-")),
	)
}

// findCLI finds the CLI that the sandbox uses: it builds one where that on PATH is missing or old.
func (b *bench) findCLI() (string, error) {
	built := filepath.Join(b.root, ".sandbox", "bin", "pulumi")
	if found, err := exec.LookPath(built); err == nil {
		return found, nil
	}
	return exec.LookPath("pulumi")
}

// lab is a copy of what the sandbox needs of the repository, so that each measurement has a sandbox
// of its own.
type lab struct {
	b    *bench
	root string
}

func (b *bench) open(ctx context.Context, name string) (lab, error) {
	l := lab{b: b, root: b.path(name)}
	if err := b.prepare(ctx); err != nil {
		return l, err
	}
	client := filepath.Join("job", "vault_credentials")
	files := os.DirFS(filepath.Join(b.root, client))
	if err := os.CopyFS(filepath.Join(l.root, client), files); err != nil {
		return l, err
	}
	for _, part := range []string{"Pulumi.yaml", "Pulumi.dev.yaml"} {
		if err := l.copyFile(part, part); err != nil {
			return l, err
		}
	}
	return l, nil
}

// copyFile copies a file of the repository into the lab.
func (l lab) copyFile(from, to string) error {
	text, err := os.ReadFile(filepath.Join(l.b.root, filepath.FromSlash(from)))
	if err != nil {
		return err
	}
	file := filepath.Join(l.root, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// operation is a command of the sandbox and the CLI's command in it.
type operation struct {
	name string // as the tables say it
	run  string // the sandbox's command
	cli  string // the CLI's
	// changed is how many credentials have another value than before.
	changed int
}

var (
	create     = operation{name: "create", run: "up", cli: "up"}
	fromNought = operation{name: "preview from nothing", run: "preview", cli: "preview"}
	nothing    = operation{name: "nothing to do", run: "up", cli: "up"}
	refresh    = operation{name: "refresh", run: "refresh", cli: "refresh"}
	drift      = operation{name: "drift", run: "drift", cli: "preview"}
	oneChanged = operation{name: "one changed", run: "up", cli: "up", changed: 1}
	destroy    = operation{name: "destroy", run: "down", cli: "destroy"}
)

// do runs an operation and returns what the CLI took for it: its own CPU, and the wall time, in
// which the program, Vault, its plugin and the stand-in for ARM did their work in other processes.
func (l lab) do(ctx context.Context, stack string, o operation, count int) (usage, error) {
	file := filepath.Join(l.root, "credentials.json")
	if err := os.WriteFile(file, []byte(credentials(count, o.changed)), 0o600); err != nil {
		return usage{}, err
	}
	sandbox := filepath.Join(l.b.root, ".sandbox", "bin", "mlvault-sandbox")
	//nolint:gosec // G204: the sandbox that was just built.
	cmd := exec.CommandContext(ctx, sandbox, "-root", l.root, "-pulumi", l.b.pulumi,
		o.run, "-stack", stack, "-credentials", file)
	cmd.Dir = l.b.root
	if _, _, err := measure(cmd); err != nil {
		return usage{}, fmt.Errorf("%s of %d credentials: %w", o.name, count, err)
	}
	return l.b.lastOf(o.cli)
}

// empty is a stack whose program registers nothing, on the same CLI, kind of backend and secrets
// provider.
func (b *bench) empty(ctx context.Context) (auto.Stack, error) {
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: b.work}) // its bin/pulumi
	if err != nil {
		return auto.Stack{}, err
	}
	state := b.path("empty")
	if err := os.Mkdir(state, 0o700); err != nil {
		return auto.Stack{}, err
	}
	project := workspace.Project{
		Name:    tokens.PackageName("empty"),
		Runtime: workspace.NewProjectRuntimeInfo("go", nil),
		Backend: &workspace.ProjectBackend{URL: "file://" + filepath.ToSlash(state)},
	}
	program := func(*pulumi.Context) error { return nil }
	return auto.UpsertStackInlineSource(ctx, "dev", "empty", program,
		auto.Project(project),
		auto.Pulumi(command),
		auto.PulumiHome(b.path("home")),
		auto.SecretsProvider("passphrase"),
		auto.EnvVars(map[string]string{"PULUMI_CONFIG_PASSPHRASE": "bench"}))
}

// floor is a run of a program that registers nothing, beside the operation of the dev stack.
type floor struct {
	run       func() error
	operation operation
}

// runs measures commands that find nothing to change, against the same with a program that
// registers nothing.
func (b *bench) runs(ctx context.Context) (string, error) {
	l, err := b.open(ctx, "runs")
	if err != nil {
		return "", err
	}
	if _, err := l.do(ctx, "dev", create, 2); err != nil {
		return "", err
	}
	empty, err := b.empty(ctx)
	if err != nil {
		return "", err
	}
	up := func() error {
		_, err := empty.Up(ctx, optup.SuppressProgress())
		return err
	}
	preview := func() error {
		_, err := empty.Preview(ctx, optpreview.SuppressProgress())
		return err
	}
	if err := up(); err != nil {
		return "", err
	}
	var t table
	t.head("nothing to change", "CLI, CPU s", "ratio", "wall s", "ratio")
	var verdicts []string
	floors := []floor{{run: up, operation: nothing}, {run: preview, operation: fromNought}}
	for _, f := range floors {
		best, err := interleave(5,
			func() (usage, error) {
				if err := f.run(); err != nil {
					return usage{}, err
				}
				return b.lastOf(f.operation.cli)
			},
			func() (usage, error) { return l.do(ctx, "dev", f.operation, 2) })
		if err != nil {
			return "", err
		}
		name := f.operation.run
		for i, of := range []string{"empty program", "dev stack"} {
			t.row(name+", "+of,
				seconds(best[i].CPU), ratio(best[i].CPU, best[0].CPU),
				seconds(best[i].Wall), ratio(best[i].Wall, best[0].Wall))
		}
		verdicts = append(verdicts, name+" "+verdict(best[1].CPU, best[0].CPU, 1.3))
	}
	t.line("Target: at most 1.3 times the CPU (" + strings.Join(verdicts, "; ") + ").\n" +
		"Least of 5, in turns.")
	return t.String(), nil
}

// scale measures what each operation costs for N credentials, each size in a sandbox of its own.
func (b *bench) scale(ctx context.Context) (string, error) {
	operations := []operation{
		fromNought, create, nothing, refresh, drift, oneChanged, destroy,
	}
	var t table
	head := []string{"credentials"}
	for _, o := range operations {
		head = append(head, o.name)
	}
	t.head(append(head, "create: wall s", "peak MB")...)
	for _, count := range []int{1, 10, 100, 1000} {
		l, err := b.open(ctx, fmt.Sprintf("scale-%d", count))
		if err != nil {
			return "", err
		}
		row := []string{fmt.Sprint(count)}
		var created usage
		for _, o := range operations {
			taken, err := l.do(ctx, "dev", o, count)
			if err != nil {
				return "", err
			}
			if o == create {
				created = taken
			}
			row = append(row, seconds(taken.CPU))
		}
		t.row(append(row, seconds(created.Wall), megabytes(created.RSS))...)
	}
	t.line("CPU seconds of the CLI, one run each. Every run but `up` keeps no checkpoints, " +
		"as in `.ci`.")
	return t.String(), nil
}

// fleet measures what one more stack costs beside those that are there already.
func (b *bench) fleet(ctx context.Context) (string, error) {
	l, err := b.open(ctx, "fleet")
	if err != nil {
		return "", err
	}
	var t table
	t.head("stacks", "create of the last: CPU s", "wall s", "peak MB", "Vault plugin, peak MB",
		"nothing to do: CPU s",
		"states, MB", "Vault's storage, MB", "files in it")
	for number := 1; number <= 50; number++ {
		stack := fmt.Sprintf("team%02d", number)
		if err := l.copyFile("Pulumi.dev.yaml", "Pulumi."+stack+".yaml"); err != nil {
			return "", err
		}
		created, err := l.do(ctx, stack, create, 2)
		if err != nil {
			return "", err
		}
		if number != 1 && number != 10 && number != 25 && number != 50 {
			continue
		}
		unchanged, err := l.do(ctx, stack, nothing, 2)
		if err != nil {
			return "", err
		}
		states, _, err := sizeOf(filepath.Join(l.root, ".sandbox", "state"))
		if err != nil {
			return "", err
		}
		storage, files, err := sizeOf(filepath.Join(l.root, ".sandbox", "vault"))
		if err != nil {
			return "", err
		}
		t.row(fmt.Sprint(number),
			seconds(created.CPU), seconds(created.Wall), megabytes(created.RSS),
			peakMegabytes(created.Plugin),
			seconds(unchanged.CPU),
			megabytes(states), megabytes(storage), fmt.Sprint(files))
	}
	t.line("Two credentials a stack. States include history and backups of one or two runs.\n" +
		"CPU and peak are those of the CLI and what it starts, which the genuine Vault plugin is.")
	return t.String(), nil
}

// peakMegabytes is the plugin's peak, which is no process of its own where it is built in.
func peakMegabytes(bytes int64) string {
	if bytes == 0 {
		return "built in"
	}
	return megabytes(bytes)
}

// sizeOf adds up the files below a folder.
func sizeOf(folder string) (bytes int64, files int, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		bytes += info.Size()
		files++
		return nil
	})
	return bytes, files, err
}

// credentials makes n of them as JSON, each with one value of 32 characters. The first ones can
// have another value.
func credentials(n, changed int) string {
	all := make(map[string]map[string]string, n)
	for i := range n {
		value := i
		if i < changed {
			value += 1 << 20
		}
		name := fmt.Sprintf("credential-%04d", i)
		all[name] = map[string]string{"api_key": fmt.Sprintf("%032d", value)}
	}
	text, _ := json.Marshal(all) //nolint:errchkjson // Strings always encode.
	return string(text)
}
