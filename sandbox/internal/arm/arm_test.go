package arm_test

import (
	"cmp"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"mlvault/internal/settings"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/arm/armspec"
)

// The tests see the package as the engine does: through Pulumi's own client for providers, over a
// real connection. They hold what the program never does. What it does, from up to down and with
// every type, is in e2e/azure.
type cloud struct {
	*testing.T
	*arm.Server
	engine plugin.Provider
}

// newCloud has what others made, as it is in existing or, where that is given, otherwise.
func newCloud(t *testing.T, otherwise map[string]arm.Document) cloud {
	t.Helper()
	server, err := arm.Open(filepath.Join(t.TempDir(), "arm.json"))
	require.NoError(t, err)
	server.Spec = armspec.Check
	for _, documents := range []map[string]arm.Document{existing, otherwise} {
		for id, doc := range documents {
			require.NoError(t, server.Seed(id, doc))
		}
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	transport := grpc.NewServer()
	server.Register(transport)
	go func() { _ = transport.Serve(listener) }()
	t.Cleanup(transport.Stop)
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection, err := grpc.NewClient(listener.Addr().String(), plain)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })

	engine := plugin.NewProviderWithClient(nil, pulumirpc.NewResourceProviderClient(connection), false)
	_, err = engine.Handshake(t.Context(), plugin.ProviderHandshakeRequest{})
	require.NoError(t, err)
	providerType := tokens.Type("pulumi:providers:azure-native")
	_, err = engine.Configure(t.Context(), plugin.ConfigureRequest{Type: &providerType})
	require.NoError(t, err)
	return cloud{T: t, Server: server, engine: engine}
}

type object = map[string]any

// sample is one resource of a program.
type sample struct {
	token  string
	name   string // the logical one
	inputs object
}

// edited is the sample with some inputs changed; a nil removes one.
func (s sample) edited(changes object) sample {
	s.inputs = maps.Clone(s.inputs)
	for k, v := range changes {
		s.inputs[k] = v
		if v == nil {
			delete(s.inputs, k)
		}
	}
	return s
}

func (s sample) urn() resource.URN {
	return resource.NewURN("dev", "mlvault", "", tokens.Type(s.token), cmp.Or(s.name, "ml"))
}

// deployed is a resource as the engine's state has it.
type deployed struct {
	sample
	id              resource.ID
	inputs, outputs resource.PropertyMap
}

func (c cloud) check(s sample, olds resource.PropertyMap) plugin.CheckResponse {
	c.Helper()
	checked, err := c.engine.Check(c.Context(), plugin.CheckRequest{
		URN:           s.urn(),
		Olds:          olds,
		News:          resource.NewPropertyMapFromMap(s.inputs),
		AllowUnknowns: true,
		RandomSeed:    []byte("0123456789abcdef0123456789abcdef"),
	})
	require.NoError(c, err)
	return checked
}

// create does what the engine does: check, then create.
func (c cloud) create(s sample) (deployed, error) {
	c.Helper()
	checked := c.check(s, nil)
	require.Empty(c, checked.Failures)
	request := plugin.CreateRequest{URN: s.urn(), Properties: checked.Properties}
	created, err := c.engine.Create(c.Context(), request)
	return deployed{
		sample:  s,
		id:      created.ID,
		inputs:  checked.Properties,
		outputs: created.Properties,
	}, err
}

func (c cloud) mustCreate(s sample) deployed {
	c.Helper()
	d, err := c.create(s)
	require.NoError(c, err)
	return d
}

func (c cloud) diff(d deployed, to sample) plugin.DiffResult {
	c.Helper()
	diff, err := c.engine.Diff(c.Context(), plugin.DiffRequest{
		URN:           d.urn(),
		ID:            d.id,
		OldInputs:     d.inputs,
		OldOutputs:    d.outputs,
		NewInputs:     c.check(to, d.inputs).Properties,
		AllowUnknowns: true,
	})
	require.NoError(c, err)
	return diff
}

