package settings

import "slices"

// validateExisting rejects settings that both create a resource and name an existing one: a name,
// or a property of what would be made, beside the id of what is there.
func (s *Settings) validateExisting(r *report) {
	a := &s.Azure
	refuse := func(key string, isWrong bool, why string) {
		if isWrong {
			r.addf("azure."+key, "%s", why)
		}
	}
	beside := func(existing string) string {
		return "is for what the program makes, and azure." + existing + " names one that exists; " +
			"remove one of the two"
	}
	n := a.Names
	refuse("names.resourceGroup", n.ResourceGroup != "" && a.ExistingResourceGroup != "",
		beside("existingResourceGroup"))
	refuse("names.storageAccount", n.StorageAccount != "" && a.StorageAccountID != "",
		beside("storageAccountId"))
	refuse("names.keyVault", n.KeyVault != "" && a.KeyVaultID != "",
		beside("keyVaultId"))
	refuse("keyVaultPurgeProtection", a.KeyVaultPurgeProtection && a.KeyVaultID != "",
		beside("keyVaultId"))
	refuse("names.applicationInsights", n.ApplicationInsights != "" && a.ApplicationInsightsID != "",
		beside("applicationInsightsId"))
	refuse("names.logAnalytics", n.LogAnalytics != "" && a.LogAnalyticsWorkspaceID != "",
		beside("logAnalyticsWorkspaceId"))
	refuse("names.containerRegistry", n.ContainerRegistry != "" && a.ContainerRegistryID != "",
		beside("containerRegistryId"))
	refuse("createContainerRegistry", a.CreateContainerRegistry && a.ContainerRegistryID != "",
		beside("containerRegistryId"))

	refuse("workspaceIdentity", a.WorkspaceIdentity && a.WorkspaceIdentityID != "",
		beside("workspaceIdentityId"))
	isWorkspaces := a.WorkspaceIdentityID != "" &&
		slices.Contains(a.UserAssignedIdentityIDs, a.WorkspaceIdentityID)
	refuse("userAssignedIdentityIds", isWorkspaces, "has the identity of azure.workspaceIdentityId, "+
		"which the workspace gets in any case; remove it here")

	hasNoRegistry := !a.CreateContainerRegistry && a.ContainerRegistryID == ""
	refuse("names.containerRegistry", n.ContainerRegistry != "" && hasNoRegistry,
		"names a registry that is not made; set azure.createContainerRegistry, or remove it")
	refuse("names.workspaceIdentity", n.WorkspaceIdentity != "" && !a.WorkspaceIdentity,
		"names an identity that is not made; set azure.workspaceIdentity, or remove it")

	const noLogs = "azure.applicationInsightsId is given, and azure.diagnostics is off"
	refuse("names.logAnalytics", n.LogAnalytics != "" && !a.NeedsLogAnalytics(),
		"names a workspace that is not made: "+noLogs)
	refuse("logAnalyticsWorkspaceId", a.LogAnalyticsWorkspaceID != "" && !a.NeedsLogAnalytics(),
		"is used by nothing: "+noLogs)
	refuse("containerRegistrySku", a.ContainerRegistrySKU != "" && !a.CreateContainerRegistry,
		"is for a registry that is made here; set azure.createContainerRegistry, or remove it")

	if s.Workload.Endpoints && hasNoRegistry && !a.WorkspaceExists() {
		r.addf("workload.endpoints", "needs a registry that is known: an endpoint pulls its image as "+
			"the job identity. Set azure.createContainerRegistry to true, "+
			"or name azure.containerRegistryId")
	}

	makesNoData := a.StorageAccountID != "" && a.KeyVaultID != "" && !a.CreateContainerRegistry
	refuse("lock", a.Lock != "" && makesNoData,
		"locks nothing: storage account and key vault are brought along, and no registry is made. "+
			"Remove it; their owner locks them")
	a.validateRegistrySize(r)
}

// validateRegistrySize refuses a registry that its network cannot reach.
func (a *Azure) validateRegistrySize(r *report) {
	isClosed := a.ManagedNetwork.IsOn() || a.IsClosed()
	if a.CreateContainerRegistry && isClosed && a.ContainerRegistrySKU != registryPremium {
		const key = "azure.containerRegistrySku"
		r.addf(key, "%s has no private endpoint, through which a closed network reaches its registry; "+
			"write Premium", r.show(key, a.ContainerRegistrySKU))
	}
}
