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

// usage is what a process and its children took. CPU is user and system time together. On a busy
// machine it stays comparable, and wall time does not.
type usage struct {
	Wall time.Duration
	CPU  time.Duration
	RSS  int64 // bytes, of the largest of the processes; 0 where the system does not tell
	// Plugin is the peak of the genuine Vault plugin, in bytes. 0: it is built in, or not Linux.
	Plugin int64
}

// measure runs a command. The error holds what the command printed.
func measure(cmd *exec.Cmd) (usage, string, error) {
	var out, said strings.Builder
	cmd.Stdout = &out
	cmd.Stderr = &said
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
	taken.RSS = peakOf(state)
	return taken
}

// peakOf reads a field by its name, because Windows has none. Only macOS counts in bytes.
func peakOf(state *os.ProcessState) int64 {
	used := reflect.Indirect(reflect.ValueOf(state.SysUsage()))
	if used.Kind() != reflect.Struct {
		return 0
	}
	peak := used.FieldByName("Maxrss")
	if !peak.IsValid() || !peak.CanInt() {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return peak.Int()
	}
	return peak.Int() * 1024
}

// interleave runs each measurement n times in turns, so that what else the machine does meets them
// alike, and takes the least of each, since what disturbs a run only adds to it.
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
				continue
			}
			best[i] = usage{
				Wall: min(best[i].Wall, taken.Wall),
				CPU:  min(best[i].CPU, taken.CPU),
				RSS:  min(best[i].RSS, taken.RSS),
			}
		}
	}
	return best, nil
}

// The Automation API runs several commands of the CLI for one up. To measure the up alone, this
// program is that command: under the name pulumi it runs the real CLI and notes what that took.
const (
	realCLI  = "BENCH_CLI"
	usageLog = "BENCH_LOG"
)

func wrapCLI(args []string) int {
	name := ""
	if at := slices.IndexFunc(args, isCommand); at >= 0 {
		name = args[at]
	}
	//nolint:gosec // G204,G702: the CLI that bench found.
	cmd := exec.CommandContext(context.Background(), os.Getenv(realCLI), args...)
	cmd.Stdin = os.Stdin
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	started := time.Now()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	done := make(chan struct{})
	peak := watchPlugin(cmd.Process.Pid, done)
	_ = cmd.Wait() // the exit code says it
	close(done)
	taken := usageOf(cmd.ProcessState, started)
	taken.Plugin = <-peak
	if err := noteUsage(name, taken); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func isCommand(arg string) bool { return !strings.HasPrefix(arg, "-") }

func noteUsage(name string, taken usage) error {
	text, err := json.Marshal(taken)
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv(usageLog)+name, text, 0o600) //nolint:gosec // G703: bench's own.
}

// lastOf returns what the newest run of a CLI command took.
func (b *bench) lastOf(command string) (usage, error) {
	var taken usage
	text, err := os.ReadFile(b.path("cli-" + command))
	if err != nil {
		return taken, err
	}
	err = json.Unmarshal(text, &taken)
	return taken, err
}
