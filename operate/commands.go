package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"mlvault/operate/adopt"
	"mlvault/operate/check"
	"mlvault/operate/cli"
	"mlvault/operate/explain"
	"mlvault/operate/handover"
	"mlvault/operate/repair"
	"mlvault/operate/verify"
)

func runPolicy(ctx context.Context, o options) error {
	stack, err := check.Load(ctx, o.cli(), o.stack)
	if err != nil {
		return err
	}
	text, err := rightsText(stack, o.purpose)
	if err != nil {
		return err
	}
	_, err = io.WriteString(o.out, text)
	return err
}

// rightsText is what Vault has to have for a purpose.
func rightsText(stack check.Stack, purpose string) (string, error) {
	switch purpose {
	case "deployer":
		return stack.Policy(), nil
	case "drift":
		return stack.DriftPolicy(), nil
	case "jobs":
		return stack.JobsPolicy(), nil
	case "role":
		return stack.JobsRole()
	default:
		return "", fmt.Errorf("-for %q is none of deployer, drift, jobs, role", purpose)
	}
}

func runCheck(ctx context.Context, o options) error {
	stack, err := check.Load(ctx, o.cli(), o.stack)
	if err != nil {
		return err
	}
	stack.Moved = o.moved
	forgetVault()
	fmt.Fprintf(o.out, "Preflight of stack %s\n", o.stack)
	report := check.Check(ctx, stack)
	report.Print(o.out)
	verdict := report.Verdict() + ". Nothing was changed"
	if !report.Ready() {
		return errors.New(verdict)
	}
	fmt.Fprintln(o.out, verdict+".")
	return nil
}

// forgetVault keeps VAULT_* of the shell out of the checks: the report names those that reach the
// plugin, and the configuration has the rest. The CLI has run before, since a secrets provider may
// need them.
func forgetVault() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
}

// jobPatience is how long a job may take: the first one waits for a node, and pulls its image.
const (
	jobPatience = 45 * time.Minute
	jobPause    = 20 * time.Second
)

func runVerify(ctx context.Context, o options) error {
	found, err := check.LoadSettings(ctx, o.cli(), o.stack)
	if err != nil {
		return err
	}
	forgetVault()
	name := path.Base(o.stack)
	fmt.Fprintf(o.out, "Verifying stack %s in Azure: two jobs, 15 to 45 minutes\n", o.stack)
	now := time.Now()
	report, err := verify.Verification{
		Stack:    name,
		Azure:    verify.AzureCLI{},
		Pulumi:   verify.PulumiCLI{CLI: o.cli(), Stack: o.stack},
		Vault:    verify.VaultServer{CACertFile: found.Vault.CACertFile},
		Folder:   filepath.Join(o.root, "job", name),
		Patience: jobPatience,
		Pause:    jobPause,
		Today:    now,
		Progress: o.out,
	}.Run(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join("docs", "verified", now.Format(time.DateOnly)+"-"+name+".md")
	if err := writePage(filepath.Join(o.root, file), report); err != nil {
		return err
	}
	if wrong := report.Wrong(); len(wrong) > 0 {
		return fmt.Errorf("not as assumed: %s. Wrote %s. Please open an issue with it: it holds nothing "+
			"secret", strings.Join(wrong, "; "), file)
	}
	fmt.Fprintf(o.out, "Nothing is wrong. Wrote %s; it holds nothing secret.\n", file)
	return nil
}

func writePage(file string, report *verify.Report) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	var page bytes.Buffer
	if err := report.Write(&page); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	return nil
}

func runRepair(ctx context.Context, o options) error {
	say := func(text string) { fmt.Fprintf(o.out, "  %s\n", text) }
	project, err := o.cli().Project()
	if err != nil {
		return err
	}
	backend, err := o.cli().Backend(ctx)
	if err != nil {
		return err
	}
	files, err := repair.FilesAt(backend, o.root, project, path.Base(o.stack))
	if err != nil {
		return err
	}
	if isCloud := strings.HasPrefix(backend, "http"); isCloud {
		say("Pulumi Cloud does not tell whose update holds a stack. If it says that there is one, and " +
			"that run is gone, `pulumi cancel --stack " + o.stack + "`")
	}
	run := repair.Repair{
		Stack:        cli.Stack{CLI: o.cli(), Name: o.stack, Out: o.out},
		Files:        files,
		Wants:        wanted(ctx, o),
		Subscription: subscription,
		Say:          say,
	}
	if err := run.Run(ctx); err != nil {
		return err
	}
	say(fmt.Sprintf("done. Run `make preflight STACK=%s`, then "+
		"`pulumi up --refresh --run-program --stack %s`", o.stack, o.stack))
	return nil
}

