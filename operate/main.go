// Command operate looks after a real stack: it tells whether `pulumi up` would succeed, prints the
// policy that the deployer's Vault token needs, hands the stack over to those who run jobs, repairs
// it after a run that was killed, and explains errors. It works on the stack through the Pulumi CLI
// on PATH, as its user is logged in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"mlvault/operate/cli"
)

// command is a subcommand.
type command struct {
	name    string
	meaning string
	run     func(context.Context, options) error
}

// commands are in the order in which a stack needs them.
func commands() []command {
	return []command{
		{
			name: "check",
			meaning: "tell whether `pulumi up` would succeed; changes nothing. Exit code 1: there is a " +
				"problem",
			run: runCheck,
		},
		{
			name:    "policy",
			meaning: "print the least Vault policy for the token that deploys the stack; -for: of others",
			run:     runPolicy,
		},
		{
			name: "job",
			meaning: "write job/<stack>/: definitions of jobs, pipelines and endpoints, ready to submit, " +
				"and the client",
			run: runJob,
		},
		{
			name: "verify",
			meaning: "try the stack in Azure and write docs/verified/<date>-<stack>.md. " +
				"Changes nothing of it. " +
				"Submits two jobs: 15 to 45 minutes, and what the cluster costs for so long",
			run: runVerify,
		},
		{
			name: "adopt",
			meaning: "take what exists already into the state, by the ids of -from; shows the plan, and " +
				"changes nothing in Azure and Vault",
			run: runAdopt,
		},
		{
			name:    "repair",
			meaning: "make the state true again after a run that was killed; then run `pulumi up`",
			run:     runRepair,
		},
		{
			name:    "explain",
			meaning: "read what a failed run printed, and tell what it means and what to do",
			run:     runExplain,
		},
	}
}

// options are what a subcommand gets.
type options struct {
	stack   string
	root    string
	compute string
	purpose string
	from    string
	moved   bool
	in      io.Reader
	out     io.Writer
}

func (o options) cli() cli.CLI { return cli.CLI{Root: o.root} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends, and with it the handler.
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	o := options{in: in, out: out}
	flags := flag.NewFlagSet("operate", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.stack, "stack", "dev", "the stack's `name`, as `pulumi stack select` takes it")
	flags.StringVar(&o.root, "root", ".", "the `folder` of Pulumi.yaml")
	flags.StringVar(&o.compute, "compute", "", "for job: the `cluster` to name where the stack "+
		"makes none")
	flags.StringVar(&o.purpose, "for", "deployer", "for policy: `whose`, of the token which deploys "+
		"(deployer) or looks for drift (drift), the jobs' own (jobs), or the role that gives it to "+
		"them (role)")
	flags.BoolVar(&o.moved, "moved", false, "for check: the stack moves to the Vault that its "+
		"configuration names")
	flags.StringVar(&o.from, "from", "existing.json", "for adopt: the `file` with the ids of what "+
		"exists, by the program's names")
	flags.Usage = func() { printUsage(flags) }

	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		flags.Usage()
		return flag.ErrHelp
	}
	chosen, known := find(args[0])
	if !known {
		flags.Usage()
		return fmt.Errorf("there is no command %q", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return fmt.Errorf("-root %s: %w", o.root, err)
	}
	o.root = root
	return chosen.run(ctx, o)
}

func find(name string) (command, bool) {
	for _, each := range commands() {
		if each.name == name {
			return each, true
		}
	}
	return command{}, false
}

func printUsage(flags *flag.FlagSet) {
	out := flags.Output()
	fmt.Fprintf(out, "usage: operate <command> [-stack dev] [-root .]\n\n")
	for _, each := range commands() {
		fmt.Fprintf(out, "  %-8s %s\n", each.name, each.meaning)
	}
	fmt.Fprintln(out)
	flags.PrintDefaults()
}
