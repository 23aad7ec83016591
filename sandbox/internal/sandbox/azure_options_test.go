package sandbox_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/internal/stack"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

// azureIs replaces all of a stack's azure settings.
func azureIs(t *testing.T, settings string) lab.Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		require.NoError(t, m.Set(pulumiconfig.MustMakeKey("mlvault", "azure"), pulumiconfig.NewObjectValue(settings), false))
	}
}

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

// mine is what a platform team has already, in a group of its own: what a stack brings along.
type mine struct {
	group, storage, vault, insights, logs, registry, identity string
}

const mineGroup = "platform"

func (l *rig) seedMine() mine {
	l.T.Helper()
	group := "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/" + mineGroup
	in := func(armType, name string) string { return group + "/providers/" + armType + "/" + name }
	m := mine{
		group: group, storage: in("Microsoft.Storage/storageAccounts", "minestore"), vault: in("Microsoft.KeyVault/vaults", "minekv"),
		insights: in("microsoft.insights/components", "mineinsights"), logs: in("Microsoft.OperationalInsights/workspaces", "minelogs"),
		registry: in("Microsoft.ContainerRegistry/registries", "mineimages"),
		identity: in("Microsoft.ManagedIdentity/userAssignedIdentities", "minecmk"),
	}
	for id, properties := range map[string]map[string]any{
		m.group: nil, m.storage: nil, m.insights: nil, m.logs: nil, m.identity: nil, m.registry: nil,
		m.vault: {"enablePurgeProtection": true},
	} {
		require.NoError(l.T, l.ARM.Seed(id, arm.Document{
			"location": "westeurope", "sku": map[string]any{"name": "Premium"}, "properties": properties, "tags": map[string]any{"owner": "platform"},
		}))
	}
	// Premium is a registry's size, and no default storage account's.
	require.NoError(l.T, l.ARM.Seed(m.storage, arm.Document{"location": "westeurope", "sku": map[string]any{"name": "Standard_LRS"}, "tags": map[string]any{"owner": "platform"}}))
	return m
}

// lives takes a stack from up to a refresh that finds nothing. A closed network is settled by one more up, since Azure
// makes it, and its own rules, with the first cluster.
func (l *rig) lives(name string, edits ...lab.Edit) *sandbox.Stack {
	l.T.Helper()
	_, changes := l.Up(name, lab.Sample(), edits...)
	require.Len(l.T, changes, 1, "the first up only creates")
	all := changes["create"]
	deployed, changes := l.Up(name, lab.Sample(), edits...)
	require.Equal(l.T, map[string]int{"same": all}, changes, "the second up changes nothing")

	settle := func() map[string]int {
		_, err := deployed.Refresh(l.T.Context(), optrefresh.SuppressProgress())
		require.NoError(l.T, err)
		return l.Planned(deployed)
	}
	if network := deployed.Config.Azure.ManagedNetwork; network != nil && network.Mode != "Disabled" {
		require.Equal(l.T, map[string]int{"same": all - 1, "update": 1}, settle(), "the network is made, and the workspace says so")
		_, changes = l.Up(name, lab.Sample(), edits...)
		require.Equal(l.T, map[string]int{"same": all - 1, "update": 1}, changes)
	}
	require.Equal(l.T, map[string]int{"same": all}, settle(), "ARM's spelling and additions are no drift")
	return deployed
}

func TestTheProdStackLivesAsItStands(t *testing.T) {
	l := &rig{lab.New(t)}
	l.ARM.Inject(arm.Fault{Type: "Microsoft.MachineLearningServices/workspaces", Method: "PUT", Status: 429, Code: "TooManyRequests", RetryAfter: 10 * time.Millisecond})
	l.ARM.Inject(arm.Fault{Type: "Microsoft.MachineLearningServices/workspaces", Method: "PUT", Latency: 300 * time.Millisecond})
	prod := l.lives("prod")

	require.True(t, prod.Named())
	workspaces := l.ARM.List("Microsoft.MachineLearningServices/workspaces")
	require.Len(t, workspaces, 1)
	require.Contains(t, fmt.Sprint(workspaces[0]["properties"]), "destination:"+vaultserver.Name, "the network leads to Vault")
	reader, read, err := prod.Job(t.Context())
	require.NoError(t, err)
	require.Equal(t, "job/vault_credentials.py", reader)
	require.Equal(t, "feature_store: password, port, user\nml_api_key: api_key", read, "a job reads through the proxy")
	requireNoFileSays(t, l, vaultserver.Name)

	protected := l.protected(prod)
	require.Equal(t, []string{"ml-group", "ml-kv", "ml-workspace", "mlregistry", "mlstorage"}, protected)
	before := l.ARM.List("")
	_, err = prod.PreviewDestroy(t.Context(), optdestroy.SuppressProgress())
	require.ErrorContains(t, err, "protect", "the preview of a destroy fails")
	require.Equal(t, before, l.ARM.List(""))
	_, err = prod.Destroy(t.Context(), optdestroy.SuppressProgress())
	require.ErrorContains(t, err, "protect", "and so does one without preview")
	data, _ := l.Read("secret/data/mlvault/prod/ml_api_key")
	require.Nil(t, data, "but then all that is not protected is gone: --skip-preview is no way to ask")
	require.Equal(t, protected, l.protected(prod))

	require.NoError(t, prod.Unprotect(t.Context()))
	l.Destroy(prod)
	require.Empty(t, l.ARM.List(""))
	_, changes := l.Up("prod", lab.Sample())
	require.Len(t, changes, 1, "soft-deleted names, and a vault that nobody can purge, are not in the way")
}

