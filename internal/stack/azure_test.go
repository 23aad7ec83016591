package stack

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/pulumitest"
)

const (
	inGroup = "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/data/providers/"

	storageID  = inGroup + "Microsoft.Storage/storageAccounts/mlstore"
	keyVaultID = inGroup + "Microsoft.KeyVault/vaults/mlkv"
	insightsID = inGroup + "Microsoft.Insights/components/mlinsights"
	logsID     = inGroup + "Microsoft.OperationalInsights/workspaces/mllogs"
	registryID = inGroup + "Microsoft.ContainerRegistry/registries/mlimages"

	workspaceType = "azure-native:machinelearningservices/v20241001:Workspace"
)

func withAzure(t *testing.T, settings string) *pulumitest.Recorder {
	t.Helper()
	return mustRun(t, "dev", set("mlvault:azure", settings))
}

// azureChildren are the names of the Azure half's resources.
func azureChildren(t *testing.T, settings string) []string {
	t.Helper()
	var names []string
	for _, registration := range withAzure(t, settings).Registrations() {
		if registration.Parent == "ml" {
			names = append(names, registration.Name)
		}
	}
	return names
}

// The golden file of byo has all of it, and how the workspace is wired.
func TestEachThingThatExistsTakesThePlaceOfWhatWouldBeMade(t *testing.T) {
	all := azureChildren(t, `{}`)
	for settings, replaced := range map[string][]string{
		`{"existingResourceGroup":"data"}`:               {"ml-group"},
		`{"storageAccountId":"` + storageID + `"}`:       {"mlstorage"},
		`{"keyVaultId":"` + keyVaultID + `"}`:            {"ml-kv"},
		`{"applicationInsightsId":"` + insightsID + `"}`: {"ml-insights", "ml-logs"},
		`{"logAnalyticsWorkspaceId":"` + logsID + `"}`:   {"ml-logs"},
		`{"containerRegistryId":"` + registryID + `"}`:   nil,
	} {
		isReplaced := func(name string) bool { return slices.Contains(replaced, name) }
		want := slices.DeleteFunc(slices.Clone(all), isReplaced)
		if got := azureChildren(t, settings); !slices.Equal(got, want) {
			t.Errorf("%s: made are %v, want %v", settings, got, want)
		}
	}
}

// The golden files of prod and closed have the other kinds, and the rules that are made by
// themselves.
func TestAServiceTagAndAnEndpointForSparkAreSentAsARMNamesThem(t *testing.T) {
	r := withAzure(t, `{"managedNetwork": {
		"mode": "AllowOnlyApprovedOutbound",
		"firewallSku": "Basic",
		"outboundRules": [
			{"name": "logs", "serviceTag": "AzureMonitor", "portRanges": "443"},
			{"name": "store", "subresource": "blob", "sparkEnabled": true,
				"serviceResourceId": "`+storageID+`"}
		]
	}}`)
	workspace, _ := r.Find(workspaceType, "ml-workspace")
	network, _ := workspace.Inputs["managedNetwork"].(map[string]any)
	rules, _ := network["outboundRules"].(map[string]any)
	requireRule(t, rules["logs"], "ServiceTag", map[string]any{
		"serviceTag": "AzureMonitor", "protocol": "TCP", "portRanges": "443",
	})
	requireRule(t, rules["store"], "PrivateEndpoint", map[string]any{
		"serviceResourceId": storageID, "subresourceTarget": "blob", "sparkEnabled": true,
	})
	if network["firewallSku"] != "Basic" {
		t.Errorf("the network is %v", network)
	}
}

func requireRule(t *testing.T, got any, kind string, destination map[string]any) {
	t.Helper()
	want := map[string]any{"type": kind, "category": "UserDefined", "destination": destination}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the rule is %v, want %v", got, want)
	}
}

// Microsoft, "Access Azure resources from an online endpoint with a managed identity": a
// user-assigned identity gets neither role by itself.
func TestEndpointsGiveTheJobIdentityWhatAnOnlineEndpointNeeds(t *testing.T) {
	const (
		workload = `{"audience":"api://x","endpoints":true}`
		reads    = "ml-job-blob-reader"
		pulls    = "ml-registry-pull"
	)
	for _, test := range []struct {
		azure string
		want  []string
	}{
		{azure: `{"createContainerRegistry":true}`, want: []string{reads, pulls}},
		{
			azure: `{"createContainerRegistry":true,"jobIdentityRoles":["Storage Blob Data Contributor"]}`,
			want:  []string{"ml-job-blobs", pulls},
		},
		{
			azure: `{"createContainerRegistry":true,"storageAccountId":"` + storageID + `"}`,
			want:  []string{pulls},
		},
	} {
		made := mustRun(t, "dev", set("mlvault:workload", workload), set("mlvault:azure", test.azure))
		var got []string
		for _, registration := range made.Registrations() {
			isRole := registration.Inputs["roleDefinitionId"] != nil
			if isRole && strings.HasPrefix(registration.Name, "ml-") {
				got = append(got, registration.Name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: roles are %v, want %v", test.azure, got, test.want)
		}
	}
}
