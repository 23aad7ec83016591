package arm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/arm"
)

const (
	workspace2024  = "workspaceRP.json 2024-10-01: "
	vault2026      = "openapi.json 2026-02-01 of Microsoft.KeyVault: "
	managedNetwork = "how-to-managed-network.md: "
	parents        = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-parent-resource"
)

// Each case breaks one valid document in one way, or what it is wired to, and says where the rule
// is published.
func TestRefusalsOnCreate(t *testing.T) {
	const key = "https://kv-ml.vault.azure.net/keys/k/1"
	encrypted := func(more object) sample {
		encryption := object{"status": "Enabled", "keyVaultProperties": object{"keyVaultArmId": vaultID, "keyIdentifier": key}}
		return workspace.edited(object{"encryption": sample{inputs: encryption}.edited(more).inputs})
	}
	host := object{"type": "FQDN", "destination": "pypi.org"}
	to := func(id string) object {
		return object{"type": "PrivateEndpoint", "destination": object{"serviceResourceId": id, "subresourceTarget": "blob"}}
	}
	standard := object{"name": "Standard"}
	for _, test := range []struct {
		name   string
		rule   string
		broken sample
		given  map[string]arm.Document
		want   string // status and code
		says   string // part of the message
	}{
		{"a storage account in a group that does not exist", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found", storage.edited(object{"resourceGroupName": "rg-none"}), nil, `404 Code="ResourceGroupNotFound"`, "Resource group 'rg-none' could not be found."},
		{"a storage account of a kind that does not exist", "storage.json 2022-09-01: Kind", storage.edited(object{"kind": "StorageV9"}), nil, `400 Code="InvalidRequestContent"`, "'StorageV9' of property 'kind'"},
		{"a storage account with a misspelled property", "storage.json 2022-09-01: StorageAccountPropertiesCreateParameters", storage.edited(object{"allowBlobPublicAcess": false}), nil, `400 Code="InvalidRequestContent"`, "could not find member properties.allowBlobPublicAcess"},
		{"a storage account with a property in the wrong place", "storage.json 2022-09-01: Sku", storage.edited(object{"sku": object{"name": "Standard_LRS", "capacity": 1}}), nil, `400 Code="InvalidRequestContent"`, "sku.capacity"},
		{"a storage account with a text for a boolean", "storage.json 2022-09-01: supportsHttpsTrafficOnly is a boolean", storage.edited(object{"enableHttpsTrafficOnly": "yes"}), nil, `400 Code="InvalidRequestContent"`, "could not be deserialized"},
		{"a key vault by an API version that ends", "learn.microsoft.com/azure/key-vault/general/migrate-api-version", keyVault.edited(object{"apiVersion": "2024-11-01"}), nil, `400 Code="NoRegisteredProviderFound"`, "API version '2024-11-01'"},
		{"a key vault of a name that nothing checked", "azure-resource-manager/management/resource-name-rules", keyVault.edited(object{"resourceName": "1kv"}), nil, `400 Code="VaultNameNotValid"`, "'1kv' is invalid"},
		{"a key vault without access policies", vault2026 + "accessPolicies", keyVault.edited(object{"properties": object{"tenantId": arm.TenantID, "sku": object{"family": "A", "name": "standard"}}}), nil, `400 Code="BadRequest"`, "accessPolicies is not specified"},
		{"a component on a log workspace that does not exist", "components_API.json 2020-02-02: WorkspaceResourceId", insights.edited(object{"workspaceResourceId": logsID + "2"}), nil, `404 Code="ResourceNotFound"`, "log-ml2"},
		{"a workspace without a storage account", "Azure/azure-rest-api-specs#15878", workspace.edited(object{"storageAccount": nil}), nil, `400 Code="BadRequest"`, "Missing dependent resources in workspace json [properties.storageAccount"},
		{"a workspace without an identity", "Azure/azure-rest-api-specs#15878", workspace.edited(object{"identity": nil}), nil, `400 Code="BadRequest"`, "Missing dependent resources in workspace json [identity.type"},
		{"a workspace on a key vault that does not exist", workspace2024 + "keyVault, ARM id of the key vault", workspace.edited(object{"keyVault": vaultID + "2"}), nil, `404 Code="ResourceNotFound"`, "kv-ml2"},
		{"a workspace on a premium storage account", "how-to-create-workspace-template.md: the default storage account", workspace, map[string]arm.Document{storageID: {"sku": object{"name": "Premium_LRS"}}}, `400 Code="BadRequest"`, "cannot be the default storage account"},
		{"a workspace on a data lake", "how-to-create-workspace-template.md: the default storage account", workspace, map[string]arm.Document{storageID: {"properties": object{"isHnsEnabled": true}}}, `400 Code="BadRequest"`, "cannot be the default storage account"},
		{"a workspace as an identity that may not read its key vault", "how-to-identity-based-service-authentication.md", workspace.edited(object{"primaryUserAssignedIdentity": identityID, "identity": object{"type": "UserAssigned", "userAssignedIdentities": []any{identityID}}}), nil, `403 Code="AuthorizationFailed"`, "has not the role"},
		{"a workspace with a network mode that does not exist", workspace2024 + "IsolationMode", workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowNothing"}}), nil, `400 Code="InvalidRequestContent"`, "AllowOnlyApprovedOutbound"},
		{"a closed network to a registry without endpoints", "container-registry-private-link: \"Private endpoints are a feature of the Premium tier\"", workspace.edited(closed("pypi", host)), map[string]arm.Document{registryID: {"sku": standard}}, `400 Code="BadRequest"`, "of SKU Standard has no private endpoints"},
		{"a private endpoint to nothing", workspace2024 + "PrivateEndpointDestination", workspace.edited(closed("store", to(storageID+"2"))), nil, `404 Code="ResourceNotFound"`, "stml2"},
		{"a private endpoint to a part that a vault has not", managedNetwork + "Private endpoints", workspace.edited(closed("vault", to(vaultID))), nil, `400 Code="BadRequest"`, "'blob' is not one of a Microsoft.KeyVault/vaults"},
		{"a key in a vault that can be purged", "concept-customer-managed-keys.md: \"must enable soft delete and purge protection\"", encrypted(nil), nil, `400 Code="BadRequest"`, "has no purge protection"},
		{"a key that nobody can read", workspace2024 + "IdentityForCmk", encrypted(object{"identity": object{"userAssignedIdentity": identityID + "2"}}), nil, `404 Code="ResourceNotFound"`, "id-ml2"},
		{"a workspace with a property of a preview API", workspace2024 + "no systemDatastoresAuthMode", workspace.edited(object{"systemDatastoresAuthMode": "identity"}), nil, `400 Code="InvalidRequestContent"`, "properties.systemDatastoresAuthMode"},
		{"serverless jobs in a subnet that does not exist", workspace2024 + "ServerlessComputeSettings", workspace.edited(object{"serverlessComputeSettings": object{"serverlessComputeCustomSubnet": subnetID + "2"}}), nil, `404 Code="ResourceNotFound"`, "endpoints2"},
		{"a compute without its workspace", parents, compute, nil, `404 Code="ResourceNotFound"`, "workspaces/mlw"},
		{"a cluster in a subnet that does not exist", "machineLearningServices.json 2024-10-01: AmlCompute subnet", compute.edited(object{"properties": cluster("Standard_D4ds_v5", subnetID+"2")}), map[string]arm.Document{mlID: nil}, `404 Code="ResourceNotFound"`, "endpoints2"},
		{"a role on something that does not exist", "authorization-RoleAssignmentCalls.json 2022-04-01: scope", assignment.edited(object{"scope": mlID + "2"}), nil, `404 Code="ResourceNotFound"`, "mlw2"},
		{"a role for an identity as if it were a person", "learn.microsoft.com/azure/role-based-access-control/troubleshooting", assignment.edited(object{"principalType": "User"}), nil, `400 Code="UnmatchedPrincipalType"`, "has type 'ServicePrincipal'"},
		{"an endpoint in a subnet that does not exist", "privateEndpoint.json 2023-02-01: subnet", endpoint.edited(object{"subnet": object{"id": subnetID + "2"}}), nil, `404 Code="ResourceNotFound"`, "endpoints2"},
		{"records in a zone that does not exist", "privateEndpoint.json 2023-02-01: privateDnsZoneId", zoneGroup.edited(object{"privateDnsZoneConfigs": []any{object{"name": "vault", "privateDnsZoneId": zoneID + "2"}}}), map[string]arm.Document{endpointID: nil}, `404 Code="ResourceNotFound"`, "azure.net2"},
		{"a link to a network that does not exist", "privatedns.json 2020-06-01: virtualNetwork", link.edited(object{"virtualNetwork": object{"id": networkID + "2"}}), nil, `404 Code="ResourceNotFound"`, "vnet2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NotEmpty(t, test.rule)
			c := newCloud(t, test.given)
			stored := c.List("")
			_, err := c.create(test.broken)
			require.ErrorContains(t, err, "Status="+test.want)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, "PUT /subscriptions/"+arm.SubscriptionID, "an error names the resource")
			require.Equal(t, stored, c.List(""), "nothing is stored")
		})
	}
}

