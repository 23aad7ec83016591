//go:build prove && unix

package faults

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/stretchr/testify/require"
)

// TestProveEveryFaultIsRepairedByTheNextUpAlone meets a stack of 12 credentials with every fault of
// the table, while every credential changes, or while the stack is made, or both.
func TestProveEveryFaultIsRepairedByTheNextUpAlone(t *testing.T) {
	t.Parallel()
	const credentials = 12
	var records []*record
	var once sync.Once
	means := ""
	t.Run("rows", func(t *testing.T) {
		for _, x := range faults() {
			phases := x.phases
			if len(phases) == 0 {
				phases = []phase{change}
			}
			for _, p := range phases {
				r := &record{}
				records = append(records, r)
				t.Run(x.name+", "+string(p), func(t *testing.T) {
					t.Parallel()
					s := x.strike(t, p, credentials)
					once.Do(func() { means = s.Means() })
					var says []string
					s.plain, says = s.plainUp(t)
					t.Log("a plain pulumi up: ", s.plain, says)
					*r = x.judge(t, s)
					t.Log(table("", []*record{r}))
				})
			}
		}
	})
	if !t.Failed() {
		lab.Publish(t, "faults.md", "faults", table(means, records))
	}
}

// TestProveAPlainUpCanBeGreenOverAWrongVault is why the next run looks first. It is also the
// planted fault that shows that these proofs can fail: without what Stack.Up does, the judge finds
// flaws.
func TestProveAPlainUpCanBeGreenOverAWrongVault(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"CLI killed, then the configuration goes back",
		"answers to deletions lost, then the credentials come back",
	} {
		t.Run(name, func(t *testing.T) {
			x := find(t, name)
			s := x.strike(t, change, 8)
			repairs, found := s.plainUp(t)
			require.False(t, repairs)
			require.Regexp(t, "is not what the configuration says", found, "the plain up is green over that")
			x.judge(t, s)
		})
	}
}

// table has the sentences of the failed runs once, below it.
func table(means string, records []*record) string {
	var rows, sentences strings.Builder
	numbers := map[string]int{}
	for _, r := range records {
		ended := "succeeds"
		if r.sentence != "" {
			if numbers[r.sentence] == 0 {
				numbers[r.sentence] = len(numbers) + 1
				fmt.Fprintf(&sentences, "%d. %s\n", len(numbers), r.sentence)
			}
			ended = fmt.Sprint("fails, ", numbers[r.sentence])
		}
		real := "`pulumi up`"
		if !r.plain {
			real = "`make repair`, `pulumi up`"
		}
		if r.fault.act != "" {
			real = r.fault.act + ", " + real
		}
		if r.sentence == "" && len(repairs(r.v.changes)) == 0 {
			real = "nothing"
		}
		changes := cmp.Or(strings.Join(repairs(r.v.changes), ", "), "no changes")
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s | %d | %d | %s |\n",
			r.fault.name, r.fault.how, r.phase, ended, changes, r.v.extra, r.v.leftover, real)
	}
	const head = "| fault | injected how | the run | ends | the next `make up` " +
		"| extra versions | left over | a real stack needs |\n|---|---|---|---|---|---|---|---|\n"
	said := "\nWhat the failed runs say:\n\n" + sentences.String()
	return means + "\n\n" + head + rows.String() + said
}

// repairs are the changes that the next up made.
func repairs(changes map[string]int) (parts []string) {
	for _, operation := range []string{"create", "update", "replace", "delete"} {
		if changes[operation] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", operation, changes[operation]))
		}
	}
	return parts
}
