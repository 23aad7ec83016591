package arm

import (
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

// table is every type that the sandbox offers.
var table = []*resourceType{
	&resourceGroup, &userAssignedIdentity, &storageAccount, &keyVault, &logAnalytics, &appInsights, &registry, &mlWorkspace,
	&mlCompute, &roleAssignment, &diagnosticSetting, &privateEndpoint, &zoneGroup, &privateZone, &zoneLink, &lock,
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

// inGroup is the path of a resource in a group: its type and then its name, or that of what it is
// part of.
func inGroup(below string) string {
	return "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + below
}

// A name's rule is Microsoft's
// (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules), but where a
// comment says another source.

var resourceGroup = resourceType{
	Token: "azure-native:resources/v20220901:ResourceGroup", Type: typeResourceGroup,
	Path:     "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
	Name:     regexp.MustCompile(`^[-\w._()]{0,89}[-\w_()]$`),
	Replaces: words("location"), Nested: true,
}

var userAssignedIdentity = resourceType{
	Token: "azure-native:managedidentity/v20230131:UserAssignedIdentity", Type: typeIdentity,
	Path: inGroup(typeIdentity + "/{resourceName}"), Name: regexp.MustCompile(`^[a-zA-Z0-9][\w-]{2,127}$`),
	Replaces: words("location"), Computed: words("clientId principalId tenantId"),
	Rules: []rule{func(p *put) *Error {
		p.doc["properties"] = map[string]any{
			"principalId": PrincipalID(p.id), "clientId": ClientID(p.id), "tenantId": TenantID,
		}
		return nil
	}},
}

var storageAccount = resourceType{
	Token: "azure-native:storage/v20220901:StorageAccount", Type: typeStorage,
	Path: inGroup(typeStorage + "/{accountName}"), Name: regexp.MustCompile(`^[a-z0-9]{3,24}$`),
	Replaces: words("location"), Envelope: words("kind sku"),
	Renames: map[string]string{"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly", "networkRuleSet": "networkAcls"},
	Taken: &Error{Status: http.StatusConflict, Code: "StorageAccountAlreadyTaken",
		Message: "The storage account named %s is already taken."},
}

var keyVault = resourceType{
	Token: "azure-native:resources/v20220901:Resource", Type: typeVault, Generic: true,
	Path: inGroup(typeVault + "/{resourceName}"),
	Name: regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`), Nested: true,
	Replaces: words("parentResourcePath resourceProviderNamespace resourceType"),
	Rules:    []rule{vaultNameIsValid, vaultHasPolicies, purgeProtectionStays, vaultIsServed},
	Created: func(answer Document) {
		// openapi.json 2026-02-01, VaultProvisioningState
		answer.set("properties.provisioningState", "RegisteringDns")
	},
	Taken: &Error{Status: http.StatusConflict, Code: "VaultAlreadyExists", Message: "The vault name '%s' is already in use. " +
		"Vault names are globally unique so it is possible that the name is already taken."},
	SoftDelete: &Error{Status: http.StatusConflict, Code: "ConflictError",
		Message: "A vault with the same name already exists in deleted state. You need to either recover or purge existing key " +
			"vault. The vault is soft-deleted. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."},
}

// vaultNameIsValid: the service itself says so, because azure-native has no rule for a generic
// resource.
func vaultNameIsValid(p *put) *Error {
	name := path.Base(p.id)
	if p.row.Name.MatchString(name) {
		return nil
	}
	return p.refuse(http.StatusBadRequest, "VaultNameNotValid",
		"The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. "+
			"The name must begin with a letter, end with a letter or digit, and not contain "+
			"consecutive hyphens.", name)
}

// vaultHasPolicies: openapi.json 2026-02-01, VaultProperties.accessPolicies: "When `createMode` is
// set to `recover`, access policies are not required. Otherwise, access policies are required." (own
// words).
func vaultHasPolicies(p *put) *Error {
	if _, isList := p.doc.at("properties.accessPolicies").([]any); !isList {
		return p.bad("The parameter accessPolicies is not specified.")
	}
	return nil
}

// vaultIsServed sets what only the service sets (the same file, createVault.json). It refuses
// nothing.
func vaultIsServed(p *put) *Error {
	p.doc.set("properties.provisioningState", "Succeeded")
	p.doc.set("properties.vaultUri", "https://"+path.Base(p.id)+".vault.azure.net")
	delete(p.doc.object("properties"), "privateEndpointConnections")
	return nil
}

// purgeProtectionStays: openapi.json 2026-02-01, VaultProperties.enablePurgeProtection.
func purgeProtectionStays(p *put) *Error {
	const path = "properties.enablePurgeProtection"
	if p.old.at(path) == true && p.doc.at(path) != true {
		return p.bad("The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault " +
			"is an irreversible action.")
	}
	return nil
}

var logAnalytics = resourceType{
	Token: "azure-native:operationalinsights/v20221001:Workspace", Type: typeLogs,
	Path:     inGroup(typeLogs + "/{workspaceName}"),
	Name:     regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`),
	Replaces: words("location"),
}

var appInsights = resourceType{
	Token: "azure-native:insights/v20200202:Component", Type: typeInsights, Path: inGroup(typeInsights + "/{resourceName}"),
	Name:     regexp.MustCompile(`^[A-Za-z0-9._()-]{0,254}[A-Za-z0-9_()-]$`), // PSRule.Rules.Azure, Azure.AppInsights.Name
	Replaces: words("location"), Envelope: words("kind"),
	Renames: map[string]string{
		"applicationType": "Application_Type", "flowType": "Flow_Type", "ingestionMode": "IngestionMode",
		"requestSource": "Request_Source", "workspaceResourceId": "WorkspaceResourceId",
	},
	Rules: []rule{refersTo("properties.WorkspaceResourceId")},
}

var registry = resourceType{
	Token: "azure-native:containerregistry/v20230701:Registry", Type: typeRegistry,
	Path: inGroup(typeRegistry + "/{registryName}"), Name: regexp.MustCompile(`^[a-zA-Z0-9]{5,50}$`),
	Replaces: words("location"), Envelope: words("sku"),
	Taken: &Error{Status: http.StatusConflict, Code: "AlreadyInUse",
		Message: "The registry DNS name %s.azurecr.io is already in use."},
}

var mlWorkspace = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Workspace", Type: typeML,
	Path: inGroup(typeML + "/{workspaceName}"),
	Name: regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`), // workspaceRP.json 2024-10-01, parameter workspaceName
	// No Replaces: the specification has no x-ms-mutability and azure-native's forceNewMap no entry,
	// so azure-native PUTs a new storage account and the service refuses.
	Computed: words("workspaceId"), Envelope: words("identity kind sku"),
	Rules: []rule{
		dependents,
		refersTo("properties.storageAccount", "properties.keyVault", "properties.applicationInsights",
			"properties.containerRegistry", "properties.encryption.keyVaultProperties.keyVaultArmId",
			"properties.encryption.identity.userAssignedIdentity",
			"properties.serverlessComputeSettings.serverlessComputeCustomSubnet"),
		defaultStoreIsFlat,
		// "This cannot be changed once the workspace has been created" for the first two; the others are
		// absent from the service's PATCH model, WorkspacePropertiesUpdateParameters. (own words).
		immutable("workspace", "properties.keyVault", "properties.storageAccount", "properties.hbiWorkspace",
			"properties.encryption.status", "properties.encryption.keyVaultProperties.keyVaultArmId"),
		keyIsSafe, isolationOnlyTightens, endpointRules, registryIsReachable, primaryMayRead, network,
		func(p *put) *Error {
			p.doc.set("properties.workspaceId", guid("workspace", p.id))
			return nil
		},
	},
	SoftDelete: &Error{Status: http.StatusBadRequest, Code: "BadRequest",
		Message: "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"},
}

// dependents: Azure/azure-rest-api-specs#15878, Azure/azure-service-operator#5696.
func dependents(p *put) *Error {
	for _, path := range words("properties.storageAccount properties.keyVault properties.applicationInsights identity.type") {
		if p.doc.text(path) == "" {
			return p.bad("Missing dependent resources in workspace json [%s is not set]", path)
		}
	}
	return nil
}

// defaultStoreIsFlat: "premium storage accounts and storage accounts with a hierarchical namespace
// are not supported as the default storage account" (how-to-create-workspace-template). (own
// words).
func defaultStoreIsFlat(p *put) *Error {
	account := p.state.get(p.doc.text("properties.storageAccount"))
	if account.at("properties.isHnsEnabled") == true || strings.HasPrefix(account.text("sku.name"), "Premium") {
		return p.bad("Storage account '%s' cannot be the default storage account of a workspace: premium accounts and accounts "+
			"with a hierarchical namespace are not supported.", account.text("id"))
	}
	return nil
}

// keyIsSafe: "The key vault must enable soft delete and purge protection"
// (concept-customer-managed-keys). (own words).
func keyIsSafe(p *put) *Error {
	vault := p.state.get(p.doc.text("properties.encryption.keyVaultProperties.keyVaultArmId"))
	if vault != nil && vault.at("properties.enablePurgeProtection") != true {
		return p.bad("Key vault '%s' has no purge protection, which a customer-managed key needs.", vault.text("id"))
	}
	return nil
}

// Roles by the GUID of their definition ("Azure built-in roles").
const (
	keyVaultAdministrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
	contributorRole       = "b24988ac-6180-42a0-ab88-20f7382dd24c"
)

// primaryMayRead: Azure gives its roles to a system-assigned identity alone. As a user-assigned one
// the service reads the key vault and the storage account before it makes a workspace
// (how-to-identity-based-service-authentication). (own words).
func primaryMayRead(p *put) *Error {
	identity := p.state.get(p.doc.text("properties.primaryUserAssignedIdentity"))
	if identity == nil {
		return nil
	}
	for property, role := range map[string]string{"keyVault": keyVaultAdministrator, "storageAccount": contributorRole} {
		grants := func(doc Document) bool {
			return doc.is(typeAssignment) && strings.HasSuffix(doc.text("properties.roleDefinitionId"), role) &&
				doc.text("properties.principalId") == identity.text("properties.principalId") &&
				strings.HasPrefix(key(p.doc.text("properties."+property))+"/", key(above(doc.text("id")))+"/")
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(p.state.Resources)), grants) {
			return p.refuse(http.StatusForbidden, "AuthorizationFailed",
				"The identity '%s' has not the role %s on the workspace's %s.", identity.text("id"), role, property)
		}
	}
	return nil
}

var mlCompute = resourceType{
	Token: "azure-native:machinelearningservices/v20241001:Compute", Type: typeML + "/computes",
	Path: inGroup(typeML + "/{workspaceName}/computes/{computeName}"),
	Name: regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{2,23}$`), Nested: true, // how-to-create-compute-instance
	Rules: []rule{
		// azurerm_machine_learning_compute_cluster: vm_size and subnet_resource_id are ForceNew. (own
		// words).
		immutable("cluster", "properties.properties.vmSize", "properties.properties.subnet.id"),
		refersTo("properties.properties.subnet.id"),
		provisionsNetwork,
	},
}

