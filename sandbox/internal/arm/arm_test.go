package arm_test

import (
	"maps"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/arm/armspec"
)

// The tests see the package as the engine does: through Pulumi's own client for providers, over a real connection.
type cloud struct {
	*testing.T
	*arm.Server
	engine plugin.Provider
}

// newCloud has nothing but the network that others run.
func newCloud(t *testing.T) cloud {
	t.Helper()
	c := openCloud(t, filepath.Join(t.TempDir(), "arm.json"))
	require.NoError(t, c.Seed(networkID, nil))
	require.NoError(t, c.Seed(subnetID, nil))
	return c
}

func openCloud(t *testing.T, path string) cloud {
	t.Helper()
	server, err := arm.Open(path)
	require.NoError(t, err)
	server.Spec = armspec.Check

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	transport := grpc.NewServer()
	server.Register(transport)
	go func() { _ = transport.Serve(listener) }()
	t.Cleanup(transport.Stop)
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })

	engine := plugin.NewProviderWithClient(nil, pulumirpc.NewResourceProviderClient(connection), false)
	_, err = engine.Handshake(t.Context(), plugin.ProviderHandshakeRequest{})
	require.NoError(t, err)
	providerType := tokens.Type("pulumi:providers:azure-native")
	_, err = engine.Configure(t.Context(), plugin.ConfigureRequest{Type: &providerType})
	require.NoError(t, err)
	return cloud{t, server, engine}
}

type object = map[string]any

// sample is one resource of a program.
type sample struct {
	token, name string // name is the logical one
	inputs      object
}

// edited is the sample with some inputs changed; a nil removes one.
func (s sample) edited(changes object) sample {
	s.inputs = maps.Clone(s.inputs)
	for k, v := range changes {
		if s.inputs[k] = v; v == nil {
			delete(s.inputs, k)
		}
	}
	return s
}

func (s sample) properties() resource.PropertyMap { return resource.NewPropertyMapFromMap(s.inputs) }

func (s sample) urn() resource.URN {
	return resource.NewURN("dev", "mlvault", "", tokens.Type(s.token), s.name)
}

// deployed is a resource as the engine's state has it.
type deployed struct {
	sample
	id              resource.ID
	inputs, outputs resource.PropertyMap
}

var seed = []byte("0123456789abcdef0123456789abcdef")

func (c cloud) check(s sample, olds resource.PropertyMap) plugin.CheckResponse {
	c.Helper()
	checked, err := c.engine.Check(c.Context(), plugin.CheckRequest{
		URN: s.urn(), Olds: olds, News: s.properties(), AllowUnknowns: true, RandomSeed: seed,
	})
	require.NoError(c, err)
	return checked
}

// create does what the engine does: check, then create.
func (c cloud) create(s sample) (deployed, error) {
	c.Helper()
	checked := c.check(s, nil)
	require.Empty(c, checked.Failures, s.name)
	return c.createUnchecked(s, checked.Properties)
}

func (c cloud) createUnchecked(s sample, inputs resource.PropertyMap) (deployed, error) {
	c.Helper()
	created, err := c.engine.Create(c.Context(), plugin.CreateRequest{URN: s.urn(), Properties: inputs})
	return deployed{s, created.ID, inputs, created.Properties}, err
}

func (c cloud) mustCreate(s sample) deployed {
	c.Helper()
	d, err := c.create(s)
	require.NoError(c, err, s.name)
	return d
}

// createAll makes a list of samples, and returns them by logical name.
func (c cloud) createAll(samples ...sample) map[string]deployed {
	c.Helper()
	made := map[string]deployed{}
	for _, s := range samples {
		made[s.name] = c.mustCreate(s)
	}
	return made
}

func (c cloud) diff(d deployed, to sample) plugin.DiffResult {
	c.Helper()
	diff, err := c.engine.Diff(c.Context(), plugin.DiffRequest{
		URN: d.urn(), ID: d.id, OldInputs: d.inputs, OldOutputs: d.outputs,
		NewInputs: c.check(to, d.inputs).Properties, AllowUnknowns: true,
	})
	require.NoError(c, err)
	return diff
}

