package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"mlvault/sandbox/internal/sandbox"
)

func (b *bench) open(ctx context.Context, name string) (*sandbox.Sandbox, error) {
	return sandbox.Open(ctx, sandbox.Options{Root: b.root, Dir: b.path(name), Pulumi: b.wrapper()})
}

// deploy configures the dev stack with some credentials and ups it.
func (b *bench) deploy(ctx context.Context, s *sandbox.Sandbox, credentials string) (*sandbox.Stack, usage, error) {
	configured, err := s.Configure(ctx, sandbox.Settings{Stack: "dev", Credentials: credentials})
	if err != nil {
		return nil, usage{}, err
	}
	taken, err := b.command(ctx, "up", configured.Stack)
	return configured, taken, err
}

// command runs up, preview or refresh and returns what the CLI took for it: its own CPU, and the wall time, in which the
// program, Vault, its plugin and the stand-in for ARM did their work in this process.
func (b *bench) command(ctx context.Context, name string, stack auto.Stack) (usage, error) {
	var err error
	switch name {
	case "up":
		_, err = stack.Up(ctx, optup.SuppressProgress(), optup.SuppressOutputs())
	case "preview":
		_, err = stack.Preview(ctx, optpreview.SuppressProgress(), optpreview.SuppressOutputs())
	case "refresh":
		_, err = stack.Refresh(ctx, optrefresh.SuppressProgress(), optrefresh.SuppressOutputs())
	}
	if err != nil {
		return usage{}, err
	}
	return b.lastOf(name)
}

// runs measures commands that find nothing to change, against the same with a program that registers nothing.
func (b *bench) runs(ctx context.Context) (string, error) {
	s, err := b.open(ctx, "runs")
	if err != nil {
		return "", err
	}
	defer s.Close()
	sample, err := os.ReadFile(filepath.Join(b.root, "sandbox", "sample-credentials.json"))
	if err != nil {
		return "", err
	}
	dev, _, err := b.deploy(ctx, s, string(sample))
	if err != nil {
		return "", err
	}
	empty, err := s.Empty(ctx)
	if err != nil {
		return "", err
	}
	if _, err := b.command(ctx, "up", empty); err != nil {
		return "", err
	}
	info, err := dev.Info(ctx)
	if err != nil {
		return "", err
	}
	var t table
	t.head("nothing to change", "CLI, CPU s", "ratio", "wall s", "ratio", "requests to Vault", "requests to ARM")
	var verdicts []string
	for _, name := range []string{"up", "preview", "refresh"} {
		var asked, askedARM map[string]int
		best, err := interleave(5,
			func() (usage, error) { return b.command(ctx, name, empty) },
			func() (usage, error) {
				s.Vault.ResetRequests()
				before := s.ARM.Requests()
				taken, err := b.command(ctx, name, dev.Stack)
				asked, askedARM = s.Vault.Requests(), difference(s.ARM.Requests(), before)
				return taken, err
			})
		if err != nil {
			return "", err
		}
		t.row(name+", empty program", seconds(best[0].CPU), "", seconds(best[0].Wall), "", "0", "0")
		t.row(name+", dev stack", seconds(best[1].CPU), ratio(best[1].CPU, best[0].CPU), seconds(best[1].Wall), ratio(best[1].Wall, best[0].Wall), counted(asked), counted(askedARM))
		verdicts = append(verdicts, fmt.Sprintf("%s %s", name, verdict(best[1].CPU, best[0].CPU, 1.3)))
	}
	t.line(fmt.Sprintf("Target: at most 1.3 times, judged by CPU (%s). %d resources. Vault plugin: %s. Least of 5, in turns.", strings.Join(verdicts, "; "), *info.ResourceCount, plugin(s)))
	return t.String(), nil
}

func plugin(s *sandbox.Sandbox) string {
	if strings.HasPrefix(s.Plugin, "built in") {
		return "the sandbox's own, which makes the genuine plugin's requests"
	}
	return "the genuine one"
}

func difference(after, before map[string]int) map[string]int {
	counts := map[string]int{}
	for method, n := range after {
		if n -= before[method]; n != 0 {
			counts[method] = n
		}
	}
	return counts
}

