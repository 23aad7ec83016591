package arm

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// table is every type that the sandbox offers.
var table = []*resourceType{
	&resourceGroup, &userAssignedIdentity, &storageAccount, &keyVault, &logAnalytics, &appInsights, &registry, &mlWorkspace,
	&mlCompute, &roleAssignment, &diagnosticSetting, &privateEndpoint, &zoneGroup, &privateZone, &zoneLink, &lock,
}

// resourceNameRules is Microsoft's page of name rules, named as a source below.
const resourceNameRules = "learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules: "

const (
	typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeStorage  = "Microsoft.Storage/storageAccounts"
	typeVault    = "Microsoft.KeyVault/vaults"
	typeLogs     = "Microsoft.OperationalInsights/workspaces"
	typeInsights = "microsoft.insights/components" // lower-case: as the service returns it
	typeRegistry = "Microsoft.ContainerRegistry/registries"
	typeML       = "Microsoft.MachineLearningServices/workspaces"
)

// inGroup is the path of a resource in a group: its type and then its name, or that of what it is part of.
func inGroup(below string) string {
	return "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + below
}

var resourceGroup = resourceType{
	Token: "azure-native:resources/v20220901:ResourceGroup", Type: typeResourceGroup,
	Path: "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
	Name: nameRule{Pattern: `^[-\w._()]*[-\w_()]$`, Min: 1, Max: 90,
		Source: resourceNameRules + "1-90, alphanumerics, underscores, parentheses, hyphens, periods; can't end with period",
		Code:   "InvalidResourceGroup", Message: "The provided resource group name '%s' has invalid characters or ends with a period."},
	Inputs: words("location managedBy tags"), Required: words("location"), Replaces: words("location"),
	Computed: words("properties"), Nested: true,
	Complete: func(*put) map[string]any { return map[string]any{"properties.provisioningState": "Succeeded"} },
}

var userAssignedIdentity = resourceType{
	Token: "azure-native:managedidentity/v20230131:UserAssignedIdentity", Type: typeIdentity,
	Path: inGroup(typeIdentity + "/{resourceName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9][\w-]*$`, Min: 3, Max: 128,
		Source: resourceNameRules + "3-128, alphanumerics, hyphens, underscores; start with letter or number"},
	Inputs: words("location tags"), Required: words("location"), Replaces: words("location"),
	Computed: words("clientId principalId tenantId systemData"),
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.principalId": PrincipalID(p.id), "properties.clientId": ClientID(p.id), "properties.tenantId": TenantID,
		}
	},
}

var storageAccount = resourceType{
	Token: "azure-native:storage/v20220901:StorageAccount", Type: typeStorage, Path: inGroup(typeStorage + "/{accountName}"),
	Name: nameRule{Pattern: `^[a-z0-9]+$`, Min: 3, Max: 24,
		Source: resourceNameRules + "global, 3-24, lowercase letters and numbers",
		Code:   "AccountNameInvalid", Message: "%s is not a valid storage account name. Storage account name must be between 3 and 24 " +
			"characters in length and use numbers and lower-case letters only.",
		TakenCode: "StorageAccountAlreadyTaken", TakenMessage: "The storage account named %s is already taken."},
	Inputs: words(`accessTier allowBlobPublicAccess allowSharedKeyAccess enableHttpsTrafficOnly encryption identity isHnsEnabled
		kind location minimumTlsVersion networkRuleSet publicNetworkAccess sku tags`),
	Required: words("kind location sku"), Replaces: words("isHnsEnabled location"),
	Computed: words("creationTime primaryEndpoints provisioningState"), Envelope: words("identity kind sku"),
	Renames: map[string]string{"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly", "networkRuleSet": "networkAcls"},
	Defaults: map[string]any{
		"properties.accessTier": "Hot", "properties.supportsHttpsTrafficOnly": true, "properties.minimumTlsVersion": "TLS1_0",
		"properties.networkAcls": map[string]any{
			"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []any{}, "virtualNetworkRules": []any{},
		},
		"properties.encryption": map[string]any{"keySource": "Microsoft.Storage"},
	},
	Rules: []rule{
		// The service lets kind change in one case, the upgrade to StorageV2, which the sandbox does not offer.
		immutable("AccountPropertyCannotBeUpdated", "The property '%s' was specified in the input, but it cannot be updated as it is "+
			"read-only. For more information, see - https://aka.ms/storageaccountupdate", "properties.isHnsEnabled", "kind"),
	},
	Complete: func(p *put) map[string]any {
		endpoints := map[string]any{}
		for _, service := range words("blob file queue table") {
			endpoints[service] = fmt.Sprintf("https://%s.%s.core.windows.net/", p.name, service)
		}
		return map[string]any{
			"sku.tier":                    strings.Split(p.doc.text("sku.name"), "_")[0],
			"properties.creationTime":     p.since("properties.creationTime"),
			"properties.primaryEndpoints": endpoints,
		}
	},
}

