// Command bootstrap builds what the sandbox needs and the machine does not have, the Pulumi CLI, a Vault server and the
// sandbox itself, tells how far it is, and then runs the sandbox with its own arguments:
//
//	go run ./bootstrap up        in the sandbox folder
//
// Two commands are its own: build stops after building, and clean removes everything that was built or kept.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"mlvault/sandbox/internal/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			os.Exit(exit.ExitCode()) // the sandbox has said why
		}
		fmt.Fprintln(os.Stderr, "\nerror:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	module, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	root := filepath.Dir(module)
	if len(args) == 1 && args[0] == "clean" {
		return os.RemoveAll(filepath.Join(root, ".sandbox"))
	}
	builder := cli.Builder{Module: module, Bin: filepath.Join(root, ".sandbox", "bin"), Log: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pulumi, err := builder.Find(ctx)
	if err == nil {
		err = builder.Vault(ctx)
	}
	sandbox := builder.Executable("mlvault-sandbox")
	if err == nil {
		err = builder.Build(ctx, "the sandbox", sandbox, "-s -w", module, ".")
	}
	if ctx.Err() != nil {
		return errors.New("interrupted before anything ran: what is compiled is kept, so run the command again to go on")
	}
	if err != nil {
		return err
	}
	if len(args) == 1 && args[0] == "build" {
		return nil
	}
	// A terminal sends Ctrl-C to the sandbox too, which stops everything in order; this process only waits for it. Other
	// than to ignore the signal, to catch it leaves the sandbox one that works before its main does.
	stop()
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	//nolint:gosec // G204: the sandbox that was just built, with the user's own arguments.
	cmd := exec.CommandContext(ctx, sandbox, append([]string{"-root", root, "-pulumi", pulumi.Path, "-pulumi-source", pulumi.Source}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if os.Getenv("CI") == "" {
		// A library that Pulumi uses asks the terminal for its colours before main, and waits for five seconds where
		// nothing answers. This keeps it from asking, here and in the CLI; Pulumi itself does not look at it.
		cmd.Env = append(os.Environ(), "CI=no")
	}
	return cmd.Run()
}
