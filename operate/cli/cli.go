// Package cli runs the Pulumi CLI on PATH, as its user is logged in.
package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// CLI is the Pulumi CLI in a project's folder.
type CLI struct {
	// Root is the folder of Pulumi.yaml.
	Root string
}

// Project is the name in Pulumi.yaml, which is the namespace of the configuration.
func (c CLI) Project() (string, error) {
	content, err := os.ReadFile(filepath.Join(c.Root, "Pulumi.yaml"))
	if err != nil {
		return "", fmt.Errorf("no Pulumi.yaml: %w. Name the project's folder with -root", err)
	}
	var project struct{ Name string }
	if err := yaml.Unmarshal(content, &project); err != nil {
		return "", fmt.Errorf("Pulumi.yaml: %w", err)
	}
	return project.Name, nil
}

// Backend is the URL of the backend that the CLI is logged in to.
func (c CLI) Backend(ctx context.Context) (string, error) {
	var backend struct{ URL string }
	if err := c.JSON(ctx, &backend, "whoami", "--json"); err != nil {
		return "", err
	}
	return backend.URL, nil
}

// Run runs the CLI and returns its standard output, which may hold secrets, so that no error quotes
// it.
func (c CLI) Run(ctx context.Context, input io.Reader, args ...string) ([]byte, error) {
	var said bytes.Buffer
	cmd := c.command(ctx, args...)
	cmd.Stdin = input
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(said.String()), "error:")
	return out, failed(err, args[0], strings.TrimSpace(text))
}

// Diagnosed runs a command that shows no value in the clear, a preview or an import, and has in its
// error what the engine said: standard error is empty then.
func (c CLI) Diagnosed(ctx context.Context, args ...string) ([]byte, error) {
	out, err := c.Run(ctx, nil, args...)
	said := diagnostics(out)
	if err == nil || said == "" {
		return out, err
	}
	return out, fmt.Errorf("%w\n%s", err, said)
}

// diagnostics are the errors in what a command printed, as JSON or for people.
func diagnostics(printed []byte) string {
	var read struct {
		Diagnostics []struct{ Message, Severity string }
	}
	if json.Unmarshal(printed, &read) != nil {
		_, after, _ := strings.Cut(string(printed), "Diagnostics:\n")
		block, _, _ := strings.Cut(after, "\nResources:")
		return strings.TrimRight(block, "\n ")
	}
	var messages []string
	for _, each := range read.Diagnostics {
		if each.Severity == "error" {
			messages = append(messages, strings.TrimSpace(each.Message))
		}
	}
	return strings.Join(messages, "\n")
}

// Show runs the CLI for a person to watch.
func (c CLI) Show(ctx context.Context, out io.Writer, args ...string) error {
	cmd := c.command(ctx, args...)
	cmd.Stdout = out
	cmd.Stderr = out
	if err := cmd.Run(); err != nil {
		return failed(err, args[0], "see what it printed")
	}
	return nil
}

// JSON runs the CLI and reads its answer.
func (c CLI) JSON(ctx context.Context, into any, args ...string) error {
	out, err := c.Run(ctx, nil, args...)
	if err != nil {
		return err
	}
	if json.Unmarshal(out, into) != nil {
		return fmt.Errorf("`pulumi %s` did not print JSON. Check that `pulumi version` is 3.208.0 or "+
			"newer", args[0])
	}
	return nil
}

func (c CLI) command(ctx context.Context, args ...string) *exec.Cmd {
	defaults := []string{
		// A refresh then takes the token of the configuration, and not an older one of the state.
		"PULUMI_RUN_PROGRAM=true",
		"PULUMI_SKIP_UPDATE_CHECK=true",
	}
	args = append(args, "--non-interactive")
	cmd := exec.CommandContext(ctx, "pulumi", args...) //nolint:gosec // G204: our own arguments.
	cmd.Dir = c.Root
	cmd.Env = slices.Concat(defaults, os.Environ(), WithoutCheckpoints(args[0]))
	return cmd
}

func failed(err error, command, said string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("there is no Pulumi CLI on PATH. Install it: " +
			"https://www.pulumi.com/docs/install/")
	}
	return fmt.Errorf("`pulumi %s` failed: %s", command, said)
}

// Stack is one stack, as a repair asks for it.
type Stack struct {
	CLI  CLI
	Name string
	// Out is where a refresh shows what it does.
	Out io.Writer
}

// Export is the stack's state, its secrets encrypted.
func (s Stack) Export(ctx context.Context) ([]byte, error) {
	return s.CLI.Run(ctx, nil, "stack", "export", "--stack", s.Name)
}

// Import replaces the stack's state.
func (s Stack) Import(ctx context.Context, state []byte) error {
	_, err := s.CLI.Run(ctx, bytes.NewReader(state), "stack", "import", "--stack", s.Name)
	return err
}

// Runs are the latest of the stack's history. Pulumi Cloud lists an import too, which is no run.
func (s Stack) Runs(ctx context.Context) ([]string, error) {
	var updates []struct {
		Kind, StartTime, Result string
		Version                 int
	}
	err := s.CLI.JSON(ctx, &updates, "stack", "history", "--json", "--page-size", "10",
		"--stack", s.Name)
	if err != nil {
		return nil, err
	}
	var runs []string
	for _, update := range updates {
		if update.Kind == "import" {
			continue
		}
		runs = append(runs, fmt.Sprintf("%s of %s, version %d (%s)",
			update.Kind, update.StartTime, update.Version, update.Result))
	}
	return runs, nil
}

// Cancel removes every lock of the stack.
func (s Stack) Cancel(ctx context.Context) error {
	_, err := s.CLI.Run(ctx, nil, "cancel", "--yes", "--stack", s.Name)
	return err
}

// Refresh compares the state with what is there.
func (s Stack) Refresh(ctx context.Context) error {
	fmt.Fprintln(s.Out, "  comparing the state with what is there (`pulumi refresh`)")
	return s.CLI.Show(ctx, s.Out, "refresh", "--yes", "--skip-preview", "--stack", s.Name)
}
