//go:build unix

package faults

import (
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
)

// The engine makes a replacement before it deletes the old resource, and until then the state has
// the old one only. So whoever is killed in between leaves two of them.

const armLogs = "Microsoft.OperationalInsights/workspaces"

// killedUp runs an up with the edits, and kills its CLI as soon as what it makes is there.
func (f *faulty) killedUp(edits []lab.Edit, arm func()) {
	f.T.Helper()
	f.stack = f.Prepare("dev", lab.Sample(), edits...)
	arm()
	_, err := f.stack.Up(f.T.Context(), optup.SuppressProgress(), optup.Parallel(1))
	require.ErrorContains(f.T, err, "signal: killed")
	f.gate.fail(nil, nil)
}

// nextUp is the run after it. It has to end well, and to leave nothing for a further one.
func (f *faulty) nextUp(edits []lab.Edit) {
	f.T.Helper()
	f.stack, _ = f.Up("dev", lab.Sample(), edits...)
	require.Subset(f.T, []string{"same"}, keys(f.Planned(f.stack)), "a further up would change "+
		"something")
}

func keys(changes map[string]int) []string {
	var all []string
	for name := range changes {
		all = append(all, name)
	}
	return all
}

func TestASecretWhoseMoveWasKilledIsWhereTheConfigurationSaysAndNowhereElse(t *testing.T) {
	const (
		old   = "secret/data/mlvault/dev/"
		moved = "secret/data/moved/"
	)
	toMoved := []lab.Edit{lab.With(t, "vault.prefix", "moved")}
	for _, row := range []struct {
		name  string
		edits []lab.Edit
		here  string
		gone  string
	}{
		{name: "the same configuration", edits: toMoved, here: moved, gone: old},
		{name: "the configuration goes back", here: old, gone: moved},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFaulty(t)
			f.Up("dev", lab.Sample())
			f.killedUp(toMoved, func() {
				isMoved := func(r *http.Request) bool {
					return isAnyWrite(r) && strings.HasPrefix(r.URL.Path, "/v1/"+moved)
				}
				on(isMoved, first(f.killCLI, pass))(f)
			})
			f.nextUp(row.edits)
			for name := range lab.Sample() {
				data, _ := f.Read(row.here + name)
				require.NotNil(t, data, "%s is not at %s", name, row.here)
				data, _ = f.Read(row.gone + name)
				require.Nil(t, data, "%s is readable at %s still", name, row.gone)
			}
			f.Destroy(f.stack)
			for name := range lab.Sample() {
				data, _ := f.Read(row.here + name)
				require.Nil(t, data, "%s outlives the destroy", name)
			}
		})
	}
}

// isAnyWrite tells of a write at any path.
func isAnyWrite(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost
}

func TestAnAzureResourceWhoseReplacementWasKilledIsThereOnce(t *testing.T) {
	renamed := []lab.Edit{lab.With(t, "azure.names.logAnalytics", "ml-logs-renamed")}
	for _, row := range []struct {
		name  string
		edits []lab.Edit
		want  string
	}{
		{name: "the same configuration", edits: renamed, want: "ml-logs-renamed"},
		{name: "the configuration goes back", want: "the old one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFaulty(t)
			f.Up("dev", lab.Sample())
			before := f.logs()
			require.Len(t, before, 1)
			want := row.want
			if want == "the old one" {
				want = before[0]
			}
			f.killedUp(renamed, f.killWhileLogsAreReplaced)
			require.Len(t, f.logs(), 2, "the old one, and the one that was being created")
			f.nextUp(row.edits)
			require.Equal(t, []string{want}, f.logs())
			f.Destroy(f.stack)
			require.Empty(t, f.logs())
		})
	}
}

// killWhileLogsAreReplaced kills once the new Log Analytics workspace is there beside the old one.
func (f *faulty) killWhileLogsAreReplaced() {
	f.ARM.Inject(arm.Fault{Type: armLogs, Method: "GET", Skip: 1, Latency: 5 * time.Second})
	go func() {
		for len(f.ARM.List(armLogs)) < 2 {
			time.Sleep(20 * time.Millisecond)
		}
		f.killCLI()
	}()
}

// The repair's refresh keeps no checkpoints. Killed, it leaves what was taken in before it.
func TestARepairWhoseRefreshWasKilledIsDoneByTheNextOne(t *testing.T) {
	renamed := []lab.Edit{lab.With(t, "azure.names.logAnalytics", "ml-logs-renamed")}
	f := newFaulty(t)
	f.Up("dev", lab.Sample())
	f.killedUp(renamed, f.killWhileLogsAreReplaced)

	f.stack = f.Prepare("dev", lab.Sample(), renamed...)
	f.killWhileAzureIsRead()
	_, err := f.stack.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "The repair is not done")
	require.ErrorContains(t, err, "signal: killed")

	f.nextUp(renamed)
	require.Equal(t, []string{"ml-logs-renamed"}, f.logs())
	f.Destroy(f.stack)
	require.Empty(t, f.logs())
}

// logs are the names of the Log Analytics workspaces in Azure.
func (f *faulty) logs() []string {
	var names []string
	for _, doc := range f.ARM.List(armLogs) {
		id, _ := doc["id"].(string)
		names = append(names, path.Base(id))
	}
	return names
}
