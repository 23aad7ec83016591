package check

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// right is something that a role has to allow, and the role of Microsoft's that is for it and for
// nothing else. Contributor has no right to data, a role of the company's own may have any, so a
// role is held to what its definition allows and not to its name.
type right struct {
	action string
	// isOfData says that the action is one of data, which Azure lists apart.
	isOfData bool
	role     string
	roleID   string
}

var (
	pull = right{
		action: "Microsoft.ContainerRegistry/registries/pull/read",
		role:   "AcrPull",
		roleID: settings.RoleIDAcrPull,
	}
	// pullByRepository is for a registry that gives rights by repository. It heeds no AcrPull
	// (learn.microsoft.com/azure/container-registry, "Microsoft Entra ABAC for repository
	// permissions").
	pullByRepository = right{
		action:   "Microsoft.ContainerRegistry/registries/repositories/content/read",
		isOfData: true,
		role:     "Container Registry Repository Reader",
		roleID:   settings.RoleIDRepositoryReader,
	}
	readBlobs = right{
		action:   "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
		isOfData: true,
		role:     "Storage Blob Data Reader",
		roleID:   settings.RoleIDBlobReader,
	}
)

// permission is a part of a role's definition.
type permission struct {
	Actions        []string
	NotActions     []string
	DataActions    []string
	NotDataActions []string
}

// allows tells whether a right is in it.
func (p permission) allows(wanted right) bool {
	if wanted.isOfData {
		return covers(p.DataActions, wanted.action) && !covers(p.NotDataActions, wanted.action)
	}
	return covers(p.Actions, wanted.action) && !covers(p.NotActions, wanted.action)
}

// covers tells whether one of some patterns has an action. A * stands for any part of it.
func covers(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		text := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
		return regexp.MustCompile("(?i)^" + text + "$").MatchString(action)
	})
}

// need is a right that the job identity has to have on what is not the stack's.
type need struct {
	// key is the setting that names what it is on, or the workspace that has it.
	key string
	// id is what it is on.
	id    string
	right right
	// who needs it, as a text that "need" may follow.
	who string
	// isCertain says that somebody needs it for all that the settings say.
	isCertain bool
}

// Who needs what, for people.
const (
	whoPulls  = "jobs with images of their own"
	whoServes = "online endpoints"
)

// needsOfMade are those beside a workspace that the stack makes, of what it was told to use.
func (c *checker) needsOfMade() []need {
	azure := c.settings.Azure
	var needs []need
	if azure.ContainerRegistryID != "" {
		needs = append(needs, need{
			key:       "azure.containerRegistryId",
			id:        azure.ContainerRegistryID,
			right:     pull,
			who:       whoPulls,
			isCertain: true,
		})
	}
	if azure.StorageAccountID != "" && c.settings.Workload.Endpoints {
		needs = append(needs, need{
			key:       "azure.storageAccountId",
			id:        azure.StorageAccountID,
			right:     readBlobs,
			who:       whoServes,
			isCertain: true,
		})
	}
	return needs
}

// needsOf are those in a workspace of others. Whether it has endpoints, no setting says.
func needsOf(found existingWorkspace) []need {
	const key = "azure.workspaceId"
	var needs []need
	if found.Registry != "" {
		needs = append(needs, need{
			key:       key,
			id:        found.Registry,
			right:     pull,
			who:       whoPulls,
			isCertain: true,
		})
	}
	if found.Storage != "" {
		needs = append(needs, need{
			key:   key,
			id:    found.Storage,
			right: readBlobs,
			who:   whoServes,
		})
	}
	return needs
}

// lookForRoles says which of the needs the job identity, with this object id, has no role for.
func (c *checker) lookForRoles(ctx context.Context, principal string, needs []need) {
	for _, each := range needs {
		if principal == "" {
			c.unseen("%s: whether the job identity has %s on %s, which %s need. The first `pulumi up` "+
				"makes the identity; after it the owner gives the role", each.key, each.right.role,
				path.Base(each.id), each.who)
			continue
		}
		c.lookForRole(ctx, principal, each)
	}
}

func (c *checker) lookForRole(ctx context.Context, principal string, wanted need) {
	name := path.Base(wanted.id)
	if wanted.right == pull && givesByRepository(ctx, wanted.id) {
		wanted.right = pullByRepository
	}
	roles, err := rolesOn(ctx, wanted.id, principal)
	isAllowed := false
	if err == nil {
		isAllowed, err = allow(ctx, wanted.id, roles, wanted.right)
	}
	command := assignCommand(principal, wanted.right.roleID, wanted.id)
	switch {
	case err != nil:
		c.unseen("%s: whether the job identity has %s on %s, which %s need: this login may not read the "+
			"roles there", wanted.key, wanted.right.role, name, wanted.who)
	case isAllowed:
		c.passed("%s: the job identity has on %s what %s need", wanted.key, name, wanted.who)
	case wanted.isCertain:
		c.warning("%s: the job identity lacks the role %s on %s, which %s need. Its owner runs `%s`",
			wanted.key, wanted.right.role, name, wanted.who, command)
	default:
		c.passed("%s: %s would need the role %s on %s, which the job identity lacks. Its owner "+
			"would run `%s`", wanted.key, wanted.who, wanted.right.role, name, command)
	}
}

// givesByRepository tells whether a registry gives rights by repository. One that cannot be read
// is taken for the other kind, which is the default.
func givesByRepository(ctx context.Context, registry string) bool {
	// The first version that says so, beyond those that the program uses.
	const api = "2025-11-01"
	var mode string
	err := az(ctx, &mode, "rest", "--method", "get", "--query", "properties.roleAssignmentMode",
		"--url", registry+"?api-version="+api)
	return err == nil && mode == "AbacRepositoryPermissions"
}

// assignCommand is the command that gives a role.
func assignCommand(principal, role, scope string) string {
	return fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type "+
		"ServicePrincipal --role %s --scope %s", principal, role, scope)
}

// rolesOn are the definitions of the roles that a principal has on a scope, also by a group and
// from further up. `az role assignment list` would not do: up to version 2.45 at least it leaves
// out what a management group gives, and it asks Entra, which a deployer may not.
func rolesOn(ctx context.Context, scope, principal string) ([]string, error) {
	var roles []string
	err := az(ctx, &roles, "rest", "--method", "get",
		"--query", "value[].properties.roleDefinitionId",
		"--url", scope+"/providers/Microsoft.Authorization/roleAssignments",
		"--uri-parameters", "api-version="+settings.AuthorizationAPI,
		"$filter=atScope() and assignedTo('"+principal+"')")
	return roles, err
}

// allow tells whether one of some roles has a right.
func allow(ctx context.Context, scope string, roles []string, wanted right) (bool, error) {
	// A definition that a management group has is read at the scope's own subscription, too.
	definitions := "/subscriptions/" + subscriptionOf(scope) +
		"/providers/Microsoft.Authorization/roleDefinitions/"
	for _, role := range roles {
		var permissions []permission
		err := az(ctx, &permissions, "rest", "--method", "get", "--query", "properties.permissions",
			"--url", definitions+path.Base(role)+"?api-version="+settings.AuthorizationAPI)
		if err != nil {
			return false, err
		}
		isIn := func(p permission) bool { return p.allows(wanted) }
		if slices.ContainsFunc(permissions, isIn) {
			return true, nil
		}
	}
	return false, nil
}
