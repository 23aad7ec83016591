package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

// onTerminal gives the CLI the terminal, for its live tree and its colours. The Automation API
// hands it a pipe, in a process group that a terminal's Ctrl-C does not reach.
type onTerminal struct {
	auto.PulumiCommand

	// path of the CLI.
	path string
}

// watched are the commands that a person watches.
var watched = []string{"up", "preview", "destroy"}

// Run returns the errors of the event log as what the CLI has said: what it prints is on the screen
// and nowhere else.
func (c onTerminal) Run(
	ctx context.Context, dir string, stdin io.Reader, out, errs []io.Writer,
	env []string, args ...string,
) (string, string, int, error) {
	if !slices.Contains(watched, args[0]) {
		return c.PulumiCommand.Run(ctx, dir, stdin, out, errs, env, args...)
	}
	folder, err := os.MkdirTemp("", "mlvault-")
	if err != nil {
		return "", "", -1, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	log, args := withEventLog(args, filepath.Join(folder, "events"))
	//nolint:gosec // G204: the CLI, as the Automation API calls it.
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), env, []string{"PULUMI_AUTOMATION_API=true"})
	cmd.Stdin = os.Stdin
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error {
		interrupted := strings.HasPrefix(context.Cause(ctx).Error(), os.Interrupt.String())
		if interrupted {
			return nil // the terminal has told the CLI, which takes a second time as "at once"
		}
		return cmd.Process.Signal(os.Interrupt)
	}
	err = cmd.Run()
	return "", loggedErrors(log), cmd.ProcessState.ExitCode(), err
}

// withEventLog is the event log that the arguments name, or a new one and arguments that name it.
func withEventLog(args []string, unnamed string) (log string, all []string) {
	i := slices.Index(args, "--event-log")
	if i >= 0 {
		return args[i+1], args
	}
	return unnamed, append(slices.Clone(args), "--event-log", unnamed)
}

// loggedErrors are the errors of an event log, a line each.
func loggedErrors(log string) string {
	events, _ := os.ReadFile(log) //nolint:gosec // G304: the log of our own run.
	decoder := json.NewDecoder(bytes.NewReader(events))
	var said strings.Builder
	for {
		var event struct {
			Diagnostic struct {
				Message  string `json:"message"`
				Severity string `json:"severity"`
			} `json:"diagnosticEvent"`
		}
		if decoder.Decode(&event) != nil {
			return said.String()
		}
		if event.Diagnostic.Severity == "error" {
			message := colors.Never.Colorize(event.Diagnostic.Message)
			said.WriteString("error: " + message + "\n")
		}
	}
}
