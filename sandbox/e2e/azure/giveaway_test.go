package azure

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// Settings of the dev stack's azure section.
const (
	ownWorkspace = `{"createContainerRegistry":true,"tags":{"environment":"dev"}}`
	letGo        = `{"createContainerRegistry":true,"tags":{"environment":"dev"},"retain":true}`
	theirsNow    = `{"workspaceId":%q,"tags":{"environment":"dev"}}`
)

// A team gives its workspace to the platform team and goes on with its credentials: docs/operate.md,
// "Give the workspace away".
func TestAWorkspaceIsGivenAwayAndTakenBackAndNothingIsLost(t *testing.T) {
	l := newRig(t, fixtures())
	dev, _ := l.Up("dev", lab.Sample(), azureIs(t, ownWorkspace))
	values, err := dev.Outputs(t.Context())
	require.NoError(t, err)
	workspace := sandbox.Text(values, outputs.WorkspaceID)
	given := azureIs(t, fmt.Sprintf(theirsNow, workspace))
	before := l.ARM.List("")

	t.Run("in one step it is refused, and nothing has moved", func(t *testing.T) {
		l := &rig{l.For(t)}
		refused := l.Prepare("dev", lab.Sample(), given)
		_, err := refused.Preview(t.Context(), optpreview.SuppressProgress())
		require.ErrorContains(t, err, "is not deleted: the stack made it with its workspace")
		_, err = refused.Up(t.Context(), optup.SuppressProgress())
		require.ErrorContains(t, err, "is not deleted: the stack made it with its workspace")
		require.Equal(t, before, l.ARM.List(""))
	})

	_, changes := l.Up("dev", lab.Sample(), azureIs(t, ownWorkspace))
	delete(changes, "discard") // of what the state had read
	require.Len(t, changes, 1, "the settings of before change nothing: %v", changes)
	_, changes = l.Up("dev", lab.Sample(), azureIs(t, letGo))
	require.Len(t, changes, 1, "to let go changes the state alone: %v", changes)
	held, err := dev.Export(t.Context())
	require.NoError(t, err)

	theirs, changes := l.Up("dev", lab.Sample(), given)
	require.NotContains(t, changes, "create", "%v", changes)
	require.NotContains(t, changes, "update", "%v", changes)
	require.Equal(t, before, l.ARM.List(""), "all of it is there, as it was")
	require.Len(t, l.Planned(theirs), 1, "nothing is left to do")
	read, err := theirs.Job(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, read)

	t.Run("taken back", func(t *testing.T) {
		l := &rig{l.For(t)}
		require.NoError(t, theirs.Import(t.Context(), held))
		_, changes := l.Up("dev", lab.Sample(), azureIs(t, letGo))
		require.Len(t, changes, 1, "it is the stack's again: %v", changes)
		_, changes = l.Up("dev", lab.Sample(), azureIs(t, ownWorkspace))
		require.Len(t, changes, 1, "and is held: %v", changes)
		require.Equal(t, before, l.ARM.List(""))
	})

	_, _ = l.Up("dev", lab.Sample(), azureIs(t, letGo))
	theirs, _ = l.Up("dev", lab.Sample(), given)
	l.Destroy(theirs)
	_, isThere := l.ARM.Resource(workspace)
	require.True(t, isThere, "a destroy takes the job identity and the cluster, and forgets the rest")
	require.Empty(t, l.ARM.List(typeWorkspace+"/computes"))
	require.Len(t, l.ARM.List(""), len(before)-2)
}
