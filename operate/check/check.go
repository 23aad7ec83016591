// Package check tells before `pulumi up` whether it would succeed. A preview asks Vault nothing, so that a dead token,
// a sealed Vault or a missing mount shows only when half of Azure is built.
//
// It reads a real stack's configuration by the program's own loader and asks a real Vault as the deployer would, with
// requests that change nothing.
package check

import (
	"context"
	"fmt"
	"io"

	"mlvault/internal/settings"
)

// Report is what was found. Each text is one sentence or two: the key or object, what is wrong, and what to do. None
// quotes the address, a token or a value.
type Report struct {
	// Problems are what `pulumi up` would fail at, or what it would take from others.
	Problems []string
	// Warnings do not stop it, and somebody should look.
	Warnings []string
	// Unseen is what could not be looked at, and why.
	Unseen []string
	// Passed was looked at and is right.
	Passed []string
}

// Ready tells whether no problem was found.
func (r Report) Ready() bool { return len(r.Problems) == 0 }

// Print writes the report, the most urgent last, where a terminal shows it.
func (r Report) Print(out io.Writer) {
	for _, part := range []struct {
		word  string
		texts []string
	}{{"ok", r.Passed}, {"not seen", r.Unseen}, {"warning", r.Warnings}, {"problem", r.Problems}} {
		for _, text := range part.texts {
			fmt.Fprintf(out, "  %-9s %s\n", part.word, text)
		}
	}
}

// Check looks at everything that a stack needs, and reports all of it at once. Where one thing hides others, as a dead
// token hides its rights, it says what it did not see.
func Check(ctx context.Context, stack Stack) Report {
	c := &checker{stack: stack, cfg: stack.Config, access: stack.Config.Access()}
	c.configuration()
	switch {
	case !c.connect(ctx):
		c.unseen("token, rights and everything in Vault: Vault cannot be asked yet")
	case !c.token(ctx):
		c.unseen("rights and everything in Vault: needs a token that may be used for looking")
	default:
		c.rights(ctx)
		if (len(c.access.Credentials) > 0 || c.access.CreateMount) && c.mount(ctx) {
			c.secrets(ctx)
			c.neighbours(ctx)
		}
		c.policy(ctx)
		c.authBackend(ctx)
		c.reads(ctx)
	}
	c.issuer(ctx)
	c.azure(ctx)
	return c.masked()
}

// checker gathers a report.
type checker struct {
	stack  Stack
	cfg    *settings.Settings
	access settings.Store
	vault  *client
	blind  bool                // the token may not look at itself
	may    map[string][]string // path -> capabilities; nil: Vault did not tell
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

// masked is the report without what is secret, which an answer of Vault or of a library may quote.
func (c *checker) masked() Report {
	r := c.report
	for _, texts := range [][]string{r.Problems, r.Warnings, r.Unseen, r.Passed} {
		for i, text := range texts {
			texts[i] = c.cfg.Mask(text, c.stack.Token)
		}
	}
	return r
}

// What one environment variable may hold on Linux (MAX_ARG_STRLEN), its name and its end included. Pulumi hands the
// whole configuration to the program in one: seen, 120,000 bytes pass and 131,000 do not.
const (
	sizeLimit   = 128 << 10
	sizeWarning = 96 << 10
)

func (c *checker) configuration() {
	switch size := c.stack.Size; {
	case size >= sizeLimit:
		c.problem("the configuration has %d bytes. On Linux the program does not start with %d or more (`argument list too long`). "+
			"Move credentials into another stack", size, sizeLimit)
	case size >= sizeWarning:
		c.warning("the configuration has %d bytes. On Linux the program does not start with %d or more. "+
			"Move credentials into another stack before it grows", size, sizeLimit)
	default:
		c.passed("configuration: %s, %d bytes of %d", count(len(c.cfg.Credentials), "credential"), size, sizeLimit)
	}
	for _, name := range c.stack.Environment {
		c.warning("%s is set in this shell and changes what the Vault plugin does. Unset it: the stack's configuration has all that is needed", name)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