func (c cloud) update(d deployed, to sample) (deployed, error) {
	c.Helper()
	checked := c.check(to, d.inputs)
	require.Empty(c, checked.Failures, to.name)
	updated, err := c.engine.Update(c.Context(), plugin.UpdateRequest{
		URN: d.urn(), ID: d.id, OldInputs: d.inputs, OldOutputs: d.outputs, NewInputs: checked.Properties,
	})
	return deployed{to, d.id, checked.Properties, updated.Properties}, err
}

func (c cloud) read(d deployed) plugin.ReadResponse {
	c.Helper()
	read, err := c.engine.Read(c.Context(), plugin.ReadRequest{
		URN: d.urn(), ID: d.id, Inputs: d.inputs, State: d.outputs,
	})
	require.NoError(c, err)
	return read
}

func (c cloud) destroy(d deployed) error {
	_, err := c.engine.Delete(c.Context(), plugin.DeleteRequest{
		URN: d.urn(), ID: d.id, Inputs: d.inputs, Outputs: d.outputs,
	})
	return err
}

// The valid program: one sample for each type, in an order in which they can be made.
const (
	groupID    = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/rg-ml"
	identityID = groupID + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-job"
	storageID  = groupID + "/providers/Microsoft.Storage/storageAccounts/stml"
	vaultID    = groupID + "/providers/Microsoft.KeyVault/vaults/kv-ml"
	logsID     = groupID + "/providers/Microsoft.OperationalInsights/workspaces/log-ml"
	insightsID = groupID + "/providers/microsoft.insights/components/appi-ml"
	registryID = groupID + "/providers/Microsoft.ContainerRegistry/registries/crmldev"
	mlID       = groupID + "/providers/Microsoft.MachineLearningServices/workspaces/mlw"
	readerRole = "/subscriptions/" + arm.SubscriptionID +
		"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
	assignmentName = "b0a7e5a0-3f0f-4d7c-9c58-0f4c8f2f6a11"

	// A network team has these.
	networkID = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet"
	subnetID  = networkID + "/subnets/endpoints"
	zoneName  = "privatelink.vaultcore.azure.net"
	zoneID    = groupID + "/providers/Microsoft.Network/privateDnsZones/" + zoneName
)

