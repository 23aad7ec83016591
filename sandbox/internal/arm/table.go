package arm

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/applicationinsights/armapplicationinsights"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
)

// table is every type that the sandbox offers.
var table = []*resourceType{
	&resourceGroup, &userAssignedIdentity, &storageAccount, &keyVault, &logAnalytics, &appInsights, &registry, &mlWorkspace,
	&mlCompute, &roleAssignment, &diagnosticSetting, &privateEndpoint, &zoneGroup, &privateZone, &zoneLink, &lock,
}

// resourceNameRules is Microsoft's page of name rules, named as a source below.
const resourceNameRules = "learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"

const (
	inGroup      = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/"
	typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeStorage  = "Microsoft.Storage/storageAccounts"
	typeVault    = "Microsoft.KeyVault/vaults"
	typeLogs     = "Microsoft.OperationalInsights/workspaces"
	typeInsights = "microsoft.insights/components"
	typeRegistry = "Microsoft.ContainerRegistry/registries"
	typeML       = "Microsoft.MachineLearningServices/workspaces"
)

var resourceGroup = resourceType{
	Token: "azure-native:resources/v20220901:ResourceGroup", Type: typeResourceGroup, APIVersion: "2022-09-01",
	Path: "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
	Name: nameRule{Property: "resourceGroupName", Pattern: `^[-\w._()]*[-\w_()]$`, Min: 1, Max: 90,
		Source: resourceNameRules + ": 1-90, alphanumerics, underscores, parentheses, hyphens, periods; can't end with period",
		Code:   "InvalidResourceGroup", Message: "The provided resource group name '%s' has invalid characters or ends with a period."},
	Inputs: words("location managedBy tags"), Required: words("location"), Replaces: words("location"),
	Computed: words("properties"),
	Envelope: words("location managedBy tags"), Nested: true,
	Model: func() any { return new(armresources.ResourceGroup) }, ModelVersion: "2021-04-01",
	Complete: func(*put) map[string]any { return map[string]any{"properties.provisioningState": "Succeeded"} },
}

var userAssignedIdentity = resourceType{
	Token: "azure-native:managedidentity/v20230131:UserAssignedIdentity", Type: typeIdentity, APIVersion: "2023-01-31",
	Path: inGroup + "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
	Name: nameRule{Property: "resourceName", Pattern: `^[a-zA-Z0-9][\w-]*$`, Min: 3, Max: 128,
		Source: resourceNameRules + ": 3-128, alphanumerics, hyphens, underscores; start with letter or number"},
	Inputs: words("location tags"), Required: words("resourceGroupName location"), Replaces: words("location"),
	Computed: words("clientId principalId tenantId systemData"),
	Envelope: words("location tags"),
	Model:    func() any { return new(armmsi.Identity) }, ModelVersion: "2024-11-30",
	Complete: func(p *put) map[string]any {
		return map[string]any{"properties.principalId": PrincipalID(p.id), "properties.clientId": ClientID(p.id), "properties.tenantId": TenantID}
	},
}

