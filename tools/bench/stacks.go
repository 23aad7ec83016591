package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	build := exec.CommandContext(ctx, "go", "-C", filepath.Join(b.root, "sandbox"), "run", "./bootstrap", "build") //nolint:gosec // G204: our own folder.
	if _, _, err := measure(build); err != nil {
		return err
	}
	bin := filepath.Join(b.root, ".sandbox", "bin")
	// The sandbox builds a CLI where the one on PATH is missing or too old.
	found, err := exec.LookPath(filepath.Join(bin, "pulumi"))
	if err != nil {
		if found, err = exec.LookPath("pulumi"); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.pulumi = b.path(filepath.Join("bin", "pulumi"+filepath.Ext(found)))
	return errors.Join(os.Mkdir(b.path("bin"), 0o700), os.Symlink(self, b.pulumi),
		os.Setenv(realCLI, found), os.Setenv(usageLog, b.path("cli-")))
}

// lab is a copy of what the sandbox needs of the repository, so that each measurement has a sandbox of its own.
type lab struct {
	b    *bench
	root string
}

func (b *bench) open(ctx context.Context, name string) (lab, error) {
	l := lab{b, b.path(name)}
	err := b.prepare(ctx)
	client := filepath.Join("job", "vault_credentials")
	err = errors.Join(err, os.CopyFS(filepath.Join(l.root, client), os.DirFS(filepath.Join(b.root, client))))
	for _, part := range []string{"Pulumi.yaml", "Pulumi.dev.yaml"} {
		text, readErr := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(part)))
		copied := filepath.Join(l.root, filepath.FromSlash(part))
		err = errors.Join(err, readErr, os.MkdirAll(filepath.Dir(copied), 0o700), os.WriteFile(copied, text, 0o600))
	}
	return l, err
}

// command runs a command of the sandbox and returns what the CLI took for it: its own CPU, and the wall time, in which
// the program, Vault, its plugin and the stand-in for ARM did their work in other processes.
func (l lab) command(ctx context.Context, name, credentials string) (usage, error) {
	file := filepath.Join(l.root, "credentials.json")
	if err := os.WriteFile(file, []byte(credentials), 0o600); err != nil {
		return usage{}, err
	}
	//nolint:gosec // G204: the sandbox that was just built.
	cmd := exec.CommandContext(ctx, filepath.Join(l.b.root, ".sandbox", "bin", "mlvault-sandbox"),
		"-root", l.root, "-pulumi", l.b.pulumi, name, "-credentials", file)
	cmd.Dir = l.b.root
	if _, _, err := measure(cmd); err != nil {
		return usage{}, err
	}
	return l.b.lastOf(name)
}

// empty is a stack whose program registers nothing, on the same CLI, kind of backend and secrets provider.
func (b *bench) empty(ctx context.Context) (auto.Stack, error) {
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: b.work}) // its bin/pulumi
	if err != nil {
		return auto.Stack{}, err
	}
	return auto.UpsertStackInlineSource(ctx, "dev", "empty", func(*pulumi.Context) error { return nil },
		auto.Project(workspace.Project{
			Name: tokens.PackageName("empty"), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: "file://" + filepath.ToSlash(b.path("empty"))},
		}),
		auto.Pulumi(command), auto.PulumiHome(b.path("home")), auto.SecretsProvider("passphrase"),
		auto.EnvVars(map[string]string{"PULUMI_CONFIG_PASSPHRASE": "bench"}))
}

// runs measures commands that find nothing to change, against the same with a program that registers nothing.
func (b *bench) runs(ctx context.Context) (string, error) {
	l, err := b.open(ctx, "runs")
	if err != nil {
		return "", err
	}
	if _, err := l.command(ctx, "up", credentials(2, 0)); err != nil {
		return "", err
	}
	if err := os.Mkdir(b.path("empty"), 0o700); err != nil {
		return "", err
	}
	empty, err := b.empty(ctx)
	if err != nil {
		return "", err
	}
	floors := map[string]func() error{
		"up":      func() error { _, err := empty.Up(ctx, optup.SuppressProgress()); return err },
		"preview": func() error { _, err := empty.Preview(ctx, optpreview.SuppressProgress()); return err },
	}
	if err := floors["up"](); err != nil {
		return "", err
	}
	var t table
	t.head("nothing to change", "CLI, CPU s", "ratio", "wall s", "ratio")
	var verdicts []string
	for _, name := range []string{"up", "preview"} {
		best, err := interleave(5,
			func() (usage, error) {
				if err := floors[name](); err != nil {
					return usage{}, err
				}
				return b.lastOf(name)
			},
			func() (usage, error) { return l.command(ctx, name, credentials(2, 0)) })
		if err != nil {
			return "", err
		}
		for i, of := range []string{"empty program", "dev stack"} {
			t.row(name+", "+of, seconds(best[i].CPU), ratio(best[i].CPU, best[0].CPU), seconds(best[i].Wall), ratio(best[i].Wall, best[0].Wall))
		}
		verdicts = append(verdicts, name+" "+verdict(best[1].CPU, best[0].CPU, 1.3))
	}
	t.line("Target: at most 1.3 times the CPU (" + strings.Join(verdicts, "; ") + "). Least of 5, in turns.")
	return t.String(), nil
}

// scale measures N credentials, each size in a sandbox of its own.
func (b *bench) scale(ctx context.Context) (string, error) {
	var t table
	t.head("credentials", "up: wall s", "CLI CPU s", "CLI peak, MB", "up again: wall s", "CLI CPU s", "one changed: wall s", "CLI CPU s")
	for _, n := range []int{1, 10, 100, 1000} {
		l, err := b.open(ctx, fmt.Sprintf("scale-%d", n))
		if err != nil {
			return "", err
		}
		var taken [3]usage
		for i, changed := range []int{0, 0, 1} {
			if taken[i], err = l.command(ctx, "up", credentials(n, changed)); err != nil {
				return "", fmt.Errorf("%d credentials: %w", n, err)
			}
		}
		t.row(fmt.Sprint(n), seconds(taken[0].Wall), seconds(taken[0].CPU), megabytes(taken[0].RSS),
			seconds(taken[1].Wall), seconds(taken[1].CPU), seconds(taken[2].Wall), seconds(taken[2].CPU))
	}
	return t.String(), nil
}

// credentials makes n of them as JSON, each with one value of 32 characters. The first ones can have another value.
func credentials(n, changed int) string {
	all := make(map[string]map[string]string, n)
	for i := range n {
		value := i
		if i < changed {
			value += 1 << 20
		}
		all[fmt.Sprintf("credential-%04d", i)] = map[string]string{"api_key": fmt.Sprintf("%032d", value)}
	}
	text, _ := json.Marshal(all) //nolint:errchkjson // Strings always encode.
	return string(text)
}
