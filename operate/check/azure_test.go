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

	"mlvault/internal/settings"
)

var registered = []string{
	"microsoft.insights", "Microsoft.ContainerRegistry", "Microsoft.KeyVault", "Microsoft.MachineLearningServices", "Microsoft.ManagedIdentity",
	"Microsoft.Notebooks", "Microsoft.OperationalInsights", "Microsoft.Storage",
}

// azureCLI puts a script called az on PATH, which is all of it. It answers by the first arguments; without an answer it
// finds nothing, as the Azure CLI says by its exit code.
func azureCLI(t *testing.T, answers map[string]any) {
	t.Helper()
	folder := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in\n"
	for _, arguments := range slices.Sorted(maps.Keys(answers)) {
		text, err := json.Marshal(answers[arguments])
		require.NoError(t, err)
		script += "*" + strings.ReplaceAll(arguments, " ", "\\ ") + "*) echo '" + string(text) + "' ;;\n"
	}
	if answers != nil {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "az"), []byte(script+"*) exit 3 ;;\nesac\n"), 0o700))
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+"/bin")
	for _, name := range []string{"ARM_CLIENT_ID", "ARM_USE_MSI", "ARM_USE_OIDC"} {
		t.Setenv(name, "")
	}
}

// healthy is an Azure CLI with all that it takes.
func healthy() map[string]any {
	return map[string]any{
		"version": nil, "account show": "55555555-5555-5555-5555-555555555555", "provider list": registered,
		"ad sp show --id api://x": map[string]any{"appId": "66666666-6666-6666-6666-666666666666", "required": false},
		"ad app show":             "66666666-6666-6666-6666-666666666666",
		"/vmSizes?":               []any{map[string]any{"name": "Standard_D4s_v5", "family": "standardDSv5Family", "vCPUs": 4}},
		"locations/westeurope/usages?": []any{
			map[string]any{"name": "Standard D Family Cluster Dedicated vCPUs", "used": 0, "limit": 0},
			map[string]any{"name": "Standard DSv5 Family Cluster Dedicated vCPUs", "used": 4, "limit": 12},
		},
	}
}

