package azureml

import (
	"fmt"

	locks "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20200501"
	authorization "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20220401"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// Types of principals.
const servicePrincipal = "ServicePrincipal"

// roleAssignments are those that need the workspace. Those that a workspace with an identity of its
// own needs before it are made with the identity.
func (b *builder) roleAssignments() error {
	for _, assignment := range b.azure.RoleAssignments {
		if err := b.assignOnWorkspace(assignment); err != nil {
			return err
		}
	}
	jobs := b.parent.JobIdentity.PrincipalID
	if b.azure.JobHas(settings.RoleDataScientist) {
		role := settings.RoleIDDataScientist
		if err := b.grant("-job-data-scientist", role, b.parent.ID, jobs); err != nil {
			return err
		}
	}
	if b.azure.JobHas(settings.RoleBlobContributor) {
		account := b.dependents.storageAccount
		if err := b.grant("-job-blobs", settings.RoleIDBlobContributor, account, jobs); err != nil {
			return err
		}
	}
	if err := b.endpointRoles(); err != nil {
		return err
	}
	if b.azure.HasOwnIdentity() {
		principal := b.workspacePrincipal
		return b.grant("-workspace-contributor", settings.RoleIDContributor, b.parent.ID, principal)
	}
	return nil
}

// endpointRoles are what an online endpoint needs that runs as the job identity, beside the right
// to pull that every registry made here gives: it loads model and code from the storage account
// ("Access Azure resources from an online endpoint with a managed identity"). On what exists
// already its owner gives them.
func (b *builder) endpointRoles() error {
	mayRead := b.azure.JobHas(settings.RoleBlobContributor)
	if !b.settings.Workload.Endpoints || b.azure.StorageAccountID != "" || mayRead {
		return nil
	}
	account := b.dependents.storageAccount
	jobs := b.parent.JobIdentity.PrincipalID
	return b.grant("-job-blob-reader", settings.RoleIDBlobReader, account, jobs)
}

// assignOnWorkspace gives a role of the settings. Its name has role and principal and not the place
// in the list: to remove one must not replace the others.
func (b *builder) assignOnWorkspace(assignment settings.RoleAssignment) error {
	role := settings.WorkspaceRoles[assignment.Role]
	return b.assign(fmt.Sprintf("-%s-%s", role.Short, assignment.PrincipalID), roleGrant{
		scope:         b.parent.ID,
		role:          role.ID,
		principal:     pulumi.String(assignment.PrincipalID),
		principalType: assignment.PrincipalType,
	})
}

// rolesOfOwnIdentity are the roles on what is made here that Azure gives to a system-assigned
// identity of a workspace, and to no other ("Set up authentication between Azure Machine Learning
// and other services"). On what exists already its owner gives them.
func (b *builder) rolesOfOwnIdentity() error {
	for _, part := range b.ownedParts() {
		prefix := "-workspace-" + part.name
		principal := b.workspacePrincipal
		if part.endpoints != nil && b.azure.ManagedNetwork.IsOn() {
			// Of the endpoint through which the managed network reaches it.
			err := b.grant(prefix+"-connections", settings.RoleIDConnectionApprover, part.id, principal)
			if err != nil {
				return err
			}
		}
		err := b.grant(prefix+"-contributor", settings.RoleIDContributor, part.id, principal)
		if err != nil {
			return err
		}
		if part.dataRole == "" {
			continue
		}
		if err := b.grant(prefix+"-data", part.dataRole, part.id, principal); err != nil {
			return err
		}
	}
	return nil
}

// locks forbid to delete what holds data. They come last: while one is there, Azure also refuses to
// take away a role, a diagnostic setting or an endpoint of what is locked.
func (b *builder) locks() error {
	if b.azure.Lock == "" {
		return nil
	}
	for _, part := range b.ownedParts() {
		if part.endpoints == nil {
			continue
		}
		args := &locks.ManagementLockByScopeArgs{
			LockName: component.Optional(b.settings.LockName(part.name)),
			Scope:    part.id,
			Level:    pulumi.String(locks.LockLevelCanNotDelete),
			Notes:    pulumi.String("Made by Pulumi. To remove it, remove azure.lock from the settings."),
		}
		options := b.childOptions(pulumi.DependsOn(b.attachments), b.nameStays())
		_, err := locks.NewManagementLockByScope(b.ctx, b.name+"-"+part.name+"-lock", args, options...)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// roleGrant is a role of a principal on a scope.
type roleGrant struct {
	scope     pulumi.StringInput
	role      string // GUID of the definition
	principal pulumi.StringInput
	// principalType is User, Group or ServicePrincipal. ARM refuses another than the principal's.
	principalType string
}

// grant gives a role to an identity.
func (b *builder) grant(suffix, role string, scope, identity pulumi.StringInput) error {
	return b.assign(suffix, roleGrant{
		scope:         scope,
		role:          role,
		principal:     identity,
		principalType: servicePrincipal,
	})
}

// assign gives a role. The principal's type is always sent: the provider's default is User, and
// with a type ARM does not look up a principal that is only just made and not yet known everywhere.
func (b *builder) assign(suffix string, grant roleGrant) error {
	definition := "/providers/Microsoft.Authorization/roleDefinitions/" + grant.role
	args := &authorization.RoleAssignmentArgs{
		Scope:            grant.scope,
		RoleDefinitionId: pulumi.String(definition),
		PrincipalId:      grant.principal,
		PrincipalType:    pulumi.String(grant.principalType),
	}
	name := b.name + suffix
	assignment, err := authorization.NewRoleAssignment(b.ctx, name, args, b.childOptions()...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.attachments = append(b.attachments, assignment)
	return nil
}
