package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"
)

// usage is what a process and its children took. CPU is user and system time together. On a busy machine it stays
// comparable, and wall time does not.
type usage struct {
	Wall, CPU time.Duration
	RSS       int64 // bytes, of the largest of the processes; 0 where the system does not tell
}

// measure runs a command. The error holds what the command printed.
func measure(cmd *exec.Cmd) (usage, string, error) {
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	started := time.Now()
	err := cmd.Run()
	taken := usageOf(cmd.ProcessState, started)
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), said.String())
	}
	return taken, out.String(), err
}

func usageOf(state *os.ProcessState, started time.Time) usage {
	taken := usage{Wall: time.Since(started)}
	if state == nil {
		return taken
	}
	taken.CPU = state.UserTime() + state.SystemTime()
	// By name, because Windows has no such field.
	if used := reflect.Indirect(reflect.ValueOf(state.SysUsage())); used.Kind() == reflect.Struct {
		if peak := used.FieldByName("Maxrss"); peak.IsValid() && peak.CanInt() {
			taken.RSS = peak.Int()
		}
	}
	if runtime.GOOS != "darwin" {
		taken.RSS *= 1024
	}
	return taken
}

// interleave runs each measurement n times in turns, so that what else the machine does meets them alike, and takes the
// least of each, since what disturbs a run only adds to it.
func interleave(n int, measurements ...func() (usage, error)) ([]usage, error) {
	best := make([]usage, len(measurements))
	for turn := range n {
		for i, measurement := range measurements {
			taken, err := measurement()
			if err != nil {
				return nil, err
			}
			if turn == 0 {
				best[i] = taken
			}
			best[i] = usage{min(best[i].Wall, taken.Wall), min(best[i].CPU, taken.CPU), min(best[i].RSS, taken.RSS)}
		}
	}
	return best, nil
}

// The Automation API runs several commands of the CLI for one up. To measure the up alone, this program is that command:
// under the name pulumi it runs the real CLI and notes what that took.
const (
	realCLI  = "BENCH_CLI"
	usageLog = "BENCH_LOG"
)

func wrapCLI(args []string) int {
	cmd := exec.CommandContext(context.Background(), os.Getenv(realCLI), args...) //nolint:gosec // G204,G702: the CLI that bench found.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := cmd.Run()
	if cmd.ProcessState != nil {
		var text []byte
		if text, err = json.Marshal(usageOf(cmd.ProcessState, started)); err == nil {
			command := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
			err = os.WriteFile(os.Getenv(usageLog)+args[max(command, 0)], text, 0o600) //nolint:gosec // G703: bench's own.
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// lastOf returns what the newest run of a CLI command took.
func (b *bench) lastOf(command string) (taken usage, err error) {
	text, err := os.ReadFile(b.path("cli-" + command))
	if err == nil {
		err = json.Unmarshal(text, &taken)
	}
	return taken, err
}