func TestEachFaultOfAzureGetsExactlyItsFinding(t *testing.T) {
	without := func(name string) func(*checker, map[string]any) {
		return func(_ *checker, az map[string]any) {
			az["provider list"] = slices.DeleteFunc(slices.Clone(registered), func(each string) bool { return each == name })
		}
	}
	for name, row := range map[string]struct {
		problem, warning string
		does             func(*checker, map[string]any)
	}{
		"nothing is wrong":                  {},
		"no login":                          {"Azure: there is no login", "", func(_ *checker, az map[string]any) { clear(az) }},
		"a login in the stack's settings":   {"", "", func(c *checker, az map[string]any) { clear(az); c.stack.AzureLogin = true }},
		"an Azure CLI without a login":      {"Azure: the Azure CLI has no login. Run `az login`", "", func(_ *checker, az map[string]any) { delete(az, "account show") }},
		"a provider that is not registered": {"Microsoft.Storage is not registered in the subscription. Run `az provider register --namespace Microsoft.Storage`", "", without("Microsoft.Storage")},
		"notebooks":                         {"Microsoft.Notebooks is not registered", "", without("Microsoft.Notebooks")},
		"a managed network": {"Microsoft.Network is not registered", "", func(c *checker, _ map[string]any) {
			c.cfg.Azure.ManagedNetwork = &settings.ManagedNetwork{Mode: "AllowInternetOutbound"}
		}},
		"a storage account and a registry of others": {"", "", func(c *checker, az map[string]any) {
			az["provider list"] = slices.DeleteFunc(slices.Clone(registered), func(name string) bool { return name == "Microsoft.Storage" || name == "Microsoft.ContainerRegistry" })
			c.cfg.Azure.StorageAccountID, c.cfg.Azure.ContainerRegistryID = "/subscriptions/x", "/subscriptions/x"
		}},
		"somebody's resource group": {"", "azure.existingResourceGroup: Azure gives the workspace's identity the role Azure AI Administrator on all of rg-shared", func(c *checker, _ map[string]any) {
			c.cfg.Azure.ExistingResourceGroup = "rg-shared"
		}},
		"quota for one node of two": {"", "compute: the cluster needs 12 cores (3 nodes of Standard_D4s_v5), and the quota of \"Standard DSv5 Family Cluster Dedicated vCPUs\" has 8 free of 12",
			func(c *checker, _ map[string]any) { c.cfg.Compute.MaxNodes = 3 }},
		"quota that the cluster itself uses": {"", "", func(c *checker, _ map[string]any) {
			c.cfg.Compute.MaxNodes = 3
			c.stack.Resources = []Resource{{Type: "azure-native:machinelearningservices/v20241001:Compute"}}
		}},
		"no quota": {"compute: the cluster needs 4 cores", "", func(_ *checker, az map[string]any) {
			az["locations/westeurope/usages?"] = []any{map[string]any{"name": "Standard DSv5 Family Cluster Dedicated vCPUs", "used": 12, "limit": 12}}
		}},
		"a size that the region has not": {"compute.vmSize: Azure ML has no size Standard_X in West Europe", "", func(c *checker, _ map[string]any) { c.cfg.Compute.VMSize = "Standard_X" }},
		"no cluster":                     {"", "", func(c *checker, _ map[string]any) { c.cfg.Compute = nil }},
		"no service principal": {"workload.audience: the app api://x has no service principal in this tenant, so that Entra gives no token for it. " +
			"Run `az ad sp create --id 66666666-6666-6666-6666-666666666666`", "", func(_ *checker, az map[string]any) { delete(az, "ad sp show --id api://x") }},
		"no app": {"workload.audience: Entra has no app api://x in this tenant", "", func(_ *checker, az map[string]any) {
			delete(az, "ad sp show --id api://x")
			delete(az, "ad app show")
		}},
		"an app that wants an assignment": {"az ad sp update --id 66666666-6666-6666-6666-666666666666 --set appRoleAssignmentRequired=false", "", func(_ *checker, az map[string]any) {
			az["ad sp show --id api://x"] = map[string]any{"appId": "66666666-6666-6666-6666-666666666666", "required": true}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &checker{cfg: &settings.Settings{Location: "West Europe", Compute: &settings.Compute{VMSize: "Standard_D4s_v5", MaxNodes: 1}, Workload: settings.Workload{Audience: "api://x"}}}
			answers := healthy()
			if row.does != nil {
				row.does(c, answers)
			}
			if len(answers) == 0 {
				answers = nil
			}
			azureCLI(t, answers)
			c.azure(t.Context())
			for want, got := range map[*string][]string{&row.problem: c.report.Problems, &row.warning: c.report.Warnings} {
				require.Equal(t, *want == "", len(got) == 0, "%q", got)
				require.LessOrEqual(t, len(got), 1)
				require.Contains(t, strings.Join(got, ""), *want)
			}
		})
	}
}

// Of a subscription without a single provider each is named, with the command that registers it.
func TestASubscriptionWithNothingRegisteredGetsOneCommandForEachProvider(t *testing.T) {
	answers := healthy()
	answers["provider list"] = []string{}
	azureCLI(t, answers)
	c := &checker{cfg: &settings.Settings{Location: "westeurope", Workload: settings.Workload{Audience: "api://x"}, Azure: settings.Azure{
		CustomerManagedKey: &settings.CustomerManagedKey{}, ManagedNetwork: &settings.ManagedNetwork{Mode: "AllowOnlyApprovedOutbound"},
	}}}
	c.azure(t.Context())
	require.Len(t, c.report.Problems, 11)
	t.Log(strings.Join(c.report.Problems, "\n"))
}
