package config

import (
	"fmt"
	"slices"
	"strings"
)

// ARM's types of what can be brought along, as ARM spells them.
const (
	storageType  = "Microsoft.Storage/storageAccounts"
	keyVaultType = "Microsoft.KeyVault/vaults"
	insightsType = "Microsoft.Insights/components"
	logsType     = "Microsoft.OperationalInsights/workspaces"
	registryType = "Microsoft.ContainerRegistry/registries"
	networkType  = "Microsoft.Network/virtualNetworks"
	subnetType   = networkType + "/subnets"
	zoneType     = "Microsoft.Network/privateDnsZones"
	identityType = "Microsoft.ManagedIdentity/userAssignedIdentities"
)

// validateExisting checks what is brought along, and rejects settings that both create a resource and name an existing one:
// a name, or a property of what would be made, beside the id of what is there.
func (a *Azure) validateExisting(c *collector) {
	if group := a.ExistingResourceGroup; group != "" {
		const key = "azure.existingResourceGroup"
		if !groupRule.valid(group) {
			c.addf(key, "%s is not a resource group's name: %s", c.show(key, group), groupRule.text)
		}
		onlyOne(c, "azure.names.resourceGroup", a.Names.ResourceGroup != "", key)
	}
	for _, existing := range []struct{ field, id, name string }{
		{"storageAccount", a.StorageAccountID, a.Names.StorageAccount},
		{"keyVault", a.KeyVaultID, a.Names.KeyVault},
		{"applicationInsights", a.ApplicationInsightsID, a.Names.ApplicationInsights},
		{"containerRegistry", a.ContainerRegistryID, a.Names.ContainerRegistry},
	} {
		onlyOne(c, "azure.names."+existing.field, existing.id != "" && existing.name != "", "azure."+existing.field+"Id")
	}
	onlyOne(c, "azure.names.logAnalytics", a.LogAnalyticsWorkspaceID != "" && a.Names.LogAnalytics != "", "azure.logAnalyticsWorkspaceId")
	onlyOne(c, "azure.keyVaultPurgeProtection", a.KeyVaultPurgeProtection && a.KeyVaultID != "", "azure.keyVaultId")
	onlyOne(c, "azure.createContainerRegistry", a.CreateContainerRegistry && a.ContainerRegistryID != "", "azure.containerRegistryId")
	if a.Names.ContainerRegistry != "" && !a.CreateContainerRegistry && a.ContainerRegistryID == "" {
		c.addf("azure.names.containerRegistry", "names a registry that is not made; set azure.createContainerRegistry, or remove it")
	}
	if a.LogAnalyticsWorkspaceID != "" && !a.NeedsLogAnalytics() {
		c.addf("azure.logAnalyticsWorkspaceId", "is used by nothing: azure.applicationInsightsId is given, and azure.diagnostics is off")
	}
	if a.Names.LogAnalytics != "" && !a.NeedsLogAnalytics() {
		c.addf("azure.names.logAnalytics", "names a workspace that is not made: azure.applicationInsightsId is given, and azure.diagnostics is off")
	}
}

// NeedsLogAnalytics tells whether anything writes to a Log Analytics workspace.
func (a *Azure) NeedsLogAnalytics() bool { return a.ApplicationInsightsID == "" || a.Diagnostics }

func onlyOne(c *collector, key string, given bool, other string) {
	if given {
		c.addf(key, "is for what the program makes, and %s names one that exists; remove one of the two", other)
	}
}