var (
	group = sample{"azure-native:resources/v20220901:ResourceGroup", "group", object{
		"resourceGroupName": "rg-ml", "location": "westeurope",
	}}
	elsewhere = sample{group.token, "elsewhere", object{"resourceGroupName": "rg-two", "location": "westeurope"}}
	identity  = sample{"azure-native:managedidentity/v20230131:UserAssignedIdentity", "identity", object{
		"resourceGroupName": "rg-ml", "resourceName": "id-job", "location": "westeurope",
	}}
	storage = sample{"azure-native:storage/v20220901:StorageAccount", "storage", object{
		"resourceGroupName": "rg-ml", "accountName": "stml", "location": "westeurope", "kind": "StorageV2",
		"sku": object{"name": "Standard_LRS"}, "enableHttpsTrafficOnly": true, "minimumTlsVersion": "TLS1_2",
		"allowBlobPublicAccess": false, "networkRuleSet": object{"defaultAction": "Deny"},
	}}
	keyVault = sample{"azure-native:keyvault/v20230201:Vault", "vault", object{
		"resourceGroupName": "rg-ml", "vaultName": "kv-ml", "location": "westeurope", "properties": vaultProperties(nil),
	}}
	logs = sample{"azure-native:operationalinsights/v20221001:Workspace", "logs", object{
		"resourceGroupName": "rg-ml", "workspaceName": "log-ml", "location": "westeurope", "sku": object{"name": "PerGB2018"},
		"retentionInDays": 30,
	}}
	insights = sample{"azure-native:insights/v20200202:Component", "insights", object{
		"resourceGroupName": "rg-ml", "resourceName": "appi-ml", "location": "westeurope", "kind": "web", "applicationType": "web",
		"workspaceResourceId": logsID,
	}}
	registry = sample{"azure-native:containerregistry/v20230701:Registry", "registry", object{
		"resourceGroupName": "rg-ml", "registryName": "crmldev", "location": "westeurope", "sku": object{"name": "Premium"},
	}}
	workspace = sample{"azure-native:machinelearningservices/v20241001:Workspace", "workspace", object{
		"resourceGroupName": "rg-ml", "workspaceName": "mlw", "location": "westeurope", "kind": "Default",
		"sku":            object{"name": "Basic", "tier": "Basic"},
		"identity":       object{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": []any{identityID}},
		"storageAccount": storageID, "keyVault": vaultID, "applicationInsights": insightsID, "containerRegistry": registryID,
		"publicNetworkAccess": "Enabled",
		"tags":                object{"environment": "dev"},
	}}
	compute = sample{"azure-native:machinelearningservices/v20241001:Compute", "compute", object{
		"resourceGroupName": "rg-ml", "workspaceName": "mlw", "computeName": "cpu-cluster", "location": "westeurope",
		"identity":   object{"type": "UserAssigned", "userAssignedIdentities": []any{identityID}},
		"properties": clusterProperties("Standard_D4ds_v5"),
	}}
	assignment = sample{"azure-native:authorization/v20220401:RoleAssignment", "assignment", object{
		"scope": mlID, "roleAssignmentName": assignmentName, "roleDefinitionId": readerRole,
		"principalId": arm.PrincipalID(identityID), "principalType": "ServicePrincipal",
	}}
	diagnostics = sample{"azure-native:insights/v20210501preview:DiagnosticSetting", "diagnostics", object{
		"resourceUri": mlID, "name": "to-logs", "workspaceId": logsID,
		"logs": []any{object{"categoryGroup": "allLogs", "enabled": true}},
	}}
	endpoint = sample{"azure-native:network/v20230201:PrivateEndpoint", "endpoint", object{
		"resourceGroupName": "rg-ml", "privateEndpointName": "pe", "location": "westeurope",
		"subnet":                        object{"id": subnetID, "privateEndpointNetworkPolicies": "Disabled"},
		"privateLinkServiceConnections": connection(vaultID, "vault"),
	}}
	zone = sample{"azure-native:network/v20200601:PrivateZone", "zone", object{
		"resourceGroupName": "rg-ml", "privateZoneName": zoneName, "location": "global",
	}}
	zoneGroup = sample{"azure-native:network/v20230201:PrivateDnsZoneGroup", "records", object{
		"resourceGroupName": "rg-ml", "privateEndpointName": "pe",
		"privateDnsZoneConfigs": []any{object{"name": "vault", "privateDnsZoneId": zoneID}},
	}}
	link = sample{"azure-native:network/v20200601:VirtualNetworkLink", "link", object{
		"resourceGroupName": "rg-ml", "privateZoneName": zoneName, "location": "global", "registrationEnabled": false,
		"virtualNetwork": object{"id": networkID},
	}}
	lock = sample{"azure-native:authorization/v20200501:ManagementLockByScope", "lock", object{
		"scope": vaultID, "lockName": "keep", "level": "CanNotDelete",
	}}

	program = []sample{
		group, identity, storage, keyVault, logs, insights, registry, workspace, compute, assignment, diagnostics,
		endpoint, zone, zoneGroup, link, lock,
	}
)

func connection(id, part string) []any {
	return []any{object{"name": "vault", "privateLinkServiceId": id, "groupIds": []any{part}}}
}

func vaultProperties(changes object) object {
	properties := object{
		"tenantId": arm.TenantID, "sku": object{"family": "A", "name": "standard"}, "enableRbacAuthorization": true,
		"enableSoftDelete": true, "softDeleteRetentionInDays": 90, "publicNetworkAccess": "enabled",
	}
	return sample{inputs: properties}.edited(changes).inputs
}

func clusterProperties(size string) object {
	return object{"computeType": "AmlCompute", "properties": object{
		"vmSize": size, "vmPriority": "Dedicated",
		"scaleSettings": object{"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT120S"},
	}}
}

// before is the part of the program that must exist before s.
func before(s sample) []sample {
	return program[:slices.IndexFunc(program, func(other sample) bool { return other.name == s.name })]
}
