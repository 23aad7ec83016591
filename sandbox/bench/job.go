package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed floor_job.py
var floorJob []byte

// job measures what a job pays for its credentials, against the same requests by raw HTTP in the same Python.
func (b *bench) job(ctx context.Context) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("the job is Python: %w", err)
	}
	floor := b.path("floor_job.py")
	if err := os.WriteFile(floor, floorJob, 0o600); err != nil {
		return "", err
	}
	client := filepath.Join(b.root, "job", "vault_credentials.py")
	var t table
	t.head("a job's read", "wall s", "ratio", "CPU s", "ratio", "requests to Vault")
	var verdicts []string
	for _, n := range []int{1, 10, 100} {
		if err := b.jobRows(ctx, n, python, floor, client, &t, &verdicts); err != nil {
			return "", err
		}
	}
	t.line("Target: at most 1.5 times, judged by CPU (" + strings.Join(verdicts, "; ") + "). Each is a whole process, the interpreter's start included. Least of 7, in turns.")
	return t.String(), nil
}

func (b *bench) jobRows(ctx context.Context, n int, python, floor, client string, t *table, verdicts *[]string) error {
	s, err := b.open(ctx, fmt.Sprintf("job-%d", n))
	if err != nil {
		return err
	}
	defer s.Close()
	stack, _, err := b.deploy(ctx, s, credentials(n, 0))
	if err != nil {
		return err
	}
	file, err := stack.WriteJobEnvironment(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	environment := []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
	for line := range strings.Lines(string(text)) {
		environment = append(environment, strings.ReplaceAll(strings.TrimSpace(line), "'", ""))
	}
	asked := map[string]map[string]int{}
	run := func(arguments ...string) func() (usage, error) {
		return func() (usage, error) {
			cmd := exec.CommandContext(ctx, python, arguments...) //nolint:gosec // G204: our own scripts.
			cmd.Env = environment
			s.Vault.ResetRequests()
			taken, output, err := measure(cmd)
			asked[arguments[0]] = s.Vault.Requests()
			if arguments[0] == client && strings.Count(string(output), "\n") != n {
				err = errors.Join(err, fmt.Errorf("the client did not read %d credentials", n))
			}
			return taken, err
		}
	}
	best, err := interleave(7, run("-c", "pass"), run(floor), run(client))
	if err != nil {
		return err
	}
	if n == 1 {
		t.row("interpreter's start alone", seconds(best[0].Wall), "", seconds(best[0].CPU), "", "0")
	}
	t.row(fmt.Sprintf("%d by raw HTTP", n), seconds(best[1].Wall), "", seconds(best[1].CPU), "", counted(asked[floor]))
	t.row(fmt.Sprintf("%d by `job/vault_credentials.py`", n), seconds(best[2].Wall), ratio(best[2].Wall, best[1].Wall), seconds(best[2].CPU), ratio(best[2].CPU, best[1].CPU), counted(asked[client]))
	*verdicts = append(*verdicts, fmt.Sprintf("%d: %s", n, verdict(best[2].CPU, best[1].CPU, 1.5)))
	return nil
}
