package arm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/arm"
)

const (
	nameRules      = "resource-name-rules.md: "
	workspace2024  = "workspaceRP.json 2024-10-01: "
	managedNetwork = "how-to-managed-network.md: "
)

// Each case breaks one valid document in one way, and says where the rule is published.
func TestRefusalsOnCreate(t *testing.T) {
	for _, test := range []struct {
		name   string
		rule   string
		broken sample
		want   string // status and code
		says   string // part of the message
	}{
		{"a group in a name that ends with a period", nameRules + "can't end with period", group.edited(object{"resourceGroupName": "rg."}), `400 Code="InvalidResourceGroup"`, "'rg.'"},
		{"an identity without its group", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found", identity.edited(object{"resourceGroupName": "rg-none"}), `404 Code="ResourceGroupNotFound"`, "Resource group 'rg-none' could not be found."},
		{"an identity with a name of two characters", nameRules + "3-128", identity.edited(object{"resourceName": "id"}), `400 Code="InvalidResourceName"`, "'id'"},
		{"a resource without a location", "resource-manager common types: location is required for a tracked resource", identity.edited(object{"location": ""}), `400 Code="LocationRequired"`, "location"},
		{"a storage account with a capital", nameRules + "lowercase letters and numbers", storage.edited(object{"accountName": "stML"}), `400 Code="AccountNameInvalid"`, "stML is not a valid storage account name"},
		{"a storage account of a kind that does not exist", "storage.json 2022-09-01: Kind", storage.edited(object{"kind": "StorageV9"}), `400 Code="InvalidRequestContent"`, "'StorageV9' of property 'kind'"},
		{"a storage account with TLS 2.0", "storage.json 2022-09-01: MinimumTlsVersion", storage.edited(object{"minimumTlsVersion": "TLS2_0"}), `400 Code="InvalidRequestContent"`, "TLS1_2"},
		{"a storage account with a misspelled property", "storage.json 2022-09-01: StorageAccountPropertiesCreateParameters", storage.edited(object{"allowBlobPublicAcess": false}), `400 Code="InvalidRequestContent"`, "could not find member properties.allowBlobPublicAcess"},
		{"a storage account with a property in the wrong place", "storage.json 2022-09-01: Sku", storage.edited(object{"sku": object{"name": "Standard_LRS", "capacity": 1}}), `400 Code="InvalidRequestContent"`, "sku.capacity"},
		{"a storage account with a text for a boolean", "storage.json 2022-09-01: supportsHttpsTrafficOnly is a boolean", storage.edited(object{"enableHttpsTrafficOnly": "yes"}), `400 Code="InvalidRequestContent"`, "could not be deserialized"},
		{"a key vault with two hyphens in a row", nameRules + "can't contain consecutive hyphens", keyVault.edited(object{"vaultName": "kv--ml"}), `400 Code="VaultNameNotValid"`, "'kv--ml'"},
		{"a key vault without a tenant", "keyvault.json 2023-02-01: VaultProperties requires tenantId and sku", keyVault.edited(object{"properties": vaultProperties(object{"tenantId": nil})}), `400 Code="BadRequest"`, "tenantId"},
		{"a key vault that keeps deleted things for a year", "keyvault.json 2023-02-01: softDeleteRetentionInDays, >=7 and <=90", keyVault.edited(object{"properties": vaultProperties(object{"softDeleteRetentionInDays": 365})}), `400 Code="InvalidParameter"`, "from 7 to 90"},
		{"a key vault with neither roles nor policies", "keyvault.json 2023-02-01: accessPolicies, \"Otherwise, access policies are required.\"", keyVault.edited(object{"properties": vaultProperties(object{"enableRbacAuthorization": false})}), `400 Code="BadRequest"`, "accessPolicies"},
		{"a log workspace of three characters", nameRules + "4-63", logs.edited(object{"workspaceName": "log"}), `400 Code="InvalidResourceName"`, "'log'"},
		{"a log workspace that keeps for ten years", "OperationalInsights Workspaces.json: retentionInDays", logs.edited(object{"retentionInDays": 3650}), `400 Code="InvalidParameter"`, "retentionInDays"},
		{"a component without a log workspace", "components_API.json 2020-02-02: WorkspaceResourceId, \"must be included to create\"", insights.edited(object{"workspaceResourceId": nil}), `400 Code="BadRequest"`, "WorkspaceResourceId"},
		{"a component on a log workspace that does not exist", "components_API.json 2020-02-02: WorkspaceResourceId", insights.edited(object{"workspaceResourceId": logsID + "2"}), `404 Code="ResourceNotFound"`, "log-ml2"},
		{"a component on something else than a log workspace", "components_API.json 2020-02-02: WorkspaceResourceId", insights.edited(object{"workspaceResourceId": storageID}), `400 Code="LinkedInvalidPropertyId"`, "Microsoft.OperationalInsights/workspaces"},
		{"a registry with a hyphen", nameRules + "5-50, alphanumerics", registry.edited(object{"registryName": "cr-ml"}), `400 Code="InvalidResourceName"`, "'cr-ml'"},
		{"a registry of a tier that does not exist", "containerregistry.json 2023-07-01: SkuName", registry.edited(object{"sku": object{"name": "Gold"}}), `400 Code="InvalidRequestContent"`, "'Gold'"},
		{"a workspace with a space in its name", workspace2024 + "^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$", workspace.edited(object{"workspaceName": "ml w"}), `400 Code="InvalidResourceName"`, "'ml w'"},
		{"a workspace without a storage account", "Azure/azure-rest-api-specs#15878", workspace.edited(object{"storageAccount": nil}), `400 Code="BadRequest"`, "Missing dependent resources in workspace json [properties.storageAccount"},
		{"a workspace without a key vault", "Azure/azure-rest-api-specs#15878", workspace.edited(object{"keyVault": nil}), `400 Code="BadRequest"`, "Missing dependent resources in workspace json [properties.keyVault"},
		{"a workspace without application insights", "Azure/azure-service-operator#5696", workspace.edited(object{"applicationInsights": nil}), `400 Code="BadRequest"`, "Missing dependent resources in workspace json [properties.applicationInsights"},
		{"a workspace without an identity", "Azure/azure-rest-api-specs#15878", workspace.edited(object{"identity": nil}), `400 Code="BadRequest"`, "Missing dependent resources in workspace json [identity.type"},
		{"a workspace on a key vault that does not exist", workspace2024 + "keyVault, ARM id of the key vault", workspace.edited(object{"keyVault": vaultID + "2"}), `404 Code="ResourceNotFound"`, "kv-ml2"},
		{"a workspace with a name for an id", workspace2024 + "storageAccount, ARM id of the storage account", workspace.edited(object{"storageAccount": "stml"}), `400 Code="LinkedInvalidPropertyId"`, "properties.storageAccount"},
		{"a workspace whose storage account is a key vault", workspace2024 + "storageAccount, ARM id of the storage account", workspace.edited(object{"storageAccount": vaultID}), `400 Code="LinkedInvalidPropertyId"`, "Microsoft.Storage/storageAccounts"},
		{"a workspace with an identity type with a space", workspace2024 + "ManagedServiceIdentityType", workspace.edited(object{"identity": object{"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": []any{identityID}}}), `400 Code="InvalidRequestContent"`, "identity.type"},
		{"a workspace with an identity that does not exist", "learn.microsoft.com/entra/identity/managed-identities-azure-resources", workspace.edited(object{"identity": object{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": []any{identityID + "2"}}}), `400 Code="FailedIdentityOperation"`, "id-job2"},
		{"a workspace that is user-assigned without saying to whom", "learn.microsoft.com/entra/identity/managed-identities-azure-resources", workspace.edited(object{"primaryUserAssignedIdentity": nil, "identity": object{"type": "SystemAssigned,UserAssigned"}}), `400 Code="MissingIdentityIds"`, "identity ids"},
		{"a workspace with user-assigned identities only and no primary one", "how-to-identity-based-service-authentication.md", workspace.edited(object{"identity": object{"type": "UserAssigned", "userAssignedIdentities": []any{identityID}}}), `400 Code="BadRequest"`, "primaryUserAssignedIdentity is required"},
		{"a workspace as an identity that may not read its key vault", "how-to-identity-based-service-authentication.md", workspace.edited(object{"primaryUserAssignedIdentity": identityID, "identity": object{"type": "UserAssigned", "userAssignedIdentities": []any{identityID}}}), `403 Code="AuthorizationFailed"`, "has not the role"},
		{"serverless jobs in a subnet beside a managed network", managedNetwork + "bring your own network", workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowInternetOutbound"}, "serverlessComputeSettings": object{"serverlessComputeCustomSubnet": subnetID}}), `400 Code="BadRequest"`, "takes no subnet"},
		{"a cluster in a subnet that does not exist", "machineLearningServices.json 2024-10-01: AmlCompute subnet", compute.edited(object{"properties": object{"computeType": "AmlCompute", "properties": object{"vmSize": "Standard_D4ds_v5", "subnet": object{"id": subnetID + "2"}, "scaleSettings": object{"maxNodeCount": 1}}}}), `404 Code="ResourceNotFound"`, "endpoints2"},
		{"a workspace with a network mode that does not exist", workspace2024 + "IsolationMode", workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowNothing"}}), `400 Code="InvalidRequestContent"`, "AllowOnlyApprovedOutbound"},
		{"a rule to a host with a port", managedNetwork + "\"FQDN outbound rules only support ports 80 and 443\"", workspace.edited(closed("pypi", object{"type": "FQDN", "destination": "pypi.org:8443"})), `400 Code="BadRequest"`, "'pypi': the destination is not a host name"},
		{"a rule to an address", managedNetwork + "FQDN rules", workspace.edited(closed("pypi", object{"type": "FQDN", "destination": "10.0.0.1"})), `400 Code="BadRequest"`, "'pypi': the destination is not a host name"},
		{"a rule with a dot in its name", workspace2024 + "ruleName, ^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$", workspace.edited(closed("pypi.org", object{"type": "FQDN", "destination": "pypi.org"})), `400 Code="BadRequest"`, "'pypi.org': the name does not match"},
		{"a rule to a host where all is open", managedNetwork + "\"only available with allow only approved mode\"", workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowInternetOutbound", "outboundRules": object{"pypi": object{"type": "FQDN", "destination": "pypi.org"}}}}), `400 Code="BadRequest"`, "FQDN rules are for isolation mode AllowOnlyApprovedOutbound"},
		{"a rule without a network", managedNetwork + "Disabled", workspace.edited(object{"managedNetwork": object{"isolationMode": "Disabled", "outboundRules": object{"pypi": object{"type": "FQDN", "destination": "pypi.org"}}}}), `400 Code="BadRequest"`, "the managed network is disabled"},
		{"a rule of the service's own", "azure-sdk-for-python, workspace operations: required rules in an update \"would result in bad request\"", workspace.edited(closed("pypi", object{"type": "FQDN", "category": "Required", "destination": "pypi.org"})), `400 Code="BadRequest"`, "are the service's own"},
		{"a service tag without ports", workspace2024 + "ServiceTagDestination", workspace.edited(closed("logs", object{"type": "ServiceTag", "destination": object{"serviceTag": "AzureMonitor", "protocol": "TCP"}})), `400 Code="BadRequest"`, "needs serviceTag, protocol and portRanges"},
		{"a private endpoint to nothing", workspace2024 + "PrivateEndpointDestination", workspace.edited(closed("store", object{"type": "PrivateEndpoint", "destination": object{"serviceResourceId": storageID + "2", "subresourceTarget": "blob"}})), `404 Code="ResourceNotFound"`, "stml2"},
		{"a private endpoint to a part that a vault has not", managedNetwork + "Private endpoints", workspace.edited(closed("vault", object{"type": "PrivateEndpoint", "destination": object{"serviceResourceId": vaultID, "subresourceTarget": "blob"}})), `400 Code="BadRequest"`, "'blob' is not one of a Microsoft.KeyVault/vaults"},
		{"a key in a vault that can be purged", "concept-customer-managed-keys.md: \"must enable soft delete and purge protection\"", workspace.edited(object{"encryption": object{"status": "Enabled", "keyVaultProperties": object{"keyVaultArmId": vaultID, "keyIdentifier": "https://kv-ml.vault.azure.net/keys/k/1"}}}), `400 Code="BadRequest"`, "has no purge protection"},
		{"a key in no vault", workspace2024 + "EncryptionKeyVaultProperties requires keyVaultArmId and keyIdentifier", workspace.edited(object{"encryption": object{"status": "Enabled", "keyVaultProperties": object{"keyIdentifier": "https://kv-ml.vault.azure.net/keys/k/1"}}}), `400 Code="BadRequest"`, "keyVaultArmId is not specified"},
		{"a key that nobody can read", workspace2024 + "IdentityForCmk", workspace.edited(object{"encryption": object{"status": "Enabled", "identity": object{"userAssignedIdentity": identityID + "2"}, "keyVaultProperties": object{"keyVaultArmId": vaultID, "keyIdentifier": "https://kv-ml.vault.azure.net/keys/k/1"}}}), `404 Code="ResourceNotFound"`, "id-job2"},
		{"a workspace with a property of a preview API", workspace2024 + "no systemDatastoresAuthMode", workspace.edited(object{"systemDatastoresAuthMode": "identity"}), `400 Code="InvalidRequestContent"`, "properties.systemDatastoresAuthMode"},
		{"a compute without its workspace", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-parent-resource", compute.edited(object{"workspaceName": "none"}), `404 Code="ParentResourceNotFound"`, "workspaces/none"},
		{"a compute without nodes to scale to", "mlc compute.json 2024-10-01: ScaleSettings requires maxNodeCount", compute.edited(object{"properties": object{"computeType": "AmlCompute", "properties": object{"vmSize": "Standard_D4ds_v5"}}}), `400 Code="BadRequest"`, "maxNodeCount"},
		{"a compute of a kind that the sandbox has not", "DESIGN.md: a cluster with the job identity", compute.edited(object{"properties": object{"computeType": "Kubernetes"}}), `400 Code="InvalidRequestContent"`, "AmlCompute"},
		{"a role on something that does not exist", "authorization-RoleAssignmentCalls.json 2022-04-01: scope", assignment.edited(object{"scope": mlID + "2"}), `404 Code="ResourceNotFound"`, "mlw2"},
		{"a role under a name that is no GUID", "authorization-RoleAssignmentCalls.json 2022-04-01: it can be any valid GUID", assignment.edited(object{"roleAssignmentName": "reader"}), `400 Code="InvalidRoleAssignmentId"`, "'reader'"},
		{"a role for an identity as if it were a person", "learn.microsoft.com/azure/role-based-access-control/troubleshooting", assignment.edited(object{"principalType": "User"}), `400 Code="UnmatchedPrincipalType"`, "has type 'ServicePrincipal'"},
		{"a role for a resource id", "authorization-RoleAssignmentCalls.json 2022-04-01: principalId", assignment.edited(object{"principalId": identityID}), `400 Code="InvalidPrincipalId"`, "valid principal ID"},
		{"a role by its name", "authorization-RoleAssignmentCalls.json 2022-04-01: roleDefinitionId", assignment.edited(object{"roleDefinitionId": "Reader"}), `400 Code="RoleDefinitionDoesNotExist"`, "'Reader'"},
		{"diagnostics to nowhere", "diagnosticsSettings_API.json 2021-05-01-preview: at least one sink", diagnostics.edited(object{"workspaceId": nil}), `400 Code="BadRequest"`, "At least one data sink needs to be specified."},
		{"an endpoint in a subnet that does not exist", "privateEndpoint.json 2023-02-01: subnet", endpoint.edited(object{"subnet": object{"id": subnetID + "2"}}), `404 Code="ResourceNotFound"`, "endpoints2"},
		{"an endpoint to nothing", "privateEndpoint.json 2023-02-01: privateLinkServiceId", endpoint.edited(object{"privateLinkServiceConnections": connection(vaultID+"2", "vault")}), `404 Code="ResourceNotFound"`, "kv-ml2"},
		{"an endpoint to a part that a vault has not", managedNetwork + "Private endpoints", endpoint.edited(object{"privateLinkServiceConnections": connection(vaultID, "blob")}), `400 Code="InvalidPrivateLinkServiceGroupId"`, "is not one of the parts"},
		{"a zone in a region", "privatedns.json 2020-06-01: location is global", zone.edited(object{"location": "westeurope"}), `400 Code="InvalidRequestContent"`, "Allowed values are: [global]"},
		{"a link of a zone that does not exist", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-parent-resource", link.edited(object{"privateZoneName": "other." + zoneName}), `404 Code="ParentResourceNotFound"`, "privateDnsZones/other"},
		{"records of an endpoint that does not exist", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-parent-resource", zoneGroup.edited(object{"privateEndpointName": "other"}), `404 Code="ParentResourceNotFound"`, "privateEndpoints/other"},
		{"a lock of a level that does not exist", "locks.json 2020-05-01: LockLevel", lock.edited(object{"level": "Forever"}), `400 Code="InvalidRequestContent"`, "CanNotDelete ReadOnly"},
		{"diagnostics of nothing", "diagnosticsSettings_API.json 2021-05-01-preview: logs, metrics", diagnostics.edited(object{"logs": nil}), `400 Code="BadRequest"`, "at least one log or metric"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NotEmpty(t, test.rule)
			c := newCloud(t)
			c.createAll(before(test.broken)...)
			stored := c.List("")

			// Without Check, so that it is ARM that refuses.
			_, err := c.createUnchecked(test.broken, test.broken.properties())
			require.ErrorContains(t, err, "Status="+test.want)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, "PUT /subscriptions/"+arm.SubscriptionID, "an error names the resource")
			require.Equal(t, stored, c.List(""), "nothing is stored")
		})
	}
}

// closed gives a workspace a network that lets nothing out but by one rule.
func closed(name string, rule object) object {
	return object{"managedNetwork": object{"isolationMode": "AllowOnlyApprovedOutbound", "outboundRules": object{name: rule}}}
}

func TestRefusalsOnUpdate(t *testing.T) {
	otherStorage := storage.edited(object{"accountName": "stother"})
	otherVault := keyVault.edited(object{"vaultName": "kv-other"})
	otherStorage.name, otherVault.name = "otherStorage", "otherVault"

	for _, test := range []struct {
		name   string
		rule   string
		broken sample
		want   string
		says   string
	}{
		{"a workspace is given another storage account", workspace2024 + "\"This cannot be changed once the workspace has been created\"", workspace.edited(object{"storageAccount": strings.Replace(storageID, "stml", "stother", 1)}), `400 Code="BadRequest"`, "'storageAccount' cannot be changed"},
		{"a workspace is given another key vault", workspace2024 + "\"This cannot be changed once the workspace has been created\"", workspace.edited(object{"keyVault": strings.Replace(vaultID, "kv-ml", "kv-other", 1)}), `400 Code="BadRequest"`, "'keyVault' cannot be changed"},
		{"a workspace becomes of high business impact", workspace2024 + "WorkspacePropertiesUpdateParameters has no hbiWorkspace", workspace.edited(object{"hbiWorkspace": true}), `400 Code="BadRequest"`, "'hbiWorkspace' cannot be changed"},
		{"a workspace moves", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-resource-location (ARM: InvalidResourceLocation)", workspace.edited(object{"location": "northeurope"}), `409 Code="InvalidResourceLocation"`, "already exists in location 'westeurope'"},
		{"a cluster is given another size", "azurerm_machine_learning_compute_cluster: vm_size is ForceNew", compute.edited(object{"properties": clusterProperties("Standard_NC6s_v3")}), `400 Code="BadRequest"`, "'vmSize' cannot be changed"},
		{"a key vault gives up soft delete", "keyvault.json 2023-02-01: \"Once set to true, it cannot be reverted to false.\"", keyVault.edited(object{"properties": vaultProperties(object{"enableSoftDelete": false})}), `400 Code="BadRequest"`, "irreversible"},
		{"a key vault keeps deleted things for less long", "learn.microsoft.com/azure/key-vault/general/soft-delete-overview", keyVault.edited(object{"properties": vaultProperties(object{"softDeleteRetentionInDays": 7})}), `400 Code="BadRequest"`, "softDeleteRetentionInDays"},
		{"a storage account becomes a data lake", "storage.json 2022-09-01: StorageAccountPropertiesUpdateParameters has no isHnsEnabled", storage.edited(object{"isHnsEnabled": true}), `400 Code="AccountPropertyCannotBeUpdated"`, "'isHnsEnabled'"},
		{"an assignment's role is changed", "learn.microsoft.com/azure/role-based-access-control/troubleshooting", assignment.edited(object{"roleDefinitionId": strings.Replace(readerRole, "acdd72a7", "b24988ac", 1)}), `400 Code="RoleAssignmentUpdateNotPermitted"`, "not allowed to be updated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NotEmpty(t, test.rule)
			c := newCloud(t)
			made := c.createAll(slices.Concat(program, []sample{otherStorage, otherVault})...)
			stored := c.List("")
			_, err := c.update(made[test.broken.name], test.broken)
			require.ErrorContains(t, err, "Status="+test.want)
			require.ErrorContains(t, err, test.says)
			require.Equal(t, stored, c.List(""), "nothing is changed")
		})
	}
}

// how-to-managed-network.md, Limitations: "you can't disable it", and approved-only cannot become internet.
func TestAManagedNetworkOnlyTightens(t *testing.T) {
	c := newCloud(t)
	d := c.createAll(before(compute)...)["workspace"]
	mode := func(mode string) sample {
		return workspace.edited(object{"managedNetwork": object{"isolationMode": mode}})
	}
	for _, step := range []struct{ tighter, looser string }{
		{"AllowInternetOutbound", "Disabled"}, {"AllowOnlyApprovedOutbound", "AllowInternetOutbound"},
	} {
		var err error
		d, err = c.update(d, mode(step.tighter))
		require.NoError(t, err)
		_, err = c.update(d, mode(step.looser))
		require.ErrorContains(t, err, "from '"+step.tighter+"' to '"+step.looser+"'")
	}
}

// Each case breaks a valid workspace or endpoint through what it is wired to.
func TestRefusalsOfWhatIsWiredTo(t *testing.T) {
	sku := func(of sample, name string) sample { return of.edited(object{"sku": object{"name": name}}) }
	closedWorkspace := workspace.edited(closed("pypi", object{"type": "FQDN", "destination": "pypi.org"}))
	registryEndpoint := endpoint.edited(object{"privateLinkServiceConnections": connection(registryID, "registry")})
	for _, test := range []struct {
		wired, broken sample
		says          string
	}{
		// how-to-create-workspace-template.md: the default storage account
		{sku(storage, "Premium_LRS"), workspace, "cannot be the default storage account"},
		{storage.edited(object{"isHnsEnabled": true}), workspace, "cannot be the default storage account"},
		// container-registry-private-link: "Private endpoints are a feature of the Premium tier"
		{sku(registry, "Standard"), closedWorkspace, "of SKU Standard has no private endpoints"},
		{sku(registry, "Standard"), registryEndpoint, "is not Premium and has no private endpoints"},
	} {
		c := newCloud(t)
		for _, s := range before(workspace) {
			if s.name == test.wired.name {
				s = test.wired
			}
			c.mustCreate(s)
		}
		_, err := c.create(test.broken)
		require.ErrorContains(t, err, test.says)
	}
}

// The service lists rules of its own beside the caller's. e2e/azure shows that one update settles what a refresh finds.
func TestTheNetworkIsProvisionedWithTheFirstCompute(t *testing.T) {
	c := newCloud(t)
	written := workspace.edited(closed("pypi", object{"type": "FQDN", "category": "UserDefined", "destination": "pypi.org"}))
	d := c.createAll(append(before(workspace), written)...)["workspace"]
	for _, status := range []string{"Inactive", "Active"} {
		rules := c.read(d).Outputs["managedNetwork"].ObjectValue()["outboundRules"].ObjectValue()
		require.Len(t, rules, 5, "the caller's, and for blob, file, vault and registry the service's own")
		require.Equal(t, status, rules["pypi"].ObjectValue()["status"].StringValue())
		if status == "Inactive" {
			c.mustCreate(compute)
		}
	}
}

func TestWhatARMAllowsOnUpdate(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	for name, changed := range map[string]sample{
		"a tighter network":             workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowOnlyApprovedOutbound", "firewallSku": "Basic"}}),
		"another spelling of an id":     workspace.edited(object{"keyVault": strings.ToLower(vaultID), "managedNetwork": object{"isolationMode": "AllowOnlyApprovedOutbound"}}),
		"a key vault that is protected": keyVault.edited(object{"properties": vaultProperties(object{"enablePurgeProtection": true})}),
		"a cluster with more nodes":     compute,
		"a longer memory for the logs":  logs.edited(object{"retentionInDays": 90}),
		"a described assignment":        assignment.edited(object{"description": "jobs read the workspace"}),
	} {
		_, err := c.update(made[changed.name], changed)
		require.NoError(t, err, name)
	}
}

func TestNamesOfTheWholeWorldAreTakenOnce(t *testing.T) {
	for code, s := range map[string]sample{"StorageAccountAlreadyTaken": storage, "VaultAlreadyExists": keyVault, "AlreadyInUse": registry} {
		c := newCloud(t)
		c.createAll(group, s, elsewhere)
		_, err := c.create(s.edited(object{"resourceGroupName": "rg-two"}))
		require.ErrorContains(t, err, `Status=409 Code="`+code+`"`)
	}
}

func TestARoleIsAssignedOnce(t *testing.T) {
	c := newCloud(t)
	c.createAll(program...)
	_, err := c.create(assignment.edited(object{"roleAssignmentName": nil}))
	require.ErrorContains(t, err, `Status=409 Code="RoleAssignmentExists"`)
}

// azure-native checks before it sends; the texts are its own.
func TestCheckReportsWhatIsMissingAndBadNames(t *testing.T) {
	c := newCloud(t)
	for _, test := range []struct {
		broken sample
		says   string
	}{
		{storage.edited(object{"sku": nil}), "missing required property 'sku'"},
		{compute.edited(object{"workspaceName": nil}), "missing required property 'workspaceName'"},
		{storage.edited(object{"accountName": "st-ml"}), "'accountName' value \"st-ml\" does not match expression '^[a-z0-9]+$', 3 to 24 characters"},
		{workspace.edited(object{"workspaceName": "ml"}), "'workspaceName' value \"ml\" does not match"},
		{keyVault.edited(object{"vaultName": "1kv"}), "'vaultName' value \"1kv\" does not match"},
	} {
		failures := c.check(test.broken, nil).Failures
		require.Len(t, failures, 1)
		require.Contains(t, failures[0].Reason, test.says)
	}
	unknown := sample{"azure-native:network:VirtualNetwork", "net", nil}
	_, err := c.engine.Check(t.Context(), plugin.CheckRequest{URN: unknown.urn(), News: unknown.properties()})
	require.ErrorContains(t, err, "no azure-native:network:VirtualNetwork; it has azure-native:resources/v20220901:ResourceGroup, ")
}