var roleAssignment = resourceType{
	Token: "azure-native:authorization/v20220401:RoleAssignment", Type: typeAssignment,
	Path:     "/{scope}/providers/" + typeAssignment + "/{roleAssignmentName}",
	Name:     guidName, // authorization-RoleAssignmentCalls.json 2022-04-01: "It can be any valid GUID"
	Replaces: words("principalId"),
	Rules:    []rule{principalHasItsType, assignedOnce},
}

// principalHasItsType: an identity is a service principal
// (role-based-access-control/troubleshooting). Principals that the sandbox does not know are taken
// at their word: it has no directory of people.
func principalHasItsType(p *put) *Error {
	principal, said := p.doc.text("properties.principalId"), p.doc.text("properties.principalType")
	for _, doc := range p.state.Resources {
		known := principal == doc.text("identity.principalId") ||
			doc.is(typeIdentity) && principal == doc.text("properties.principalId")
		if known && said != "ServicePrincipal" {
			return p.refuse(http.StatusBadRequest, "UnmatchedPrincipalType", // the misspelling is the service's
				"The PrincipalId '%s' has type 'ServicePrincipal' , which is different from specified PrinciaplType '%s'.",
				strings.ReplaceAll(principal, "-", ""), said)
		}
	}
	return nil
}

