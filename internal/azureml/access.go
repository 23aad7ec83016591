package azureml

import (
	"fmt"
	"maps"
	"slices"

	locks "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20200501"
	authorization "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20220401"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RoleAssignment gives a principal a role on the workspace.
type RoleAssignment struct {
	Role          string // a short name, part of the child's name and so of its URN
	RoleID        string // GUID of the role definition
	PrincipalID   string // object id
	PrincipalType string // User, Group or ServicePrincipal; ARM refuses another than the principal's
}

// Built-in roles of Azure, by the GUID of the definition.
const (
	acrPull            = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	contributor        = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	reader             = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	keyVaultAdmin      = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	blobContributor    = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
	dataScientist      = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
	connectionApprover = "b556d68e-0be0-4f35-a333-ad7ee1ce17ea"
)

// roleAssignments are those that need the workspace, but for what an own identity of the workspace needs before it.
func (b *builder) roleAssignments() error {
	workspace := b.parent.ID
	for _, a := range b.args.RoleAssignments {
		// By role and principal and not by place in the list: to remove one must not replace the others.
		suffix := fmt.Sprintf("-%s-%s", a.Role, a.PrincipalID)
		if err := b.assign(suffix, workspace, a.RoleID, pulumi.String(a.PrincipalID), a.PrincipalType); err != nil {
			return err
		}
	}
	if b.args.JobUsesWorkspace {
		if err := b.grant("-job-data-scientist", workspace, dataScientist, b.parent.JobIdentity.PrincipalID); err != nil {
			return err
		}
	}
	if b.args.JobUsesBlobs {
		if err := b.grant("-job-blobs", b.parts.storageAccount, blobContributor, b.parent.JobIdentity.PrincipalID); err != nil {
			return err
		}
	}
	if b.args.WorkspaceIdentity {
		return b.grant("-workspace-contributor", workspace, contributor, b.workspacePrincipal)
	}
	return nil
}

// workspaceRoles are the roles on what is made here that Azure gives to a system-assigned identity of a workspace, and
// to no other ("Set up authentication between Azure Machine Learning and other services"). The owner of what is brought
// along gives them there.
func (b *builder) workspaceRoles() error {
	for _, on := range b.made() {
		roles := map[string]string{"contributor": contributor}
		if on.data != "" {
			roles["data"] = on.data
		}
		if on.endpoints != nil && b.args.ManagedNetwork.on() {
			roles["connections"] = connectionApprover // of the endpoint through which the network reaches it
		}
		for _, role := range slices.Sorted(maps.Keys(roles)) {
			if err := b.grant("-workspace-"+on.name+"-"+role, on.id, roles[role], b.workspacePrincipal); err != nil {
				return err
			}
		}
	}
	return nil
}

// locks forbid to delete what holds data. They come last: while one is there, Azure also refuses to take away a role, a
// diagnostic setting or an endpoint of what is locked.
func (b *builder) locks() error {
	for _, on := range b.made() {
		if !b.args.Lock || on.endpoints == nil {
			continue
		}
		if _, err := locks.NewManagementLockByScope(b.ctx, b.name+"-"+on.name+"-lock", &locks.ManagementLockByScopeArgs{
			Scope: on.id,
			Level: pulumi.String(locks.LockLevelCanNotDelete),
			Notes: pulumi.String("Made by Pulumi. Set azure.lock to false to remove it."),
		}, b.child(pulumi.DependsOn(b.attached))...); err != nil {
			return fmt.Errorf("%s: %w", on.name, err)
		}
	}
	return nil
}

// grant gives a role to an identity.
func (b *builder) grant(suffix string, scope pulumi.StringInput, role string, identity pulumi.StringInput) error {
	return b.assign(suffix, scope, role, identity, "ServicePrincipal")
}

// assign gives a role on a scope. Its type is always sent: the provider's default is User, and with a type ARM does not
// look up a principal that is only just made and not yet known everywhere.
func (b *builder) assign(suffix string, scope pulumi.StringInput, role string, principal pulumi.StringInput, principalType string) error {
	assignment, err := authorization.NewRoleAssignment(b.ctx, b.name+suffix, &authorization.RoleAssignmentArgs{
		Scope:            scope,
		RoleDefinitionId: pulumi.String("/providers/Microsoft.Authorization/roleDefinitions/" + role),
		PrincipalId:      principal,
		PrincipalType:    pulumi.String(principalType),
	}, b.child()...)
	if err != nil {
		return fmt.Errorf("%s%s: %w", b.name, suffix, err)
	}
	b.attached = append(b.attached, assignment)
	return nil
}