var storageAccount = resourceType{
	Token: "azure-native:storage/v20220901:StorageAccount", Type: typeStorage, APIVersion: "2022-09-01",
	Path: inGroup + "Microsoft.Storage/storageAccounts/{accountName}",
	Name: nameRule{Property: "accountName", Pattern: `^[a-z0-9]+$`, Min: 3, Max: 24,
		Source: resourceNameRules + ": global, 3-24, lowercase letters and numbers",
		Code:   "AccountNameInvalid", Message: "%s is not a valid storage account name. Storage account name must be between 3 and 24 " +
			"characters in length and use numbers and lower-case letters only.", Global: true,
		TakenCode: "StorageAccountAlreadyTaken", TakenMessage: "The storage account named %s is already taken."},
	Inputs: words(`accessTier allowBlobPublicAccess allowSharedKeyAccess enableHttpsTrafficOnly encryption identity isHnsEnabled
		kind location minimumTlsVersion networkRuleSet publicNetworkAccess sku tags`),
	Required: words("kind location resourceGroupName sku"), Replaces: words("isHnsEnabled location"),
	Computed: words("creationTime primaryEndpoints primaryLocation privateEndpointConnections provisioningState statusOfPrimary"),
	Envelope: words("identity kind location sku tags"),
	Renames:  renames{"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly", "networkRuleSet": "networkAcls"},
	Model:    func() any { return new(armstorage.AccountCreateParameters) }, ModelVersion: "2024-01-01",
	Defaults: map[string]any{
		"properties.accessTier": "Hot", "properties.supportsHttpsTrafficOnly": true, "properties.minimumTlsVersion": "TLS1_0",
		"properties.networkAcls": map[string]any{
			"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []any{}, "virtualNetworkRules": []any{},
		},
		"properties.encryption": map[string]any{"keySource": "Microsoft.Storage"},
	},
	Rules: []rule{
		oneOf("sku.name", armstorage.PossibleSKUNameValues()),
		oneOf("kind", armstorage.PossibleKindValues()),
		oneOf("identity.type", armstorage.PossibleIdentityTypeValues()),
		oneOf("properties.accessTier", armstorage.PossibleAccessTierValues()),
		oneOf("properties.minimumTlsVersion", armstorage.PossibleMinimumTLSVersionValues()),
		oneOf("properties.publicNetworkAccess", armstorage.PossiblePublicNetworkAccessValues()),
		// The service lets kind change in one case, the upgrade to StorageV2, which the sandbox does not offer.
		immutable("AccountPropertyCannotBeUpdated", "The property '%s' was specified in the input, but it cannot be updated as it is "+
			"read-only. For more information, see - https://aka.ms/storageaccountupdate", "properties.isHnsEnabled", "kind"),
	},
	Complete: func(p *put) map[string]any {
		endpoint := func(service string) string { return fmt.Sprintf("https://%s.%s.core.windows.net/", p.name, service) }
		return map[string]any{
			"sku.tier":                              strings.Split(p.doc.text("sku.name"), "_")[0],
			"properties.creationTime":               firstTime(p, "properties.creationTime"),
			"properties.provisioningState":          "Succeeded",
			"properties.primaryLocation":            p.doc["location"],
			"properties.statusOfPrimary":            "available",
			"properties.primaryEndpoints":           map[string]any{"blob": endpoint("blob"), "file": endpoint("file"), "queue": endpoint("queue"), "table": endpoint("table")},
			"properties.privateEndpointConnections": []any{},
		}
	},
}

var keyVault = resourceType{
	Token: "azure-native:keyvault/v20230201:Vault", Type: typeVault, APIVersion: "2023-02-01",
	Path: inGroup + "Microsoft.KeyVault/vaults/{vaultName}",
	Name: nameRule{Property: "vaultName", Pattern: `^[a-zA-Z](-?[a-zA-Z0-9])+$`, Min: 3, Max: 24,
		Source: resourceNameRules + ": global, 3-24, alphanumerics and hyphens; start with letter, end with letter or digit, " +
			"no consecutive hyphens",
		Code: "VaultNameNotValid", Message: "The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric " +
			"characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.",
		Global:    true,
		TakenCode: "VaultAlreadyExists", TakenMessage: "The vault name '%s' is already in use. Vault names are globally unique so it is " +
			"possible that the name is already taken."},
	Inputs: words("location properties tags"), Required: words("location properties resourceGroupName"),
	Computed: words("systemData"),
	Envelope: words("location tags"), Nested: true,
	Model: func() any { return new(armkeyvault.VaultCreateOrUpdateParameters) }, ModelVersion: "2024-11-01",
	Defaults: map[string]any{
		"properties.enableSoftDelete": true, "properties.softDeleteRetentionInDays": 90.0,
		"properties.enableRbacAuthorization": false, "properties.publicNetworkAccess": "Enabled",
	},
	Rules: []rule{
		required("properties.tenantId", "The parameter tenantId is not specified."),
		required("properties.sku.name", "The parameter sku is not specified."),
		oneOf("properties.sku.family", armkeyvault.PossibleSKUFamilyValues()),
		oneOf("properties.sku.name", armkeyvault.PossibleSKUNameValues()),
		oneOf("properties.publicNetworkAccess", words("Enabled Disabled")),
		within("properties.softDeleteRetentionInDays", 7, 90),
		accessPoliciesOrRoles,
		oneWay("properties.enableSoftDelete", "BadRequest", "The property \"enableSoftDelete\" can be set to false only for creating new "+
			"vault. Enabling the 'soft delete' functionality is an irreversible action."),
		oneWay("properties.enablePurgeProtection", "BadRequest", "The property \"enablePurgeProtection\" cannot be set to false. Enabling "+
			"the purge protection for a vault is an irreversible action."),
		immutable("BadRequest", "The property \"%s\" has been set already and it can't be modified.",
			"properties.softDeleteRetentionInDays"),
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{"properties.vaultUri": "https://" + p.name + ".vault.azure.net/", "properties.provisioningState": "Succeeded"}
	},
	SoftDelete: &softDelete{http.StatusConflict, "ConflictError", "A vault with the same name already exists in deleted state. You " +
		"need to either recover or purge existing key vault. The vault is soft-deleted. Follow this link " +
		"https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."},
}

