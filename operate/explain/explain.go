// Package explain tells what a failed run of Pulumi means, and what to do about it.
//
// It goes by what Vault, Azure and the network say themselves. So it serves with every version of
// the plugins whose errors pass those words on. It repeats nothing of the log, which may hold
// secrets.
package explain

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Explanation is one known way to fail.
type Explanation struct {
	// Sign is what the log shows, for people.
	Sign string
	// Cause is what it means.
	Cause string
	// Remedy is what to do, with the command.
	Remedy string

	pattern *regexp.Regexp
}

// Sentence is the cause and the remedy, for one line on a terminal.
func (e Explanation) Sentence() string { return e.Cause + ". " + e.Remedy }

// All are the known explanations. One fault may show several signs: the first in this order is the
// one to mend.
func All() []Explanation {
	return explanations
}

// Find is the explanation of a log, or of an error's text. It is false where no sign is known.
func Find(log string) (Explanation, bool) {
	for _, explanation := range explanations {
		if explanation.pattern.MatchString(log) {
			return explanation, true
		}
	}
	return Explanation{}, false
}

// LastError is what the Pulumi CLI printed as its last error, or empty.
func LastError(log string) string {
	lines := errorLine.FindAllStringSubmatch(log, -1)
	if len(lines) == 0 {
		return ""
	}
	return strings.TrimSpace(lines[len(lines)-1][1])
}

var errorLine = regexp.MustCompile(`(?m)^\s*error:\s+(.*)$`)

// Table writes all explanations as a table in Markdown, which docs/operate.md has.
func Table(out io.Writer) error {
	rows := []string{
		"| the log shows | it means | what to do |",
		"|---|---|---|",
	}
	for _, e := range explanations {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", e.Sign, e.Cause, e.Remedy))
	}
	_, err := fmt.Fprintln(out, strings.Join(rows, "\n"))
	return err
}
