package azure

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

const (
	workspaces = "Microsoft.MachineLearningServices/workspaces"
	clusters   = workspaces + "/computes"
)

// requireOne wants one resource of a type and a name, with a text in its properties.
func (l *rig) requireOne(kind, name, text string) {
	l.T.Helper()
	var found []string
	for _, resource := range l.ARM.List(kind) {
		if resource["name"] == name {
			found = append(found, fmt.Sprint(resource["properties"]))
		}
	}
	require.Len(l.T, found, 1, "%s %s", kind, name)
	require.Contains(l.T, found[0], text)
}

// refreshWithProgram is `pulumi refresh --run-program`: the state takes the program's new options,
// and no change is made.
func (l *rig) refreshWithProgram(stack *sandbox.Stack) {
	l.T.Helper()
	_, err := stack.Refresh(l.T.Context(), optrefresh.RunProgram(true), optrefresh.SuppressProgress())
	require.NoError(l.T, err)
}

func (l *rig) upAgain(stack *sandbox.Stack) map[string]int {
	l.T.Helper()
	result, err := stack.Up(l.T.Context(), optup.SuppressProgress())
	require.NoError(l.T, err)
	return *result.Summary.ResourceChanges
}

// A refresh that runs the program, the end of a repair included, takes the program's options into
// the state and changes nothing. An option that was to replace is then spent, and every later up
// sends a change that Azure refuses.
func TestARefreshDoesNotForgetWhatHasToBeReplaced(t *testing.T) {
	l := newRig(t, fixtures())
	l.seed(theirGroup + " " + theirStorage)
	l.Up("dev", lab.Sample())

	bigger := lab.With(t, "compute[0].vmSize", "Standard_E8ds_v5")
	dev := l.Prepare("dev", lab.Sample(), bigger)
	l.refreshWithProgram(dev)
	l.upAgain(dev)
	l.requireOne(clusters, "ml-cluster", "vmSize:Standard_E8ds_v5")

	sensitive := lab.With(t, "azure.hbiWorkspace", "true")
	theirs := lab.With(t, "azure.storageAccountId", theirStorage)
	dev = l.Prepare("dev", lab.Sample(), bigger, sensitive, theirs)
	l.refreshWithProgram(dev)
	l.upAgain(dev)
	found := l.ARM.List(workspaces)
	require.Len(t, found, 1)
	require.Contains(t, fmt.Sprint(found[0]["properties"]), "hbiWorkspace:true")
	properties, _ := found[0]["properties"].(map[string]any)
	account, _ := properties["storageAccount"].(string)
	require.True(t, strings.EqualFold(theirStorage, account), "%s, in whatever case", account)
	require.Len(t, l.Planned(dev), 1, "nothing is left to change")
}

// As above, and the run that was to replace died half-way: the old cluster is gone, the new one was
// not made.
func TestAReplacementThatDiedIsDoneByTheNextUp(t *testing.T) {
	l := newRig(t, fixtures())
	l.Up("dev", lab.Sample())
	dev := l.Prepare("dev", lab.Sample(), lab.With(t, "compute[0].vmSize", "Standard_E8ds_v5"))
	for _, method := range []string{"DELETE", "PUT"} {
		l.ARM.Inject(arm.Fault{Type: clusters, Method: method, Status: 409, Code: "Conflict", Times: 1})
		_, err := dev.Up(t.Context(), optup.SuppressProgress())
		require.ErrorContains(t, err, "Conflict", method)
		l.refreshWithProgram(dev)
	}
	l.upAgain(dev)
	l.requireOne(clusters, "ml-cluster", "vmSize:Standard_E8ds_v5")
	require.Len(t, l.Planned(dev), 1, "nothing is left to change")
}

// A cluster that was made outside of a managed network stays outside, so it is made again.
func TestAManagedNetworkThatIsSwitchedOnReplacesTheCluster(t *testing.T) {
	l := newRig(t, fixtures())
	l.Up("dev", lab.Sample())
	inNetwork := azureIs(t, `{"managedNetwork":{"mode":"AllowInternetOutbound"}}`)
	_, changes := l.Up("dev", lab.Sample(), inNetwork)
	require.Equal(t, 2, changes["replace"], "the cluster, and what it is fixed to: %v", changes)
	l.requireOne(clusters, "ml-cluster", "enableNodePublicIp:false")
}