// accessPoliciesOrRoles: VaultProperties.accessPolicies are required, but for enableRbacAuthorization, which ignores them.
func accessPoliciesOrRoles(p *put) *Error {
	if p.doc.at("properties.enableRbacAuthorization") == true || p.doc.at("properties.accessPolicies") != nil {
		return nil
	}
	return p.refuse(http.StatusBadRequest, "BadRequest", "The parameter accessPolicies is not specified.")
}

var logAnalytics = resourceType{
	Token: "azure-native:operationalinsights/v20221001:Workspace", Type: typeLogs, APIVersion: "2022-10-01",
	Path: inGroup + "Microsoft.OperationalInsights/workspaces/{workspaceName}",
	Name: nameRule{Property: "workspaceName", Pattern: `^[A-Za-z0-9][A-Za-z0-9-]+[A-Za-z0-9]$`, Min: 4, Max: 63,
		Source: resourceNameRules + ": 4-63, alphanumerics and hyphens; start and end with alphanumeric"},
	Inputs:   words("location publicNetworkAccessForIngestion publicNetworkAccessForQuery retentionInDays sku tags workspaceCapping"),
	Required: words("location resourceGroupName"), Replaces: words("location"),
	Computed: words("createdDate customerId etag modifiedDate privateLinkScopedResources provisioningState systemData"),
	Envelope: words("location tags"),
	Model:    func() any { return new(armoperationalinsights.Workspace) }, ModelVersion: "2021-06-01",
	Defaults: map[string]any{
		"properties.sku": map[string]any{"name": "PerGB2018"}, "properties.retentionInDays": 30.0,
		"properties.publicNetworkAccessForIngestion": "Enabled", "properties.publicNetworkAccessForQuery": "Enabled",
		"properties.workspaceCapping": map[string]any{"dailyQuotaGb": -1.0},
	},
	Rules: []rule{
		oneOf("properties.sku.name", armoperationalinsights.PossibleWorkspaceSKUNameEnumValues()),
		oneOf("properties.publicNetworkAccessForIngestion", armoperationalinsights.PossiblePublicNetworkAccessTypeValues()),
		oneOf("properties.publicNetworkAccessForQuery", armoperationalinsights.PossiblePublicNetworkAccessTypeValues()),
		within("properties.retentionInDays", 7, 730), // the SDK's WorkspaceProperties.RetentionInDays; 30 is the least that PerGB2018 bills
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.customerId":        guid("customer", p.id),
			"properties.createdDate":       firstTime(p, "properties.createdDate"),
			"properties.modifiedDate":      p.now,
			"properties.provisioningState": "Succeeded",
		}
	},
}

var appInsights = resourceType{
	Token: "azure-native:insights/v20200202:Component", Type: typeInsights, APIVersion: "2020-02-02",
	Path: inGroup + "microsoft.insights/components/{resourceName}", // lower-case: as the service returns it
	Name: nameRule{Property: "resourceName", Pattern: `^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`, Min: 1, Max: 255,
		Source: "PSRule.Rules.Azure Azure.AppInsights.Name: 1-255, alphanumerics, hyphens, periods, underscores, parentheses; can't end " +
			"with period"},
	Inputs: words(`applicationType flowType ingestionMode kind location publicNetworkAccessForIngestion publicNetworkAccessForQuery
		requestSource retentionInDays samplingPercentage tags workspaceResourceId`),
	Required: words("applicationType kind location resourceGroupName"), Replaces: words("location"),
	Computed: words("appId applicationId connectionString creationDate etag instrumentationKey provisioningState tenantId"),
	Envelope: words("kind location tags etag"),
	Renames: renames{
		"appId": "AppId", "applicationId": "ApplicationId", "applicationType": "Application_Type", "creationDate": "CreationDate",
		"connectionString": "ConnectionString", "flowType": "Flow_Type", "ingestionMode": "IngestionMode",
		"instrumentationKey": "InstrumentationKey", "requestSource": "Request_Source", "retentionInDays": "RetentionInDays",
		"samplingPercentage": "SamplingPercentage", "tenantId": "TenantId", "workspaceResourceId": "WorkspaceResourceId",
	},
	Model: func() any { return new(armapplicationinsights.Component) }, ModelVersion: "2020-02-02",
	Defaults: map[string]any{
		"properties.Flow_Type": "Bluefield", "properties.Request_Source": "rest", "properties.IngestionMode": "LogAnalytics",
		"properties.RetentionInDays": 90.0, "properties.publicNetworkAccessForIngestion": "Enabled",
		"properties.publicNetworkAccessForQuery": "Enabled",
	},
	Rules: []rule{
		oneOf("properties.Application_Type", armapplicationinsights.PossibleApplicationTypeValues()),
		oneOf("properties.IngestionMode", armapplicationinsights.PossibleIngestionModeValues()),
		required("properties.WorkspaceResourceId", // own words; the SDK: "must be included to create the resource" with this API
			"A component of this API version is workspace-based and needs a Log Analytics workspace."),
		refersTo("properties.WorkspaceResourceId", typeLogs),
	},
	Complete: func(p *put) map[string]any {
		region, instrumentation, app := p.doc.text("location"), guid("instrumentation", p.id), guid("application", p.id)
		return map[string]any{
			"etag":                          `"` + guid("etag", p.id) + `"`,
			"properties.AppId":              app,
			"properties.ApplicationId":      p.name,
			"properties.InstrumentationKey": instrumentation,
			"properties.ConnectionString": fmt.Sprintf("InstrumentationKey=%s;IngestionEndpoint=https://%s-1.in.applicationinsights."+
				"azure.com/;ApplicationId=%s", instrumentation, region, app),
			"properties.CreationDate":      firstTime(p, "properties.CreationDate"),
			"properties.TenantId":          SubscriptionID, // the service's own misnomer: "Azure Tenant Id" holds the subscription
			"properties.provisioningState": "Succeeded",
		}
	},
}

