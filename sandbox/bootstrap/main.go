// Command bootstrap builds what the sandbox needs and the machine does not have: the Pulumi CLI, a
// Vault server and the sandbox itself. It tells how far it is, and then runs the sandbox with its
// own arguments:
//
//	go run ./bootstrap up        in the sandbox folder
//
// Two commands are its own: build stops after building, and clean removes everything that was built
// or kept.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"mlvault/sandbox/internal/cli"
)

func main() {
	os.Exit(exitCode(run(os.Args[1:]), os.Stderr))
}

// sandboxFailed is the sandbox's own failure. The sandbox has printed why.
type sandboxFailed struct{ code int }

func (e *sandboxFailed) Error() string { return fmt.Sprintf("the sandbox ended with %d", e.code) }

// exitCode is what this process ends with. It prints every error but the sandbox's own.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if failed, ok := errors.AsType[*sandboxFailed](err); ok {
		return failed.code
	}
	fmt.Fprintln(stderr, "\nerror:", err)
	return 1
}

func run(args []string) error {
	module, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	root := filepath.Dir(module)
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	if command == "clean" {
		return os.RemoveAll(filepath.Join(root, ".sandbox"))
	}
	builder := cli.Builder{
		Module: module,
		Bin:    filepath.Join(root, ".sandbox", "bin"),
		Log:    os.Stderr,
	}
	pulumi, err := prepare(builder, command)
	if err != nil || command == "build" {
		return err
	}
	arguments := []string{"-root", root, "-pulumi", pulumi.Path, "-pulumi-source", pulumi.Source}
	return runSandbox(builder.Executable(sandboxCommand), append(arguments, args...))
}

const sandboxCommand = "mlvault-sandbox"

// needsPython are the commands that run a job's script.
var needsPython = []string{"up", "pipeline"}

// prepare finds or builds everything that the command needs. What it cannot build it asks for
// first, so that nobody waits minutes to hear of it.
func prepare(builder cli.Builder, command string) (cli.CLI, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pulumi, err := build(ctx, builder, command)
	if ctx.Err() != nil {
		return pulumi, errors.New("interrupted before anything ran. " +
			"What is compiled is kept, so run the command again to go on")
	}
	return pulumi, err
}

func build(ctx context.Context, builder cli.Builder, command string) (cli.CLI, error) {
	if slices.Contains(needsPython, command) {
		if _, err := cli.FindPython(ctx); err != nil {
			return cli.CLI{}, err
		}
	}
	pulumi, err := builder.Find(ctx)
	if err != nil {
		return pulumi, err
	}
	if err := builder.Vault(ctx); err != nil {
		return pulumi, err
	}
	return pulumi, builder.Build(ctx, cli.Command{
		What:    "the sandbox",
		Name:    sandboxCommand,
		Package: ".",
		LDFlags: "-s -w",
	})
}

// runSandbox runs the sandbox on this terminal.
func runSandbox(path string, args []string) error {
	// A terminal sends Ctrl-C to the sandbox too, which stops everything in order. This process
	// only waits for it, so it catches the signal. To ignore it would not do: a child inherits
	// that.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	//nolint:gosec // G204: the sandbox that was just built, with the user's own arguments.
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin = os.Stdin
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	if os.Getenv("CI") == "" {
		// A library that Pulumi uses asks the terminal for its colours before main, and waits five
		// seconds where nothing answers. With CI set it does not ask, here and in the CLI. Pulumi
		// itself does not look at the variable.
		cmd.Env = append(os.Environ(), "CI=no")
	}
	err := cmd.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if ended && exit.ExitCode() > 0 {
		return &sandboxFailed{code: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("run the sandbox: %w", err)
	}
	return nil
}
