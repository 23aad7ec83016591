// Command preflight tells whether `pulumi up` of a real stack would work, or prints the policy that its deployer's token
// needs. It is run in the sandbox folder, whose module has the libraries; the program's own has not.
//
//	go run ./preflight -stack dev
//	go run ./preflight -stack dev -policy
//
// It asks the Pulumi CLI of PATH for the stack's configuration, as that user is logged in. Its exit code is 0 when an
// up would work, 1 when not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/config"
	"mlvault/sandbox/internal/preflight"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends, and with it the handler.
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("preflight", flag.ContinueOnError)
	name := flags.String("stack", "dev", "stack, as `pulumi stack select` takes it")
	root := flags.String("root", "..", "the folder of Pulumi.yaml")
	policy := flags.Bool("policy", false, "print the deployer's policy and check nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := filepath.Abs(*root)
	if err != nil {
		return fmt.Errorf("folder %s: %w", *root, err)
	}
	command, err := auto.NewPulumiCommand(nil)
	if err != nil {
		return fmt.Errorf("there is no Pulumi CLI that can be used on PATH; install it (https://www.pulumi.com/docs/install/): %w", err)
	}
	stack, err := preflight.CLI{Command: command, Root: folder}.Load(ctx, *name)
	if problems, refused := config.AsProblems(err); refused {
		return problems // the loader's own words; Vault can be asked once they are mended
	}
	if err != nil {
		return err
	}
	if *policy {
		_, err := io.WriteString(out, stack.Policy())
		return err
	}
	forgetVault()
	fmt.Fprintf(out, "Preflight of stack %s\n", *name)
	report := preflight.Check(ctx, stack)
	report.Print(out)
	if !report.Ready() {
		return fmt.Errorf("an up would fail: %d to mend; nothing was changed", len(report.Problems))
	}
	fmt.Fprintln(out, "An up would work, as far as it can be seen from here. Nothing was changed.")
	return nil
}

// forgetVault keeps VAULT_* of the shell out of the checks: what reaches the plugin is reported by name, and the
// configuration says the rest. The CLI has been asked before, since a secrets provider may need them.
func forgetVault() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
}