var registry = resourceType{
	Token: "azure-native:containerregistry/v20230701:Registry", Type: typeRegistry, APIVersion: "2023-07-01",
	Path: inGroup + "Microsoft.ContainerRegistry/registries/{registryName}",
	Name: nameRule{Property: "registryName", Pattern: `^[a-zA-Z0-9]+$`, Min: 5, Max: 50,
		Source: resourceNameRules + ": global, 5-50, alphanumerics", Global: true,
		TakenCode: "AlreadyInUse", TakenMessage: "The registry DNS name %s.azurecr.io is already in use."},
	Inputs: words(`adminUserEnabled dataEndpointEnabled identity location networkRuleBypassOptions networkRuleSet publicNetworkAccess
		sku tags zoneRedundancy`),
	Required: words("location resourceGroupName sku"), Replaces: words("location"),
	Computed: words(`creationDate dataEndpointHostNames loginServer privateEndpointConnections provisioningState status
		systemData`),
	Envelope: words("identity location sku tags"),
	Model:    func() any { return new(armcontainerregistry.Registry) }, ModelVersion: "2023-07-01",
	Defaults: map[string]any{
		"properties.adminUserEnabled": false, "properties.publicNetworkAccess": "Enabled",
		"properties.networkRuleBypassOptions": "AzureServices", "properties.zoneRedundancy": "Disabled",
		"properties.dataEndpointEnabled": false,
	},
	Rules: []rule{
		required("sku.name", "The registry's SKU is not specified."), // (own words).
		oneOf("sku.name", armcontainerregistry.PossibleSKUNameValues()),
		oneOf("identity.type", armcontainerregistry.PossibleResourceIdentityTypeValues()),
		oneOf("properties.publicNetworkAccess", armcontainerregistry.PossiblePublicNetworkAccessValues()),
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"sku.tier":                              p.doc.text("sku.name"),
			"properties.loginServer":                strings.ToLower(p.name) + ".azurecr.io",
			"properties.creationDate":               firstTime(p, "properties.creationDate"),
			"properties.provisioningState":          "Succeeded",
			"properties.dataEndpointHostNames":      []any{},
			"properties.privateEndpointConnections": []any{},
		}
	},
}

