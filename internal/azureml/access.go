package azureml

import (
	"fmt"

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

// acrPull is the built-in role AcrPull.
const acrPull = "7f951dda-4ed3-4680-a7ca-43fe172d538d"

func (b *builder) roleAssignments(workspace pulumi.StringInput) error {
	for _, a := range b.args.RoleAssignments {
		// By role and principal and not by place in the list: to remove one must not replace the others.
		suffix := fmt.Sprintf("-%s-%s", a.Role, a.PrincipalID)
		if err := b.assign(suffix, workspace, a.RoleID, pulumi.String(a.PrincipalID), a.PrincipalType); err != nil {
			return err
		}
	}
	return nil
}

// assign gives a role on a scope. The assignment's own name, a GUID, is the provider's. The type of the principal is
// always said: the provider's default is User, and with a type ARM does not look up a principal that is only just
// made and not yet known everywhere.
func (b *builder) assign(suffix string, scope pulumi.StringInput, role string, principal pulumi.StringInput, principalType string) error {
	_, err := authorization.NewRoleAssignment(b.ctx, b.name+suffix, &authorization.RoleAssignmentArgs{
		Scope:            scope,
		RoleDefinitionId: pulumi.String("/providers/Microsoft.Authorization/roleDefinitions/" + role),
		PrincipalId:      principal,
		PrincipalType:    pulumi.String(principalType),
	}, b.child()...)
	if err != nil {
		return fmt.Errorf("%s%s: %w", b.name, suffix, err)
	}
	return nil
}
