package verify

import (
	"context"
	"strings"
)

// Change is what an `up` would do to a resource. It has no values: some are secret.
type Change struct {
	// Name is the logical name.
	Name string
	// Operation is Pulumi's word, such as update or replace.
	Operation string
	// Properties are the paths that differ.
	Properties []string
}

func (c Change) String() string {
	text := c.Operation + " of " + c.Name
	if len(c.Properties) > 0 {
		text += " (" + strings.Join(c.Properties, ", ") + ")"
	}
	return text
}

// drift looks whether a refresh finds what Azure has made of the stack by itself.
func (v Verification) drift(ctx context.Context, report *Report) {
	v.say("previewing an up after a refresh")
	changes, err := v.Pulumi.Changes(ctx)
	if err != nil {
		report.add(refreshIsQuiet, notReached, err.Error())
		return
	}
	if len(changes) == 0 {
		report.add(refreshIsQuiet, confirmed, "no change")
		return
	}
	var found []string
	for _, change := range changes {
		found = append(found, change.String())
	}
	report.add(refreshIsQuiet, wrong, strings.Join(found, "; "))
}
