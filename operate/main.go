// Command operate looks after a real stack: it tells whether `pulumi up` would succeed, and prints the policy that the
// deployer's Vault token needs. It works on the stack through the Pulumi CLI on PATH, as its user is logged in.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"

	"mlvault/operate/check"
	"mlvault/operate/handover"
	"mlvault/operate/repair"
)

const usage = `usage: operate <command> [-stack dev] [-root .]

  check    tell whether ` + "`pulumi up`" + ` would succeed; changes nothing. Exit code 1: there is a problem
  policy   print the least Vault policy for the token that deploys the stack
  job      write job/<stack>/: definitions of jobs, pipelines and endpoints, ready to submit, and the client
  repair   make the state true again after a run that was killed; then run ` + "`pulumi up`" + `

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends, and with it the handler.
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("operate", flag.ContinueOnError)
	name := flags.String("stack", "dev", "the stack's `name`, as `pulumi stack select` takes it")
	root := flags.String("root", ".", "the `folder` of Pulumi.yaml")
	compute := flags.String("compute", "", "for job: the `cluster` to name where the stack makes none")
	flags.Usage = func() { fmt.Fprintf(out, "%s", usage); flags.SetOutput(out); flags.PrintDefaults() }
	commands := map[string]func(context.Context, check.CLI, string, io.Writer) error{
		"check": preflight, "policy": policy, "repair": mend,
		"job": func(ctx context.Context, cli check.CLI, name string, out io.Writer) error {
			return handOver(ctx, cli, name, *compute, out)
		},
	}
	command := commands[append(args, "")[0]]
	if command == nil {
		flags.Usage()
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			return flag.ErrHelp
		}
		return fmt.Errorf("there is no command %q", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	folder, err := filepath.Abs(*root)
	if err != nil {
		return fmt.Errorf("-root %s: %w", *root, err)
	}
	return command(ctx, check.CLI{Root: folder}, *name, out)
}

func policy(ctx context.Context, cli check.CLI, name string, out io.Writer) error {
	stack, err := cli.Load(ctx, name)
	if err == nil {
		_, err = io.WriteString(out, stack.Policy())
	}
	return err
}

func preflight(ctx context.Context, cli check.CLI, name string, out io.Writer) error {
	stack, err := cli.Load(ctx, name)
	if err != nil {
		return err
	}
	forgetVault()
	fmt.Fprintf(out, "Preflight of stack %s\n", name)
	report := check.Check(ctx, stack)
	report.Print(out)
	if !report.Ready() {
		return fmt.Errorf("`pulumi up` would fail. Problems: %d. Nothing was changed", len(report.Problems))
	}
	fmt.Fprintln(out, "No problem found. `pulumi up` should succeed. Nothing was changed.")
	return nil
}

// mend does what `pulumi up` does not: see package repair. Only a file backend's files and locks can be looked at.
func mend(ctx context.Context, cli check.CLI, name string, out io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(out, "  "+format+"\n", args...) }
	project, err := cli.Project()
	if err != nil {
		return err
	}
	var backend struct{ URL string }
	if err := cli.JSON(ctx, &backend, "whoami", "--json"); err != nil {
		return err
	}
	if root, isFolder := strings.CutPrefix(backend.URL, "file://"); isFolder {
		root, _, _ = strings.Cut(filepath.FromSlash(root), "?")
		if rest, isHome := strings.CutPrefix(root, "~"); isHome {
			home, _ := os.UserHomeDir()
			root = home + rest
		} else if !filepath.IsAbs(root) {
			root = filepath.Join(cli.Root, root)
		}
		files := repair.Files{Root: root, Project: project, Stack: path.Base(name)}
		done, err := files.Mend()
		for _, text := range done {
			say("%s", text)
		}
		if err != nil {
			return err
		}
		unlocked, err := files.Unlock(ctx, func(ctx context.Context) error {
			_, err := cli.Run(ctx, nil, "cancel", "--yes", "--stack", name)
			return err
		})
		if err != nil {
			return err
		}
		if unlocked {
			say("removed the lock of a run that is gone")
		}
	} else {
		say("the lock is not looked at: if the run is gone, `pulumi cancel --stack %s`", name)
	}
	state, err := cli.Run(ctx, nil, "stack", "export", "--stack", name)
	if err != nil {
		return err
	}
	repaired, adopted, unknown, err := repair.Adopt(state, subscription(ctx, state))
	if err != nil {
		return err
	}
	for _, urn := range adopted {
		say("was being created, is looked for: %s", urn)
	}
	if !bytes.Equal(state, repaired) {
		if _, err := cli.Run(ctx, bytes.NewReader(repaired), "stack", "import", "--stack", name); err != nil {
			return err
		}
	}
	say("comparing the state with what is there (`pulumi refresh`)")
	if err := cli.Show(ctx, out, "refresh", "--yes", "--skip-preview", "--stack", name); err != nil {
		return err
	}
	for _, urn := range unknown {
		say("was being created, and its id is not known: %s. Look for it, and if it is there delete it or adopt it (`pulumi import`)", urn)
	}
	say("done. Run `make preflight STACK=%s`, then `pulumi up --stack %s`", name, name)
	return nil
}

// subscription is where the stack's resources are, or would be.
func subscription(ctx context.Context, state []byte) string {
	if id := repair.Subscription(state); id != "" {
		return id
	}
	if id := os.Getenv("ARM_SUBSCRIPTION_ID"); id != "" {
		return id
	}
	return check.Subscription(ctx)
}

// handOver decrypts Vault's address where it is a secret output, and nothing else.
func handOver(ctx context.Context, cli check.CLI, name, compute string, out io.Writer) error {
	var outputs map[string]any
	if err := cli.JSON(ctx, &outputs, "stack", "output", "--json", "--stack", name); err != nil {
		return err
	}
	if outputs["vaultAddress"] == handover.Hidden {
		var address string
		if err := cli.JSON(ctx, &address, "stack", "output", "vaultAddress", "--show-secrets", "--json", "--stack", name); err != nil {
			return fmt.Errorf("%w: %w", handover.ErrHidden, err)
		}
		outputs["vaultAddress"] = address
	}
	if compute != "" {
		outputs["computeCluster"] = compute
	}
	folder := filepath.Join("job", path.Base(name))
	if err := handover.Render(outputs, filepath.Join(cli.Root, "job"), filepath.Join(cli.Root, folder)); err != nil {
		return err
	}
	fmt.Fprintf(out, "Wrote %s. It holds no credential. Start with %s.\n", folder, filepath.Join(folder, "README.md"))
	return nil
}

// forgetVault keeps VAULT_* of the shell out of the checks: the report names those that reach the plugin, and the
// configuration has the rest. The CLI has run before, since a secrets provider may need them.
func forgetVault() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
}