func TestRefusalsOnUpdate(t *testing.T) {
	mode := func(mode string) sample {
		return workspace.edited(object{"managedNetwork": object{"isolationMode": mode}})
	}
	for _, test := range []struct {
		name       string
		rule       string
		made, then sample
		want       string
		says       string
	}{
		{"a workspace is given another key vault", workspace2024 + "\"This cannot be changed once the workspace has been created\"", workspace, workspace.edited(object{"keyVault": vaultID + "2"}), `400 Code="BadRequest"`, "'keyVault' cannot be changed"},
		{"a workspace becomes of high business impact", workspace2024 + "WorkspacePropertiesUpdateParameters has no hbiWorkspace", workspace, workspace.edited(object{"hbiWorkspace": true}), `400 Code="BadRequest"`, "'hbiWorkspace' cannot be changed"},
		{"a workspace moves", "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-resource-location (ARM: InvalidResourceLocation)", workspace, workspace.edited(object{"location": "northeurope"}), `409 Code="InvalidResourceLocation"`, "already exists in location 'westeurope'"},
		{"a network is switched off", managedNetwork + "Limitations", mode("AllowInternetOutbound"), mode("Disabled"), `400 Code="BadRequest"`, "from 'AllowInternetOutbound' to 'Disabled'"},
		{"a network is loosened", managedNetwork + "Limitations", mode("AllowOnlyApprovedOutbound"), mode("AllowInternetOutbound"), `400 Code="BadRequest"`, "from 'AllowOnlyApprovedOutbound' to 'AllowInternetOutbound'"},
		{"a cluster is given another size", "azurerm_machine_learning_compute_cluster: vm_size is ForceNew", compute, compute.edited(object{"properties": cluster("Standard_NC6s_v3", subnetID)}), `400 Code="BadRequest"`, "'vmSize' cannot be changed"},
		{"a key vault can be purged again", vault2026 + "enablePurgeProtection", keyVault, keyVault.edited(object{"properties": vault(nil)}), `400 Code="BadRequest"`, "irreversible"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NotEmpty(t, test.rule)
			c := newCloud(t, map[string]arm.Document{vaultID + "2": nil})
			if test.made.token == compute.token {
				c.mustCreate(workspace)
			}
			made := c.mustCreate(test.made)
			stored := c.List("")
			err := c.update(made, test.then)
			require.ErrorContains(t, err, "Status="+test.want)
			require.ErrorContains(t, err, test.says)
			require.Equal(t, stored, c.List(""), "nothing is changed")
		})
	}
}