var keyVault = resourceType{
	Token: "azure-native:keyvault/v20230201:Vault", Type: typeVault, Path: inGroup(typeVault + "/{vaultName}"),
	Name: nameRule{Pattern: `^[a-zA-Z](-?[a-zA-Z0-9])+$`, Min: 3, Max: 24,
		Source: resourceNameRules + "global, 3-24, alphanumerics and hyphens; start with letter, end with letter or digit, " +
			"no consecutive hyphens",
		Code: "VaultNameNotValid", Message: "The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric " +
			"characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.",
		TakenCode: "VaultAlreadyExists", TakenMessage: "The vault name '%s' is already in use. Vault names are globally unique so it is " +
			"possible that the name is already taken."},
	Inputs: words("location properties tags"), Required: words("location properties"), Computed: words("systemData"), Nested: true,
	Defaults: map[string]any{
		"properties.enableSoftDelete": true, "properties.softDeleteRetentionInDays": 90.0,
		"properties.enableRbacAuthorization": false, "properties.publicNetworkAccess": "Enabled",
	},
	Rules: []rule{
		required("The parameter tenantId is not specified.", "properties.tenantId"),
		required("The parameter sku is not specified.", "properties.sku.name"),
		oneOf("properties.publicNetworkAccess", "Enabled Disabled"),
		within("properties.softDeleteRetentionInDays", 7, 90),
		accessPoliciesOrRoles,
		oneWay("properties.enableSoftDelete", "The property \"enableSoftDelete\" can be set to false only for creating new "+
			"vault. Enabling the 'soft delete' functionality is an irreversible action."),
		oneWay("properties.enablePurgeProtection", "The property \"enablePurgeProtection\" cannot be set to false. Enabling "+
			"the purge protection for a vault is an irreversible action."),
		immutable("BadRequest", "The property \"%s\" has been set already and it can't be modified.",
			"properties.softDeleteRetentionInDays"),
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{"properties.vaultUri": "https://" + p.name + ".vault.azure.net/"}
	},
	SoftDelete: &Error{Status: http.StatusConflict, Code: "ConflictError",
		Message: "A vault with the same name already exists in deleted state. You need to either recover or purge existing key " +
			"vault. The vault is soft-deleted. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."},
}

// accessPoliciesOrRoles: VaultProperties.accessPolicies are required, but for enableRbacAuthorization, which ignores them.
func accessPoliciesOrRoles(p *put) *Error {
	if p.doc.at("properties.enableRbacAuthorization") == true || p.doc.at("properties.accessPolicies") != nil {
		return nil
	}
	return p.bad("The parameter accessPolicies is not specified.")
}