func (c cloud) update(d deployed, to sample) error {
	c.Helper()
	_, err := c.engine.Update(c.Context(), plugin.UpdateRequest{
		URN:        d.urn(),
		ID:         d.id,
		OldInputs:  d.inputs,
		OldOutputs: d.outputs,
		NewInputs:  c.check(to, d.inputs).Properties,
	})
	return err
}

func (c cloud) destroy(d deployed) error {
	inputs := d.inputs
	if inputs == nil {
		inputs = resource.NewPropertyMapFromMap(d.sample.inputs)
	}
	_, err := c.engine.Delete(c.Context(), plugin.DeleteRequest{
		URN:     d.urn(),
		ID:      d.id,
		Inputs:  inputs,
		Outputs: resource.PropertyMap{},
	})
	return err
}

const (
	groupID    = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/rg-ml"
	inGroup    = groupID + "/providers/"
	identityID = inGroup + "Microsoft.ManagedIdentity/userAssignedIdentities/id-ml"
	storageID  = inGroup + "Microsoft.Storage/storageAccounts/stml"
	vaultID    = inGroup + "Microsoft.KeyVault/vaults/kv-ml"
	logsID     = inGroup + "Microsoft.OperationalInsights/workspaces/log-ml"
	insightsID = inGroup + "microsoft.insights/components/appi-ml"
	registryID = inGroup + "Microsoft.ContainerRegistry/registries/crmldev"
	networkID  = inGroup + "Microsoft.Network/virtualNetworks/vnet"
	subnetID   = networkID + "/subnets/endpoints"
	zoneID     = inGroup + "Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
	mlID       = inGroup + "Microsoft.MachineLearningServices/workspaces/mlw"
	endpointID = inGroup + "Microsoft.Network/privateEndpoints/pe"

	readerRole = "/providers/Microsoft.Authorization/roleDefinitions/" + settings.RoleIDReader
)

// existing is what others made.
var existing = map[string]arm.Document{
	groupID:    nil,
	storageID:  nil,
	vaultID:    nil,
	logsID:     nil,
	insightsID: nil,
	networkID:  nil,
	subnetID:   nil,
	zoneID:     nil,
	identityID: {"properties": object{"principalId": arm.PrincipalID(identityID)}},
	registryID: {"sku": object{"name": "Premium"}},
	strings.Replace(groupID, "rg-ml", "rg-two", 1): nil,
}