func TestNamesAreTakenAndHeldByWhatWasDeleted(t *testing.T) {
	for code, s := range map[string]sample{"StorageAccountAlreadyTaken": storage, "VaultAlreadyExists": keyVault, "AlreadyInUse": registry} {
		c := newCloud(t, nil)
		c.mustCreate(s)
		_, err := c.create(s.edited(object{"resourceGroupName": "rg-two"}))
		require.ErrorContains(t, err, `Status=409 Code="`+code+`"`)
	}
	c := newCloud(t, nil)
	require.NoError(t, c.destroy(c.mustCreate(keyVault)))
	_, err := c.create(keyVault.edited(object{"resourceGroupName": "rg-two", "resourceName": "KV-NEW"}))
	require.ErrorContains(t, err, `Status=409 Code="ConflictError"`, "the name is held in every group")
	require.NoError(t, c.destroy(c.mustCreate(workspace)))
	_, err = c.create(workspace)
	require.ErrorContains(t, err, `Status=400 Code="BadRequest" Message="Soft-deleted workspace exists.`)
}

func TestARoleIsAssignedOnce(t *testing.T) {
	c := newCloud(t, nil)
	c.mustCreate(assignment.edited(object{"roleAssignmentName": arm.TenantID}))
	_, err := c.create(assignment)
	require.ErrorContains(t, err, `Status=409 Code="RoleAssignmentExists"`)
}

func TestALockKeepsWhatIsBelowAndAboveIt(t *testing.T) {
	c := newCloud(t, nil)
	role := c.mustCreate(assignment)
	locked := c.mustCreate(lock)
	for _, kept := range []deployed{role, {sample: keyVault, id: vaultID}, {sample: group, id: groupID}} {
		require.ErrorContains(t, c.destroy(kept), `Status=409 Code="ScopeLocked"`)
	}
	require.NoError(t, c.destroy(locked))
	require.NoError(t, c.destroy(role))
}

// The service lists rules of its own beside the caller's. e2e/azure shows that one update settles
// what a refresh finds.
func TestTheNetworkIsProvisionedWithTheFirstCompute(t *testing.T) {
	c := newCloud(t, nil)
	c.mustCreate(workspace.edited(closed("pypi", object{"type": "FQDN", "destination": "pypi.org"})))
	for _, status := range []string{"Inactive", "Active"} {
		doc, _ := c.Resource(mlID)
		properties, _ := doc["properties"].(object)
		network, _ := properties["managedNetwork"].(object)
		rules, _ := network["outboundRules"].(object)
		require.Len(t, rules, 5, "the caller's, and for blob, file, vault and registry the service's own")
		require.Equal(t, object{"type": "FQDN", "destination": "pypi.org", "status": status}, rules["pypi"])
		if status == "Inactive" {
			c.mustCreate(compute)
		}
	}
}
