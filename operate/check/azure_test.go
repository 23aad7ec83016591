package check

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

var registered = []string{
	"microsoft.insights",
	"Microsoft.ContainerRegistry",
	"Microsoft.KeyVault",
	"Microsoft.MachineLearningServices",
	"Microsoft.ManagedIdentity",
	"Microsoft.Notebooks",
	"Microsoft.OperationalInsights",
	"Microsoft.Storage",
}

// answers are what an Azure CLI says, by the arguments that it is asked with.
type answers map[string]any

// azureCLI puts a script called az on PATH, which is all of it. It answers by the first arguments;
// without an answer it finds nothing, as the Azure CLI says by its exit code.
func azureCLI(t *testing.T, says answers) {
	t.Helper()
	folder := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in\n"
	for _, arguments := range slices.Sorted(maps.Keys(says)) {
		text, err := json.Marshal(says[arguments])
		require.NoError(t, err)
		pattern := "'" + strings.ReplaceAll(arguments, "'", `'\''`) + "'"
		script += "*" + pattern + "*) echo '" + string(text) + "' ;;\n"
	}
	script += "*) exit 3 ;;\nesac\n"
	if len(says) > 0 {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "az"), []byte(script), 0o700))
	}
	t.Setenv("PATH", folder) // an Azure CLI of this machine's own is not asked
	for _, name := range []string{"ARM_CLIENT_ID", "ARM_USE_MSI", "ARM_USE_OIDC"} {
		t.Setenv(name, "")
	}
}

const (
	app    = "66666666-6666-6666-6666-666666666666"
	usages = "locations/westeurope/usages?"
)

// healthy is an Azure CLI with all that it takes.
func healthy() answers {
	return answers{
		"version --output json":   nil,
		"account show":            "55555555-5555-5555-5555-555555555555",
		"provider list":           registered,
		"ad sp show --id api://x": map[string]any{"appId": app, "required": false},
		"ad app show":             app,
		"/vmSizes?": []any{
			map[string]any{"name": "Standard_D4s_v5", "family": "standardDSv5Family", "vCPUs": 4},
			map[string]any{"name": "Standard_NC6s_v3", "family": "standardNCSv3Family", "vCPUs": 6},
			map[string]any{"name": "Standard_NC12s_v3", "family": "standardNCSv3Family", "vCPUs": 12},
		},
		usages: []any{
			quota("D", 0, 0), quota("DSv5", 4, 12), quota("NCSv3", 0, 6),
			map[string]any{"name": "Total Cluster LowPriority Regional vCPUs", "used": 0, "limit": 0},
		},
	}
}

func quota(family string, used, limit int) map[string]any {
	return map[string]any{
		"name":  "Standard " + family + " Family Cluster Dedicated vCPUs",
		"used":  used,
		"limit": limit,
	}
}

// without is the list of registered providers without some.
func without(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(registered), func(name string) bool {
		return slices.Contains(names, name)
	})
}

const (
	hub       = "/subscriptions/s/resourceGroups/hub/providers/Microsoft.Network/"
	hubZone   = hub + "privateDnsZones/privatelink.blob.core.windows.net"
	network   = hub + "virtualNetworks/hub"
	zoneLinks = "link vnet list --subscription s --resource-group hub"
)

func privateEndpoints(c *checker, az answers) {
	c.settings.Azure.PrivateEndpoints = &settings.PrivateEndpoints{
		SubnetID:         ownNetwork + "/subnets/endpoints",
		VirtualNetworkID: network,
	}
	az[showsVnet] = map[string]any{
		"location": "westeurope",
		"subnets":  []any{map[string]any{"name": "endpoints"}},
	}
	az["provider list"] = append(slices.Clone(registered), "Microsoft.Network")
	az["resource list"] = []any{
		map[string]any{"name": "privatelink.blob.core.windows.net", "id": hubZone},
		map[string]any{"name": "example.com", "id": hub + "privateDnsZones/example.com"},
	}
	az[zoneLinks] = []any{strings.ToLower(network)}
}