// One sample of each type that the tests are about.
var (
	group = sample{
		token:  "azure-native:resources/v20220901:ResourceGroup",
		name:   "group",
		inputs: object{"location": "westeurope"},
	}
	storage = sample{
		token: "azure-native:storage/v20220901:StorageAccount",
		inputs: object{
			"resourceGroupName":      "rg-ml",
			"accountName":            "stnew",
			"location":               "westeurope",
			"kind":                   "StorageV2",
			"sku":                    object{"name": "Standard_LRS"},
			"enableHttpsTrafficOnly": true,
		},
	}
	keyVault = sample{
		token: "azure-native:resources/v20220901:Resource",
		inputs: object{
			"resourceGroupName":         "rg-ml",
			"resourceName":              "kv-new",
			"location":                  "westeurope",
			"apiVersion":                settings.KeyVaultAPI,
			"resourceProviderNamespace": "Microsoft.KeyVault",
			"parentResourcePath":        "",
			"resourceType":              "vaults",
			"properties":                vault(object{"enablePurgeProtection": true}),
		},
	}
	registry = sample{
		token: "azure-native:containerregistry/v20230701:Registry",
		inputs: object{
			"resourceGroupName": "rg-ml",
			"registryName":      "crnew",
			"location":          "westeurope",
			"sku":               object{"name": "Premium"},
		},
	}
	insights = sample{
		token: "azure-native:insights/v20200202:Component",
		inputs: object{
			"resourceGroupName":   "rg-ml",
			"resourceName":        "appi-new",
			"location":            "westeurope",
			"kind":                "web",
			"applicationType":     "web",
			"workspaceResourceId": logsID,
		},
	}
	workspace = sample{
		token: "azure-native:machinelearningservices/v20241001:Workspace",
		inputs: object{
			"resourceGroupName":   "rg-ml",
			"workspaceName":       "mlw",
			"location":            "westeurope",
			"identity":            object{"type": "SystemAssigned"},
			"storageAccount":      storageID,
			"keyVault":            vaultID,
			"applicationInsights": insightsID,
			"containerRegistry":   registryID,
		},
	}
	compute = sample{
		token: "azure-native:machinelearningservices/v20241001:Compute",
		name:  "ml-cluster",
		inputs: object{
			"resourceGroupName": "rg-ml",
			"workspaceName":     "mlw",
			"computeName":       "cpu-cluster",
			"location":          "westeurope",
			"properties":        cluster("Standard_D4ds_v5", subnetID),
		},
	}
	assignment = sample{
		token: "azure-native:authorization/v20220401:RoleAssignment",
		inputs: object{
			"scope":            vaultID,
			"principalId":      arm.PrincipalID(identityID),
			"principalType":    "ServicePrincipal",
			"roleDefinitionId": readerRole,
		},
	}
	endpoint = sample{
		token: "azure-native:network/v20230201:PrivateEndpoint",
		inputs: object{
			"resourceGroupName":   "rg-ml",
			"privateEndpointName": "pe",
			"location":            "westeurope",
			"subnet":              object{"id": subnetID},
		},
	}
	zoneGroup = sample{
		token: "azure-native:network/v20230201:PrivateDnsZoneGroup",
		inputs: object{
			"resourceGroupName":     "rg-ml",
			"privateEndpointName":   "pe",
			"privateDnsZoneConfigs": []any{object{"name": "vault", "privateDnsZoneId": zoneID}},
		},
	}
	link = sample{
		token: "azure-native:network/v20200601:VirtualNetworkLink",
		inputs: object{
			"resourceGroupName": "rg-ml",
			"privateZoneName":   filepath.Base(zoneID),
			"location":          "global",
			"virtualNetwork":    object{"id": networkID},
		},
	}
	lock = sample{
		token: "azure-native:authorization/v20200501:ManagementLockByScope",
		inputs: object{
			"scope":    vaultID,
			"lockName": "keep",
			"level":    "CanNotDelete",
		},
	}
)

// vault has the properties of a key vault, and more.
func vault(more object) object {
	properties := object{
		"tenantId":       arm.TenantID,
		"sku":            object{"family": "A", "name": "standard"},
		"accessPolicies": []any{},
	}
	maps.Copy(properties, more)
	return properties
}

func cluster(size, subnet string) object {
	properties := object{"vmSize": size, "subnet": object{"id": subnet}}
	return object{"computeType": "AmlCompute", "properties": properties}
}

// closed gives a workspace a network that lets nothing out but by one rule.
func closed(name string, rule object) object {
	return object{"managedNetwork": object{
		"isolationMode": "AllowOnlyApprovedOutbound",
		"outboundRules": object{name: rule},
	}}
}

func TestAutomaticNames(t *testing.T) {
	c := newCloud(t, nil)
	name := func(s sample, property string) string {
		return c.check(s, nil).Properties[resource.PropertyKey(property)].StringValue()
	}
	assert.Regexp(t, `^group[0-9a-f]{8}$`, name(group, "resourceGroupName"))
	guid := `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	assert.Regexp(t, guid, name(assignment, "roleAssignmentName"))
	nested := compute.edited(object{"computeName": nil})
	assert.Equal(t, "ml-cluster", name(nested, "computeName"), "a nested resource has no suffix")

	d := c.mustCreate(group)
	assert.Equal(t, plugin.DiffNone, c.diff(d, group).Changes, "a name is kept")
	moved := c.diff(d, group.edited(object{"location": "northeurope"}))
	assert.Equal(t, []resource.PropertyKey{"location"}, moved.ReplaceKeys)
	assert.False(t, moved.DeleteBeforeReplace, "a made-up name lets the new one be created first")
}

// azure-native checks before it sends; the texts are its own.
func TestBadNamesAndUnknownTypesAreFoundBeforeAnythingIsSent(t *testing.T) {
	c := newCloud(t, nil)
	unnamed := storage.edited(object{"accountName": nil})
	unnamed.name = "ml-storage" // and nobody makes a name fit
	refused := func(broken sample, says string) {
		failures := c.check(broken, nil).Failures
		require.Len(t, failures, 1)
		require.Contains(t, failures[0].Reason, says)
	}
	refused(unnamed, `'accountName' value "ml-storage`)
	refused(storage.edited(object{"accountName": "st-ml"}),
		`'accountName' value "st-ml" does not match expression`)

	unknown := sample{token: "azure-native:network:VirtualNetwork"}
	request := plugin.CheckRequest{URN: unknown.urn(), News: resource.PropertyMap{}}
	_, err := c.engine.Check(t.Context(), request)
	require.ErrorContains(t, err, "no azure-native:network:VirtualNetwork; it has azure-native:")
}

