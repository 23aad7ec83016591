package config

import (
	"fmt"
	"strings"
)

// ARM's types of what can be brought along, as ARM spells them.
const (
	storageType  = "Microsoft.Storage/storageAccounts"
	keyVaultType = "Microsoft.KeyVault/vaults"
	insightsType = "Microsoft.Insights/components"
	logsType     = "Microsoft.OperationalInsights/workspaces"
	registryType = "Microsoft.ContainerRegistry/registries"
	identityType = "Microsoft.ManagedIdentity/userAssignedIdentities"
)

// validateExisting checks what is brought along, and refuses to hear of a thing twice: a name, or a property of what
// would be made, beside the id of what is there.
func (a *Azure) validateExisting(c *collector) {
	if group := a.ExistingResourceGroup; group != "" {
		const key = "azure.existingResourceGroup"
		if !groupRule.valid(group) {
			c.addf(key, "%s is not a resource group's name: %s", c.show(key, group), groupRule.text)
		}
		onlyOne(c, "azure.names.resourceGroup", a.Names.ResourceGroup != "", key)
	}
	for _, existing := range []struct {
		key, armType string
		id           *string
		name         string // of the one that would be made
		field        string // of that name
	}{
		{"storageAccountId", storageType, &a.StorageAccountID, a.Names.StorageAccount, "storageAccount"},
		{"keyVaultId", keyVaultType, &a.KeyVaultID, a.Names.KeyVault, "keyVault"},
		{"applicationInsightsId", insightsType, &a.ApplicationInsightsID, a.Names.ApplicationInsights, "applicationInsights"},
		{"logAnalyticsWorkspaceId", logsType, &a.LogAnalyticsWorkspaceID, a.Names.LogAnalytics, "logAnalytics"},
		{"containerRegistryId", registryType, &a.ContainerRegistryID, a.Names.ContainerRegistry, "containerRegistry"},
	} {
		if *existing.id == "" {
			continue
		}
		checkID(c, "azure."+existing.key, existing.id, existing.armType)
		onlyOne(c, "azure.names."+existing.field, existing.name != "", "azure."+existing.key)
	}
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

// checkID refuses what is not the ARM id of a resource of a type, and writes a good one as ARM's documentation does in
// all that does not name anything. ARM compares ids without regard to case, but Pulumi compares texts, and for a
// storage account or key vault a difference replaces the workspace: the portal, the CLI and ARM's answers all spell
// differently. It returns the resource's name, or nothing for a bad id.
func checkID(c *collector, key string, id *string, armType string) string {
	if *id == "" {
		return ""
	}
	canonical, name, found := parseID(*id, armType)
	switch {
	case canonical != "":
		*id = canonical
		return name
	case found != "":
		c.addf(key, "%s is the id of a %s, not of a %s", c.show(key, *id), found, armType)
	default:
		c.addf(key, "%s is not an ARM id, /subscriptions/<subscription id>/resourceGroups/<group>/providers/%s/<name>",
			c.show(key, *id), armType)
	}
	return ""
}

// parseID takes the id of a resource in a group apart. For an id of another type it returns that type alone.
func parseID(id, armType string) (canonical, name, found string) {
	parts := strings.Split(id, "/")
	if len(parts) != 9 || parts[0] != "" || !strings.EqualFold(parts[1], "subscriptions") || !guid.MatchString(strings.ToLower(parts[2])) ||
		!strings.EqualFold(parts[3], "resourceGroups") || !groupRule.valid(parts[4]) ||
		!strings.EqualFold(parts[5], "providers") || parts[8] == "" || strings.ContainsFunc(parts[8], notInName) {
		return "", "", ""
	}
	if given := parts[6] + "/" + parts[7]; !strings.EqualFold(given, armType) {
		return "", "", given
	}
	canonical = fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/%s/%s", strings.ToLower(parts[2]), parts[4], armType, parts[8])
	return canonical, parts[8], ""
}

// notInName finds what no name of a resource in ARM has: its path would be another.
func notInName(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#%\<>&:*`, r) }

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
