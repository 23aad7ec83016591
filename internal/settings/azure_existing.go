package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// validateExisting checks what is brought along, and rejects settings that both create a resource and name an existing one:
// a name, or a property of what would be made, beside the id of what is there.
func (cfg *Settings) validateExisting(c *collector) {
	a := &cfg.Azure
	if group := a.ExistingResourceGroup; group != "" && !groupRule.valid(group) {
		const key = "azure.existingResourceGroup"
		c.addf(key, "%s is not a resource group's name: %s", c.show(key, group), groupRule.text)
	}
	names, registry, logs := a.Names, a.CreateContainerRegistry, "azure.applicationInsightsId is given, and azure.diagnostics is off"
	beside := func(key string) string {
		return "is for what the program makes, and azure." + key + " names one that exists; remove one of the two"
	}
	for _, each := range []struct {
		key     string
		refused bool
		why     string
	}{
		{"names.resourceGroup", names.ResourceGroup != "" && a.ExistingResourceGroup != "", beside("existingResourceGroup")},
		{"names.storageAccount", names.StorageAccount != "" && a.StorageAccountID != "", beside("storageAccountId")},
		{"names.keyVault", names.KeyVault != "" && a.KeyVaultID != "", beside("keyVaultId")},
		{"keyVaultPurgeProtection", a.KeyVaultPurgeProtection && a.KeyVaultID != "", beside("keyVaultId")},
		{"names.applicationInsights", names.ApplicationInsights != "" && a.ApplicationInsightsID != "", beside("applicationInsightsId")},
		{"names.logAnalytics", names.LogAnalytics != "" && a.LogAnalyticsWorkspaceID != "", beside("logAnalyticsWorkspaceId")},
		{"names.containerRegistry", names.ContainerRegistry != "" && a.ContainerRegistryID != "", beside("containerRegistryId")},
		{"createContainerRegistry", registry && a.ContainerRegistryID != "", beside("containerRegistryId")},
		{"names.containerRegistry", names.ContainerRegistry != "" && !registry && a.ContainerRegistryID == "",
			"names a registry that is not made; set azure.createContainerRegistry, or remove it"},
		{"names.workspaceIdentity", names.WorkspaceIdentity != "" && !a.WorkspaceIdentity,
			"names an identity that is not made; set azure.workspaceIdentity, or remove it"},
		{"names.computeCluster", names.ComputeCluster != "" && cfg.Compute == nil, "names a cluster that is not made; set compute, or remove it"},
		{"names.logAnalytics", names.LogAnalytics != "" && !a.needsLogAnalytics(), "names a workspace that is not made: " + logs},
		{"logAnalyticsWorkspaceId", a.LogAnalyticsWorkspaceID != "" && !a.needsLogAnalytics(), "is used by nothing: " + logs},
		{"containerRegistrySku", a.ContainerRegistrySKU != "" && !registry,
			"is for a registry that is made here; set azure.createContainerRegistry, or remove it"},
		{"lock", a.Lock != "" && !registry && a.StorageAccountID != "" && a.KeyVaultID != "",
			"locks nothing: storage account and key vault are brought along, and no registry is made. Remove it; their owner locks them"},
	} {
		if each.refused {
			c.addf("azure."+each.key, "%s", each.why)
		}
	}
	if sku := a.ContainerRegistrySKU; registry && sku != "Premium" && (a.ManagedNetwork.on() || a.PrivateEndpoints != nil) {
		const key = "azure.containerRegistrySku"
		c.addf(key, "%s has no private endpoint, through which a closed network reaches its registry; write Premium", c.show(key, sku))
	}
}

// needsLogAnalytics tells whether anything writes to a Log Analytics workspace.
func (a *Azure) needsLogAnalytics() bool { return a.ApplicationInsightsID == "" || a.Diagnostics }

// normaliseID writes an id as ARM's documentation does in all that does not name anything. ARM compares ids without regard
// to case, but Pulumi compares texts, and for a storage account or key vault a difference replaces the workspace: the
// portal, the CLI and ARM's answers all spell differently.
func normaliseID(_ string, field reflect.Value, tag reflect.StructTag) {
	if armType, isID := tag.Lookup("arm"); isID && field.Kind() == reflect.String {
		if canonical, _ := parseID(field.String(), armType); canonical != "" {
			field.SetString(canonical)
		}
	}
}

// checkID refuses what is not the ARM id of a resource of its type.
func (c *collector) checkID(key, id, armType string) {
	canonical, found := parseID(id, armType)
	switch {
	case canonical != "":
	case found != "":
		c.addf(key, "%s is the id of a %s, not of a %s", c.show(key, id), found, armType)
	default:
		c.addf(key, "%s is not an ARM id, /subscriptions/<subscription id>/resourceGroups/<group>/providers/%s/<name>",
			c.show(key, id), cmp.Or(armType, "<type>"))
	}
}

// armID has the subscription, the group, type and name of a resource, and those of a part of it. A name has no character
// that would make its path another one.
var armID = regexp.MustCompile(strings.ReplaceAll(`^/(?i:subscriptions/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})/resourceGroups)/([^/]+)`+
	`/(?i:providers)/(NAME/NAME)/(NAME)(?:/(NAME)/(NAME))?$`, "NAME", `[^\x00-\x20\x7f-\x{10ffff}/?#%\\<>&:*]+`))

// parseID takes the id of a resource in a group apart, or of a part of one where the type has a part. For an id of another
// type it returns that type alone.
func parseID(id, armType string) (canonical, found string) {
	parts := armID.FindStringSubmatch(id)
	if parts == nil || !groupRule.valid(parts[2]) || parts[5] != "" && strings.Count(armType, "/") != 2 {
		return "", ""
	}
	given := strings.TrimSuffix(parts[3]+"/"+parts[5], "/")
	types := strings.Split(cmp.Or(armType, given), "/")
	if !strings.EqualFold(given, strings.Join(types, "/")) {
		return "", given
	}
	canonical = fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/%s/%s/%s", strings.ToLower(parts[1]), parts[2], types[0], types[1], parts[4])
	if parts[5] != "" {
		canonical += "/" + types[2] + "/" + parts[6]
	}
	return canonical, ""
}

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
