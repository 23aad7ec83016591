package check

import (
	"testing"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

const (
	theirs        = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/"
	theirML       = theirs + "Microsoft.MachineLearningServices/workspaces/ml"
	theirGPU      = theirML + "/computes/gpu"
	theirJobs     = theirs + "Microsoft.ManagedIdentity/userAssignedIdentities/jobs"
	showsML       = "--url " + theirML + "?api-version=2024-10-01"
	showsGPU      = "--url " + theirGPU + "?api-version=2024-10-01"
	showsIdentity = "identity show --ids " + theirJobs

	theirRegistry = theirs + "Microsoft.ContainerRegistry/registries/cr"
	theirStorage  = theirs + "Microsoft.Storage/storageAccounts/st"
)

// definitions are what roles allow. AcrPull and the like are as Microsoft lists them ("Azure
// built-in roles").
var definitions = map[string]permission{
	settings.RoleIDAcrPull: {Actions: []string{"Microsoft.ContainerRegistry/registries/pull/read"}},
	settings.RoleIDBlobReader: {DataActions: []string{
		"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
	}},
	"reader": {
		Actions:    []string{"*/read"},
		NotActions: []string{"Microsoft.ContainerRegistry/registries/pull/*"},
	},
	"contributor": {
		Actions:    []string{"*"},
		NotActions: []string{"Microsoft.Authorization/*/Write"},
	},
	"company": {DataActions: []string{"microsoft.storage/storageaccounts/blobservices/*"}},
}

// has gives the job identity roles on a scope.
func (a answers) has(scope string, roles ...string) {
	ids := []string{}
	for _, role := range roles {
		ids = append(ids, definition+role)
		a["--url "+definition+role+"?api-version=2022-04-01"] = []permission{definitions[role]}
	}
	a["--url "+scope+rolesAt] = ids
}

// gpu is a cluster that carries an identity.
func gpu(identity string) map[string]any {
	return map[string]any{"name": "gpu", "identities": []string{identity}}
}

func TestWhatExistsIsLookedAtAndItsOwnersAreToldWhatToDo(t *testing.T) {
	for _, row := range []struct {
		name             string
		problem, warning string
		unseen           string
		does             func(c *checker, workspace map[string]any, az answers)
	}{
		{name: "all is as it should be", does: func(_ *checker, _ map[string]any, _ answers) {}},
		{
			name:    "no such workspace",
			problem: "azure.workspaceId: Azure has no workspace ml, or this login may not see it",
			does:    func(_ *checker, _ map[string]any, az answers) { delete(az, showsML) },
		},
		{
			name:    "another region",
			problem: "azure-native:location: is West Europe, and the workspace of azure.workspaceId is in northeurope",
			does:    func(_ *checker, workspace map[string]any, _ answers) { workspace["location"] = "northeurope" },
		},
		{
			name:    "another subscription, in which an identity is made",
			problem: "azure.workspaceId: the workspace is in another subscription than this login",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Workload.IdentityID = ""
				c.settings.Compute = nil
				az["account show"] = "88888888-8888-8888-8888-888888888888"
				az["provider list"] = []string{"Microsoft.ManagedIdentity"}
			},
		},
		{
			name: "another subscription, in which nothing is made",
			does: func(_ *checker, _ map[string]any, az answers) {
				az["account show"] = "88888888-8888-8888-8888-888888888888"
			},
		},
		{
			name: "a network that does not lead to Vault",
			warning: "az ml workspace outbound-rule set --workspace-name ml --resource-group rg --rule vault " +
				"--type fqdn --destination <Vault's host>",
			does: func(_ *checker, workspace map[string]any, _ answers) {
				workspace["isolation"] = "AllowOnlyApprovedOutbound"
				workspace["hosts"] = []string{"pypi.org", "*.example.org"}
			},
		},
		{
			name: "a network that leads to Vault by a wildcard",
			does: func(_ *checker, workspace map[string]any, _ answers) {
				workspace["isolation"] = "AllowOnlyApprovedOutbound"
				workspace["hosts"] = []string{"*.example.com"}
			},
		},
		{
			name:    "a subnet beside a managed network",
			problem: "compute[0].subnetId: the workspace has a managed network",
			does: func(c *checker, workspace map[string]any, _ answers) {
				workspace["isolation"] = "AllowInternetOutbound"
				c.settings.Compute[0].SubnetID = ownNetwork + "/subnets/nodes"
			},
		},
		{
			name:    "clusters that would be made outside of the workspace's managed network",
			problem: "azure.managedNetwork.mode: the workspace has AllowInternetOutbound",
			does: func(c *checker, workspace map[string]any, az answers) {
				workspace["isolation"] = "AllowInternetOutbound"
				c.settings.Compute = []settings.Cluster{{Name: "cpu", VMSize: "Standard_D4ds_v5"}}
				az["provider list"] = []string{"Microsoft.MachineLearningServices"}
			},
		},
		{
			name:    "no such identity",
			problem: "workload.identityId: Azure has no identity jobs",
			does:    func(_ *checker, _ map[string]any, az answers) { delete(az, showsIdentity) },
		},
		{
			name:    "no such cluster",
			problem: "compute[0].computeId: Azure has no cluster gpu in its workspace",
			does:    func(_ *checker, _ map[string]any, az answers) { delete(az, showsGPU) },
		},
		{
			name: "a cluster of another workspace than the one that is made",
			problem: "compute[0].computeId: the cluster gpu is in the workspace ml, and jobs of this stack reach " +
				"none of another workspace",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Azure.WorkspaceID = ""
				c.stack.State.Resources = []rights.Resource{{
					Type: "azure-native:machinelearningservices/v20241001:Workspace",
					ID:   theirML[1:] + "-made",
				}}
				az["provider list"] = registered
			},
		},
		{
			name: "a cluster that somebody made in the workspace that is made",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Azure.WorkspaceID = ""
				c.stack.State.Resources = []rights.Resource{{
					Type: "azure-native:machinelearningservices/v20241001:Workspace",
					ID:   theirML[1:],
				}}
				az["provider list"] = registered
			},
		},
		{
			name: "a cluster with another identity, which stays beside the job's",
			warning: "az ml compute update --name gpu --workspace-name ml --resource-group rg " +
				"--identity-type user_assigned --user-assigned-identities /subscriptions/another," + theirJobs,
			does: func(_ *checker, _ map[string]any, az answers) { az[showsGPU] = gpu("/subscriptions/another") },
		},
		{
			name:    "a cluster before there is an identity",
			warning: "the first up makes the job identity. Then the owner of the cluster gpu attaches it",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Workload.IdentityID = ""
				az["provider list"] = []string{"Microsoft.ManagedIdentity"}
			},
		},
		{
			name: "a cluster that carries the identity that the stack made",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Workload.IdentityID = ""
				c.stack.State.Resources = []rights.Resource{{
					Type: "azure-native:managedidentity/v20230131:UserAssignedIdentity",
					ID:   theirJobs[1:],
				}}
				az["provider list"] = []string{"Microsoft.ManagedIdentity"}
			},
		},
		{
			name: "a registry without a role",
			warning: "azure.workspaceId: the job identity lacks the role AcrPull on cr, which jobs with images " +
				"of their own need. Its owner runs `az role assignment create --assignee-object-id " + principal +
				" --assignee-principal-type ServicePrincipal --role " + settings.RoleIDAcrPull +
				" --scope " + theirRegistry + "`",
			does: func(_ *checker, workspace map[string]any, az answers) {
				workspace["registry"] = theirRegistry
				az.has(theirRegistry)
			},
		},
		{
			name: "a registry whose role the stack's own identity has by another one",
			does: func(c *checker, workspace map[string]any, az answers) {
				c.settings.Workload.IdentityID = ""
				c.stack.State.Resources = []rights.Resource{{
					Type:    "azure-native:managedidentity/v20230131:UserAssignedIdentity",
					ID:      theirJobs[1:],
					Outputs: map[string]any{"principalId": principal, "tenantId": "t"},
				}}
				az["provider list"] = []string{"Microsoft.ManagedIdentity"}
				workspace["registry"] = theirRegistry
				az.has(theirRegistry, "reader", "contributor")
			},
		},
		{
			name: "a registry before there is an identity",
			unseen: "azure.workspaceId: whether the job identity has AcrPull on cr, which jobs with images of " +
				"their own need. The first `pulumi up` makes the identity",
			does: func(c *checker, workspace map[string]any, az answers) {
				c.settings.Workload.IdentityID = ""
				c.settings.Compute = nil
				az["provider list"] = []string{"Microsoft.ManagedIdentity"}
				workspace["registry"] = theirRegistry
			},
		},
		{
			name: "a registry whose roles nobody shows",
			unseen: "azure.workspaceId: whether the job identity has AcrPull on cr, which jobs with images of " +
				"their own need: this login may not read the roles there",
			does: func(_ *checker, workspace map[string]any, _ answers) { workspace["registry"] = theirRegistry },
		},
		{
			name: "a registry that gives rights by repository, where AcrPull is none",
			warning: "lacks the role Container Registry Repository Reader on cr, which jobs with images of " +
				"their own need. Its owner runs `az role assignment create --assignee-object-id " + principal +
				" --assignee-principal-type ServicePrincipal --role " + settings.RoleIDRepositoryReader,
			does: func(_ *checker, workspace map[string]any, az answers) {
				workspace["registry"] = theirRegistry
				az["--url "+theirRegistry+"?"] = "AbacRepositoryPermissions"
				az.has(theirRegistry, settings.RoleIDAcrPull)
			},
		},
		{
			name: "a workspace without an endpoint needs no role on its storage account",
			does: func(_ *checker, workspace map[string]any, az answers) {
				workspace["storage"] = theirStorage
				az.has(theirStorage)
			},
		},
		{
			name: "a registry that a workspace is made with",
			warning: "azure.containerRegistryId: the job identity lacks the role AcrPull on cr, which jobs with " +
				"images of their own need",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Azure = settings.Azure{ContainerRegistryID: theirRegistry}
				c.settings.Compute = nil
				az["provider list"] = without("Microsoft.ContainerRegistry")
				az.has(theirRegistry, settings.RoleIDBlobReader)
			},
		},
		{
			name: "a storage account that a workspace is made with, for endpoints",
			warning: "azure.storageAccountId: the job identity lacks the role Storage Blob Data Reader on st, " +
				"which online endpoints need. Its owner runs `az role assignment create --assignee-object-id " +
				principal + " --assignee-principal-type ServicePrincipal --role " + settings.RoleIDBlobReader,
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Azure = settings.Azure{StorageAccountID: theirStorage}
				c.settings.Compute = nil
				c.settings.Workload.Endpoints = true
				az["provider list"] = registered
				az.has(theirStorage, "contributor")
			},
		},
		{
			name: "a storage account with a role of the company's own",
			does: func(c *checker, _ map[string]any, az answers) {
				c.settings.Azure = settings.Azure{StorageAccountID: theirStorage}
				c.settings.Compute = nil
				c.settings.Workload.Endpoints = true
				az["provider list"] = registered
				az.has(theirStorage, "contributor", "company")
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &checker{settings: &settings.Settings{
				Location: "West Europe",
				Address:  settings.NewSecret("https://vault.example.com:443"),
				Azure:    settings.Azure{WorkspaceID: theirML},
				Compute:  []settings.Cluster{{ComputeID: theirGPU}},
				Workload: settings.Workload{Audience: "api://x", IdentityID: theirJobs},
			}}
			workspace := map[string]any{"location": "westeurope", "publicNetworkAccess": "Enabled"}
			says := healthy()
			says["provider list"] = []string{}
			says[showsML] = workspace
			says[showsGPU] = gpu(theirJobs)
			says[showsIdentity] = principal
			row.does(c, workspace, says)
			azureCLI(t, says)
			c.existing(t.Context(), Subscription(t.Context()))
			c.registrations(t.Context())
			requireOne(t, row.problem, c.report.Problems)
			requireOne(t, row.warning, c.report.Warnings)
			requireOne(t, row.unseen, c.report.Unseen)
		})
	}
}
