package settings

// Roles of Azure by the name that the settings take.
const (
	// RoleDataScientist is for the workspace. MLClient and datastores need it.
	RoleDataScientist = "AzureML Data Scientist"
	// RoleComputeOperator is for the workspace.
	RoleComputeOperator = "AzureML Compute Operator"
	// RoleBlobContributor is for the storage account that is made. Data by identity needs it.
	RoleBlobContributor = "Storage Blob Data Contributor"
)

// Built-in roles of Azure by the GUID of their definition (Microsoft, "Azure built-in roles").
const (
	RoleIDAcrPull               = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	RoleIDRepositoryReader      = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
	RoleIDOwner                 = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	RoleIDContributor           = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	RoleIDReader                = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	RoleIDKeyVaultAdministrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	RoleIDBlobReader            = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
	RoleIDBlobContributor       = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
	RoleIDConnectionApprover    = "b556d68e-0be0-4f35-a333-ad7ee1ce17ea"
	RoleIDDataScientist         = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
	RoleIDComputeOperator       = "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"
)

// WorkspaceRole is a role on a workspace.
type WorkspaceRole struct {
	// ID is the GUID of the definition.
	ID string
	// Short is its part in the name of an assignment.
	Short string
}

// WorkspaceRoles are the roles that azure.roleAssignments may give (Microsoft, "Azure built-in
// roles for AI + machine learning").
var WorkspaceRoles = map[string]WorkspaceRole{
	RoleDataScientist:   {ID: RoleIDDataScientist, Short: "data-scientist"},
	RoleComputeOperator: {ID: RoleIDComputeOperator, Short: "compute-operator"},
}

// RoleAssignment gives a person, a group or an application a role on the workspace.
type RoleAssignment struct {
	// Role is a key of [WorkspaceRoles].
	Role        string
	PrincipalID string
	// PrincipalType has no default: ARM takes an unsaid type for User, and then refuses a group or an
	// application.
	PrincipalType string
}

func (a *RoleAssignment) defaults() {}

func (a *RoleAssignment) fields() []field {
	return []field{
		{
			key:      "role",
			value:    text(&a.Role, oneOf(RoleComputeOperator, RoleDataScientist)),
			required: "name one of " + RoleComputeOperator + ", " + RoleDataScientist,
			meaning:  "The role.",
			change:   changesRoleAssignments,
		},
		{
			key:      "principalId",
			value:    text(&a.PrincipalID, objectID),
			required: "give the object id of the user, group or application",
			meaning:  "Object id of the user, group or application.",
			change:   changesRoleAssignments,
		},
		{
			key:      "principalType",
			value:    text(&a.PrincipalType, oneOf("User", "Group", "ServicePrincipal")),
			required: "write User, Group or ServicePrincipal",
			meaning:  "What the principal is. An application is a `ServicePrincipal`.",
			change: Change{
				Updates: []Part{PartRoles},
				Note:    "Azure refuses a type that is not the principal's.",
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
	}
}

// validateRoles refuses a role that is given twice, and one that the program cannot give.
func (a *Azure) validateRoles(r *report) {
	type grant struct{ role, principal string }
	given := map[grant]bool{}
	for i, assignment := range a.RoleAssignments {
		// ARM holds one assignment for each role and principal, whatever the type is said to be.
		each := grant{role: assignment.Role, principal: assignment.PrincipalID}
		key := element("azure.roleAssignments", i)
		if given[each] && !r.has(key) {
			r.addf(key, "gives the same role to the same principal as another entry")
		}
		given[each] = true
	}
	if a.JobHas(RoleBlobContributor) && a.StorageAccountID != "" {
		r.addf("azure.jobIdentityRoles", "has %s, which is for the storage account that the program "+
			"makes; its owner gives the role on azure.storageAccountId", RoleBlobContributor)
	}
}
