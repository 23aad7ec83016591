// Package check tells before `pulumi up` whether it would succeed, and what it would cost: what it
// would overwrite that is somebody else's, what data it would delete, and which job definitions it
// would outdate. A preview asks Vault nothing, so that a dead token, a sealed Vault or a missing
// mount shows only when half of Azure is built.
//
// It reads a real stack's configuration by the program's own loader, and asks a real Vault as the
// deployer would, with requests that change nothing.
package check

import (
	"context"
	"fmt"
	"io"

	"mlvault/internal/settings"
)

// Report is what was found. Each text is one sentence or two: the key or object, what is wrong, and
// what to do. None quotes the address, a token or a value.
type Report struct {
	// Problems are what `pulumi up` would fail at, or what it would take from others or delete.
	Problems []string
	// Warnings do not stop it, and somebody should look.
	Warnings []string
	// Unseen is what could not be looked at, and why.
	Unseen []string
	// Passed was looked at and is right.
	Passed []string

	// Overwrites says that `pulumi up` would not fail at some problem: it would overwrite or delete
	// what is not this stack's.
	Overwrites bool
	// OwnersUnseen says that it could not be seen whose it is what `pulumi up` writes to.
	OwnersUnseen bool
	// AnotherVault says that this is not the Vault that the state was written against, or no longer.
	AnotherVault bool
}

// Ready tells whether no problem was found, and nothing of others can be overwritten unseen.
func (r Report) Ready() bool { return len(r.Problems) == 0 && !r.OwnersUnseen }

// Verdict is the report in one sentence.
func (r Report) Verdict() string {
	switch {
	case r.Overwrites:
		return fmt.Sprintf("do not run `pulumi up`: it would overwrite or delete what is not this "+
			"stack's, without an error. "+
			"Problems: %d", len(r.Problems))
	case r.AnotherVault:
		return fmt.Sprintf("do not run `pulumi up` before you know which Vault this is. "+
			"Problems: %d", len(r.Problems))
	case len(r.Problems) > 0:
		return fmt.Sprintf("`pulumi up` would fail. Problems: %d", len(r.Problems))
	case r.OwnersUnseen:
		return "no problem was found, but it could not be seen whose it is what `pulumi up` writes to " +
			"in Vault. " +
			"It may overwrite what is somebody else's"
	default:
		return "No problem found. `pulumi up` should succeed"
	}
}

// Print writes the report, the most urgent last, where a terminal shows it.
func (r Report) Print(out io.Writer) {
	for _, part := range []struct {
		word  string
		texts []string
	}{
		{word: "ok", texts: r.Passed},
		{word: "not seen", texts: r.Unseen},
		{word: "warning", texts: r.Warnings},
		{word: "problem", texts: r.Problems},
	} {
		for _, text := range part.texts {
			fmt.Fprintf(out, "  %-9s %s\n", part.word, text)
		}
	}
}

// Check looks at everything that a stack needs, and reports all of it at once. Where one thing
// hides others, as a dead token hides its rights, it says what it did not see.
func Check(ctx context.Context, stack Stack) Report {
	c := &checker{stack: stack, settings: stack.Settings}
	c.configuration()
	c.losses()
	c.definitions()
	c.inVault(ctx)
	c.issuer(ctx)
	c.azure(ctx)
	return c.masked()
}

// inVault looks at Vault, as far as there is a token that may look.
func (c *checker) inVault(ctx context.Context) {
	if !c.connect(ctx) {
		c.unseen("token, rights and everything in Vault: Vault cannot be asked yet")
		c.report.OwnersUnseen = true
		return
	}
	if !c.token(ctx) {
		c.unseen("rights and everything in Vault: needs a token that may be used for looking")
		c.report.OwnersUnseen = true
		return
	}
	c.rights(ctx)
	c.sameVault(ctx)
	if len(c.settings.Credentials) > 0 || c.settings.Vault.CreateMount {
		c.mount(ctx)
	}
	c.secrets(ctx)
	c.neighbours(ctx)
	c.policy(ctx)
	c.authBackend(ctx)
	c.reads(ctx)
}

// checker gathers a report.
type checker struct {
	stack    Stack
	settings *settings.Settings
	vault    *client
	// blind says that the token may not look at itself.
	blind bool
	// may has the capabilities of the token by path. It is nil where Vault did not tell.
	may map[string][]string
	// hasSecrets says that there is an engine that may have secrets in it.
	hasSecrets bool
	// moved says that the state was written against another address or namespace.
	moved  bool
	report Report
}

func (c *checker) problem(format string, args ...any) {
	c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
}

func (c *checker) warning(format string, args ...any) {
	c.report.Warnings = append(c.report.Warnings, fmt.Sprintf(format, args...))
}

func (c *checker) unseen(format string, args ...any) {
	c.report.Unseen = append(c.report.Unseen, fmt.Sprintf(format, args...))
}

func (c *checker) passed(format string, args ...any) {
	c.report.Passed = append(c.report.Passed, fmt.Sprintf(format, args...))
}

// masked is the report with [secret] in place of everything secret. The answers of Vault and of the
// libraries may quote the address, the token or a value.
func (c *checker) masked() Report {
	r := c.report
	for _, texts := range [][]string{r.Problems, r.Warnings, r.Unseen, r.Passed} {
		for i, text := range texts {
			texts[i] = c.settings.Mask(text, c.stack.Token)
		}
	}
	return r
}

// What one environment variable may hold on Linux (MAX_ARG_STRLEN), its name and its end included.
// Pulumi hands the whole configuration to the program in one: seen, 120,000 bytes pass and 131,000
// do not.
const (
	sizeLimit   = 128 << 10
	sizeWarning = 96 << 10
)

func (c *checker) configuration() {
	size := c.stack.Size
	switch {
	case size >= sizeLimit:
		c.problem("the configuration has %d bytes. On Linux the program does not start with %d or more "+
			"(`argument list too long`). Move credentials into another stack", size, sizeLimit)
	case size >= sizeWarning:
		c.warning("the configuration has %d bytes. On Linux the program does not start with %d or more. "+
			"Move credentials into another stack before it grows", size, sizeLimit)
	default:
		credentials := count(len(c.settings.Credentials), "credential")
		c.passed("configuration: %s, %d bytes of %d", credentials, size, sizeLimit)
	}
	for _, name := range c.stack.Environment {
		c.warning("%s is set in this shell and changes what the Vault plugin does. "+
			"Unset it: the stack's configuration has all that is needed", name)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
