package azureml

import (
	"fmt"

	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	managedidentity "github.com/pulumi/pulumi-azure-native-sdk/managedidentity/v2/v20230131"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// What exists is read by its id, in whatever subscription it is. The engine keeps it in the state
// as somebody else's: it never changes it, and a destroy forgets it.

// existingWorkspace takes the place of all that only a workspace that is made has. It has a name of
// its own in Pulumi: under the name of the one that was made it would become that, and a run that
// is refused (see guard.go) would have changed the state.
func (b *builder) existingWorkspace() error {
	id := pulumi.ID(b.azure.WorkspaceID)
	workspace, err := ml.GetWorkspace(b.ctx, b.name+"-existing-workspace", id,
		&ml.WorkspaceState{}, b.existingOptions()...)
	if err != nil {
		return err
	}
	group := pulumi.String(b.azure.WorkspaceGroup())
	b.group = group
	b.location = workspace.Location.Elem()
	b.parent.ResourceGroup = group.ToStringOutput()
	b.parent.Name = workspace.Name
	b.parent.ID = workspace.ID().ToStringOutput()
	b.parent.PublicNetworkAccess = workspace.PublicNetworkAccess.Elem()
	return nil
}

// existingIdentity reads a user-assigned identity.
func (b *builder) existingIdentity(
	suffix, id string,
) (*managedidentity.UserAssignedIdentity, error) {
	identity, err := managedidentity.GetUserAssignedIdentity(b.ctx, b.name+suffix, pulumi.ID(id),
		&managedidentity.UserAssignedIdentityState{}, b.existingOptions()...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	return identity, nil
}
