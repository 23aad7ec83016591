package settings

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problems is every reason why a configuration is refused, in the order of the keys.
// Its text has one line for each and never a secret value.
type Problems []Problem

// Problem is one reason: the configuration key, and what is wrong with it and how to mend it.
type Problem struct {
	// Key is as `pulumi config set --path` takes it, for example vault.mount.
	Key  string
	Text string
}

// Error implements error.
func (p Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d problem", len(p))
	if len(p) != 1 {
		b.WriteByte('s')
	}
	b.WriteString(", nothing was created:")
	for _, problem := range p {
		fmt.Fprintf(&b, "\n  - %s: %s", problem.Key, problem.Text)
	}
	return b.String()
}

// AsProblems returns the problems that err carries.
func AsProblems(err error) (Problems, bool) {
	var p Problems
	ok := errors.As(err, &p)
	return p, ok
}

// collector gathers problems while a configuration is decoded and checked.
type collector struct {
	found Problems
	// secret tells whether the user has marked any of a key as secret; nil: none.
	secret func(key string) bool
}

func (c *collector) addf(key, format string, args ...any) {
	c.found = append(c.found, Problem{Key: printable(key), Text: printable(fmt.Sprintf(format, args...))})
}

// addPlain refuses a secret in plain text. It leaves the value out.
func (c *collector) addPlain(key string) {
	c.addf(key, "is in plain text; remove it (`pulumi config rm --path %s`) and set it again with `--secret`", key)
}

// refused tells whether a section has a problem already.
func (c *collector) refused(section string) bool {
	return slices.ContainsFunc(c.found, func(p Problem) bool { return p.Key == section || strings.HasPrefix(p.Key, section+".") })
}

// printable keeps one problem on one line, whatever a name in the configuration has in it: a line break could forge
// another problem, and a control character could change what the terminal shows.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// err returns the problems as an error, or nil when there are none.
func (c *collector) err() error {
	if len(c.found) == 0 {
		return nil
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	return c.found
}

// show quotes a value, or only says that there is one when the user keeps its key secret.
func (c *collector) show(key, value string) string {
	section, _, _ := strings.Cut(key, ".")
	if c.secret != nil && c.secret(section) {
		return masked
	}
	return strconv.Quote(value)
}
