package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"mlvault/sandbox/internal/cli"
	"mlvault/sandbox/internal/sandbox"
)

// up deploys the stack and then reads its credentials as a job does.
func up(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	// Before anything is deployed, since the job would miss it at the end.
	if _, err := cli.FindPython(ctx); err != nil {
		return err
	}
	deployed, err := configure(ctx, s, o, out, s.Configure)
	if err != nil {
		return err
	}
	lent, err := s.Lend(ctx, deployed)
	if err != nil {
		return err
	}
	printLent(out, lent)
	result, err := deployed.Up(ctx,
		optup.ProgressStreams(out),
		optup.ErrorProgressStreams(out),
		optup.SuppressOutputs())
	if err != nil {
		return err
	}
	read, err := deployed.Job(ctx)
	if err != nil {
		return fmt.Errorf("everything is deployed, but a job could not read its credentials: %w", err)
	}
	readme := s.Path("readme-" + o.stack + ".md")
	if err := writeReadme(readme, result.Outputs); err != nil {
		return err
	}
	report := upReport{
		changes: *result.Summary.ResourceChanges,
		outputs: result.Outputs,
		read:    read,
		readme:  relativeTo(o.root, readme),
	}
	report.print(out)
	printNext(out, o,
		next{command: "pipeline", what: "run the jobs, pipelines and schedules that `make job` writes"},
		next{command: "vault", what: "look around in this Vault, and read as a job does"},
		next{command: "down", what: "destroy it all again"},
	)
	return nil
}

// preview shows what an up would change.
func preview(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	configured, err := configure(ctx, s, o, out, s.ConfigurePreview)
	if err != nil {
		return err
	}
	result, err := configured.Preview(ctx,
		optpreview.ProgressStreams(out),
		optpreview.ErrorProgressStreams(out),
		optpreview.SuppressOutputs())
	if err != nil {
		return err
	}
	changes := map[string]int{}
	for operation, count := range result.ChangeSummary {
		changes[string(operation)] = count
	}
	fmt.Fprintf(out, "\nPreview, nothing was changed. %s\n", summary("An up would", changes))
	printNext(out, o, next{command: "up", what: "make it so"})
	return nil
}

// drift fails if Vault or the stand-in for Azure hold something else than the program asks for.
func drift(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if err != nil {
		return err
	}
	_, err = selected.Preview(ctx,
		optpreview.Refresh(),
		optpreview.ExpectNoChanges(),
		optpreview.ProgressStreams(out),
		optpreview.ErrorProgressStreams(out),
		optpreview.SuppressOutputs())
	return err
}

// refresh takes into the state what Vault and the stand-in for Azure hold.
func refresh(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if err != nil {
		return err
	}
	_, err = selected.Refresh(ctx,
		optrefresh.ProgressStreams(out),
		optrefresh.ErrorProgressStreams(out))
	return err
}

// down destroys what up made.
func down(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if errors.Is(err, sandbox.ErrNoStack) {
		fmt.Fprintf(out, "There is nothing of stack %s in the sandbox; nothing to destroy.\n", o.stack)
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkProtected(ctx, selected, o); err != nil {
		return err
	}
	result, err := selected.Destroy(ctx,
		optdestroy.ProgressStreams(out),
		optdestroy.ErrorProgressStreams(out),
		optdestroy.SuppressOutputs())
	if err != nil {
		return err
	}
	// The program runs during a destroy too, so that a rotated token is used, and the engine counts
	// what the program registers. Only the deletions are news.
	deleted := (*result.Summary.ResourceChanges)["delete"]
	fmt.Fprintf(out, "\nDone: deleted %d.\n"+
		"The newest version of each credential is soft-deleted: Vault keeps it and the older ones.\n"+
		"Bring one back with `vault kv undelete`.\n", deleted)
	printNext(out, o,
		next{command: "up", what: "put all back"},
		next{command: "clean", what: "forget the sandbox, its Vault and what was built"},
	)
	return nil
}

// checkProtected asks before the engine is asked. A destroy without a preview deletes everything
// that is not protected, credentials included, before it fails for the rest.
func checkProtected(ctx context.Context, selected *sandbox.Stack, o options) error {
	if o.unprotect {
		return selected.Unprotect(ctx)
	}
	protected, err := selected.Protected(ctx)
	if err != nil || len(protected) == 0 {
		return err
	}
	return fmt.Errorf("stack %s protects %s (azure.protect), so nothing was destroyed. "+
		"`make down STACK=%s UNPROTECT=yes` destroys them too",
		o.stack, strings.Join(protected, ", "), o.stack)
}

// pipeline runs the definitions that make job writes, each step as a node of Azure ML would.
func pipeline(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	selected, err := s.Select(ctx, o.stack)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Jobs of stack %s, each step with its own variables and identity "+
		"(names and keys; never a value):\n\n", o.stack)
	return selected.Pipeline(ctx, out)
}

// serveVault keeps Vault, the issuer and a node's managed identity endpoint running until Ctrl-C,
// for a look around with any client and for running a job's own script.
func serveVault(ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer) error {
	if _, err := s.OpenStackFile(o.stack); err != nil {
		return err
	}
	fmt.Fprintln(out, vaultLines(s))
	selected, err := s.Select(ctx, o.stack)
	if errors.Is(err, sandbox.ErrNoStack) {
		fmt.Fprintf(out, "There is nothing of stack %s to read yet; `make up` makes it.\n", o.stack)
		<-ctx.Done()
		return nil
	}
	if err != nil {
		return err
	}
	values, err := selected.Outputs(ctx)
	if err != nil {
		return fmt.Errorf("stack outputs: %w", err)
	}
	file, err := selected.WriteJobEnvironment(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, readLines(s.DeployerTokenFile(o.stack), values))
	fmt.Fprintln(out, jobLines(file))
	<-ctx.Done()
	return nil
}

// configure reads the credentials, prepares the stack and says what the sandbox is made of.
func configure(
	ctx context.Context, s *sandbox.Sandbox, o options, out io.Writer,
	prepare func(context.Context, sandbox.Settings) (*sandbox.Stack, error),
) (*sandbox.Stack, error) {
	path := credentialsPath(o)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	configured, err := prepare(ctx, sandbox.Settings{Stack: o.stack, Credentials: string(text)})
	if err != nil {
		return nil, inCredentialsFile(err, relativeTo(o.root, path), string(text))
	}
	printMeans(ctx, out, s, o, configured)
	return configured, nil
}

// credentialsPath is the file that the user names, or the sample.
func credentialsPath(o options) string {
	switch {
	case o.credentials == "":
		return filepath.Join(o.root, "sandbox", "sample-credentials.json")
	case filepath.IsAbs(o.credentials):
		return o.credentials
	default:
		return filepath.Join(o.root, o.credentials)
	}
}

// relativeTo is a path as it reads in the repository's folder, where make is run.
func relativeTo(root, path string) string {
	relative, err := filepath.Rel(root, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}
