package arm

import (
	"net/http"
	"regexp"

	"mlvault/internal/settings"
)

// table is every type that the sandbox offers.
var table = []*resourceType{
	&resourceGroup,
	&userAssignedIdentity,
	&storageAccount,
	&keyVault,
	&logAnalytics,
	&appInsights,
	&registry,
	&mlWorkspace,
	&mlCompute,
	&roleAssignment,
	&diagnosticSetting,
	&privateEndpoint,
	&zoneGroup,
	&privateZone,
	&zoneLink,
	&lock,
}

const (
	typeResourceGroup = "Microsoft.Resources/resourceGroups"
	typeIdentity      = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeStorage       = "Microsoft.Storage/storageAccounts"
	typeVault         = "Microsoft.KeyVault/vaults"
	typeLogs          = "Microsoft.OperationalInsights/workspaces"
	typeInsights      = "microsoft.insights/components" // lower-case: as the service returns it
	typeRegistry      = "Microsoft.ContainerRegistry/registries"
	typeML            = "Microsoft.MachineLearningServices/workspaces"
	typeAssignment    = "Microsoft.Authorization/roleAssignments"
	typeEndpoint      = "Microsoft.Network/privateEndpoints"
	typeZone          = "Microsoft.Network/privateDnsZones"
	typeLock          = "Microsoft.Authorization/locks"
)

// The rules of names that a setting gives, and the ids, are the product's own. The others are
// Microsoft's (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules),
// but where a comment says another source.

// named is a rule of a name that no setting gives.
func named(shortest, longest int, pattern string) settings.NameRule {
	return settings.NameRule{
		Min:     shortest,
		Max:     longest,
		Pattern: regexp.MustCompile(pattern),
	}
}

var resourceGroup = resourceType{
	Token:    "azure-native:resources/v20220901:ResourceGroup",
	Type:     typeResourceGroup,
	Name:     settings.GroupName,
	Replaces: words("location"),
	Nested:   true,
}

var userAssignedIdentity = resourceType{
	Token:    "azure-native:managedidentity/v20230131:UserAssignedIdentity",
	Type:     typeIdentity,
	Name:     settings.IdentityName,
	Replaces: words("location"),
	Computed: words("clientId principalId tenantId"),
	Rules:    []rule{identityHasIDs},
}

// identityHasIDs refuses nothing: the service fills in who the identity is.
func identityHasIDs(p *put) *Error {
	p.doc["properties"] = map[string]any{
		"principalId": PrincipalID(p.id),
		"clientId":    ClientID(p.id),
		"tenantId":    TenantID,
	}
	return nil
}

var storageAccount = resourceType{
	Token:    "azure-native:storage/v20220901:StorageAccount",
	Type:     typeStorage,
	Name:     settings.StorageAccountName,
	Replaces: words("location"),
	Envelope: words("kind sku"),
	Renames: map[string]string{
		"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
		"networkRuleSet":         "networkAcls",
	},
	Taken: &Error{
		Status:  http.StatusConflict,
		Code:    "StorageAccountAlreadyTaken",
		Message: "The storage account named %s is already taken.",
	},
}

var keyVault = resourceType{
	Token:    "azure-native:resources/v20220901:Resource",
	Type:     typeVault,
	Generic:  true,
	Name:     settings.KeyVaultName,
	Nested:   true,
	Replaces: words("parentResourcePath resourceProviderNamespace resourceType"),
	Rules:    []rule{vaultNameIsValid, vaultHasPolicies, purgeProtectionStays, vaultIsServed},
	Created: func(answer Document) {
		// openapi.json 2026-02-01, VaultProvisioningState
		answer.set("properties.provisioningState", "RegisteringDns")
	},
	Taken: &Error{
		Status: http.StatusConflict,
		Code:   "VaultAlreadyExists",
		Message: "The vault name '%s' is already in use. Vault names are globally unique so it is " +
			"possible that the name is already taken.",
	},
	SoftDelete: &Error{
		Status: http.StatusConflict,
		Code:   "ConflictError",
		Message: "A vault with the same name already exists in deleted state. You need to either " +
			"recover or purge existing key vault. The vault is soft-deleted. Follow this link " +
			"https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
	},
}

var logAnalytics = resourceType{
	Token:    "azure-native:operationalinsights/v20221001:Workspace",
	Type:     typeLogs,
	Name:     settings.LogAnalyticsName,
	Replaces: words("location"),
}

var appInsights = resourceType{
	Token:    "azure-native:insights/v20200202:Component",
	Type:     typeInsights,
	Name:     settings.InsightsName,
	Replaces: words("location"),
	Envelope: words("kind"),
	Renames: map[string]string{
		"applicationType": "Application_Type", "flowType": "Flow_Type", "ingestionMode": "IngestionMode",
		"requestSource": "Request_Source", "workspaceResourceId": "WorkspaceResourceId",
		"disableLocalAuth": "DisableLocalAuth",
	},
	Rules: []rule{refersTo("properties.WorkspaceResourceId")},
}

