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

// onTerminal gives the CLI the terminal, for its live tree and its colours. The Automation API hands it a pipe, in a
// process group that a terminal's Ctrl-C does not reach.
type onTerminal struct {
	auto.PulumiCommand
	path string
}

// Run returns the errors of the event log as what the CLI has said: what it prints is on the screen and nowhere else.
func (c onTerminal) Run(ctx context.Context, dir string, stdin io.Reader, out, errs []io.Writer, env []string, args ...string) (string, string, int, error) {
	if !slices.Contains([]string{"up", "preview", "destroy"}, args[0]) {
		return c.PulumiCommand.Run(ctx, dir, stdin, out, errs, env, args...)
	}
	folder, err := os.MkdirTemp("", "mlvault-")
	if err != nil {
		return "", "", -1, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	log := filepath.Join(folder, "events")
	if i := slices.Index(args, "--event-log"); i >= 0 {
		log = args[i+1]
	} else {
		args = append(args, "--event-log", log)
	}
	cmd := exec.CommandContext(ctx, c.path, args...) //nolint:gosec // G204: the CLI, as the Automation API calls it.
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), env...), "PULUMI_AUTOMATION_API=true")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error {
		if strings.HasPrefix(context.Cause(ctx).Error(), os.Interrupt.String()) {
			return nil // the terminal has told the CLI, which takes a second time as "at once"
		}
		return cmd.Process.Signal(os.Interrupt)
	}
	err = cmd.Run()
	return "", problems(log), cmd.ProcessState.ExitCode(), err
}

// problems are the errors of an event log.
func problems(log string) string {
	var said strings.Builder
	events, _ := os.ReadFile(log) //nolint:gosec // G304: the log of our own run.
	for lines := json.NewDecoder(bytes.NewReader(events)); ; {
		var event struct {
			Diagnostic struct{ Message, Severity string } `json:"diagnosticEvent"`
		}
		if lines.Decode(&event) != nil {
			return said.String()
		}
		if event.Diagnostic.Severity == "error" {
			said.WriteString("error: " + colors.Never.Colorize(event.Diagnostic.Message) + "\n")
		}
	}
}
