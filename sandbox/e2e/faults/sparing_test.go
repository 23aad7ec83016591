//go:build unix

package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
)

// The sandbox's refreshes and destroys are without checkpoints, as the product's: the engine saves
// the state at the end only. At a thousand credentials that spares a destroy 29 of 30 CPU seconds.

// Of a destroy that was killed the state still has what is gone already. To
// delete that a second time is no error in Azure or Vault, so the next destroy ends.
func TestADestroyWithoutCheckpointsThatWasKilledIsFinishedByTheNext(t *testing.T) {
	for _, row := range []struct {
		name string
		kill func(f *faulty)
	}{
		{name: "while Azure deletes", kill: (*faulty).killWhileAzureDeletes},
		{name: "while Vault deletes", kill: (*faulty).killWhileVaultDeletes},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFaulty(t)
			stack, _ := f.Up("dev", lab.Sample())
			whole := len(f.deployment(stack).Resources)

			row.kill(f)
			_, err := stack.Stack.Destroy(t.Context(), optdestroy.SuppressProgress(),
				optdestroy.Parallel(1))
			require.ErrorContains(t, err, "signal: killed")
			f.gate.fail(nil, nil)
			require.Len(t, f.deployment(stack).Resources, whole, "the state is the one of before")

			require.NoError(t, stack.Cancel(t.Context()))
			_, err = stack.Stack.Destroy(t.Context(), optdestroy.SuppressProgress())
			require.NoError(t, err)
			require.Empty(t, f.ARM.List(""), "Azure")
			for name, versions := range history(t, f.Vault.Root()) {
				require.Nil(t, versions[len(versions)-1], "Vault still has %s", name)
			}
		})
	}
}

// killWhileAzureDeletes kills once the workspace is gone, while the storage account is going.
func (f *faulty) killWhileAzureDeletes() {
	f.ARM.Inject(arm.Fault{Type: armStorage, Method: http.MethodDelete, Latency: 5 * time.Second})
	go func() {
		for len(f.ARM.List(armWorkspace)) > 0 {
			time.Sleep(20 * time.Millisecond)
		}
		f.killCLI()
	}()
}

// killWhileVaultDeletes kills once a secret is deleted.
func (f *faulty) killWhileVaultDeletes() {
	deletes := func(r *http.Request) bool { return r.Method == http.MethodDelete }
	on(deletes, first(f.killCLI, pass))(f)
}

// Of a refresh that was killed the state has nothing that it found, so the next one finds it again.
func TestARefreshWithoutCheckpointsThatWasKilledIsDoneAgainByTheNext(t *testing.T) {
	for _, row := range []struct {
		name string
		kill func(f *faulty)
	}{
		{name: "while Azure is read", kill: (*faulty).killWhileAzureIsRead},
		{name: "while Vault is read", kill: (*faulty).killWhileVaultIsRead},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFaulty(t)
			stack, _ := f.Up("dev", lab.Sample())
			file := f.Path("state/.pulumi/stacks/mlvault/dev.json")
			before := lab.ReadFile(t, file)
			f.Write(lab.APIKeyPath, map[string]any{"data": map[string]any{"api_key": "drifted"}})

			row.kill(f)
			_, err := stack.Refresh(t.Context(), optrefresh.SuppressProgress(), optrefresh.Parallel(1))
			require.ErrorContains(t, err, "signal: killed")
			f.gate.fail(nil, nil)
			require.Equal(t, before, lab.ReadFile(t, file), "the state is the one of before")

			require.NoError(t, stack.Cancel(t.Context()))
			require.NotContains(t, f.Planned(stack), "update", "of what drifted the state knows nothing")
			_, err = stack.Refresh(t.Context(), optrefresh.SuppressProgress())
			require.NoError(t, err)
			require.Equal(t, 1, f.Planned(stack)["update"], "the next refresh finds what drifted")
		})
	}
}

// killWhileAzureIsRead kills once something was read, while a read waits for its answer.
func (f *faulty) killWhileAzureIsRead() {
	f.ARM.Inject(arm.Fault{Type: armStorage, Method: http.MethodGet, Latency: 5 * time.Second})
	before := f.ARM.Requests()[http.MethodGet]
	go func() {
		for f.ARM.Requests()[http.MethodGet] < before+2 {
			time.Sleep(20 * time.Millisecond)
		}
		f.killCLI()
	}()
}

// killWhileVaultIsRead kills as a credential is read.
func (f *faulty) killWhileVaultIsRead() {
	reads := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/secret/data/")
	}
	on(reads, first(f.killCLI, pass))(f)
}
