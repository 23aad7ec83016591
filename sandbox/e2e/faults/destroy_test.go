//go:build unix

package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
)

// withoutCheckpoints lets the engine save the state at the end only. At a thousand credentials that
// spares a destroy 29 of 30 CPU seconds; docs/benchmarks.md recommends it.
var withoutCheckpoints = []string{"PULUMI_EXPERIMENTAL=true", "PULUMI_SKIP_CHECKPOINTS=true"}

// Of a destroy that was killed without checkpoints the state still has what is gone already. To
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
			f.WrapCommand = func(command auto.PulumiCommand) auto.PulumiCommand {
				return withEnv{PulumiCommand: command, more: withoutCheckpoints}
			}
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