// assignedOnce: one principal has a role on a scope once, whatever the assignment's name (the same
// page).
func assignedOnce(p *put) *Error {
	for k, other := range p.state.Resources {
		same := func(path string) bool { return strings.EqualFold(other.text(path), p.doc.text(path)) }
		if k != key(p.id) && other.is(typeAssignment) && key(above(k)) == key(above(p.id)) &&
			same("properties.principalId") && same("properties.roleDefinitionId") {
			return p.refuse(http.StatusConflict, "RoleAssignmentExists",
				"The role assignment already exists. The ID of the conflicting role assignment is %s.",
				strings.ReplaceAll(other.text("name"), "-", ""))
		}
	}
	return nil
}

var diagnosticSetting = resourceType{
	Token: "azure-native:insights/v20210501preview:DiagnosticSetting", Type: "Microsoft.Insights/diagnosticSettings",
	Path:  "/{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}",
	Name:  regexp.MustCompile(`^[^*<>%:&?/\\|]{0,259}[^*<>%:&?/\\|. ]$`),
	Rules: []rule{refersTo("properties.workspaceId")},
}

var privateEndpoint = resourceType{
	Token: "azure-native:network/v20230201:PrivateEndpoint", Type: typeEndpoint,
	Path:  inGroup(typeEndpoint + "/{privateEndpointName}"),
	Name:  regexp.MustCompile(`^[a-zA-Z0-9][\w.-]{0,62}\w$`),
	Items: words("privateLinkServiceConnections subnet"),
	Rules: []rule{refersTo("properties.subnet.id")},
}

