package check

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"

	"mlvault/internal/losses"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// existingWorkspace is a workspace of others, as ARM tells of it.
type existingWorkspace struct {
	Location            string
	PublicNetworkAccess string
	Isolation           string
	Registry            string
	Storage             string
	// Hosts are where the managed network's rules lead.
	Hosts []string
}

const workspaceQuery = "{location: location, " +
	"publicNetworkAccess: properties.publicNetworkAccess, " +
	"isolation: properties.managedNetwork.isolationMode, " +
	"registry: properties.containerRegistry, storage: properties.storageAccount, " +
	"hosts: values(properties.managedNetwork.outboundRules || `{}`)[?type=='FQDN'].destination}"

// existing looks at the workspace, the identity and the clusters that the settings name, and says
// what their owners have to do: the program changes none of them.
func (c *checker) existing(ctx context.Context, subscription string) {
	principal := c.jobPrincipal(ctx)
	if c.settings.Azure.WorkspaceExists() {
		c.existingWorkspace(ctx, subscription, principal)
	} else {
		c.lookForRoles(ctx, principal, c.needsOfMade())
	}
	for i, cluster := range c.settings.Compute {
		if cluster.Exists() {
			c.existingCluster(ctx, fmt.Sprintf("compute[%d].computeId", i), cluster)
		}
	}
}

// ofMachineLearning reads a workspace or what is in it.
func ofMachineLearning(ctx context.Context, into any, id, query string) error {
	address := id + "?api-version=" + settings.MachineLearningAPI
	return az(ctx, into, "rest", "--method", "get", "--query", query, "--url", address)
}

func (c *checker) existingWorkspace(ctx context.Context, subscription, principal string) {
	const key = "azure.workspaceId"
	azure := c.settings.Azure
	var found existingWorkspace
	err := ofMachineLearning(ctx, &found, azure.WorkspaceID, workspaceQuery)
	if err != nil || found.Location == "" {
		c.problem("%s: Azure has no workspace %s, or this login may not see it. Correct the setting, or "+
			"have somebody give you the role Reader on it", key, path.Base(azure.WorkspaceID))
		return
	}
	if region(found.Location) != region(c.settings.Location) {
		c.problem("azure-native:location: is %s, and the workspace of azure.workspaceId is in %s. The "+
			"issuer, the quota and all that is made beside it follow the region; write %s",
			c.settings.Location, found.Location, found.Location)
	}
	makes := len(c.settings.MadeClusters()) > 0 || !c.settings.Workload.IdentityExists()
	if makes && !strings.EqualFold(azure.WorkspaceSubscription(), subscription) {
		c.problem("%s: the workspace is in another subscription than this login, and what is "+
			"made beside it would be made in this one. Set azure-native:subscriptionId and "+
			"`az account set` to %s",
			key, azure.WorkspaceSubscription())
	}
	c.networkOfWorkspace(found)
	if found.Registry == "" {
		c.passed("%s: the workspace has no registry yet. Azure ML makes one with the first image, and "+
			"jobs with images of their own then need AcrPull on it", key)
	}
	c.lookForRoles(ctx, principal, needsOf(found))
}

// networkOfWorkspace says what the network of a workspace of others lacks.
func (c *checker) networkOfWorkspace(found existingWorkspace) {
	const key = "azure.workspaceId"
	isManaged := found.Isolation != "" && !strings.EqualFold(found.Isolation, "Disabled")
	isOpen := !strings.EqualFold(found.PublicNetworkAccess, "Disabled")
	makesClusters := len(c.settings.MadeClusters()) > 0
	if makesClusters && isManaged != c.settings.Azure.ManagedNetwork.IsOn() {
		c.problem("azure.managedNetwork.mode: the workspace has %s, and clusters are made by what the "+
			"setting says; write that", cmp.Or(found.Isolation, "Disabled"))
	}
	for i, cluster := range c.settings.Compute {
		switch {
		case cluster.SubnetID == "":
		case isManaged:
			c.problem("compute[%d].subnetId: the workspace has a managed network, whose clusters are in no "+
				"other. Remove it", i)
		case isOpen:
			c.warning("compute[%d].subnetId: Azure ML makes no nodes without public addresses before the "+
				"workspace has a private endpoint. Its owner makes one", i)
		}
	}
	network := &settings.ManagedNetwork{Mode: found.Isolation}
	if network.IsApprovedOnly() && !leadsTo(found.Hosts, c.settings.Address) {
		c.warning("%s: the workspace's managed network lets nothing out without a rule, and none of its "+
			"rules for hosts leads to Vault, so that jobs do not reach it. Its owner adds one: `az ml "+
			"workspace outbound-rule set --workspace-name %s --resource-group %s --rule vault --type fqdn "+
			"--destination <Vault's host>`", key, path.Base(c.settings.Azure.WorkspaceID),
			c.settings.Azure.WorkspaceGroup())
	}
}