var mlWorkspace = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Workspace", Type: typeML, APIVersion: "2024-10-01",
	Path: inGroup + "Microsoft.MachineLearningServices/workspaces/{workspaceName}",
	Name: nameRule{Property: "workspaceName", Pattern: `^[a-zA-Z0-9][a-zA-Z0-9_-]+$`, Min: 3, Max: 33,
		Source: "workspaceRP.json 2024-10-01, parameter workspaceName: ^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$"},
	Inputs: words(`allowPublicAccessWhenBehindVnet applicationInsights containerRegistry encryption hbiWorkspace identity
		imageBuildCompute keyVault kind location managedNetwork primaryUserAssignedIdentity publicNetworkAccess
		serverlessComputeSettings sku storageAccount tags v1LegacyMode`),
	// No Replaces: the specification has no x-ms-mutability and azure-native's forceNewMap no entry, so azure-native PUTs a
	// new storage account and the service refuses.
	Required: words("resourceGroupName"),
	Computed: words(`discoveryUrl mlFlowTrackingUri notebookInfo privateEndpointConnections privateLinkCount provisioningState
		serviceProvisionedResourceGroup storageHnsEnabled systemData tenantId workspaceId`),
	Envelope: words("identity kind location sku tags"),
	Model:    func() any { return new(armmachinelearning.Workspace) }, ModelVersion: "2024-04-01",
	Newer: words("properties.managedNetwork.firewallSku"),
	Defaults: map[string]any{
		"kind": "Default", "sku": map[string]any{"name": "Basic", "tier": "Basic"},
		"properties.hbiWorkspace": false, "properties.allowPublicAccessWhenBehindVnet": false, "properties.v1LegacyMode": false,
		"properties.publicNetworkAccess": "Enabled", "properties.enableDataIsolation": false,
		"properties.managedNetwork.isolationMode": "Disabled",
	},
	Rules: []rule{
		// Azure/azure-rest-api-specs#15878, Azure/azure-service-operator#5696; of kind Default, the only one here
		oneOf("kind", words("Default")),
		required("properties.storageAccount", missingDependents),
		required("properties.keyVault", missingDependents),
		required("properties.applicationInsights", missingDependents),
		required("identity.type", missingDependents),
		oneOf("identity.type", armmachinelearning.PossibleManagedServiceIdentityTypeValues()),
		oneOf("sku.tier", armmachinelearning.PossibleSKUTierValues()),
		oneOf("properties.publicNetworkAccess", armmachinelearning.PossiblePublicNetworkAccessTypeValues()),
		oneOf("properties.encryption.status", armmachinelearning.PossibleEncryptionStatusValues()),
		oneOf("properties.managedNetwork.isolationMode", armmachinelearning.PossibleIsolationModeValues()),
		oneOf("properties.managedNetwork.firewallSku", words("Standard Basic")),
		refersTo("properties.storageAccount", typeStorage),
		refersTo("properties.keyVault", typeVault),
		refersTo("properties.applicationInsights", typeInsights),
		refersTo("properties.containerRegistry", typeRegistry),
		refersTo("properties.primaryUserAssignedIdentity", typeIdentity),
		defaultStoreIsFlat,
		primaryIdentity,
		// "This cannot be changed once the workspace has been created" for the first two; the others are absent from the
		// service's PATCH model, WorkspacePropertiesUpdateParameters. (own words).
		immutable("BadRequest", "The property '%s' cannot be changed once the workspace has been created.",
			"properties.keyVault", "properties.storageAccount", "properties.hbiWorkspace",
			"properties.allowPublicAccessWhenBehindVnet", "properties.encryption.status",
			"properties.encryption.keyVaultProperties.keyVaultArmId"),
		refersTo("properties.encryption.keyVaultProperties.keyVaultArmId", typeVault),
		refersTo("properties.encryption.identity.userAssignedIdentity", typeIdentity),
		keyIsSafe,
		isolationOnlyTightens, validRules, registryIsReachable, primaryMayRead,
		ownSubnet("properties.serverlessComputeSettings.serverlessComputeCustomSubnet", func(p *put) Document { return p.doc }),
	},
	Complete: func(p *put) map[string]any {
		api := p.doc.text("location") + ".api.azureml.ms"
		computed := map[string]any{
			"properties.discoveryUrl":      "https://" + api + "/discovery",
			"properties.workspaceId":       guid("workspace", p.id),
			"properties.tenantId":          TenantID,
			"properties.mlFlowTrackingUri": "azureml://" + api + "/mlflow/v1.0" + p.id,
			"properties.notebookInfo": map[string]any{
				"fqdn":       fmt.Sprintf("ml-%s-%s.%s.notebooks.azure.net", p.name, p.doc.text("location"), guid("notebook", p.id)),
				"resourceId": strings.ReplaceAll(guid("notebook", p.id), "-", ""),
			},
			"properties.privateLinkCount":                0.0,
			"properties.privateEndpointConnections":      []any{},
			"properties.provisioningState":               "Succeeded",
			"properties.serviceProvisionedResourceGroup": "",
			"properties.storageHnsEnabled":               false,
		}
		maps.Copy(computed, network(p))
		return computed
	},
	SoftDelete: &softDelete{http.StatusBadRequest, "BadRequest",
		"Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"},
}

// Roles by the GUID of their definition ("Azure built-in roles").
const (
	keyVaultAdministrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	contributorRole       = "b24988ac-6180-42a0-ab88-20f7382dd24c"
)

const missingDependents = "Missing dependent resources in workspace json"

// defaultStoreIsFlat: "premium storage accounts and storage accounts with a hierarchical namespace are not supported as
// the default storage account" (how-to-create-workspace-template). (own words).
func defaultStoreIsFlat(p *put) *Error {
	account := p.state.Resources[key(p.doc.text("properties.storageAccount"))]
	if account.at("properties.isHnsEnabled") == true || strings.HasPrefix(account.text("sku.name"), "Premium") {
		return p.refuse(http.StatusBadRequest, "BadRequest", "Storage account '%s' cannot be the default storage account of a "+
			"workspace: premium accounts and accounts with a hierarchical namespace are not supported.", account.text("id"))
	}
	return nil
}

