package stack

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/pulumitest"
)

const (
	inGroup       = "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/data/providers/"
	storageID     = inGroup + "Microsoft.Storage/storageAccounts/mlstore"
	keyVaultID    = inGroup + "Microsoft.KeyVault/vaults/mlkv"
	insightsID    = inGroup + "Microsoft.Insights/components/mlinsights"
	logsID        = inGroup + "Microsoft.OperationalInsights/workspaces/mllogs"
	registryID    = inGroup + "Microsoft.ContainerRegistry/registries/mlimages"
	workspaceType = "azure-native:machinelearningservices/v20241001:Workspace"
	principal     = "5a9db0c5-0000-4000-8000-00000000000"
)

func withAzure(t *testing.T, settings string) *pulumitest.Recorder {
	t.Helper()
	return mustRun(t, "dev", func(values map[string]string) { values["mlvault:azure"] = settings })
}

// azureChildren are the names of the Azure half's resources.
func azureChildren(r *pulumitest.Recorder) []string {
	var names []string
	for _, registration := range r.Registrations() {
		if registration.Parent == "ml" {
			names = append(names, registration.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestWhatIsBroughtAlongTakesThePlaceOfWhatWouldBeMade(t *testing.T) {
	all := azureChildren(withAzure(t, `{}`))
	for settings, c := range map[string]struct {
		gone  []string
		input string // of the workspace
		value string
	}{
		`{"existingResourceGroup":"data"}`:                                              {[]string{"ml-group"}, "resourceGroupName", "data"},
		`{"storageAccountId":"` + storageID + `"}`:                                      {[]string{"mlstorage"}, "storageAccount", storageID},
		`{"keyVaultId":"` + keyVaultID + `"}`:                                           {[]string{"ml-kv"}, "keyVault", keyVaultID},
		`{"applicationInsightsId":"` + insightsID + `"}`:                                {[]string{"ml-insights", "ml-logs"}, "applicationInsights", insightsID},
		`{"logAnalyticsWorkspaceId":"` + logsID + `"}`:                                  {[]string{"ml-logs"}, "applicationInsights", "Component/ml-insights"},
		`{"containerRegistryId":"` + registryID + `","createContainerRegistry": false}`: {nil, "containerRegistry", registryID},
	} {
		t.Run(settings, func(t *testing.T) {
			r := withAzure(t, settings)
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(c.gone, name) })
			if got := azureChildren(r); !slices.Equal(got, want) {
				t.Errorf("made are %v, want %v", got, want)
			}
			workspace, _ := r.Find(workspaceType, "ml-workspace")
			if got := workspace.Inputs[c.input]; got != c.value {
				t.Errorf("the workspace's %s is %v, want %s", c.input, got, c.value)
			}
		})
	}
}

func TestDiagnosticsCoverWhatIsMadeAndTheWorkspace(t *testing.T) {
	const diagnosticType = "azure-native:insights/v20210501preview:DiagnosticSetting"
	for settings, want := range map[string]map[string]string{
		`{"diagnostics":true}`: {
			"ml-workspace-diagnostics": "Workspace/ml-logs", "ml-kv-diagnostics": "Workspace/ml-logs",
		},
		`{"diagnostics":true,"createContainerRegistry":true,"logAnalyticsWorkspaceId":"` + logsID + `"}`: {
			"ml-workspace-diagnostics": logsID, "ml-kv-diagnostics": logsID, "ml-registry-diagnostics": logsID,
		},
		// Insights of their own need no Log Analytics, but the diagnostics do.
		`{"diagnostics":true,"applicationInsightsId":"` + insightsID + `","keyVaultId":"` + keyVaultID + `","containerRegistryId":"` + registryID + `"}`: {
			"ml-workspace-diagnostics": "Workspace/ml-logs",
		},
		`{}`: {},
	} {
		got := map[string]string{}
		for _, registration := range withAzure(t, settings).Registrations() {
			if registration.Type == diagnosticType {
				got[registration.Name], _ = registration.Inputs["workspaceId"].(string)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s\nsends %v, want %v", settings, got, want)
		}
	}
}

func TestARoleThatGoesLeavesTheOthersAsTheyWere(t *testing.T) {
	role := func(name, last string) string {
		return `{"role":"` + name + `","principalId":"` + principal + last + `","principalType":"Group"}`
	}
	roles := func(list ...string) []string {
		var names []string
		for _, registration := range withAzure(t, `{"roleAssignments":[`+strings.Join(list, ",")+`]}`).Registrations() {
			if strings.HasSuffix(registration.Type, ":RoleAssignment") {
				names = append(names, registration.Name)
			}
		}
		return names
	}
	a, b, c := role("AzureML Data Scientist", "a"), role("AzureML Data Scientist", "b"), role("AzureML Compute Operator", "a")
	want := []string{"ml-compute-operator-" + principal + "a", "ml-data-scientist-" + principal + "a", "ml-data-scientist-" + principal + "b"}
	if got := roles(a, b, c); !slices.Equal(got, want) {
		t.Errorf("assignments are %v, want %v", got, want)
	}
	if got := roles(c, b); !slices.Equal(got, []string{want[0], want[2]}) {
		t.Errorf("without the first they are %v", got)
	}
}

func TestEveryKindOfOutboundRuleIsSentAsARMNamesIt(t *testing.T) {
	r := withAzure(t, `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound","firewallSku":"Basic","outboundRules":[
		{"name":"pypi","fqdn":"*.pypi.org"},
		{"name":"logs","serviceTag":"AzureMonitor","portRanges":"443"},
		{"name":"store","serviceResourceId":"`+storageID+`","subresource":"blob","sparkEnabled":true}]}}`)
	workspace, _ := r.Find(workspaceType, "ml-workspace")
	account := func(part string) map[string]any {
		return map[string]any{"type": "PrivateEndpoint", "category": "UserDefined", "destination": map[string]any{
			"serviceResourceId": "StorageAccount/mlstorage", "subresourceTarget": part, "sparkEnabled": false,
		}}
	}
	want := map[string]any{
		"isolationMode": "AllowOnlyApprovedOutbound", "firewallSku": "Basic",
		"outboundRules": map[string]any{
			"storage-queue": account("queue"), "storage-table": account("table"),
			"vault": map[string]any{"type": "FQDN", "category": "UserDefined", "destination": map[string]any{"secret": hostCanary}},
			"pypi":  map[string]any{"type": "FQDN", "category": "UserDefined", "destination": "*.pypi.org"},
			"logs": map[string]any{"type": "ServiceTag", "category": "UserDefined", "destination": map[string]any{
				"serviceTag": "AzureMonitor", "protocol": "TCP", "portRanges": "443",
			}},
			"store": map[string]any{"type": "PrivateEndpoint", "category": "UserDefined", "destination": map[string]any{
				"serviceResourceId": storageID, "subresourceTarget": "blob", "sparkEnabled": true,
			}},
		},
	}
	if got := workspace.Inputs["managedNetwork"]; !reflect.DeepEqual(got, want) {
		t.Errorf("the network is\n%v\nwant\n%v", got, want)
	}
}