var logAnalytics = resourceType{
	Token: "azure-native:operationalinsights/v20221001:Workspace", Type: typeLogs, Path: inGroup(typeLogs + "/{workspaceName}"),
	Name: nameRule{Pattern: `^[A-Za-z0-9][A-Za-z0-9-]+[A-Za-z0-9]$`, Min: 4, Max: 63,
		Source: resourceNameRules + "4-63, alphanumerics and hyphens; start and end with alphanumeric"},
	Inputs:   words("location publicNetworkAccessForIngestion publicNetworkAccessForQuery retentionInDays sku tags workspaceCapping"),
	Required: words("location"), Replaces: words("location"), Computed: words("customerId modifiedDate provisioningState systemData"),
	Defaults: map[string]any{
		"properties.sku": map[string]any{"name": "PerGB2018"}, "properties.retentionInDays": 30.0,
		"properties.publicNetworkAccessForIngestion": "Enabled", "properties.publicNetworkAccessForQuery": "Enabled",
		"properties.workspaceCapping": map[string]any{"dailyQuotaGb": -1.0},
	},
	Rules: []rule{
		within("properties.retentionInDays", 7, 730), // the SDK's WorkspaceProperties.RetentionInDays; 30 is the least that PerGB2018 bills
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{"properties.customerId": guid("customer", p.id), "properties.modifiedDate": p.now}
	},
}

var appInsights = resourceType{
	Token: "azure-native:insights/v20200202:Component", Type: typeInsights, Path: inGroup(typeInsights + "/{resourceName}"),
	Name: nameRule{Pattern: `^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`, Min: 1, Max: 255,
		Source: "PSRule.Rules.Azure Azure.AppInsights.Name: 1-255, alphanumerics, hyphens, periods, underscores, parentheses; can't end " +
			"with period"},
	Inputs: words(`applicationType flowType ingestionMode kind location publicNetworkAccessForIngestion publicNetworkAccessForQuery
		requestSource retentionInDays samplingPercentage tags workspaceResourceId`),
	Required: words("applicationType kind location"), Replaces: words("location"),
	Computed: words("applicationId connectionString creationDate etag instrumentationKey provisioningState tenantId"),
	Envelope: words("kind etag"),
	Renames: map[string]string{
		"applicationId": "ApplicationId", "applicationType": "Application_Type", "creationDate": "CreationDate",
		"connectionString": "ConnectionString", "flowType": "Flow_Type", "ingestionMode": "IngestionMode",
		"instrumentationKey": "InstrumentationKey", "requestSource": "Request_Source", "retentionInDays": "RetentionInDays",
		"samplingPercentage": "SamplingPercentage", "tenantId": "TenantId", "workspaceResourceId": "WorkspaceResourceId",
	},
	Defaults: map[string]any{
		"properties.Flow_Type": "Bluefield", "properties.Request_Source": "rest", "properties.IngestionMode": "LogAnalytics",
		"properties.RetentionInDays": 90.0, "properties.publicNetworkAccessForIngestion": "Enabled",
		"properties.publicNetworkAccessForQuery": "Enabled",
	},
	Rules: []rule{
		// own words; the SDK: "must be included to create the resource" with this API
		required("A component of this API version is workspace-based and needs a Log Analytics workspace.",
			"properties.WorkspaceResourceId"),
		refersTo("properties.WorkspaceResourceId", typeLogs),
	},
	Complete: func(p *put) map[string]any {
		instrumentation := guid("instrumentation", p.id)
		return map[string]any{
			"etag":                          `"` + guid("etag", p.id) + `"`,
			"properties.ApplicationId":      p.name,
			"properties.InstrumentationKey": instrumentation,
			"properties.ConnectionString":   "InstrumentationKey=" + instrumentation,
			"properties.CreationDate":       p.since("properties.CreationDate"),
			"properties.TenantId":           SubscriptionID, // the service's own misnomer: "Azure Tenant Id" holds the subscription
		}
	},
}

