// Command mlvault-sandbox runs the program on this machine, without an account: package sandbox
// says what in it is real and what stands in. `make up` and its siblings build it and pass the
// flags.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"golang.org/x/term"

	"mlvault/sandbox/internal/sandbox"
)

// options are what the command line says.
type options struct {
	root         string
	pulumi       string
	pulumiSource string
	stack        string
	credentials  string
	unprotect    bool
}

// command is one of the commands of make.
type command struct {
	name string
	run  func(context.Context, *sandbox.Sandbox, options, io.Writer) error
}

var commands = []command{
	{name: "down", run: down},
	{name: "drift", run: drift},
	{name: "pipeline", run: pipeline},
	{name: "preview", run: preview},
	{name: "refresh", run: refresh},
	{name: "up", run: up},
	{name: "vault", run: serveVault},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nerror:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	command, o, err := parse(args)
	if err != nil {
		return err
	}
	sandbox.ForgetEnvironment()
	dir := filepath.Join(o.root, ".sandbox")
	sandbox.InstallPlugin(ctx, o.pulumi, dir, os.Stderr)
	s, err := sandbox.Open(ctx, sandbox.Options{Root: o.root, Dir: dir, Pulumi: o.pulumi})
	if err != nil {
		return sandbox.Explained(command.name, err)
	}
	defer s.Close()
	if isTerminal() {
		s.WrapCommand = func(command auto.PulumiCommand) auto.PulumiCommand {
			return onTerminal{PulumiCommand: command, path: o.pulumi}
		}
	}
	return sandbox.Explained(command.name, command.run(ctx, s, o, out))
}

// parse reads the flags of bootstrap, the command, and the command's own flags.
func parse(args []string) (command, options, error) {
	var o options
	flags := flag.NewFlagSet("mlvault-sandbox", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", "..", "the repository")
	flags.StringVar(&o.pulumi, "pulumi", "", "path of the Pulumi CLI")
	flags.StringVar(&o.pulumiSource, "pulumi-source", "", "where the CLI came from, to print")
	if err := flags.Parse(args); err != nil {
		return command{}, o, err
	}
	name := flags.Arg(0)
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, o, fmt.Errorf("%q is not one of %s", name, commandNames())
	}
	own := flag.NewFlagSet(name, flag.ContinueOnError)
	own.StringVar(&o.stack, "stack", "dev", "stack: Pulumi.<stack>.yaml")
	own.BoolVar(&o.unprotect, "unprotect", false, "down: delete what azure.protect holds, too")
	own.StringVar(&o.credentials, "credentials", "",
		"file with the credentials, JSON: name -> object; relative to the repository")
	if err := own.Parse(flags.Args()[1:]); err != nil {
		return command{}, o, err
	}
	return commands[i], o, nil
}

func commandNames() string {
	var names []string
	for _, command := range commands {
		names = append(names, command.name)
	}
	return strings.Join(names, ", ")
}

// isTerminal tells whether a person sits at a terminal that can show the CLI's live tree.
func isTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) &&
		term.IsTerminal(int(os.Stdout.Fd())) &&
		os.Getenv("TERM") != "dumb"
}
