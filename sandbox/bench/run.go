package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// usage is what a process and those that it waited for took. CPU is user and system time together: on a machine that
// has other work it stays comparable, which the wall clock does not.
type usage struct {
	Wall, CPU time.Duration
	RSS       int64 // bytes, of the largest of the processes; 0 where the system does not tell
}

// measure runs a command and returns what it took. The error holds what the command printed.
func measure(cmd *exec.Cmd) (usage, []byte, error) {
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	started := time.Now()
	err := cmd.Run()
	taken := usage{Wall: time.Since(started)}
	if cmd.ProcessState != nil {
		taken.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		taken.RSS = peakRSS(cmd.ProcessState)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said.String())
	}
	return taken, []byte(out.String()), err
}

// least takes the best of each from runs of the same thing: what disturbs a run only ever adds to it.
func least(runs []usage) usage {
	best := runs[0]
	for _, run := range runs[1:] {
		best.Wall, best.CPU, best.RSS = min(best.Wall, run.Wall), min(best.CPU, run.CPU), min(best.RSS, run.RSS)
	}
	return best
}

// interleave runs each of some measurements n times in turns, so that what else the machine does meets them alike.
func interleave(n int, measurements ...func() (usage, error)) ([]usage, error) {
	runs := make([][]usage, len(measurements))
	for range n {
		for i, measurement := range measurements {
			taken, err := measurement()
			if err != nil {
				return nil, err
			}
			runs[i] = append(runs[i], taken)
		}
	}
	best := make([]usage, len(measurements))
	for i := range runs {
		best[i] = least(runs[i])
	}
	return best, nil
}

// The Automation API takes a Pulumi command and runs several of its commands for one up. To measure the up alone, this
// program is that command: under the name pulumi it runs the real one and notes what it took.
const (
	realCLI  = "MLVAULT_BENCH_CLI"
	usageLog = "MLVAULT_BENCH_LOG"
	profile  = "MLVAULT_BENCH_PROFILE" // set by hand: each up writes PREFIX.<pid>.cpu and so on, for go tool pprof
)

type logged struct {
	Command string
	Usage   usage
}

func wrapCLI(args []string) int {
	if prefix := os.Getenv(profile); prefix != "" && firstWord(args) == "up" {
		args = append(args, "--profiling", prefix)
	}
	cmd := exec.CommandContext(context.Background(), os.Getenv(realCLI), args...) //nolint:gosec // G204,G702: the CLI that bench found.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	line, err := json.Marshal(logged{Command: firstWord(args), Usage: usage{
		Wall: time.Since(started), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), RSS: peakRSS(cmd.ProcessState),
	}})
	if err == nil {
		err = appendLine(os.Getenv(usageLog), line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func firstWord(args []string) string {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			return arg
		}
	}
	return ""
}

func appendLine(path string, line []byte) (err error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // G703: bench's own.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.Write(append(line, '\n'))
	return err
}

// lastOf returns what the newest run of a CLI command took.
func (b *bench) lastOf(command string) (usage, error) {
	text, err := os.ReadFile(b.log)
	if err != nil {
		return usage{}, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		var entry logged
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return usage{}, err
		}
		if entry.Command == command {
			return entry.Usage, nil
		}
	}
	return usage{}, fmt.Errorf("the CLI was not run with %s", command)
}