var registry = resourceType{
	Token:    "azure-native:containerregistry/v20230701:Registry",
	Type:     typeRegistry,
	Name:     settings.RegistryName,
	Replaces: words("location"),
	Envelope: words("sku"),
	Taken: &Error{
		Status:  http.StatusConflict,
		Code:    "AlreadyInUse",
		Message: "The registry DNS name %s.azurecr.io is already in use.",
	},
}

var mlWorkspace = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Workspace",
	Type:  typeML,
	Name:  settings.WorkspaceName,
	// No Replaces: the specification has no x-ms-mutability and azure-native's forceNewMap no entry,
	// so azure-native PUTs a new storage account and the service refuses.
	Computed: words("workspaceId"),
	Envelope: words("identity kind sku"),
	Rules: []rule{
		dependents,
		refersTo(
			"properties.storageAccount",
			"properties.keyVault",
			"properties.applicationInsights",
			"properties.containerRegistry",
			"properties.encryption.keyVaultProperties.keyVaultArmId",
			"properties.encryption.identity.userAssignedIdentity",
			"properties.serverlessComputeSettings.serverlessComputeCustomSubnet",
		),
		defaultStoreIsFlat,
		workspaceStays,
		keyIsSafe,
		isolationOnlyTightens,
		endpointRules,
		registryIsReachable,
		primaryMayRead,
		network,
		workspaceHasID,
	},
	SoftDelete: &Error{
		Status:  http.StatusBadRequest,
		Code:    "BadRequest",
		Message: "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete",
	},
}

var mlCompute = resourceType{
	Token:  "azure-native:machinelearningservices/v20241001:Compute",
	Type:   typeML + "/computes",
	Name:   settings.ClusterName,
	Nested: true,
	Rules: []rule{
		clusterStays,
		refersTo("properties.properties.subnet.id"),
		provisionsNetwork,
	},
}

// clusterStays: azurerm_machine_learning_compute_cluster, of which vm_size and subnet_resource_id
// are ForceNew. The text is ours.
var clusterStays = immutable("cluster",
	"properties.properties.vmSize",
	"properties.properties.subnet.id",
)

var roleAssignment = resourceType{
	Token: "azure-native:authorization/v20220401:RoleAssignment",
	Type:  typeAssignment,
	// authorization-RoleAssignmentCalls.json 2022-04-01: "It can be any valid GUID"
	Name:     guidName,
	Replaces: words("principalId"),
	Rules:    []rule{definitionOfScope, principalHasItsType, assignedOnce},
}

var diagnosticSetting = resourceType{
	Token: "azure-native:insights/v20210501preview:DiagnosticSetting",
	Type:  "Microsoft.Insights/diagnosticSettings",
	Name:  named(1, 260, `^[^*<>%:&?/\\|]*[^*<>%:&?/\\|. ]$`),
	Rules: []rule{refersTo("properties.workspaceId")},
}

var privateEndpoint = resourceType{
	Token: "azure-native:network/v20230201:PrivateEndpoint",
	Type:  typeEndpoint,
	Name:  named(2, 64, `^[a-zA-Z0-9][\w.-]*\w$`),
	Items: words("privateLinkServiceConnections subnet"),
	Rules: []rule{refersTo("properties.subnet.id")},
}

var zoneGroup = resourceType{
	Token: "azure-native:network/v20230201:PrivateDnsZoneGroup",
	Type:  typeEndpoint + "/privateDnsZoneGroups",
	// no rule in privateEndpoint.json; as others of Microsoft.Network
	Name:  named(1, 80, `^[a-zA-Z0-9][\w.-]*$`),
	Items: words("privateDnsZoneConfigs"),
	Rules: []rule{zonesExist},
}

// zonesExist: privateEndpoint.json 2023-02-01, PrivateDnsZonePropertiesFormat.privateDnsZoneId.
func zonesExist(p *put) *Error {
	for _, config := range p.doc.objects("properties.privateDnsZoneConfigs") {
		if refusal := p.refers(config, "properties.privateDnsZoneId"); refusal != nil {
			return refusal
		}
	}
	return nil
}

var privateZone = resourceType{
	Token:    "azure-native:network/v20200601:PrivateZone",
	Type:     typeZone,
	Name:     named(3, 253, `^([a-zA-Z0-9_-]+\.)+[a-zA-Z0-9_-]+$`),
	Replaces: words("location"),
}

var zoneLink = resourceType{
	Token:    "azure-native:network/v20200601:VirtualNetworkLink",
	Type:     typeZone + "/virtualNetworkLinks",
	Name:     named(1, 80, `^[a-zA-Z0-9]([\w.-]*\w)?$`),
	Replaces: words("location"),
	Rules:    []rule{refersTo("properties.virtualNetwork.id")},
}

var lock = resourceType{
	Token: "azure-native:authorization/v20200501:ManagementLockByScope",
	Type:  typeLock,
	// locks.json 2020-05-01
	Name: named(1, 260, `^[^<>%&:?/]*[^<>%&:?/. ]$`),
}
