// Command mlvault-sandbox runs the program on this machine, without an account: see package sandbox for what is real
// in it and what stands in. `make up` and its siblings build it and pass the flags.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"golang.org/x/term"

	"mlvault/internal/settings"
	"mlvault/internal/outputs"
	"mlvault/sandbox/internal/sandbox"
)

type options struct {
	root, pulumi, pulumiSource string
	stack, credentials         string
	unprotect                  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "\nerror:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends, and with it the handler.
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("mlvault-sandbox", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", "..", "the repository")
	flags.StringVar(&o.pulumi, "pulumi", "", "path of the Pulumi CLI")
	flags.StringVar(&o.pulumiSource, "pulumi-source", "", "where the CLI came from, to print")
	if err := flags.Parse(args); err != nil {
		return err
	}
	commands := map[string]func(context.Context, *sandbox.Sandbox, options, io.Writer) error{
		"up": up, "preview": preview, "down": down, "vault": serveVault, "pipeline": pipeline,
	}
	command, known := commands[flags.Arg(0)]
	if !known {
		return fmt.Errorf("%q is not one of %s", flags.Arg(0), strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
	}
	sub := flag.NewFlagSet(flags.Arg(0), flag.ContinueOnError)
	sub.StringVar(&o.stack, "stack", "dev", "stack: Pulumi.<stack>.yaml")
	sub.BoolVar(&o.unprotect, "unprotect", false, "down: delete what azure.protect holds, too")
	sub.StringVar(&o.credentials, "credentials", "", "file with the credentials, JSON: name -> object")
	if err := sub.Parse(flags.Args()[1:]); err != nil {
		return err
	}
	sandbox.ForgetEnvironment()
	dir := filepath.Join(o.root, ".sandbox")
	sandbox.InstallPlugin(ctx, o.pulumi, dir, os.Stderr)
	s, err := sandbox.Open(ctx, sandbox.Options{Root: o.root, Dir: dir, Pulumi: o.pulumi})
	if err != nil {
		return sandbox.Explained(sub.Name(), err)
	}
	defer s.Close()
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb" {
		s.WrapCommand = func(command auto.PulumiCommand) auto.PulumiCommand { return onTerminal{command, o.pulumi} }
	}
	return sandbox.Explained(sub.Name(), command(ctx, s, o, out))
}

func up(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	deployed, err := configure(ctx, s, o, out, s.Configure)
	if err != nil {
		return err
	}
	result, err := deployed.Up(ctx, optup.ProgressStreams(out), optup.ErrorProgressStreams(out), optup.SuppressOutputs())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", summary("Done", *result.Summary.ResourceChanges))
	read, err := deployed.Job(ctx)
	if err != nil {
		return fmt.Errorf("everything is deployed, but a job could not read its credentials: %w", err)
	}
	fmt.Fprintf(out, "\nRead back from Vault as a job does, with the job identity's token, by job/vault_credentials.py\n"+
		"(names and keys; the values are never printed):\n%s\n", indented(read))
	fmt.Fprintf(out, "\nOutputs of the stack:\n%s", outputLines(result.Outputs))
	next(out, o, "vault", "look around in this Vault, and read as a job does", "down", "destroy it all again")
	return nil
}

func preview(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	configured, err := configure(ctx, s, o, out, s.ConfigurePreview)
	if err != nil {
		return err
	}
	result, err := configured.Preview(ctx, optpreview.ProgressStreams(out), optpreview.ErrorProgressStreams(out), optpreview.SuppressOutputs())
	if err != nil {
		return err
	}
	changes := map[string]int{}
	for operation, count := range result.ChangeSummary {
		changes[string(operation)] = count
	}
	fmt.Fprintf(out, "\nPreview, nothing was changed. %s\n", summary("An up would", changes))
	next(out, o, "up", "make it so")
	return nil
}

func down(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if errors.Is(err, sandbox.ErrNoStack) {
		fmt.Fprintf(out, "There is nothing of stack %s in the sandbox; nothing to destroy.\n", o.stack)
		return nil
	}
	if err != nil {
		return err
	}
	if err := mayGo(ctx, selected, o); err != nil {
		return err
	}
	result, err := selected.Destroy(ctx, optdestroy.ProgressStreams(out), optdestroy.ErrorProgressStreams(out), optdestroy.SuppressOutputs())
	if err != nil {
		return err
	}
	// The program runs during a destroy too, for the sake of a rotated token, and the engine counts what it registers.
	fmt.Fprintf(out, `
Done: deleted %d.
The newest version of each credential is soft-deleted: Vault keeps it, and the stack's name, path and older versions.
Bring one back with `+"`vault kv undelete`"+`.
`, (*result.Summary.ResourceChanges)["delete"])
	next(out, o, "up", "put all back", "clean", "forget the sandbox, its Vault and what was built")
	return nil
}

// next names the commands to go on with, and what each is for.
func next(out io.Writer, o options, commands ...string) {
	fmt.Fprintln(out, "\nNext:")
	for i := 0; i < len(commands); i += 2 {
		command := "make " + commands[i]
		if o.stack != "dev" && commands[i] != "clean" {
			command += " STACK=" + o.stack
		}
		fmt.Fprintf(out, "  %-24s %s\n", command, commands[i+1])
	}
}

// mayGo asks before the engine is asked: a destroy without preview deletes all that is not protected, credentials
// included, before it fails for the rest.
func mayGo(ctx context.Context, selected *sandbox.Stack, o options) error {
	if o.unprotect {
		return selected.Unprotect(ctx)
	}
	protected, err := selected.Protected(ctx)
	if err != nil || len(protected) == 0 {
		return err
	}
	return fmt.Errorf("stack %s protects %s (azure.protect), so nothing was destroyed; `make down STACK=%s UNPROTECT=yes` destroys them too",
		o.stack, strings.Join(protected, ", "), o.stack)
}

// pipeline runs the definitions that make job writes, each step as a node of Azure ML would.
func pipeline(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Jobs of stack %s, each step with its own variables and identity (names and keys; never a value):\n\n", o.stack)
	return selected.Pipeline(ctx, out)
}

// serveVault keeps Vault, the issuer and a node's managed identity endpoint running until Ctrl-C, for a look around with
// any client and for running a job's own script.
func serveVault(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	if _, err := s.OpenStackFile(o.stack); err != nil {
		return err
	}
	fmt.Fprintf(out, `Vault runs until Ctrl-C. In another terminal:

  export VAULT_ADDR=%s
  export VAULT_CACERT=%s
  export VAULT_TOKEN="$(cat %s)"   # the deployer's, made by make up; it has the deployer's policy only

  vault kv get -mount=secret %[4]s/%[5]s/ml_api_key
  curl --cacert "$VAULT_CACERT" -H "X-Vault-Token: $VAULT_TOKEN" "$VAULT_ADDR/v1/secret/data/%[4]s/%[5]s/ml_api_key"
`, s.Vault.Addr(), s.Vault.CAFile(), s.DeployerTokenFile(o.stack), s.Project, o.stack)
	file := ""
	selected, err := s.Select(ctx, o.stack)
	if err == nil {
		file, err = selected.WriteJobEnvironment(ctx)
	}
	switch {
	case errors.Is(err, sandbox.ErrNoStack):
		fmt.Fprintf(out, "\nThere is nothing of stack %s to read yet; make up makes it.\n", o.stack)
	case err != nil:
		return err
	default:
		fmt.Fprintf(out, `
As a job on a node of Azure ML, with its identity and no token:

  set -a; . %s; set +a
  python3 job/vault_credentials.py --check
`, file)
	}
	<-ctx.Done()
	return nil
}

// configure reads the credentials, says what the sandbox is made of and prepares the stack.
func configure(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer,
	prepare func(context.Context, sandbox.Settings) (*sandbox.Stack, error),
) (*sandbox.Stack, error) {
	path, note := o.credentials, ""
	if path == "" {
		path = filepath.Join(o.root, "sandbox", "sample-credentials.json")
		note = " (a sample with made-up values; your own: make up CREDENTIALS=path.json)"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	configured, err := prepare(ctx, sandbox.Settings{Stack: o.stack, Credentials: string(text)})
	if problems, refused := settings.AsProblems(err); refused && strings.Contains(problems.Error(), "credentials") {
		return nil, fmt.Errorf("credentials are read from %s: %w", path, problems)
	}
	if err != nil {
		return nil, err
	}
	if configured.Named() {
		note += fmt.Sprintf("\n  network      the stack's jobs reach Vault as %s only, which a proxy on this machine leads to it", sandbox.NamedAddress)
	}
	fmt.Fprintf(out, `mlvault sandbox, stack %s
  program      stack.Run of this repository
  Pulumi CLI   %s
  Vault        %s
  Vault plugin %s
  Azure        a local stand-in for ARM with its rules; nothing leaves this machine
  credentials  %s%s

`, o.stack, o.pulumiSource, s.Vault.About(ctx), s.Plugin, path, note)
	return configured, nil
}

// summary is a sentence about changes: what, and before it why or when.
func summary(done string, changes map[string]int) string {
	same := changes["same"]
	delete(changes, "same")
	if len(changes) == 0 {
		return fmt.Sprintf("No changes: all %d resources are as they should be.", same)
	}
	var parts []string
	for _, operation := range slices.Sorted(maps.Keys(changes)) {
		parts = append(parts, fmt.Sprintf("%s %d", operation, changes[operation]))
	}
	if same > 0 {
		parts = append(parts, fmt.Sprintf("leave %d as they are", same))
	}
	return done + ": " + strings.Join(parts, ", ") + "."
}

func outputLines(values auto.OutputMap) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if name == outputs.Readme {
			continue
		}
		text, isText := value.Value.(string)
		if value.Secret {
			text = "[secret]"
		} else if encoded, err := json.Marshal(value.Value); err == nil && !isText {
			text = string(encoded)
		}
		fmt.Fprintf(&b, "  %-20s %s\n", name, text)
	}
	fmt.Fprintf(&b, "\n%s\n", indented(fmt.Sprint(values[outputs.Readme].Value)))
	return b.String()
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