func TestADiffReplacesWhatAzureNativeReplaces(t *testing.T) {
	c := newCloud(t, nil)
	other := workspace.edited(object{"workspaceName": "other"})
	const (
		stays = iota
		updates
		replaces          // beside the old one
		deletesAndCreates // because the name is the user's own
	)
	for _, test := range []struct {
		name   string
		of     sample
		change object
		path   string // of the change
		then   int
	}{
		{
			name: "no change",
			of:   workspace,
			then: stays,
		},
		{
			name:   "another spelling of the location",
			of:     storage,
			change: object{"location": "West Europe"},
			then:   stays,
		},
		{
			name:   "a tag",
			of:     registry,
			change: object{"tags": object{"environment": "prod"}},
			path:   "tags",
			then:   updates,
		},
		{
			name:   "a path parameter",
			of:     insights,
			change: object{"resourceName": "other"},
			path:   "resourceName",
			then:   deletesAndCreates,
		},
		{
			name:   "the principal of an assignment",
			of:     assignment,
			change: object{"principalId": arm.TenantID},
			path:   "principalId",
			then:   replaces,
		},
		{
			// no x-ms-mutability, no forceNewMap entry: azure-native updates, and ARM refuses
			name:   "a workspace's key vault",
			of:     other,
			change: object{"keyVault": vaultID + "2"},
			path:   "keyVault",
			then:   updates,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := c.mustCreate(test.of)
			diff := c.diff(d, d.edited(test.change))
			if test.then == stays {
				assert.Empty(t, diff.DetailedDiff)
				return
			}
			assert.Len(t, diff.DetailedDiff, 1)
			assert.Contains(t, diff.DetailedDiff, test.path)
			assert.Equal(t, test.then >= replaces, len(diff.ReplaceKeys) > 0)
			assert.Equal(t, test.then == deletesAndCreates, diff.DeleteBeforeReplace)
		})
	}
}

// e2e/docs imports a workspace and what it needs; this has another shape of id.
func TestAnImportKnowsTheInputsOfWhatIsAttached(t *testing.T) {
	c := newCloud(t, nil)
	d := c.mustCreate(assignment)
	imported, err := c.engine.Read(t.Context(), plugin.ReadRequest{URN: d.urn(), ID: d.id})
	require.NoError(t, err)
	for input := range assignment.inputs {
		assert.Contains(t, imported.Inputs, resource.PropertyKey(input))
	}
}

func TestAFileThatIsNoStoreIsRefusedAndKept(t *testing.T) {
	for _, content := range []string{"hello", `{"format": 2}`, `{"format":1}`} {
		path := filepath.Join(t.TempDir(), "arm.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := arm.Open(path)
		require.ErrorContains(t, err, path, content)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(kept))
	}
}

func TestTheSandboxItselfLinksNothingOfMicrosofts(t *testing.T) {
	linked, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "mlvault/sandbox").Output()
	require.NoError(t, err)
	assert.Contains(t, string(linked), "mlvault/sandbox/internal/arm\n")
	assert.NotContains(t, string(linked), "azure-sdk-for-go")
}