var registry = resourceType{
	Token: "azure-native:containerregistry/v20230701:Registry", Type: typeRegistry, Path: inGroup(typeRegistry + "/{registryName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9]+$`, Min: 5, Max: 50, Source: resourceNameRules + "global, 5-50, alphanumerics",
		TakenCode: "AlreadyInUse", TakenMessage: "The registry DNS name %s.azurecr.io is already in use."},
	Inputs: words(`adminUserEnabled dataEndpointEnabled identity location networkRuleBypassOptions networkRuleSet publicNetworkAccess
		sku tags zoneRedundancy`),
	Required: words("location sku"), Replaces: words("location"),
	Computed: words("creationDate loginServer provisioningState systemData"), Envelope: words("identity sku"),
	Defaults: map[string]any{
		"properties.adminUserEnabled": false, "properties.publicNetworkAccess": "Enabled",
		"properties.networkRuleBypassOptions": "AzureServices", "properties.zoneRedundancy": "Disabled",
		"properties.dataEndpointEnabled": false,
	},
	Rules: []rule{required("The registry's SKU is not specified.", "sku.name")}, // (own words).
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"sku.tier":                p.doc.text("sku.name"),
			"properties.loginServer":  strings.ToLower(p.name) + ".azurecr.io",
			"properties.creationDate": p.since("properties.creationDate"),
		}
	},
}