func TestEachFaultOfAzureGetsExactlyItsFinding(t *testing.T) {
	for _, row := range []struct {
		name    string
		problem string
		warning string
		does    func(*checker, answers)
	}{
		{name: "nothing is wrong", does: func(*checker, answers) {}},
		{name: "no login", problem: "Azure: there is no login", does: func(_ *checker, az answers) { clear(az) }},
		{
			name: "a login in the stack's settings",
			does: func(c *checker, az answers) {
				clear(az)
				c.stack.AzureLogin = true
			},
		},
		{
			name:    "an Azure CLI without a login",
			problem: "Azure: the Azure CLI has no login. Run `az login`",
			does:    func(_ *checker, az answers) { delete(az, "account show") },
		},
		{
			name:    "a provider that is not registered",
			problem: "Run `az provider register --namespace Microsoft.Storage`",
			does:    func(_ *checker, az answers) { az["provider list"] = without("Microsoft.Storage") },
		},
		{
			name:    "notebooks",
			problem: "Microsoft.Notebooks is not registered",
			does:    func(_ *checker, az answers) { az["provider list"] = without("Microsoft.Notebooks") },
		},
		{
			name:    "a managed network",
			problem: "Microsoft.Network is not registered",
			does: func(c *checker, _ answers) {
				c.settings.Azure.ManagedNetwork = &settings.ManagedNetwork{Mode: "AllowInternetOutbound"}
			},
		},
		{
			name: "a storage account and a registry of others",
			does: func(c *checker, az answers) {
				az["provider list"] = without("Microsoft.Storage", "Microsoft.ContainerRegistry")
				c.settings.Azure.StorageAccountID = "/subscriptions/x"
				c.settings.Azure.ContainerRegistryID = "/subscriptions/x"
			},
		},
		{
			name:    "somebody's resource group",
			warning: "gives the workspace's identity the role Azure AI Administrator on all of rg-shared",
			does:    func(c *checker, _ answers) { c.settings.Azure.ExistingResourceGroup = "rg-shared" },
		},
		{
			name: "quota for one node of two",
			warning: "compute: the clusters need 12 cores (3 nodes of Standard_D4s_v5), and the quota of " +
				"\"Standard DSv5 Family Cluster Dedicated vCPUs\" has 8 free of 12",
			does: func(c *checker, _ answers) { c.settings.Compute[0].MaxNodes = 3 },
		},
		{
			name: "quota that the cluster itself uses",
			does: func(c *checker, _ answers) {
				c.settings.Compute[0].MaxNodes = 3
				c.stack.State.Resources = []rights.Resource{
					{Type: "azure-native:machinelearningservices/v20241001:Compute"},
				}
			},
		},
		{
			name:    "no quota",
			problem: "compute: the clusters need 4 cores",
			does:    func(_ *checker, az answers) { az[usages] = []any{quota("DSv5", 12, 12)} },
		},
		{
			name:    "a size that the region has not",
			problem: "compute[0].vmSize: Azure ML has no size Standard_X in West Europe",
			does:    func(c *checker, _ answers) { c.settings.Compute[0].VMSize = "Standard_X" },
		},
		{
			name: "a GPU beside the CPU, each with its own quota",
			warning: "compute: the clusters need 24 cores (2 nodes of Standard_NC6s_v3, 1 nodes of " +
				"Standard_NC12s_v3), and the quota of \"Standard NCSv3 Family Cluster Dedicated vCPUs\" " +
				"has 6 free of 6",
			does: func(c *checker, _ answers) {
				c.settings.Compute = append(c.settings.Compute,
					settings.Cluster{Name: "gpu", VMSize: "Standard_NC6s_v3", MaxNodes: 2},
					settings.Cluster{Name: "gpus", VMSize: "Standard_NC12s_v3", MaxNodes: 1})
			},
		},
		{
			name:    "a low priority, of which there is one quota for all sizes",
			problem: "and the quota of \"Total Cluster LowPriority Regional vCPUs\" has 0 free of 0",
			does:    func(c *checker, _ answers) { c.settings.Compute[0].LowPriority = true },
		},
		{
			name:    "a cluster of others, of whatever size",
			problem: "compute[0].computeId: the cluster x is in the workspace",
			does: func(c *checker, _ answers) {
				c.settings.Compute = []settings.Cluster{{ComputeID: "/subscriptions/x", VMSize: "Standard_X"}}
			},
		},
		{name: "no cluster", does: func(c *checker, _ answers) { c.settings.Compute = nil }},
		{
			name: "no service principal",
			problem: "workload.audience: the app api://x has no service principal in this tenant, so that " +
				"Entra gives no token for it. Run `az ad sp create --id " + app + "`",
			does: func(_ *checker, az answers) { delete(az, "ad sp show --id api://x") },
		},
		{
			name:    "no app",
			problem: "workload.audience: Entra has no app api://x in this tenant",
			does: func(_ *checker, az answers) {
				delete(az, "ad sp show --id api://x")
				delete(az, "ad app show")
			},
		},
		{
			name:    "an app that wants an assignment",
			problem: "az ad sp update --id " + app + " --set appRoleAssignmentRequired=false",
			does: func(_ *checker, az answers) {
				az["ad sp show --id api://x"] = map[string]any{"appId": app, "required": true}
			},
		},
		{
			name:    "a hub that has a zone of the same name",
			problem: "Azure links no second one: " + hubZone + ". Remove the setting, and name all zones",
			does:    privateEndpoints,
		},
		{
			name: "a zone of the same name that another network has",
			does: func(c *checker, az answers) {
				privateEndpoints(c, az)
				az[zoneLinks] = []any{hub + "virtualNetworks/another"}
			},
		},
		{
			name: "a zone that the stack has made itself",
			does: func(c *checker, az answers) {
				privateEndpoints(c, az)
				c.stack.State.Resources = []rights.Resource{
					{Type: "azure-native:network/v20200601:PrivateZone", ID: strings.Trim(hubZone, "/")},
				}
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &checker{settings: &settings.Settings{
				Location: "West Europe",
				Compute:  []settings.Cluster{{Name: "ml-cluster", VMSize: "Standard_D4s_v5", MaxNodes: 1}},
				Workload: settings.Workload{Audience: "api://x"},
			}}
			says := healthy()
			row.does(c, says)
			azureCLI(t, says)
			c.azure(t.Context())
			requireOne(t, row.problem, c.report.Problems)
			requireOne(t, row.warning, c.report.Warnings)
		})
	}
}

// requireOne requires exactly one text with a part in it, or none where the part is empty.
func requireOne(t *testing.T, part string, texts []string) {
	t.Helper()
	if part == "" {
		require.Empty(t, texts)
		return
	}
	require.Len(t, texts, 1)
	require.Contains(t, texts[0], part)
}

// Of a subscription without a single provider each is named, with the command that registers it.
func TestASubscriptionWithNothingRegisteredGetsOneCommandForEachProvider(t *testing.T) {
	says := healthy()
	says["provider list"] = []string{}
	azureCLI(t, says)
	c := &checker{settings: &settings.Settings{
		Location: "westeurope",
		Workload: settings.Workload{Audience: "api://x"},
		Azure: settings.Azure{
			CustomerManagedKey: &settings.CustomerManagedKey{},
			ManagedNetwork:     &settings.ManagedNetwork{Mode: "AllowOnlyApprovedOutbound"},
		},
	}}
	c.azure(t.Context())
	require.Len(t, c.report.Problems, 11)
	t.Log(strings.Join(c.report.Problems, "\n"))
}