// leadsTo tells whether one of some hosts is that of an address. A rule may have a wildcard in
// front.
func leadsTo(hosts []string, address settings.Secret) bool {
	vault, err := url.Parse(address.Reveal())
	if err != nil {
		return false
	}
	for _, host := range hosts {
		domain, isWildcard := strings.CutPrefix(strings.ToLower(host), "*")
		name := strings.ToLower(vault.Hostname())
		if name == domain || isWildcard && strings.HasSuffix(name, domain) {
			return true
		}
	}
	return false
}

// jobPrincipal is the object id of the job identity: of the one that exists, or of that of the
// state. It is empty where there is none yet.
func (c *checker) jobPrincipal(ctx context.Context) string {
	id := c.settings.Workload.IdentityID
	if id == "" {
		jobs, _ := c.stack.State.JobIdentity()
		return jobs.PrincipalID
	}
	principal, err := principalOf(ctx, id)
	if err != nil || principal == "" {
		c.problem("workload.identityId: Azure has no identity %s, or this login may not see it. Correct "+
			"the setting, or have somebody give you the role Reader on it", path.Base(id))
		return ""
	}
	c.passed("workload.identityId: the identity is there. Whoever runs code as it reads the " +
		"credentials of each stack that names it")
	return principal
}

// principalOf is the object id of a user-assigned identity.
func principalOf(ctx context.Context, id string) (string, error) {
	var principal string
	err := az(ctx, &principal, "identity", "show", "--ids", id, "--query", "principalId")
	return principal, err
}

// existingCluster tells whether a cluster of others carries the job identity.
func (c *checker) existingCluster(ctx context.Context, key string, cluster settings.Cluster) {
	if !c.isReached(cluster) {
		c.problem("%s: the cluster %s is in the workspace %s, and jobs of this stack reach none of "+
			"another workspace than its own. Set azure.workspaceId to that one, or remove the cluster",
			key, cluster.AzureName(), cluster.WorkspaceName())
		return
	}
	var found struct {
		Name       string
		Identities []string
	}
	const query = "{name: name, identities: keys(identity.userAssignedIdentities || `{}`)}"
	err := ofMachineLearning(ctx, &found, cluster.ComputeID, query)
	if err != nil || found.Name == "" {
		c.problem("%s: Azure has no cluster %s in its workspace, or this login may not see it",
			key, cluster.AzureName())
		return
	}
	identity := c.jobIdentity()
	if identity == "" {
		c.warning("%s: the first up makes the job identity. Then the owner of the cluster %s attaches "+
			"it: `make job` has the command", key, cluster.AzureName())
		return
	}
	for _, id := range found.Identities {
		if strings.EqualFold(id, identity) {
			c.passed("%s: the cluster carries the job identity", key)
			return
		}
	}
	c.warning("%s: the cluster %s does not carry the job identity, and no job on it can log in. "+
		"Its owner attaches it: `az ml compute update --name %s --workspace-name %s --resource-group %s "+
		"--identity-type user_assigned --user-assigned-identities %s`", key, cluster.AzureName(),
		cluster.AzureName(), cluster.WorkspaceName(), cluster.WorkspaceGroup(),
		strings.Join(append(found.Identities, identity), ","))
}

// isReached tells whether a cluster of others is in the stack's workspace. Where that exists, the
// settings have seen to it.
func (c *checker) isReached(cluster settings.Cluster) bool {
	if c.settings.Azure.WorkspaceExists() {
		return true
	}
	for _, r := range c.made(losses.Workspace) {
		below := strings.ToLower("/" + r.ID + "/computes/")
		if strings.HasPrefix(strings.ToLower(cluster.ComputeID), below) {
			return true
		}
	}
	return false
}

// jobIdentity is the ARM id of the job identity: the one that exists, or that of the state.
func (c *checker) jobIdentity() string {
	if id := c.settings.Workload.IdentityID; id != "" {
		return id
	}
	for _, r := range c.made(losses.Identity) {
		if !isOfWorkspace(r) {
			return "/" + r.ID
		}
	}
	return ""
}

// isOfWorkspace tells of an identity whether it is the workspace's own. Jobs do not log in with it.
func isOfWorkspace(r rights.Resource) bool {
	return strings.HasSuffix(r.URN, settings.WorkspaceIdentitySuffix)
}