var mlWorkspace = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Workspace", Type: typeML, Path: inGroup(typeML + "/{workspaceName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9][a-zA-Z0-9_-]+$`, Min: 3, Max: 33,
		Source: "workspaceRP.json 2024-10-01, parameter workspaceName: ^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$"},
	Inputs: words(`allowPublicAccessWhenBehindVnet applicationInsights containerRegistry encryption hbiWorkspace identity
		imageBuildCompute keyVault kind location managedNetwork primaryUserAssignedIdentity publicNetworkAccess
		serverlessComputeSettings sku storageAccount tags v1LegacyMode`),
	// No Replaces: the specification has no x-ms-mutability and azure-native's forceNewMap no entry, so azure-native PUTs a
	// new storage account and the service refuses.
	Computed: words("discoveryUrl mlFlowTrackingUri privateEndpointConnections provisioningState systemData tenantId workspaceId"),
	Envelope: words("identity kind sku"),
	Defaults: map[string]any{
		"kind": "Default", "sku": map[string]any{"name": "Basic", "tier": "Basic"},
		"properties.hbiWorkspace": false, "properties.allowPublicAccessWhenBehindVnet": false, "properties.v1LegacyMode": false,
		"properties.publicNetworkAccess": "Enabled", "properties.enableDataIsolation": false, isolationMode: "Disabled",
	},
	Rules: []rule{
		// Azure/azure-rest-api-specs#15878, Azure/azure-service-operator#5696; of kind Default, the only one here
		oneOf("kind", "Default"),
		required("Missing dependent resources in workspace json",
			"properties.storageAccount", "properties.keyVault", "properties.applicationInsights", "identity.type"),
		oneOf("properties.managedNetwork.firewallSku", "Standard Basic"),
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
		keyIsSafe, isolationOnlyTightens, validRules, registryIsReachable, primaryMayRead,
		ownSubnet("properties.serverlessComputeSettings.serverlessComputeCustomSubnet", func(p *put) Document { return p.doc }),
	},
	Complete: func(p *put) map[string]any {
		network(p)
		api := p.doc.text("location") + ".api.azureml.ms"
		return map[string]any{
			"properties.discoveryUrl":               "https://" + api + "/discovery",
			"properties.mlFlowTrackingUri":          "azureml://" + api + "/mlflow/v1.0" + p.id,
			"properties.workspaceId":                guid("workspace", p.id),
			"properties.tenantId":                   TenantID,
			"properties.privateEndpointConnections": []any{},
		}
	},
	SoftDelete: &Error{Status: http.StatusBadRequest, Code: "BadRequest",
		Message: "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"},
}

// Roles by the GUID of their definition ("Azure built-in roles").
const (
	keyVaultAdministrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	contributorRole       = "b24988ac-6180-42a0-ab88-20f7382dd24c"
)

// defaultStoreIsFlat: "premium storage accounts and storage accounts with a hierarchical namespace are not supported as
// the default storage account" (how-to-create-workspace-template). (own words).
func defaultStoreIsFlat(p *put) *Error {
	account := p.state.get(p.doc.text("properties.storageAccount"))
	if account.at("properties.isHnsEnabled") == true || strings.HasPrefix(account.text("sku.name"), "Premium") {
		return p.bad("Storage account '%s' cannot be the default storage account of a workspace: premium accounts and accounts "+
			"with a hierarchical namespace are not supported.", account.text("id"))
	}
	return nil
}

// primaryIdentity: a workspace with user-assigned identities only must say which one is its own, and must carry it.
// (how-to-identity-based-service-authentication) (own words).
func primaryIdentity(p *put) *Error {
	primary, assigned := p.doc.text("properties.primaryUserAssignedIdentity"), p.doc.object(userAssigned)
	is := func(id string) bool { return key(id) == key(primary) }
	switch {
	case primary == "" && p.doc.text("identity.type") == "UserAssigned":
		return p.bad("primaryUserAssignedIdentity is required for a workspace whose identity type is UserAssigned.")
	case primary != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(assigned)), is):
		return p.bad("primaryUserAssignedIdentity '%s' is not one of the workspace's identity.userAssignedIdentities.", primary)
	}
	return nil
}

// primaryMayRead: Azure gives its roles to a system-assigned identity alone. As a user-assigned one the service reads the
// key vault and the storage account before it makes a workspace (how-to-identity-based-service-authentication). (own words).
func primaryMayRead(p *put) *Error {
	identity := p.state.get(p.doc.text("properties.primaryUserAssignedIdentity"))
	if identity == nil {
		return nil
	}
	for property, role := range map[string]string{"keyVault": keyVaultAdministrator, "storageAccount": contributorRole} {
		grants := func(doc Document) bool {
			return doc.is(roleAssignment.Type) && strings.HasSuffix(doc.text("properties.roleDefinitionId"), role) &&
				doc.text("properties.principalId") == identity.text("properties.principalId") &&
				strings.HasPrefix(key(p.doc.text("properties."+property))+"/", key(doc.text("properties.scope"))+"/")
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(p.state.Resources)), grants) {
			return p.refuse(http.StatusForbidden, "AuthorizationFailed",
				"The identity '%s' has not the role %s on the workspace's %s.", identity.text("id"), role, property)
		}
	}
	return nil
}

// ownSubnet: a managed network leaves no choice of another ("you can't bring your own VNet", how-to-managed-network).
// (own words).
func ownSubnet(path string, workspace func(*put) Document) rule {
	return func(p *put) *Error {
		if p.doc.text(path) != "" && isolated(workspace(p)) {
			return p.bad("A workspace with a managed network takes no subnet [%s].", path)
		}
		return p.refers(p.doc, path, typeNetwork+"/subnets")
	}
}

// isolationOnlyTightens: once on, the managed network cannot be switched off or loosened (how-to-managed-network). (own words).
func isolationOnlyTightens(p *put) *Error {
	strictness := words("disabled allowinternetoutbound allowonlyapprovedoutbound")
	before, after := p.old.text(isolationMode), p.doc.text(isolationMode)
	if slices.Index(strictness, strings.ToLower(after)) >= slices.Index(strictness, strings.ToLower(before)) {
		return nil
	}
	return p.bad("Managed network isolation mode cannot be changed from '%s' to '%s': it cannot be disabled or loosened.", before, after)
}

// keyIsSafe: "The key vault must enable soft delete and purge protection" (concept-customer-managed-keys), and an enabled
// encryption names its key (workspaceRP.json: EncryptionKeyVaultProperties). (own words).
func keyIsSafe(p *put) *Error {
	if !strings.EqualFold(p.doc.text("properties.encryption.status"), "Enabled") {
		return nil
	}
	given := p.doc.object("properties.encryption.keyVaultProperties")
	for _, name := range words("keyVaultArmId keyIdentifier") {
		if given.text(name) == "" {
			return p.bad("encryption.keyVaultProperties.%s is not specified.", name)
		}
	}
	if vault := p.state.get(given.text("keyVaultArmId")); vault.at("properties.enablePurgeProtection") != true {
		return p.bad("Key vault '%s' has no purge protection, which a customer-managed key needs.", vault.text("id"))
	}
	return nil
}

var mlCompute = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Compute", Type: typeML + "/computes",
	Path: inGroup(typeML + "/{workspaceName}/computes/{computeName}"),
	Name: nameRule{Pattern: `^[a-zA-Z][a-zA-Z0-9-]+$`, Min: 3, Max: 24,
		Source: "learn.microsoft.com/azure/machine-learning/how-to-create-compute-instance: 3 to 24 characters, letters, digits, " +
			"hyphens; must start with a letter"},
	Inputs: words("identity location properties sku tags"), Computed: words("systemData"), Nested: true,
	Rules: []rule{
		required("The compute's type is not specified.", "properties.computeType"),          // (own words).
		oneOf("properties.computeType", "AmlCompute"),                                       // all that the sandbox offers
		required("The cluster's VM size is not specified.", "properties.properties.vmSize"), // (own words).
		required("The cluster's scale settings are not specified.", // required in machineLearningServices.json
			"properties.properties.scaleSettings.maxNodeCount"),
		within("properties.properties.scaleSettings.minNodeCount", 0, 1000),
		within("properties.properties.scaleSettings.maxNodeCount", 0, 1000),
		// azurerm_machine_learning_compute_cluster: vm_size, vm_priority and subnet_resource_id are ForceNew. (own words).
		immutable("BadRequest", "The property '%s' cannot be changed once the cluster has been created.",
			"properties.computeType", "properties.properties.vmSize", "properties.properties.vmPriority",
			"properties.properties.subnet.id"),
		ownSubnet("properties.properties.subnet.id", func(p *put) Document { return p.state.get(p.parent) }),
		provisionsNetwork,
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.provisioningState":           "Succeeded",
			"properties.computeLocation":             p.doc["location"],
			"properties.createdOn":                   p.since("properties.createdOn"),
			"properties.modifiedOn":                  p.now,
			"properties.properties.allocationState":  "Steady",
			"properties.properties.currentNodeCount": 0.0,
		}
	},
}

var roleAssignment = resourceType{
	Token: "azure-native:authorization/v20220401:RoleAssignment", Type: "Microsoft.Authorization/roleAssignments",
	Path: "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	Name: nameRule{Pattern: guidPattern, Min: 36, Max: 36, GUID: true,
		Source: "authorization-RoleAssignmentCalls.json 2022-04-01: the name of the role assignment. It can be any valid GUID.",
		Code:   "InvalidRoleAssignmentId", Message: "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID."},
	Inputs: words(`condition conditionVersion delegatedManagedIdentityResourceId description principalId principalType
		roleDefinitionId`),
	Required: words("principalId roleDefinitionId"), Replaces: words("principalId"), Computed: words("createdOn scope updatedOn"),
	Defaults: map[string]any{"properties.principalType": "User"},
	Rules: []rule{
		validPrincipal, validRole, assignedOnce,
		immutable("RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
			"properties.principalId", "properties.roleDefinitionId"),
	},
	Complete: func(p *put) map[string]any {
		return map[string]any{
			"properties.scope": p.parent, "properties.createdOn": p.since("properties.createdOn"), "properties.updatedOn": p.now,
		}
	},
}

// validPrincipal: a GUID; and for an identity that the sandbox knows, the type must be a service principal's. Other
// principals are taken at their word: the sandbox has no directory of people.
func validPrincipal(p *put) *Error {
	principal, said := p.doc.text("properties.principalId"), p.doc.text("properties.principalType")
	if !regexp.MustCompile(guidPattern).MatchString(principal) {
		return p.refuse(http.StatusBadRequest, "InvalidPrincipalId", "A valid principal ID must be provided for role assignment.")
	}
	for _, doc := range p.state.Resources {
		known := doc.is(typeIdentity) && strings.EqualFold(doc.text("properties.principalId"), principal) ||
			strings.EqualFold(doc.text("identity.principalId"), principal)
		if known && !strings.EqualFold(said, "ServicePrincipal") {
			return p.refuse(http.StatusBadRequest, "UnmatchedPrincipalType", // the misspelling is the service's
				"The PrincipalId '%s' has type 'ServicePrincipal' , which is different from specified PrinciaplType '%s'.",
				strings.ReplaceAll(principal, "-", ""), said)
		}
	}
	return nil
}

var roleDefinition = regexp.MustCompile(
	`(?i)^(/subscriptions/[^/]+)?/providers/Microsoft\.Authorization/roleDefinitions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// validRole checks the form alone: the sandbox has no list of roles. A built-in role is stored as the subscription's.