// primaryIdentity: a workspace with user-assigned identities only must say which one is its own, and must carry it.
// (how-to-identity-based-service-authentication) (own words).
func primaryIdentity(p *put) *Error {
	primary := p.doc.text("properties.primaryUserAssignedIdentity")
	if primary == "" {
		if p.doc.text("identity.type") != "UserAssigned" {
			return nil
		}
		return p.refuse(http.StatusBadRequest, "BadRequest",
			"primaryUserAssignedIdentity is required for a workspace whose identity type is UserAssigned.")
	}
	assigned, _ := p.doc.at("identity.userAssignedIdentities").(map[string]any)
	for id := range assigned {
		if key(id) == key(primary) {
			return nil
		}
	}
	return p.refuse(http.StatusBadRequest, "BadRequest",
		"primaryUserAssignedIdentity '%s' is not one of the workspace's identity.userAssignedIdentities.", primary)
}

// primaryMayRead: Azure gives its roles to a system-assigned identity alone. As a user-assigned one the service reads the
// key vault and the storage account before it makes a workspace (how-to-identity-based-service-authentication). (own words).
func primaryMayRead(p *put) *Error {
	identity := p.state.Resources[key(p.doc.text("properties.primaryUserAssignedIdentity"))]
	for property, role := range map[string]string{"keyVault": keyVaultAdministrator, "storageAccount": contributorRole} {
		if identity == nil || slices.ContainsFunc(slices.Collect(maps.Values(p.state.Resources)), func(doc Document) bool {
			return doc.text("type") == roleAssignment.Type && strings.HasSuffix(doc.text("properties.roleDefinitionId"), role) &&
				doc.text("properties.principalId") == identity.text("properties.principalId") &&
				strings.HasPrefix(key(p.doc.text("properties."+property))+"/", key(doc.text("properties.scope"))+"/")
		}) {
			continue
		}
		return p.refuse(http.StatusForbidden, "AuthorizationFailed", "The identity '%s' has not the role %s on the workspace's %s.", identity.text("id"), role, property)
	}
	return nil
}

// ownSubnet: a managed network leaves no choice of another ("you can't bring your own VNet", how-to-managed-network).
// (own words).
func ownSubnet(path string, workspace func(*put) Document) rule {
	exists := refersTo(path, typeNetwork+"/subnets")
	return func(p *put) *Error {
		if mode := workspace(p).text(isolationMode); p.doc.text(path) != "" && mode != "" && !strings.EqualFold(mode, "Disabled") {
			return p.refuse(http.StatusBadRequest, "BadRequest", "A workspace with a managed network takes no subnet [%s].", path)
		}
		return exists(p)
	}
}

// isolationOnlyTightens: once on, the managed network cannot be switched off or loosened (how-to-managed-network). (own words).
func isolationOnlyTightens(p *put) *Error {
	strictness := words("disabled allowinternetoutbound allowonlyapprovedoutbound")
	before, after := p.old.text(isolationMode), p.doc.text(isolationMode)
	if slices.Index(strictness, strings.ToLower(after)) >= slices.Index(strictness, strings.ToLower(before)) {
		return nil
	}
	return p.refuse(http.StatusBadRequest, "BadRequest",
		"Managed network isolation mode cannot be changed from '%s' to '%s': it cannot be disabled or loosened.", before, after)
}

// keyIsSafe: "The key vault must enable soft delete and purge protection" (concept-customer-managed-keys), and an enabled
// encryption names its key (workspaceRP.json: EncryptionKeyVaultProperties). (own words).
func keyIsSafe(p *put) *Error {
	const properties = "properties.encryption.keyVaultProperties."
	if !strings.EqualFold(p.doc.text("properties.encryption.status"), "Enabled") {
		return nil
	}
	for _, name := range words("keyVaultArmId keyIdentifier") {
		if p.doc.text(properties+name) == "" {
			return p.refuse(http.StatusBadRequest, "BadRequest", "encryption.keyVaultProperties.%s is not specified.", name)
		}
	}
	vault := p.state.Resources[key(p.doc.text(properties+"keyVaultArmId"))]
	if vault.at("properties.enablePurgeProtection") != true {
		return p.refuse(http.StatusBadRequest, "BadRequest", "Key vault '%s' has no purge protection, which a customer-managed key needs.", vault.text("id"))
	}
	return nil
}

