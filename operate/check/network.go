package check

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// virtualNetwork is a virtual network, as `az network vnet show` tells of it.
type virtualNetwork struct {
	Location string
	Subnets  []subnet
}

type subnet struct {
	Name string
	// IsPrivate says that the subnet has no default outbound access.
	IsPrivate bool
	HasNAT    bool
	HasRoutes bool
}

// subnets looks at what the settings name before anything is made: a subnet that is missing fails
// after the workspace is closed, and leaves it without a way in.
func (c *checker) subnets(ctx context.Context, subscription string) {
	for _, named := range c.settings.Subnets() {
		c.subnet(ctx, subscription, named)
	}
}

// subnet holds one subnet to what Azure asks (learn.microsoft.com/azure/machine-learning, "Secure
// an Azure Machine Learning training environment with virtual networks";
// learn.microsoft.com/azure/private-link, "What is a private endpoint?").
func (c *checker) subnet(ctx context.Context, subscription string, named settings.Subnet) {
	networkID, name, _ := strings.Cut(named.ID, "/subnets/")
	var network virtualNetwork
	const query = "{location: location, subnets: subnets[].{name: name, " +
		"isPrivate: defaultOutboundAccess==`false`, hasNAT: natGateway!=`null`, " +
		"hasRoutes: routeTable!=`null`}}"
	err := az(ctx, &network, "network", "vnet", "show", "--ids", networkID, "--query", query)
	isThere := func(each subnet) bool { return strings.EqualFold(each.Name, name) }
	at := slices.IndexFunc(network.Subnets, isThere)
	switch {
	case foundNothing(err):
		c.problem("%s: Azure has no virtual network %s, or this login may not see it. Correct the "+
			"setting, or have the network made first", named.Key, path.Base(networkID))
		return
	case err != nil:
		c.unseen("the network of %s: `az network vnet show` fails", named.Key)
		return
	case at < 0:
		c.problem("%s: the virtual network %s has no subnet %s. Correct the setting, or have the subnet "+
			"made first", named.Key, path.Base(networkID), name)
		return
	}
	if region(network.Location) != region(c.settings.Location) {
		c.problem("%s: the virtual network is in %s, and the workspace in %s. Azure takes a network of "+
			"the same region only", named.Key, network.Location, c.settings.Location)
	}
	if !strings.EqualFold(subscriptionOf(networkID), subscription) {
		c.problem("%s: the virtual network is in another subscription than the workspace, and Azure "+
			"takes one of the same only", named.Key)
	}
	found := network.Subnets[at]
	if named.HasNodes && found.IsPrivate && !found.HasNAT && !found.HasRoutes {
		c.warning("%s: the subnet %s has no way out: no NAT gateway, no route table and no default "+
			"outbound access. Its nodes reach neither Azure ML nor Vault unless the network has private "+
			"endpoints to all that they need", named.Key, name)
	}
}

// approvals asks for the role that Azure ML needs to reach what a rule of the managed network
// names. It needs it when the workspace is made, so that an identity that does not exist yet cannot
// have it (learn.microsoft.com/azure/machine-learning, "Workspace managed virtual network
// isolation").
func (c *checker) approvals(ctx context.Context) {
	azure := c.settings.Azure
	if !azure.ManagedNetwork.IsOn() {
		return
	}
	for _, rule := range azure.ManagedNetwork.OutboundRules {
		if rule.ServiceResourceID != "" {
			c.approval(ctx, rule)
		}
	}
}

func (c *checker) approval(ctx context.Context, rule settings.OutboundRule) {
	const role = "Azure AI Enterprise Network Connection Approver"
	target := path.Base(rule.ServiceResourceID)
	identity := c.settings.Azure.WorkspaceIdentityID
	if identity == "" {
		c.warning("azure.managedNetwork.outboundRules: the workspace's identity needs the role %s on %s "+
			"when the workspace is made. Give it to an identity that exists, and name that in "+
			"azure.workspaceIdentityId", role, target)
		return
	}
	principal, err := principalOf(ctx, identity)
	if foundNothing(err) {
		c.problem("azure.workspaceIdentityId: Azure has no identity %s, or this login may not see it",
			path.Base(identity))
		return
	}
	var roles []string
	if err == nil {
		roles, err = rolesOn(ctx, rule.ServiceResourceID, principal)
	}
	if err != nil {
		c.unseen("the role of azure.workspaceIdentityId on %s: this login may not read the roles "+
			"there", target)
		return
	}
	if !slices.ContainsFunc(roles, approves) {
		c.problem("azure.managedNetwork.outboundRules: the identity of azure.workspaceIdentityId lacks "+
			"the role %s on %s, without which Azure makes no workspace. Run `%s`", role, target,
			assignCommand(principal, settings.RoleIDConnectionApprover, rule.ServiceResourceID))
	}
}

// approves tells of a role's definition whether its holder approves private endpoints. Owner and
// Contributor may write everything of the resource.
func approves(definition string) bool {
	return slices.Contains([]string{
		settings.RoleIDConnectionApprover,
		settings.RoleIDContributor,
		settings.RoleIDOwner,
	}, path.Base(definition))
}

func subscriptionOf(id string) string {
	subscription, _, _ := strings.Cut(after(id, "/subscriptions/"), "/")
	return subscription
}