// eachID visits every ARM id of the configuration: its key, and the type that it must have; empty for any.
func (cfg *Config) eachID(visit func(key string, id *string, armType string)) {
	a := &cfg.Azure
	visit("azure.storageAccountId", &a.StorageAccountID, storageType)
	visit("azure.keyVaultId", &a.KeyVaultID, keyVaultType)
	visit("azure.applicationInsightsId", &a.ApplicationInsightsID, insightsType)
	visit("azure.logAnalyticsWorkspaceId", &a.LogAnalyticsWorkspaceID, logsType)
	visit("azure.containerRegistryId", &a.ContainerRegistryID, registryType)
	if k := a.CustomerManagedKey; k != nil {
		visit("azure.customerManagedKey.keyVaultId", &k.KeyVaultID, keyVaultType)
		visit("azure.customerManagedKey.identityId", &k.IdentityID, identityType)
	}
	if n := a.ManagedNetwork; n != nil {
		for i := range n.OutboundRules {
			visit(element("azure.managedNetwork.outboundRules", i)+".serviceResourceId", &n.OutboundRules[i].ServiceResourceID, "")
		}
	}
	if p := a.PrivateEndpoints; p != nil {
		visit("azure.privateEndpoints.subnetId", &p.SubnetID, subnetType)
		visit("azure.privateEndpoints.virtualNetworkId", &p.VirtualNetworkID, networkType)
		for i := range p.DNSZoneIDs {
			visit(element("azure.privateEndpoints.dnsZoneIds", i), &p.DNSZoneIDs[i], zoneType)
		}
	}
	if s := a.ServerlessComputeSettings; s != nil {
		visit("azure.serverlessComputeSettings.subnetId", &s.SubnetID, subnetType)
	}
	if cfg.Compute != nil {
		visit("compute.subnetId", &cfg.Compute.SubnetID, subnetType)
	}
}

// normaliseID writes an id as ARM's documentation does in all that does not name anything. ARM compares ids without regard
// to case, but Pulumi compares texts, and for a storage account or key vault a difference replaces the workspace: the
// portal, the CLI and ARM's answers all spell differently.
func normaliseID(_ string, id *string, armType string) {
	if canonical, _, _ := parseID(*id, armType); canonical != "" {
		*id = canonical
	}
}

// validateIDs refuses what is not the ARM id of a resource of its type.
func (cfg *Config) validateIDs(c *collector) {
	cfg.eachID(func(key string, id *string, armType string) {
		canonical, _, found := parseID(*id, armType)
		switch {
		case *id == "" || canonical != "":
		case found != "":
			c.addf(key, "%s is the id of a %s, not of a %s", c.show(key, *id), found, armType)
		default:
			if armType == "" {
				armType = "<type>"
			}
			c.addf(key, "%s is not an ARM id, /subscriptions/<subscription id>/resourceGroups/<group>/providers/%s/<name>", c.show(key, *id), armType)
		}
	})
}

// parseID takes the id of a resource in a group apart, or of a part of one where the type has a part. For an id of another
// type it returns that type alone.
func parseID(id, armType string) (canonical, name, found string) {
	parts := strings.Split(id, "/")
	types := strings.Split(armType, "/")
	if len(parts) != 9 && (len(parts) != 11 || len(types) != 3) || parts[0] != "" || !strings.EqualFold(parts[1], "subscriptions") ||
		!guid.MatchString(strings.ToLower(parts[2])) || !strings.EqualFold(parts[3], "resourceGroups") || !groupRule.valid(parts[4]) ||
		!strings.EqualFold(parts[5], "providers") ||
		slices.ContainsFunc(parts[6:], func(part string) bool { return part == "" || strings.ContainsFunc(part, notInName) }) {
		return "", "", ""
	}
	given := parts[6:8]
	if len(parts) == 11 {
		given = append(slices.Clone(given), parts[9])
	}
	if armType == "" {
		types = given
	}
	if !strings.EqualFold(strings.Join(given, "/"), strings.Join(types, "/")) {
		return "", "", strings.Join(given, "/")
	}
	canonical = fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/%s/%s/%s", strings.ToLower(parts[2]), parts[4], types[0], types[1], parts[8])
	if len(parts) == 11 {
		canonical += "/" + types[2] + "/" + parts[10]
	}
	return canonical, parts[len(parts)-1], ""
}

// notInName finds what no name of a resource in ARM has: its path would be another.
func notInName(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#%\<>&:*`, r) }

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