var mlCompute = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Compute", Type: typeML + "/computes", APIVersion: "2024-10-01",
	Path: inGroup + "Microsoft.MachineLearningServices/workspaces/{workspaceName}/computes/{computeName}",
	Name: nameRule{Property: "computeName", Pattern: `^[a-zA-Z][a-zA-Z0-9-]+$`, Min: 3, Max: 24,
		Source: "learn.microsoft.com/azure/machine-learning/how-to-create-compute-instance: 3 to 24 characters, letters, digits, " +
			"hyphens; must start with a letter"},
	Inputs: words("identity location properties sku tags"), Required: words("resourceGroupName workspaceName"),
	Computed: words("systemData"),
	Envelope: words("identity location sku tags"), Nested: true,
	Model: func() any { return new(armmachinelearning.ComputeResource) }, ModelVersion: "2024-04-01",
	Rules: []rule{
		required("properties.computeType", "The compute's type is not specified."), // (own words).
		oneOf("properties.computeType", words("AmlCompute")),                       // all that the sandbox offers
		oneOf("identity.type", armmachinelearning.PossibleManagedServiceIdentityTypeValues()),
		required("properties.properties.vmSize", "The cluster's VM size is not specified."), // (own words).
		oneOf("properties.properties.vmPriority", armmachinelearning.PossibleVMPriorityValues()),
		required("properties.properties.scaleSettings.maxNodeCount", // ScaleSettings.maxNodeCount is required in machineLearningServices.json
			"The cluster's scale settings are not specified."),
		within("properties.properties.scaleSettings.minNodeCount", 0, 1000),
		within("properties.properties.scaleSettings.maxNodeCount", 0, 1000),
		// azurerm_machine_learning_compute_cluster: vm_size, vm_priority and subnet_resource_id are ForceNew. (own words).
		immutable("BadRequest", "The property '%s' cannot be changed once the cluster has been created.",
			"properties.computeType", "properties.properties.vmSize", "properties.properties.vmPriority",
			"properties.properties.subnet.id"),
		ownSubnet("properties.properties.subnet.id", func(p *put) Document { return p.state.Resources[key(p.parent)] }),
		provisionsNetwork,
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.provisioningState":           "Succeeded",
			"properties.computeLocation":             p.doc["location"],
			"properties.isAttachedCompute":           false,
			"properties.createdOn":                   firstTime(p, "properties.createdOn"),
			"properties.modifiedOn":                  p.now,
			"properties.properties.allocationState":  "Steady",
			"properties.properties.currentNodeCount": 0.0,
			"properties.properties.targetNodeCount":  0.0,
		}
	},
}

var roleAssignment = resourceType{
	Token: "azure-native:authorization/v20220401:RoleAssignment", Type: "Microsoft.Authorization/roleAssignments",
	APIVersion: "2022-04-01",
	Path:       "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	Name: nameRule{Property: "roleAssignmentName", Pattern: `(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, Min: 36, Max: 36, GUID: true,
		Source: "authorization-RoleAssignmentCalls.json 2022-04-01: the name of the role assignment. It can be any valid GUID.",
		Code:   "InvalidRoleAssignmentId", Message: "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID."},
	Inputs: words(`condition conditionVersion delegatedManagedIdentityResourceId description principalId principalType
		roleDefinitionId`),
	Required: words("principalId roleDefinitionId scope"), Replaces: words("principalId"),
	Computed: words("createdBy createdOn scope updatedBy updatedOn"),
	Model:    func() any { return new(armauthorization.RoleAssignmentCreateParameters) }, ModelVersion: "2022-04-01",
	Defaults: map[string]any{"properties.principalType": "User"},
	Rules: []rule{
		oneOf("properties.principalType", armauthorization.PossiblePrincipalTypeValues()),
		validPrincipal, validRole, qualifiedRole, assignedOnce,
		immutable("RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
			"properties.principalId", "properties.roleDefinitionId"),
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.scope":     p.parent,
			"properties.createdOn": firstTime(p, "properties.createdOn"), "properties.createdBy": DeployerID,
			"properties.updatedOn": p.now, "properties.updatedBy": DeployerID,
		}
	},
}

// validPrincipal: a GUID; and for an identity that the sandbox knows, the type must be a service principal's. Other
// principals are taken at their word: the sandbox has no directory of people.
func validPrincipal(p *put) *Error {
	principal, said := p.doc.text("properties.principalId"), p.doc.text("properties.principalType")
	if !isGUID(principal) {
		return p.refuse(http.StatusBadRequest, "InvalidPrincipalId", "A valid principal ID must be provided for role assignment.")
	}
	if strings.EqualFold(said, "ServicePrincipal") {
		return nil
	}
	for _, doc := range p.state.Resources {
		if strings.EqualFold(doc.text("properties.principalId"), principal) && strings.EqualFold(doc.text("type"), typeIdentity) ||
			strings.EqualFold(doc.text("identity.principalId"), principal) {
			return p.refuse(http.StatusBadRequest, "UnmatchedPrincipalType", // the misspelling is the service's
				"The PrincipalId '%s' has type 'ServicePrincipal' , which is different from specified PrinciaplType '%s'.",
				strings.ReplaceAll(principal, "-", ""), said)
		}
	}
	return nil
}