func validRole(p *put) *Error {
	const path = "properties.roleDefinitionId"
	id := p.doc.text(path)
	if !roleDefinition.MatchString(id) {
		return p.refuse(http.StatusBadRequest, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.",
			id[strings.LastIndex(id, "/")+1:])
	}
	if strings.HasPrefix(strings.ToLower(id), "/providers/") {
		p.doc.set(path, "/subscriptions/"+SubscriptionID+id)
	}
	return nil
}

// assignedOnce: one principal has a role on a scope once, whatever the assignment's name.
func assignedOnce(p *put) *Error {
	for k, other := range p.state.Resources {
		if k != key(p.id) && other.is(p.row.Type) && key(other.text("properties.scope")) == key(p.parent) &&
			sameValue(other.at("properties.principalId"), p.doc.at("properties.principalId")) &&
			sameValue(other.at("properties.roleDefinitionId"), p.doc.at("properties.roleDefinitionId")) {
			return p.refuse(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists. The ID of the conflicting "+
				"role assignment is %s.", strings.ReplaceAll(other.text("name"), "-", ""))
		}
	}
	return nil
}

var diagnosticSetting = resourceType{
	Token: "azure-native:insights/v20210501preview:DiagnosticSetting", Type: "Microsoft.Insights/diagnosticSettings",
	Path: "/{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}",
	Name: nameRule{Pattern: `^[^*<>%:&?/\\|]*[^*<>%:&?/\\|. ]$`, Min: 1, Max: 260,
		Source: resourceNameRules + "1-260, can't use < > * % & : \\ ? + / or end with space or period"},
	Inputs: words(`eventHubAuthorizationRuleId eventHubName logAnalyticsDestinationType logs marketplacePartnerId metrics
		serviceBusRuleId storageAccountId workspaceId`),
	Computed: words("systemData"),
	Rules: []rule{
		collects,
		refersTo("properties.workspaceId", typeLogs),
		refersTo("properties.storageAccountId", typeStorage),
	},
	// The retired retention of each category is answered whether it was given or not.
	Complete: func(p *put) map[string]any {
		for _, category := range slices.Concat(p.doc.objects("properties.logs"), p.doc.objects("properties.metrics")) {
			if category["retentionPolicy"] == nil {
				category["retentionPolicy"] = map[string]any{"enabled": false, "days": 0.0}
			}
		}
		return nil
	},
}

// collects: a setting leads somewhere and collects something; the second refusal is in our own words.
func collects(p *put) *Error {
	sinks := words("workspaceId storageAccountId eventHubAuthorizationRuleId marketplacePartnerId serviceBusRuleId")
	if !slices.ContainsFunc(sinks, func(sink string) bool { return p.doc.text("properties."+sink) != "" }) {
		return p.bad("At least one data sink needs to be specified.")
	}
	if len(p.doc.objects("properties.logs"))+len(p.doc.objects("properties.metrics")) == 0 {
		return p.bad("A diagnostic setting needs at least one log or metric category.")
	}
	return nil
}