func runAdopt(ctx context.Context, o options) error {
	name := path.Base(o.stack)
	if !stackName.MatchString(name) {
		return fmt.Errorf("-stack %q is no name of a stack that a file can have", o.stack)
	}
	file := o.from
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.root, file)
	}
	given, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("-from: %w. It has the ids of what exists: docs/operate.md shows one", err)
	}
	var existing map[string]string
	if err := json.Unmarshal(given, &existing); err != nil {
		return fmt.Errorf("-from %s: is no JSON object of names and ids: %w", o.from, err)
	}
	backup := "before-adoption-" + name + ".json"
	adoption := adopt.Adoption{
		Stack:    adopt.PulumiCLI{Stack: cli.Stack{CLI: o.cli(), Name: o.stack, Out: o.out}},
		Existing: existing,
		Backup:   filepath.Join(o.root, backup),
		Name:     o.stack,
		Say:      func(text string) { fmt.Fprintf(o.out, "  %s\n", text) },
	}
	fmt.Fprintf(o.out, "Adopting into stack %s\n", o.stack)
	return adoption.Run(ctx)
}

// wanted tells what the configuration asks for. It reads that when it is asked first, since the CLI
// knows no stack whose files are damaged. A repair works with a configuration that is refused, too:
// then it is known to ask for nothing.
func wanted(ctx context.Context, o options) func(id string) bool {
	load := sync.OnceValue(func() func(string) bool {
		configured, err := check.LoadSettings(ctx, o.cli(), o.stack)
		if err != nil {
			return func(string) bool { return false }
		}
		return repair.WantedBy(configured)
	})
	return func(id string) bool { return load()(id) }
}

// subscription is where the stack's resources would be.
func subscription(ctx context.Context) string {
	id := os.Getenv("ARM_SUBSCRIPTION_ID")
	if id != "" {
		return id
	}
	return check.Subscription(ctx)
}

// runJob decrypts Vault's address where it is a secret output, and nothing else.
func runJob(ctx context.Context, o options) error {
	name := path.Base(o.stack)
	if !stackName.MatchString(name) {
		return fmt.Errorf("-stack %q is no name of a stack that a folder can have", o.stack)
	}
	if o.compute != "" {
		if err := handover.Compute(o.compute); err != nil {
			return err
		}
	}
	var outputs map[string]any
	err := o.cli().JSON(ctx, &outputs, "stack", "output", "--json", "--stack", o.stack)
	if err != nil {
		return err
	}
	if outputs["vaultAddress"] == handover.Hidden {
		address, err := revealedAddress(ctx, o)
		if err != nil {
			return fmt.Errorf("%w: %w", handover.ErrHidden, err)
		}
		outputs["vaultAddress"] = address
	}
	if o.compute != "" {
		if err := handover.Choose(outputs, o.compute); err != nil {
			return err
		}
	}
	jobs := filepath.Join(o.root, "job")
	if err := handover.Render(outputs, jobs, filepath.Join(jobs, name)); err != nil {
		return err
	}
	folder := filepath.Join("job", name)
	start := filepath.Join(folder, "README.md")
	fmt.Fprintf(o.out, "Wrote %s. It holds no credential. Start with %s.\n", folder, start)
	return nil
}

// stackName has no dot in front: job/.. is the repository itself.
var stackName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func revealedAddress(ctx context.Context, o options) (string, error) {
	var address string
	err := o.cli().JSON(ctx, &address,
		"stack", "output", "vaultAddress", "--show-secrets", "--json", "--stack", o.stack)
	return address, err
}

func runExplain(_ context.Context, o options) error {
	log, err := io.ReadAll(o.in)
	if err != nil {
		return fmt.Errorf("the log cannot be read: %w", err)
	}
	found, known := explain.Find(string(log))
	if known {
		fmt.Fprintln(o.out, found.Sentence()+".")
		return nil
	}
	return errors.New("nothing in this log is known. Read its last line that begins with `error:`. " +
		"`make preflight` looks at configuration, Vault and Azure")
}
