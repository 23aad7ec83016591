package arm_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/arm"
)

// Where rules are published: files of Azure/azure-rest-api-specs, pages of the documentation of
// Azure ML, and the pages about ARM's errors.
const (
	workspace2024   = "workspaceRP.json 2024-10-01: "
	vault2026       = "openapi.json 2026-02-01 of Microsoft.KeyVault: "
	managedNetwork  = "how-to-managed-network.md: "
	troubleshooting = "learn.microsoft.com/azure/azure-resource-manager/troubleshooting/"
)

// refusal is how an error says a status and a code.
func refusal(status int, code string) string {
	return fmt.Sprintf("Status=%d Code=%q", status, code)
}

// Each case breaks one valid document in one way, or what it is wired to, and says where the rule
// is published.
func TestRefusalsOnCreate(t *testing.T) {
	const key = "https://kv-ml.vault.azure.net/keys/k/1"
	encrypted := func(more object) sample {
		encryption := object{
			"status":             "Enabled",
			"keyVaultProperties": object{"keyVaultArmId": vaultID, "keyIdentifier": key},
		}
		maps.Copy(encryption, more)
		return workspace.edited(object{"encryption": encryption})
	}
	host := object{"type": "FQDN", "destination": "pypi.org"}
	to := func(id string) object {
		destination := object{"serviceResourceId": id, "subresourceTarget": "blob"}
		return object{"type": "PrivateEndpoint", "destination": destination}
	}
	standard := object{"name": "Standard"}
	asIdentity := object{
		"primaryUserAssignedIdentity": identityID,
		"identity": object{
			"type":                   "UserAssigned",
			"userAssignedIdentities": []any{identityID},
		},
	}
	noSubnet := object{"serverlessComputeCustomSubnet": subnetID + "2"}
	noZone := object{"name": "vault", "privateDnsZoneId": zoneID + "2"}
	for _, test := range []struct {
		name   string
		source string // where Microsoft publishes the rule
		broken sample
		given  map[string]arm.Document
		status int
		code   string
		says   string // part of the message
	}{
		{
			name:   "a storage account in a group that does not exist",
			source: troubleshooting + "error-not-found",
			broken: storage.edited(object{"resourceGroupName": "rg-none"}),
			status: http.StatusNotFound,
			code:   "ResourceGroupNotFound",
			says:   "Resource group 'rg-none' could not be found.",
		},
		{
			name:   "a storage account of a kind that does not exist",
			source: "storage.json 2022-09-01: Kind",
			broken: storage.edited(object{"kind": "StorageV9"}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "'StorageV9' of property 'kind'",
		},
		{
			name:   "a storage account with a misspelled property",
			source: "storage.json 2022-09-01: StorageAccountPropertiesCreateParameters",
			broken: storage.edited(object{"allowBlobPublicAcess": false}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "could not find member properties.allowBlobPublicAcess",
		},
		{
			name:   "a storage account with a property in the wrong place",
			source: "storage.json 2022-09-01: Sku",
			broken: storage.edited(object{"sku": object{"name": "Standard_LRS", "capacity": 1}}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "sku.capacity",
		},
		{
			name:   "a storage account with a text for a boolean",
			source: "storage.json 2022-09-01: supportsHttpsTrafficOnly is a boolean",
			broken: storage.edited(object{"enableHttpsTrafficOnly": "yes"}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "could not be deserialized",
		},
		{
			name:   "a key vault by an API version that ends",
			source: "learn.microsoft.com/azure/key-vault/general/migrate-api-version",
			broken: keyVault.edited(object{"apiVersion": "2024-11-01"}),
			status: http.StatusBadRequest,
			code:   "NoRegisteredProviderFound",
			says:   "API version '2024-11-01'",
		},
		{
			name:   "a key vault of a name that nothing checked",
			source: "azure-resource-manager/management/resource-name-rules",
			broken: keyVault.edited(object{"resourceName": "1kv"}),
			status: http.StatusBadRequest,
			code:   "VaultNameNotValid",
			says:   "'1kv' is invalid",
		},
		{
			name:   "a key vault without access policies",
			source: vault2026 + "accessPolicies",
			broken: keyVault.edited(object{"properties": vault(object{"accessPolicies": nil})}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "accessPolicies is not specified",
		},
		{
			name:   "a component on a log workspace that does not exist",
			source: "components_API.json 2020-02-02: WorkspaceResourceId",
			broken: insights.edited(object{"workspaceResourceId": logsID + "2"}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "log-ml2",
		},
		{
			name:   "a workspace without a storage account",
			source: "Azure/azure-rest-api-specs#15878",
			broken: workspace.edited(object{"storageAccount": nil}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "Missing dependent resources in workspace json [properties.storageAccount",
		},
		{
			name:   "a workspace without an identity",
			source: "Azure/azure-rest-api-specs#15878",
			broken: workspace.edited(object{"identity": nil}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "Missing dependent resources in workspace json [identity.type",
		},
		{
			name:   "a workspace on a key vault that does not exist",
			source: workspace2024 + "keyVault, ARM id of the key vault",
			broken: workspace.edited(object{"keyVault": vaultID + "2"}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "kv-ml2",
		},
		{
			name:   "a workspace on a premium storage account",
			source: "how-to-create-workspace-template.md: the default storage account",
			broken: workspace,
			given:  map[string]arm.Document{storageID: {"sku": object{"name": "Premium_LRS"}}},
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "cannot be the default storage account",
		},
		{
			name:   "a workspace on a data lake",
			source: "how-to-create-workspace-template.md: the default storage account",
			broken: workspace,
			given:  map[string]arm.Document{storageID: {"properties": object{"isHnsEnabled": true}}},
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "cannot be the default storage account",
		},
		{
			name:   "a workspace as an identity that may not read its key vault",
			source: "how-to-identity-based-service-authentication.md",
			broken: workspace.edited(asIdentity),
			status: http.StatusForbidden,
			code:   "AuthorizationFailed",
			says:   "has not the role",
		},
		{
			name:   "a workspace with a network mode that does not exist",
			source: workspace2024 + "IsolationMode",
			broken: workspace.edited(object{"managedNetwork": object{"isolationMode": "AllowNothing"}}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "AllowOnlyApprovedOutbound",
		},
		{
			name:   "a closed network to a registry without endpoints",
			source: `container-registry-private-link: "Private endpoints are a feature of the Premium tier"`,
			broken: workspace.edited(closed("pypi", host)),
			given:  map[string]arm.Document{registryID: {"sku": standard}},
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "of SKU Standard has no private endpoints",
		},
		{
			name:   "a private endpoint to nothing",
			source: workspace2024 + "PrivateEndpointDestination",
			broken: workspace.edited(closed("store", to(storageID+"2"))),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "stml2",
		},
		{
			name:   "a private endpoint to a part that a vault has not",
			source: managedNetwork + "Private endpoints",
			broken: workspace.edited(closed("vault", to(vaultID))),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "'blob' is not one of a Microsoft.KeyVault/vaults",
		},
		{
			name:   "a key in a vault that can be purged",
			source: "concept-customer-managed-keys.md: \"must enable soft delete and purge protection\"",
			broken: encrypted(nil),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "has no purge protection",
		},
		{
			name:   "a key that nobody can read",
			source: workspace2024 + "IdentityForCmk",
			broken: encrypted(object{"identity": object{"userAssignedIdentity": identityID + "2"}}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "id-ml2",
		},
		{
			name:   "a workspace with a property of a preview API",
			source: workspace2024 + "no systemDatastoresAuthMode",
			broken: workspace.edited(object{"systemDatastoresAuthMode": "identity"}),
			status: http.StatusBadRequest,
			code:   "InvalidRequestContent",
			says:   "properties.systemDatastoresAuthMode",
		},
		{
			name:   "serverless jobs in a subnet that does not exist",
			source: workspace2024 + "ServerlessComputeSettings",
			broken: workspace.edited(object{"serverlessComputeSettings": noSubnet}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "endpoints2",
		},
		{
			name:   "a compute without its workspace",
			source: troubleshooting + "error-parent-resource",
			broken: compute,
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "workspaces/mlw",
		},
		{
			name:   "a cluster in a subnet that does not exist",
			source: "machineLearningServices.json 2024-10-01: AmlCompute subnet",
			broken: compute.edited(object{"properties": cluster("Standard_D4ds_v5", subnetID+"2")}),
			given:  map[string]arm.Document{mlID: nil},
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "endpoints2",
		},
		{
			name:   "a role on something that does not exist",
			source: "authorization-RoleAssignmentCalls.json 2022-04-01: scope",
			broken: assignment.edited(object{"scope": mlID + "2"}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "mlw2",
		},
		{
			name:   "a role for an identity as if it were a person",
			source: "learn.microsoft.com/azure/role-based-access-control/troubleshooting",
			broken: assignment.edited(object{"principalType": "User"}),
			status: http.StatusBadRequest,
			code:   "UnmatchedPrincipalType",
			says:   "has type 'ServicePrincipal'",
		},
		{
			name:   "an endpoint in a subnet that does not exist",
			source: "privateEndpoint.json 2023-02-01: subnet",
			broken: endpoint.edited(object{"subnet": object{"id": subnetID + "2"}}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "endpoints2",
		},
		{
			name:   "records in a zone that does not exist",
			source: "privateEndpoint.json 2023-02-01: privateDnsZoneId",
			broken: zoneGroup.edited(object{"privateDnsZoneConfigs": []any{noZone}}),
			given:  map[string]arm.Document{endpointID: nil},
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "azure.net2",
		},
		{
			name:   "a link to a network that does not exist",
			source: "privatedns.json 2020-06-01: virtualNetwork",
			broken: link.edited(object{"virtualNetwork": object{"id": networkID + "2"}}),
			status: http.StatusNotFound,
			code:   "ResourceNotFound",
			says:   "vnet2",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, test.given)
			stored := c.List("")
			_, err := c.create(test.broken)
			require.ErrorContains(t, err, refusal(test.status, test.code), test.source)
			require.ErrorContains(t, err, test.says, test.source)
			request := "PUT /subscriptions/" + arm.SubscriptionID
			require.ErrorContains(t, err, request, "an error names the resource")
			require.Equal(t, stored, c.List(""), "nothing is stored")
		})
	}
}

func TestRefusalsOnUpdate(t *testing.T) {
	mode := func(mode string) sample {
		return workspace.edited(object{"managedNetwork": object{"isolationMode": mode}})
	}
	for _, test := range []struct {
		name   string
		source string // where Microsoft publishes the rule
		made   sample
		then   sample
		status int
		code   string
		says   string // part of the message
	}{
		{
			name:   "a workspace is given another key vault",
			source: workspace2024 + "\"This cannot be changed once the workspace has been created\"",
			made:   workspace,
			then:   workspace.edited(object{"keyVault": vaultID + "2"}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "'keyVault' cannot be changed",
		},
		{
			name:   "a workspace becomes of high business impact",
			source: workspace2024 + "WorkspacePropertiesUpdateParameters has no hbiWorkspace",
			made:   workspace,
			then:   workspace.edited(object{"hbiWorkspace": true}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "'hbiWorkspace' cannot be changed",
		},
		{
			name:   "a workspace moves",
			source: troubleshooting + "error-invalid-resource-location",
			made:   workspace,
			then:   workspace.edited(object{"location": "northeurope"}),
			status: http.StatusConflict,
			code:   "InvalidResourceLocation",
			says:   "already exists in location 'westeurope'",
		},
		{
			name:   "a network is switched off",
			source: managedNetwork + "Limitations",
			made:   mode("AllowInternetOutbound"),
			then:   mode("Disabled"),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "from 'AllowInternetOutbound' to 'Disabled'",
		},
		{
			name:   "a network is loosened",
			source: managedNetwork + "Limitations",
			made:   mode("AllowOnlyApprovedOutbound"),
			then:   mode("AllowInternetOutbound"),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "from 'AllowOnlyApprovedOutbound' to 'AllowInternetOutbound'",
		},
		{
			name:   "a cluster is given another size",
			source: "azurerm_machine_learning_compute_cluster: vm_size is ForceNew",
			made:   compute,
			then:   compute.edited(object{"properties": cluster("Standard_NC6s_v3", subnetID)}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "'vmSize' cannot be changed",
		},
		{
			name:   "a key vault can be purged again",
			source: vault2026 + "enablePurgeProtection",
			made:   keyVault,
			then:   keyVault.edited(object{"properties": vault(nil)}),
			status: http.StatusBadRequest,
			code:   "BadRequest",
			says:   "irreversible",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, map[string]arm.Document{vaultID + "2": nil})
			if test.made.token == compute.token {
				c.mustCreate(workspace)
			}
			made := c.mustCreate(test.made)
			stored := c.List("")
			err := c.update(made, test.then)
			require.ErrorContains(t, err, refusal(test.status, test.code), test.source)
			require.ErrorContains(t, err, test.says, test.source)
			require.Equal(t, stored, c.List(""), "nothing is changed")
		})
	}
}

func TestNamesAreTakenAndHeldByWhatWasDeleted(t *testing.T) {
	for _, test := range []struct {
		of   sample
		code string
	}{
		{of: storage, code: "StorageAccountAlreadyTaken"},
		{of: keyVault, code: "VaultAlreadyExists"},
		{of: registry, code: "AlreadyInUse"},
	} {
		c := newCloud(t, nil)
		c.mustCreate(test.of)
		_, err := c.create(test.of.edited(object{"resourceGroupName": "rg-two"}))
		require.ErrorContains(t, err, refusal(http.StatusConflict, test.code))
	}
	c := newCloud(t, nil)
	require.NoError(t, c.destroy(c.mustCreate(keyVault)))
	namesake := keyVault.edited(object{"resourceGroupName": "rg-two", "resourceName": "KV-NEW"})
	_, err := c.create(namesake)
	require.ErrorContains(t, err, refusal(http.StatusConflict, "ConflictError"),
		"the name is held in every group")
	require.NoError(t, c.destroy(c.mustCreate(workspace)))
	_, err = c.create(workspace)
	require.ErrorContains(t, err, refusal(http.StatusBadRequest, "BadRequest"))
	require.ErrorContains(t, err, "Soft-deleted workspace exists.")
}

func TestARoleIsAssignedOnce(t *testing.T) {
	c := newCloud(t, nil)
	c.mustCreate(assignment.edited(object{"roleAssignmentName": arm.TenantID}))
	_, err := c.create(assignment)
	require.ErrorContains(t, err, refusal(http.StatusConflict, "RoleAssignmentExists"))
}

func TestALockKeepsWhatIsBelowAndAboveIt(t *testing.T) {
	c := newCloud(t, nil)
	role := c.mustCreate(assignment)
	locked := c.mustCreate(lock)
	vaultItself := deployed{sample: keyVault, id: vaultID}
	groupAbove := deployed{sample: group, id: groupID}
	for _, kept := range []deployed{role, vaultItself, groupAbove} {
		require.ErrorContains(t, c.destroy(kept), refusal(http.StatusConflict, "ScopeLocked"))
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
		pypi := object{"type": "FQDN", "destination": "pypi.org", "status": status}
		require.Equal(t, pypi, rules["pypi"])
		if status == "Inactive" {
			c.mustCreate(compute)
		}
	}
}
