package check

import (
	"testing"

	"mlvault/internal/settings"
)

const (
	subscription = "55555555-5555-5555-5555-555555555555"
	ownNetwork   = "/subscriptions/" + subscription +
		"/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet"
	gateway = "/subscriptions/" + subscription +
		"/resourceGroups/net/providers/Microsoft.Network/applicationGateways/vault"
	identity = "/subscriptions/" + subscription +
		"/resourceGroups/net/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ml"
	principal = "77777777-7777-7777-7777-777777777777"
	showsVnet = "network vnet show --ids " + ownNetwork
	rolesAt   = "/providers/Microsoft.Authorization/roleAssignments --uri-parameters " +
		"api-version=2022-04-01 $filter=atScope() and assignedTo('" + principal + "')"
	definition = "/subscriptions/" + subscription +
		"/providers/Microsoft.Authorization/roleDefinitions/"
)

func TestNetworksAreHeldToWhatAzureAsksBeforeAnythingIsMade(t *testing.T) {
	for _, row := range []struct {
		name             string
		problem, warning string
		does             func(vnet map[string]any, nodes map[string]any, az answers, c *checker)
	}{
		{name: "a network that fits", does: func(_, _ map[string]any, _ answers, _ *checker) {}},
		{
			name:    "no such network",
			problem: "serverlessComputeSettings.subnetId: Azure has no virtual network vnet",
			does:    func(_, _ map[string]any, az answers, _ *checker) { delete(az, showsVnet) },
		},
		{
			name:    "no such subnet",
			problem: "serverlessComputeSettings.subnetId: the virtual network vnet has no subnet nodes",
			does:    func(_, nodes map[string]any, _ answers, _ *checker) { nodes["name"] = "another" },
		},
		{
			name:    "another region",
			problem: "the virtual network is in northeurope, and the workspace in West Europe",
			does:    func(vnet, _ map[string]any, _ answers, _ *checker) { vnet["location"] = "northeurope" },
		},
		{
			name:    "another subscription",
			problem: "the virtual network is in another subscription than the workspace",
			does: func(_, _ map[string]any, az answers, _ *checker) {
				az["account show"] = "88888888-8888-8888-8888-888888888888"
			},
		},
		{
			name:    "a subnet without a way out",
			warning: "the subnet nodes has no way out",
			does:    func(_, nodes map[string]any, _ answers, _ *checker) { nodes["isPrivate"] = true },
		},
		{
			name: "a private subnet with a NAT gateway",
			does: func(_, nodes map[string]any, _ answers, _ *checker) {
				nodes["isPrivate"] = true
				nodes["hasNAT"] = true
			},
		},
		{
			name: "a private subnet with a route to a firewall",
			does: func(_, nodes map[string]any, _ answers, _ *checker) {
				nodes["isPrivate"] = true
				nodes["hasRoutes"] = true
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &checker{settings: &settings.Settings{
				Location: "West Europe",
				Workload: settings.Workload{Audience: "api://x"},
				Azure: settings.Azure{ServerlessComputeSettings: &settings.Serverless{
					SubnetID: ownNetwork + "/subnets/nodes",
				}},
			}}
			nodes := map[string]any{"name": "nodes"}
			vnet := map[string]any{"location": "westeurope", "subnets": []any{nodes}}
			says := healthy()
			says[showsVnet] = vnet
			row.does(vnet, nodes, says, c)
			azureCLI(t, says)
			c.azure(t.Context())
			requireOne(t, row.problem, c.report.Problems)
			requireOne(t, row.warning, c.report.Warnings)
		})
	}
}

func TestTheApprovalOfARuleIsAskedForBeforeTheWorkspaceIsMade(t *testing.T) {
	for _, row := range []struct {
		name             string
		identity         string
		roles            []any
		problem, warning string
	}{
		{
			name:     "the role for it",
			identity: identity,
			roles:    []any{definition + settings.RoleIDConnectionApprover},
		},
		{name: "a role with more", identity: identity, roles: []any{definition + settings.RoleIDOwner}},
		{
			name:     "another role",
			identity: identity,
			roles:    []any{definition + settings.RoleIDReader},
			problem:  "--role " + settings.RoleIDConnectionApprover + " --scope " + gateway,
		},
		{name: "no role", identity: identity, roles: []any{}, problem: "lacks the role"},
		{name: "an identity that comes with the workspace", warning: "azure.workspaceIdentityId"},
		{
			name:     "no such identity",
			identity: identity + "-another",
			problem:  "azure.workspaceIdentityId: Azure has no identity ml-another",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &checker{settings: &settings.Settings{
				Azure: settings.Azure{
					WorkspaceIdentityID: row.identity,
					ManagedNetwork: &settings.ManagedNetwork{
						Mode:          "AllowInternetOutbound",
						OutboundRules: []settings.OutboundRule{{Name: "vault", ServiceResourceID: gateway}},
					},
				},
			}}
			azureCLI(t, answers{
				"identity show --ids " + identity + " --query": principal,
				"--url " + gateway + rolesAt:                   row.roles,
			})
			c.approvals(t.Context())
			requireOne(t, row.problem, c.report.Problems)
			requireOne(t, row.warning, c.report.Warnings)
		})
	}
}
