package settings

import "strings"

var refusalsOfAzure = []refusal{
	{
		name: "an identity of the workspace that is made and exists",
		edit: set("azure", `{"workspaceIdentity":true,"workspaceIdentityId":"`+identityID+`"}`),
		want: "azure.workspaceIdentity: is for what the program makes",
	},
	{
		name: "an identity of the workspace that it gets twice",
		edit: set("azure", `{"workspaceIdentityId":"`+identityID+`","userAssignedIdentityIds":["`+
			identityID+`"]}`),
		want: "azure.userAssignedIdentityIds: has the identity of azure.workspaceIdentityId",
	},
	{
		name: "how a storage account is made that exists",
		edit: set("azure", `{"storageAccountId":"`+storageID+`","storage":{"sharedKeys":false}}`),
		want: "azure.storage: is for the storage account that the program makes",
	},
	{
		name: "how Application Insights are made that exist",
		edit: set("azure", `{"applicationInsightsId":"`+insightsID+`","logs":{"publicQuery":false}}`),
		want: "azure.logs: is for what the program makes",
	},
	{
		name: "no location",
		edit: unset("azure-native:location"),
		want: "azure-native:location: is missing",
	},
	{
		name: "a location with a slash",
		edit: func(f fake) { f["azure-native:location"] = "west/europe" },
		want: `azure-native:location: "west/europe" is not an Azure region`,
	},
	{
		name: "an unknown name",
		edit: set("azure", `{"names":{"vault":"x"}}`),
		want: "azure.names.vault: is not a known field",
	},
	{
		name: "a resource group that ends in a dot",
		edit: set("azure", `{"names":{"resourceGroup":"rg."}}`),
		want: `azure.names.resourceGroup: "rg." is not a name that Azure takes`,
	},
	{
		name: "a storage account with capitals",
		edit: set("azure", `{"names":{"storageAccount":"MyStore"}}`),
		want: "azure.names.storageAccount: ",
	},
	{
		name: "a key vault with two hyphens",
		edit: set("azure", `{"names":{"keyVault":"a--b"}}`),
		want: "azure.names.keyVault: ",
	},
	{
		name: "a key vault that begins with a digit",
		edit: set("azure", `{"names":{"keyVault":"1abc"}}`),
		want: "azure.names.keyVault: ",
	},
	{
		name: "insights that end in a dot",
		edit: set("azure", `{"names":{"applicationInsights":"a."}}`),
		want: "azure.names.applicationInsights: ",
	},
	{
		name: "a workspace with a space",
		edit: set("azure", `{"names":{"workspace":"my ws"}}`),
		want: "azure.names.workspace: ",
	},
	{
		name: "access that is neither",
		edit: set("azure", `{"publicNetworkAccess":"enabled"}`),
		want: `azure.publicNetworkAccess: "enabled" is not one of Enabled, Disabled`,
	},
	{
		name: "a group that ends in a dot",
		edit: set("azure", `{"existingResourceGroup":"rg."}`),
		want: `azure.existingResourceGroup: "rg." is not a resource group's name`,
	},
	{
		name: "a group twice",
		edit: set("azure", `{"existingResourceGroup":"rg","names":{"resourceGroup":"rg"}}`),
		want: "azure.names.resourceGroup: is for what the program makes, and azure.existingResourceGroup names one",
	},
	{
		name: "a storage account by name only",
		edit: set("azure", `{"storageAccountId":"mlstore"}`),
		want: `azure.storageAccountId: "mlstore" is not an ARM id`,
	},
	{
		name: "a storage account in no group",
		edit: set("azure", `{"storageAccountId":"/subscriptions/`+aGUID+`/providers/Microsoft.Storage/storageAccounts/a"}`),
		want: "azure.storageAccountId: ",
	},
	{
		name: "a storage account of no subscription",
		edit: set("azure", `{"storageAccountId":"`+strings.Replace(storageID, aGUID, "mine", 1)+`"}`),
		want: "is not an ARM id",
	},
	{
		name: "a storage account that is a container",
		edit: set("azure", `{"storageAccountId":"`+storageID+`/blobServices/default"}`),
		want: "is not an ARM id",
	},
	{
		name: "a storage account that is a key vault",
		edit: set("azure", `{"storageAccountId":"`+vaultID+`"}`),
		want: "is the id of a Microsoft.KeyVault/vaults, not of a Microsoft.Storage/storageAccounts",
	},
	{
		name: "a storage account twice",
		edit: set("azure", `{"storageAccountId":"`+storageID+`","names":{"storageAccount":"mlstore"}}`),
		want: "azure.names.storageAccount: is for what the program makes, and azure.storageAccountId names one",
	},
	{
		name: "a key vault that is a storage account",
		edit: set("azure", `{"keyVaultId":"`+storageID+`"}`),
		want: "azure.keyVaultId: ",
	},
	{
		name: "a key vault twice",
		edit: set("azure", `{"keyVaultId":"`+vaultID+`","names":{"keyVault":"mlkv"}}`),
		want: "azure.names.keyVault: ",
	},
	{
		name: "protection of somebody else's key vault",
		edit: set("azure", `{"keyVaultId":"`+vaultID+`","keyVaultPurgeProtection":true}`),
		want: "azure.keyVaultPurgeProtection: is for what the program makes",
	},
	{
		name: "insights that are a workspace",
		edit: set("azure", `{"applicationInsightsId":"`+logsID+`"}`),
		want: "azure.applicationInsightsId: ",
	},
	{
		name: "insights twice",
		edit: set("azure", `{"applicationInsightsId":"`+insightsID+`","names":{"applicationInsights":"x"}}`),
		want: "azure.names.applicationInsights: ",
	},
	{
		name: "log analytics that are insights",
		edit: set("azure", `{"logAnalyticsWorkspaceId":"`+insightsID+`"}`),
		want: "azure.logAnalyticsWorkspaceId: ",
	},
	{
		name: "log analytics twice",
		edit: set("azure", `{"logAnalyticsWorkspaceId":"`+logsID+`","names":{"logAnalytics":"logs"}}`),
		want: "azure.names.logAnalytics: ",
	},
	{
		name: "log analytics for nothing",
		edit: set("azure", `{"applicationInsightsId":"`+insightsID+`","logAnalyticsWorkspaceId":"`+logsID+`"}`),
		want: "azure.logAnalyticsWorkspaceId: is used by nothing",
	},
	{
		name: "a name of log analytics that are not made",
		edit: set("azure", `{"applicationInsightsId":"`+insightsID+`","names":{"logAnalytics":"logs"}}`),
		want: "azure.names.logAnalytics: names a workspace that is not made",
	},
	{
		name: "a registry that is a vault",
		edit: set("azure", `{"containerRegistryId":"`+vaultID+`"}`),
		want: "azure.containerRegistryId: ",
	},
	{
		name: "a registry that is made and brought",
		edit: set("azure", `{"containerRegistryId":"`+registryID+`","createContainerRegistry":true}`),
		want: "azure.createContainerRegistry: is for what the program makes",
	},
	{
		name: "a registry with a hyphen",
		edit: set("azure", `{"createContainerRegistry":true,"names":{"containerRegistry":"my-images"}}`),
		want: "azure.names.containerRegistry: ",
	},
	{
		name: "the name of a registry that is not made",
		edit: set("azure", `{"names":{"containerRegistry":"myimages"}}`),
		want: "azure.names.containerRegistry: names a registry that is not made",
	},
	{
		name: "the size of a registry that is not made",
		edit: set("azure", `{"containerRegistrySku":"Premium"}`),
		want: "azure.containerRegistrySku: is for a registry that is made here",
	},
	{
		name: "a registry of an unknown size",
		edit: set("azure", `{"createContainerRegistry":true,"containerRegistrySku":"premium"}`),
		want: `azure.containerRegistrySku: "premium" is not one of Basic, Standard, Premium`,
	},
	{
		name: "a key of no vault",
		edit: set("azure", `{"customerManagedKey":{"keyId":"`+aKey+`"}}`),
		want: "azure.customerManagedKey.keyVaultId: is missing",
	},
	{
		name: "a key in a storage account",
		edit: set("azure", `{"customerManagedKey":{"keyVaultId":"`+storageID+`","keyId":"`+aKey+`"}}`),
		want: "azure.customerManagedKey.keyVaultId: ",
	},
	{
		name: "no key",
		edit: ownKey(``),
		want: "azure.customerManagedKey.keyId: is missing",
	},
	{
		name: "a key without its version",
		edit: ownKey(`,"keyId":"https://mine.vault.azure.net/keys/cmk"`),
		want: "is not a key with its version",
	},
	{
		name: "a key elsewhere",
		edit: ownKey(`,"keyId":"` + strings.Replace(aKey, "mine", "theirs", 1) + `"`),
		want: "is not in the key vault that keyVaultId names",
	},
	{
		name: "a key for a principal",
		edit: set("azure", `{"customerManagedKey":{"keyVaultId":"`+vaultID+`","keyId":"`+aKey+`","identityId":"`+aGUID+`"}}`),
		want: "azure.customerManagedKey.identityId: ",
	},
	{
		name: "an unknown role",
		edit: assign(`"role":"Owner","principalId":"` + aGUID + `","principalType":"Group"`),
		want: `azure.roleAssignments[0].role: "Owner" is not one of AzureML Compute Operator, AzureML Data Scientist`,
	},
	{
		name: "a role for a name",
		edit: assign(`"role":"AzureML Data Scientist","principalId":"ml-team","principalType":"Group"`),
		want: "azure.roleAssignments[0].principalId: ",
	},
	{
		name: "a role for nobody in particular",
		edit: assign(`"role":"AzureML Data Scientist","principalId":"` + aGUID + `"`),
		want: `azure.roleAssignments[0].principalType: is missing`,
	},
	{
		name: "a role twice",
		edit: set("azure", `{"roleAssignments":[`+aRole+`,`+strings.Replace(aRole, "Group", "User", 1)+`]}`),
		want: "azure.roleAssignments[1]: gives the same role",
	},
	{
		name: "serverless jobs nowhere",
		edit: set("azure", `{"serverlessComputeSettings":{"noPublicIp":true}}`),
		want: "azure.serverlessComputeSettings.subnetId: is missing",
	},
	{
		name: "a role that jobs do not get",
		edit: set("azure", `{"jobIdentityRoles":["Owner"]}`),
		want: `azure.jobIdentityRoles[0]: "Owner" is not one of AzureML Data Scientist, Storage Blob Data Contributor`,
	},
	{
		name: "a job's role twice",
		edit: set("azure", `{"jobIdentityRoles":["AzureML Data Scientist","AzureML Data Scientist"]}`),
		want: `azure.jobIdentityRoles[1]: "AzureML Data Scientist" is given twice`,
	},
	{
		name: "a job's role on another's account",
		edit: set("azure", `{"jobIdentityRoles":["Storage Blob Data Contributor"],"storageAccountId":"`+storageID+`"}`),
		want: "azure.jobIdentityRoles: has Storage Blob Data Contributor, which is for the storage account that",
	},
	{
		name: "a lock that stops clusters",
		edit: set("azure", `{"lock":"ReadOnly"}`),
		want: `azure.lock: "ReadOnly" stops clusters from scaling`,
	},
	{
		name: "a lock of no kind",
		edit: set("azure", `{"lock":"yes"}`),
		want: `azure.lock: "yes" is not CanNotDelete`,
	},
	{
		name: "the name of an identity that is not made",
		edit: set("azure", `{"names":{"workspaceIdentity":"id-ml"}}`),
		want: "azure.names.workspaceIdentity: names an identity that is not made",
	},
	{
		name: "a job's role without a name",
		edit: set("azure", `{"jobIdentityRoles":[""]}`),
		want: "azure.jobIdentityRoles[0]: is empty",
	},
	{
		name: "a role for a strange type",
		edit: assign(`"role":"AzureML Data Scientist","principalId":"` + aGUID + `","principalType":"group"`),
		want: `azure.roleAssignments[0].principalType: "group" is not one of User, Group, ServicePrincipal`,
	},
	{
		name: "a lock on nothing",
		edit: set("azure", `{"lock":"CanNotDelete","storageAccountId":"`+storageID+`","keyVaultId":"`+vaultID+`"}`),
		want: "azure.lock: locks nothing",
	},
}