var zoneGroup = resourceType{
	Token: "azure-native:network/v20230201:PrivateDnsZoneGroup", Type: typeEndpoint + "/privateDnsZoneGroups",
	Path:  inGroup(typeEndpoint + "/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}"),
	Name:  regexp.MustCompile(`^[a-zA-Z0-9][\w.-]{0,79}$`), // no rule in privateEndpoint.json; as others of Microsoft.Network
	Items: words("privateDnsZoneConfigs"),
	Rules: []rule{func(p *put) *Error {
		for _, config := range p.doc.objects("properties.privateDnsZoneConfigs") {
			if refusal := p.refers(config, "properties.privateDnsZoneId"); refusal != nil {
				return refusal
			}
		}
		return nil
	}},
}

var privateZone = resourceType{
	Token: "azure-native:network/v20200601:PrivateZone", Type: typeZone, Path: inGroup(typeZone + "/{privateZoneName}"),
	Name:     regexp.MustCompile(`^([a-zA-Z0-9_-]{1,63}\.)+[a-zA-Z0-9_-]{1,63}$`),
	Replaces: words("location"),
}

var zoneLink = resourceType{
	Token: "azure-native:network/v20200601:VirtualNetworkLink", Type: typeZone + "/virtualNetworkLinks",
	Path:     inGroup(typeZone + "/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}"),
	Name:     regexp.MustCompile(`^[a-zA-Z0-9]([\w.-]{0,78}\w)?$`),
	Replaces: words("location"),
	Rules:    []rule{refersTo("properties.virtualNetwork.id")},
}

var lock = resourceType{
	Token: "azure-native:authorization/v20200501:ManagementLockByScope", Type: typeLock,
	Path: "/{scope}/providers/" + typeLock + "/{lockName}",
	Name: regexp.MustCompile(`^[^<>%&:?/]{0,259}[^<>%&:?/. ]$`), // locks.json 2020-05-01
}