func counted(requests map[string]int) string {
	total, parts := 0, []string{}
	for _, class := range slices.Sorted(maps.Keys(requests)) {
		total += requests[class]
		parts = append(parts, fmt.Sprintf("%d `%s`", requests[class], class))
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

// scale measures N credentials, each size in a sandbox of its own, against the same writes straight to its Vault.
func (b *bench) scale(ctx context.Context) (string, error) {
	var t table
	t.head("credentials", "up: wall s", "CLI CPU s", "CLI CPU ms each", "CLI peak, MB", "N writes with 16 workers, s", "up again: wall s", "CLI CPU s", "one changed: wall s", "CLI CPU s", "state, MB")
	for _, n := range b.sizes {
		if err := b.scaleRow(ctx, n, &t); err != nil {
			return "", fmt.Errorf("%d credentials: %w", n, err)
		}
	}
	return t.String(), nil
}

// settings measures what the environment of the CLI changes for many credentials.
func (b *bench) settings(ctx context.Context) (string, error) {
	const n = 200
	var t table
	t.head(fmt.Sprintf("up of %d credentials with", n), "CLI CPU s", "ratio", "wall s", "CLI peak, MB", "state, MB")
	var base usage
	for i, environment := range []string{"", "GOGC=400", "PULUMI_DIY_BACKEND_ZSTD=true", "GOGC=400 PULUMI_DIY_BACKEND_ZSTD=true"} {
		taken, state, err := b.upWith(ctx, fmt.Sprintf("settings-%d", i), environment, n)
		if err != nil {
			return "", fmt.Errorf("%s: %w", environment, err)
		}
		if i == 0 {
			base, environment = taken, "none"
		}
		t.row("`"+environment+"`", seconds(taken.CPU), ratio(taken.CPU, base.CPU), seconds(taken.Wall), megabytes(taken.RSS), megabytes(state))
	}
	return t.String(), nil
}

func (b *bench) upWith(ctx context.Context, name, environment string, n int) (taken usage, state int64, err error) {
	for setting := range strings.FieldsSeq(environment) {
		key, value, _ := strings.Cut(setting, "=")
		if err := os.Setenv(key, value); err != nil {
			return usage{}, 0, err
		}
		defer func() { err = errors.Join(err, os.Unsetenv(key)) }()
	}
	s, err := b.open(ctx, name)
	if err != nil {
		return usage{}, 0, err
	}
	defer s.Close()
	if _, taken, err = b.deploy(ctx, s, credentials(n, 0)); err != nil {
		return usage{}, 0, err
	}
	state, err = b.stateSize(name)
	return taken, state, err
}

// stateSize is that of the dev stack's checkpoint in a sandbox.
func (b *bench) stateSize(name string) (int64, error) {
	for _, suffix := range []string{".json", ".json.zst", ".json.gz"} {
		info, err := os.Stat(filepath.Join(b.path(name), "state", ".pulumi", "stacks", "mlvault", "dev"+suffix))
		if err == nil {
			return info.Size(), nil
		}
	}
	return 0, errors.New("the stack has no checkpoint file")
}

func (b *bench) scaleRow(ctx context.Context, n int, t *table) error {
	name := fmt.Sprintf("scale-%d", n)
	s, err := b.open(ctx, name)
	if err != nil {
		return err
	}
	defer s.Close()
	_, created, err := b.deploy(ctx, s, credentials(n, 0))
	if err != nil {
		return err
	}
	floor, err := writeDirectly(ctx, s.Vault.Root(), n)
	if err != nil {
		return err
	}
	_, again, err := b.deploy(ctx, s, credentials(n, 0))
	if err != nil {
		return err
	}
	_, changed, err := b.deploy(ctx, s, credentials(n, 1))
	if err != nil {
		return err
	}
	state, err := b.stateSize(name)
	if err != nil {
		return err
	}
	t.row(fmt.Sprint(n), seconds(created.Wall), seconds(created.CPU), fmt.Sprintf("%.0f", created.CPU.Seconds()*1000/float64(n)), megabytes(created.RSS), seconds(floor),
		seconds(again.Wall), seconds(again.CPU), seconds(changed.Wall), seconds(changed.CPU), megabytes(state))
	return nil
}

// writeDirectly is the floor: as many KV v2 writes of the same size to the same Vault, by its own client.
func writeDirectly(ctx context.Context, client *api.Client, n int) (time.Duration, error) {
	const workers = 16
	work, failed := make(chan int), make(chan error, workers)
	started := time.Now()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			var err error
			for i := range work {
				if err != nil {
					continue
				}
				_, err = client.KVv2("secret").Put(ctx, fmt.Sprintf("floor/credential-%04d", i), map[string]any{"api_key": fmt.Sprintf("%032d", i)})
			}
			failed <- err
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
	taken := time.Since(started)
	close(failed)
	for err := range failed {
		if err != nil {
			return 0, err
		}
	}
	return taken, nil
}