var roleDefinition = regexp.MustCompile(
	`(?i)^(/subscriptions/[^/]+)?/providers/Microsoft\.Authorization/roleDefinitions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// validRole checks the form alone: the sandbox has no list of roles.
func validRole(p *put) *Error {
	if id := p.doc.text("properties.roleDefinitionId"); !roleDefinition.MatchString(id) {
		return p.refuse(http.StatusBadRequest, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.",
			id[strings.LastIndex(id, "/")+1:])
	}
	return nil
}

// qualifiedRole: a built-in role is stored, and answered, as the subscription's. It refuses nothing.
func qualifiedRole(p *put) *Error {
	const path = "properties.roleDefinitionId"
	if id := p.doc.text(path); strings.HasPrefix(strings.ToLower(id), "/providers/") {
		p.doc.set(path, "/subscriptions/"+SubscriptionID+id)
	}
	return nil
}

// assignedOnce: one principal has a role on a scope once, whatever the assignment's name.
func assignedOnce(p *put) *Error {
	for _, k := range slices.Sorted(maps.Keys(p.state.Resources)) {
		other := p.state.Resources[k]
		if k == key(p.id) || !strings.EqualFold(other.text("type"), p.row.Type) || key(other.text("properties.scope")) != key(p.parent) {
			continue
		}
		if sameValue(other.at("properties.principalId"), p.doc.at("properties.principalId")) &&
			sameValue(other.at("properties.roleDefinitionId"), p.doc.at("properties.roleDefinitionId")) {
			return p.refuse(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists. The ID of the conflicting "+
				"role assignment is %s.", strings.ReplaceAll(other.text("name"), "-", ""))
		}
	}
	return nil
}

var diagnosticSetting = resourceType{
	Token: "azure-native:insights/v20210501preview:DiagnosticSetting", Type: "Microsoft.Insights/diagnosticSettings",
	APIVersion: "2021-05-01-preview",
	Path:       "/{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}",
	Name: nameRule{Property: "name", Pattern: `^[^*<>%:&?/\\|]*[^*<>%:&?/\\|. ]$`, Min: 1, Max: 260,
		Source: resourceNameRules + ": 1-260, can't use < > * % & : \\ ? + / or end with space or period"},
	Inputs: words(`eventHubAuthorizationRuleId eventHubName logAnalyticsDestinationType logs marketplacePartnerId metrics
		serviceBusRuleId storageAccountId workspaceId`),
	Required: words("resourceUri"),
	Computed: words("systemData"),
	Model:    func() any { return new(armmonitor.DiagnosticSettingsResource) }, ModelVersion: "2021-05-01-preview",
	Rules: []rule{
		collects,
		refersTo("properties.workspaceId", typeLogs),
		refersTo("properties.storageAccountId", typeStorage),
	},
	// The retired retention of each category is answered whether it was given or not.
	Complete: func(p *put) map[string]any {
		said := map[string]any{}
		for _, path := range words("properties.logs properties.metrics") {
			given, _ := p.doc.at(path).([]any)
			list := make([]any, len(given))
			for i, category := range given {
				list[i] = category
				if category, isObject := category.(map[string]any); isObject && category["retentionPolicy"] == nil {
					completed := maps.Clone(category)
					completed["retentionPolicy"] = map[string]any{"enabled": false, "days": 0.0}
					list[i] = completed
				}
			}
			said[path] = list
		}
		return said
	},
}

// collects: a setting leads somewhere and collects something; the second refusal is in our own words.
func collects(p *put) *Error {
	sinks := words("workspaceId storageAccountId eventHubAuthorizationRuleId marketplacePartnerId serviceBusRuleId")
	if !slices.ContainsFunc(sinks, func(sink string) bool { return p.doc.text("properties."+sink) != "" }) {
		return p.refuse(http.StatusBadRequest, "BadRequest", "At least one data sink needs to be specified.")
	}
	logs, _ := p.doc.at("properties.logs").([]any)
	metrics, _ := p.doc.at("properties.metrics").([]any)
	if len(logs)+len(metrics) == 0 {
		return p.refuse(http.StatusBadRequest, "BadRequest", "A diagnostic setting needs at least one log or metric category.")
	}
	return nil
}

// firstTime keeps the time at path from the first PUT on.
func firstTime(p *put, path string) string {
	if before := p.old.text(path); before != "" {
		return before
	}
	return p.now
}