func (l *rig) protected(stack *sandbox.Stack) []string {
	l.T.Helper()
	names, err := stack.Protected(l.T.Context())
	require.NoError(l.T, err)
	return names
}

// requireNoFileSays looks for a text in every file of the sandbox but in the documents of its Azure, where it belongs.
func requireNoFileSays(t *testing.T, l *rig, text string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(l.Options.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "arm.json" || strings.HasPrefix(path, filepath.Join(l.Options.Dir, "vault")) {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.False(t, bytes.Contains(content, []byte(text)), "%s says %s in plain text", path, text)
		return nil
	}))
	require.Greater(t, files, 5)
}

// One stack with as many options as go together, on the settings of dev and of prod.
func TestEveryOptionLivesFromUpToDown(t *testing.T) {
	l := &rig{lab.New(t)}
	m := l.seedMine()
	before := l.ARM.List("")
	const key = "https://minekv.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	roles := `[{"role":"AzureML Data Scientist","principalId":"5a9db0c5-0000-4000-8000-00000000000a","principalType":"User"},
		{"role":"AzureML Compute Operator","principalId":"5a9db0c5-0000-4000-8000-00000000000a","principalType":"User"}]`
	rules := `[{"name":"pypi","fqdn":"pypi.org"},{"name":"logs","serviceTag":"AzureMonitor","portRanges":"443"},
		{"name":"store","serviceResourceId":"` + m.storage + `","subresource":"queue"}]`
	encrypted := `"hbiWorkspace":true,"customerManagedKey":{"keyVaultId":"` + m.vault + `","keyId":"` + key + `","identityId":"` + m.identity + `"}`

	for name, c := range map[string]struct {
		stack string
		edits []lab.Edit
	}{
		"dev, all brought along behind a closed network": {"dev", []lab.Edit{azureIs(t, `{"existingResourceGroup":"`+mineGroup+`",
			"storageAccountId":"`+m.storage+`","keyVaultId":"`+strings.ToLower(m.vault)+`","applicationInsightsId":"`+m.insights+`",
			"logAnalyticsWorkspaceId":"`+m.logs+`","containerRegistryId":"`+m.registry+`","diagnostics":true,"roleAssignments":`+roles+`,
			"managedNetwork":{"mode":"AllowOnlyApprovedOutbound","firewallSku":"Basic","outboundRules":`+rules+`},`+encrypted+`}`)}},
		"dev, all made, with names": {"dev", []lab.Edit{azureIs(t, `{"createContainerRegistry":true,"keyVaultPurgeProtection":true,"diagnostics":true,
			"publicNetworkAccess":"Disabled","tags":{"cost-center":"42"},"roleAssignments":`+roles+`,
			"names":{"resourceGroup":"rg-ml","jobIdentity":"id-ml","storageAccount":"mldevstore","keyVault":"kv-ml-dev","logAnalytics":"log-ml",
			"applicationInsights":"appi-ml","containerRegistry":"mldevimages","workspace":"mlw-dev","computeCluster":"cpu-cluster"}}`)}},
		"prod, open to the internet, with some brought along": {"prod", []lab.Edit{
			lab.With(t, "azure.existingResourceGroup", mineGroup), lab.With(t, "azure.storageAccountId", m.storage), lab.With(t, "azure.applicationInsightsId", m.insights),
			lab.With(t, "azure.managedNetwork.mode", "AllowInternetOutbound"), lab.With(t, "azure.managedNetwork.outboundRules[0].name", "store"),
			lab.With(t, "azure.managedNetwork.outboundRules[0].serviceResourceId", m.storage),
			lab.With(t, "azure.managedNetwork.outboundRules[0].subresource", "queue"), without(t, "azure.managedNetwork.outboundRules[0].fqdn"),
			without(t, "azure.managedNetwork.outboundRules[1]"),
			lab.With(t, "azure.hbiWorkspace", "true"), lab.With(t, "azure.customerManagedKey.keyVaultId", m.vault), lab.With(t, "azure.customerManagedKey.keyId", key),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &rig{&lab.Lab{Sandbox: l.Sandbox, T: t}}
			deployed := l.lives(c.stack, c.edits...)
			_, read, err := deployed.Job(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, read)
			outputs, err := deployed.Outputs(t.Context())
			require.NoError(t, err)
			if deployed.Config.Azure.ExistingResourceGroup != "" {
				require.Equal(t, mineGroup, sandbox.Text(outputs, stack.OutputResourceGroup))
			}
			require.NoError(t, deployed.Unprotect(t.Context()))
			l.Destroy(deployed)
			require.Equal(t, before, l.ARM.List(""), "what was brought along is as it was, and all else is gone")
		})
	}
}

func without(t *testing.T, key string) lab.Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		require.NoError(t, m.Remove(pulumiconfig.MustMakeKey("mlvault", key), true))
	}
}

// What Azure never takes back: where the provider can tell, the preview says replace; where it cannot, Azure refuses and
// nothing is lost; and with protect the engine refuses to replace.
func TestOneWayDoors(t *testing.T) {
	l := &rig{lab.New(t)}
	m := l.seedMine()
	const key = "https://minekv.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	start := func(protect bool, network, vault, more string) lab.Edit {
		return azureIs(t, fmt.Sprintf(`{"protect":%t,"managedNetwork":{"mode":%q}%s,"customerManagedKey":{"keyVaultId":%q,"keyId":%q}%s}`,
			protect, network, vault, m.vault, key, more))
	}
	const purge = `,"keyVaultPurgeProtection":true`
	l.Up("dev", lab.Sample(), start(false, "AllowInternetOutbound", purge, ""))

	for name, c := range map[string]lab.Edit{
		"another storage account": start(false, "AllowInternetOutbound", purge, `,"storageAccountId":"`+m.storage+`"`),
		"another key vault":       start(false, "AllowInternetOutbound", `,"keyVaultId":"`+m.vault+`"`, ""),
		"high business impact":    start(false, "AllowInternetOutbound", purge, `,"hbiWorkspace":true`),
	} {
		planned := l.Planned(l.Prepare("dev", lab.Sample(), c))
		require.NotZero(t, planned["replace"], "%s: the preview says what it costs: %v", name, planned)
	}
	for name, c := range map[string]struct {
		edit lab.Edit
		says string
	}{
		"a looser network":         {start(false, "Disabled", purge, ""), "it cannot be disabled or loosened"},
		"no purge protection":      {start(false, "AllowInternetOutbound", "", ""), "irreversible"},
		"no key of the user's own": {azureIs(t, `{"managedNetwork":{"mode":"AllowInternetOutbound"},"keyVaultPurgeProtection":true}`), "cannot be changed once the workspace has been created"},
	} {
		_, err := l.Prepare("dev", lab.Sample(), c.edit).Up(t.Context(), optup.SuppressProgress())
		require.ErrorContains(t, err, c.says, name)
	}
	l.Up("dev", lab.Sample(), start(true, "AllowInternetOutbound", purge, ""))
	_, err := l.Prepare("dev", lab.Sample(), start(true, "AllowInternetOutbound", purge, `,"hbiWorkspace":true`)).
		Preview(t.Context(), optpreview.SuppressProgress())
	require.ErrorContains(t, err, "protect", "a protected workspace is not replaced")

	// A rotated key is no door: within its vault the version changes in place.
	rotated := azureIs(t, fmt.Sprintf(`{"protect":true,"managedNetwork":{"mode":"AllowInternetOutbound"},"keyVaultPurgeProtection":true,
		"customerManagedKey":{"keyVaultId":%q,"keyId":%q}}`, m.vault, strings.Replace(key, "0123", "4567", 1)))
	_, changes := l.Up("dev", lab.Sample(), rotated)
	require.Equal(t, 1, changes["update"])
	require.Zero(t, changes["replace"])
}
