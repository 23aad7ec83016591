//go:build prove && unix

package faults

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"
)

// TestProveEveryFaultIsRepairedByTheNextUpAlone meets a stack of 12 credentials with every fault of the table, while every
// credential changes, or while the stack is made, or both. UPDATE_GOLDEN=1 writes the table of docs/faults.md anew.
func TestProveEveryFaultIsRepairedByTheNextUpAlone(t *testing.T) {
	const credentials = 12
	var records []record
	for _, x := range faults() {
		phases := x.phases
		if len(phases) == 0 {
			phases = []phase{change}
		}
		for _, p := range phases {
			t.Run(x.name+", "+string(p), func(t *testing.T) {
				r := x.run(t, p, credentials)
				t.Log("\n" + line(r))
				records = append(records, r)
			})
		}
	}
	if t.Failed() {
		return
	}
	publish(t, "faults", table(records))
}

// TestProveTheWayBackWithoutTheSandbox is what docs/operate.md says to do by hand, with the CLI alone.
func TestProveTheWayBackWithoutTheSandbox(t *testing.T) {
	f := newFaulty(t)
	wanted := several(12, "new")
	f.gate.fail(at(6, first(f.killCLI, pass)))
	configured := f.Prepare("dev", wanted)
	_, err := configured.Up(t.Context(), optup.SuppressProgress(), optup.Parallel(inFlight))
	f.requireExplained(err, "was killed")
	f.gate.fail(nil)

	require.NoError(t, configured.Cancel(t.Context()))
	_, err = configured.Stack.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err)
	t.Logf("after the up %d creations are pending", len(f.deployment(configured).PendingOperations))
	_, err = configured.Refresh(t.Context(), optrefresh.ClearPendingCreates(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	require.Empty(t, f.deployment(configured).PendingOperations)

	v := f.judge(f.Vault.Root(), nil, wanted, nil)
	require.Empty(t, repairs(v.changes), "the up by hand had done all there was to do")
	t.Logf("%d versions, %d of them extra, %d documents in Azure that the state does not know", v.versions, v.extra, v.leftover)
}

// TestProveAPlainUpCanBeGreenOverAWrongVault is why the next run looks first. It is also the planted fault that shows that
// these proofs can fail: without what Stack.Up does, the judge finds flaws.
func TestProveAPlainUpCanBeGreenOverAWrongVault(t *testing.T) {
	for _, name := range []string{"CLI killed, then the configuration goes back", "answers to deletions lost, then the credentials come back"} {
		t.Run(name, func(t *testing.T) {
			s := find(t, name).strike(t, change, 8)
			configured := s.Prepare("dev", s.next, s.edits...)
			require.NoError(t, configured.Cancel(t.Context()))
			_, err := configured.Stack.Up(t.Context(), optup.SuppressProgress())
			require.NoError(t, err, "the plain up is green")
			found := flaws(history(t, s.Vault.Root()), s.next, s.before, s.wanted, several(8, "new"))
			require.NotEmpty(t, found)
			t.Logf("a plain up succeeded, and: %q", found)

			s.judge(s.Vault.Root(), s.before, s.next, s.edits, s.wanted)
		})
	}
}

func table(records []record) string {
	var b strings.Builder
	b.WriteString("| fault | injected how | the run | it ended | the next `make up` | KV versions | of them extra | left over in Azure |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range records {
		b.WriteString(line(r))
	}
	return b.String()
}

func line(r record) string {
	ended := "succeeded"
	if r.sentence != "" {
		ended = "failed: " + r.sentence
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %d | %d | %d |\n", r.fault.name, r.fault.how, r.phase, ended,
		cmp.Or(strings.Join(repairs(r.v.changes), ", "), "no changes"), r.v.versions, r.v.extra, r.v.leftover)
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

// publish prints a table and, on request, puts it between its marks in docs/faults.md.
func publish(t *testing.T, name, text string) {
	t.Helper()
	t.Logf("\n%s", text)
	if os.Getenv("UPDATE_GOLDEN") == "" {
		return
	}
	path := filepath.Join(lab.Repository(), "docs", "faults.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	from, to := "<!-- table: "+name+" -->\n", "<!-- end: "+name+" -->"
	head, rest, found := strings.Cut(string(page), from)
	require.True(t, found, "docs/faults.md has the mark %s", from)
	_, tail, found := strings.Cut(rest, to)
	require.True(t, found, "docs/faults.md has the mark %s", to)
	require.NoError(t, os.WriteFile(path, []byte(head+from+text+to+tail), 0o644))
}
