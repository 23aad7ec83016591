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
	count := fmt.Sprintf("%d problems", len(p))
	if len(p) == 1 {
		count = "1 problem"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "the configuration has %s, nothing was created:", count)
	for _, problem := range p {
		fmt.Fprintf(&text, "\n  - %s: %s", problem.Key, problem.Text)
	}
	return text.String()
}

// AsProblems returns the problems that err carries.
func AsProblems(err error) (Problems, bool) {
	var p Problems
	ok := errors.As(err, &p)
	return p, ok
}

// report gathers problems while a configuration is decoded and checked.
type report struct {
	found Problems
	// isSecret tells whether the user keeps any part of a section secret.
	isSecret func(section string) bool
	// written has the keys of what is written in the configuration, whatever its value.
	written map[string]bool
}

func (r *report) addf(key, format string, args ...any) {
	r.found = append(r.found, Problem{
		Key:  printable(key),
		Text: printable(fmt.Sprintf(format, args...)),
	})
}

// addPlain refuses a secret in plain text. It leaves the value out.
func (r *report) addPlain(key string) {
	r.addf(key, "is in plain text; remove it (`pulumi config rm --path %s`) and set it again with "+
		"`--secret`", key)
}

// has tells whether a key, or anything below it, has a problem already.
func (r *report) has(key string) bool {
	key = printable(key)
	for _, problem := range r.found {
		below, isBelow := strings.CutPrefix(problem.Key, key)
		if isBelow && (below == "" || below[0] == '.' || below[0] == '[') {
			return true
		}
	}
	return false
}

// err returns the problems as an error, or nil when there are none.
func (r *report) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int {
		return strings.Compare(a.Key, b.Key)
	})
	return r.found
}

// show quotes a value, or only says that there is one when the user keeps its section secret.
func (r *report) show(key, value string) string {
	section := key
	if end := strings.IndexAny(key, ".["); end >= 0 {
		section = key[:end]
	}
	if r.isSecret != nil && r.isSecret(section) {
		return masked
	}
	return strconv.Quote(value)
}

// printable keeps one problem on one line, whatever a name in the configuration has in it: a line
// break could forge another problem, and a control character could change what the terminal shows.
func printable(text string) string {
	isControl := func(r rune) bool { return !unicode.IsPrint(r) }
	if !strings.ContainsFunc(text, isControl) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
