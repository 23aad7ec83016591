// Command bootstrap builds what the sandbox needs, the Pulumi CLI and the sandbox with its Vault, tells how far it is,
// and then runs the sandbox with its own arguments:
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
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode()) // the sandbox has said why
		}
		fmt.Fprintln(os.Stderr, "error:", err)
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pulumi, err := builder.Find(ctx)
	if err != nil {
		return err
	}
	if err := builder.Vault(ctx); err != nil {
		return err
	}
	sandbox := builder.Executable("mlvault-sandbox")
	if err := builder.Build(ctx, "the sandbox", sandbox, "-s -w", "."); err != nil {
		return err
	}
	if len(args) == 1 && args[0] == "build" {
		return nil
	}
	stop()
	// From here on Ctrl-C is the sandbox's, which stops Vault in order; this process only waits for it.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	//nolint:gosec // G204: the sandbox that was just built, with the user's own arguments.
	cmd := exec.CommandContext(context.Background(), sandbox, append([]string{"-root", root, "-pulumi", pulumi.Path, "-pulumi-source", pulumi.Source}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
