// Package azure runs the settings of dev, prod and each example from up to down, and goes through
// what Azure never takes back, what it does by itself, and what it refuses.
package azure

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/arm/armspec"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

func TestMain(m *testing.M) { lab.Main(m) }

// fixtures has the settings of dev and prod that tests may expect something of.
func fixtures() string { return filepath.Join(lab.Repository(), "internal", "stack", "testdata") }

func newRig(t *testing.T, settings string) *rig {
	t.Helper()
	opened := lab.Open(t, sandbox.Options{Settings: settings})
	opened.ARM.Spec = armspec.Check
	return &rig{opened}
}

// azureIs replaces all of a stack's azure settings.
func azureIs(t *testing.T, settings string) lab.Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		require.NoError(t, m.Set(pulumiconfig.MustMakeKey("mlvault", "azure"), pulumiconfig.NewObjectValue(settings), false))
	}
}

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

// theirs are the ids of the platform team's resources that a one-off test brings along.
const (
	theirGroup    = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/platform"
	theirStorage  = theirGroup + "/providers/Microsoft.Storage/storageAccounts/theirstore"
	theirVault    = theirGroup + "/providers/Microsoft.KeyVault/vaults/theirkv"
	theirInsights = theirGroup + "/providers/Microsoft.Insights/components/theirinsights"
)

// seed makes every resource that a text names by its id, and the resource groups that settings
// name, as their owners did.
func (l *rig) seed(text string) {
	l.T.Helper()
	ids := regexp.MustCompile(`/subscriptions/[^\s"]+`).FindAllString(text, -1)
	for _, group := range regexp.MustCompile(`existingResourceGroup: (\S+)`).FindAllStringSubmatch(text, -1) {
		ids = append(ids, "/subscriptions/"+arm.SubscriptionID+"/resourceGroups/"+group[1])
	}
	for _, id := range ids {
		doc := arm.Document{"location": "westeurope", "tags": map[string]any{"owner": "platform"}, "sku": map[string]any{"name": "Standard_LRS"}}
		if strings.Contains(id, "/registries/") {
			doc["sku"] = map[string]any{"name": "Premium"}
		}
		doc["properties"] = map[string]any{"enablePurgeProtection": strings.Contains(id, "/Microsoft.KeyVault/")}
		require.NoError(l.T, l.ARM.Seed(id, doc))
	}
}

// lives takes a stack from up to a refresh that finds nothing. A closed network is settled by one
// more up, since Azure makes it, and its own rules, with the first cluster.
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
	l := newRig(t, fixtures())
	l.ARM.Inject(arm.Fault{Type: "Microsoft.MachineLearningServices/workspaces", Method: "PUT", Status: 429, Code: "TooManyRequests", RetryAfter: 10 * time.Millisecond})
	l.ARM.Inject(arm.Fault{Type: "Microsoft.MachineLearningServices/workspaces", Method: "PUT", Latency: 300 * time.Millisecond})
	prod := l.lives("prod")

	require.True(t, prod.Named())
	workspaces := l.ARM.List("Microsoft.MachineLearningServices/workspaces")
	require.Len(t, workspaces, 1)
	require.Contains(t, fmt.Sprint(workspaces[0]["properties"]), "destination:"+vaultserver.Name, "the network leads to Vault")
	read, err := prod.Job(t.Context())
	require.NoError(t, err)
	require.Equal(t, "feature_store: password, port, user\nml_api_key: api_key", read, "a job reads through the proxy")
	requireNoFileSays(t, l, vaultserver.Name)

	workspace := fmt.Sprint(workspaces[0]["id"])
	for host, reached := range map[string]bool{"mcr.microsoft.com": true, "pypi.org": true, "docker.io": false, "quay.io": false} {
		require.Equal(t, reached, l.ARM.Reach(workspace, host), host)
	}
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

// requireNoFileSays looks for a text in every file of the sandbox but in the documents of its
// Azure, where it belongs.
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

// Every settings file that the repository offers lives through what Azure does by itself, and
// leaves nothing behind.
func TestEveryExampleLivesFromUpToDown(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(lab.Repository(), "examples", "*", "Pulumi.*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range append(files, filepath.Join(fixtures(), "Pulumi.dev.yaml")) {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		t.Run(name, func(t *testing.T) {
			settings, err := os.ReadFile(file)
			require.NoError(t, err)
			l := newRig(t, filepath.Dir(file))
			lent, err := l.Lend(t.Context(), l.Prepare(name, lab.Sample()))
			require.NoError(t, err)
			requireNamed(t, lent, string(settings))
			before := l.ARM.List("")

			deployed := l.lives(name)
			l.azureLives(deployed)
			read, err := deployed.Job(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, read)

			require.NoError(t, deployed.Unprotect(t.Context()))
			l.Destroy(deployed)
			after := l.ARM.List("")
			require.Len(t, after, len(before), "what was brought along is there, and all else is gone")
		})
	}
}

// requireNamed holds what is said on the screen to what the settings name.
func requireNamed(t *testing.T, lent []string, settings string) {
	t.Helper()
	said := strings.Join(lent, "\n") + "\n"
	for _, id := range regexp.MustCompile(`/subscriptions/[^\s"]+`).FindAllString(settings, -1) {
		require.Contains(t, said, " "+filepath.Base(id)+"\n")
	}
	for setting, name := range map[string]string{
		"createAuthBackend: false": "Vault's login", "mount: team-ml": "Vault's mount team-ml", "database/creds": "database/creds/ml-reader",
	} {
		if strings.Contains(settings, setting) {
			require.Contains(t, said, name)
		}
	}
}

// azureLives: images are built, a policy adds tags, ids are spelled otherwise. A refresh takes that
// into the state. No answer of it may plan a replacement, and one up settles it.
func (l *rig) azureLives(deployed *sandbox.Stack) {
	l.T.Helper()
	tags := map[string]any{"CostCenter": "4711"}
	require.NoError(l.T, l.ARM.Live(tags))
	for range 2 {
		_, err := deployed.Refresh(l.T.Context(), optrefresh.SuppressProgress())
		require.NoError(l.T, err)
		planned := l.Planned(deployed)
		delete(planned, "same")
		delete(planned, "update")
		require.Empty(l.T, planned, "an answer of Azure is at most an update")
		_, err = deployed.Up(l.T.Context(), optup.SuppressProgress())
		require.NoError(l.T, err)
	}
	for _, workspace := range l.ARM.List("Microsoft.MachineLearningServices/workspaces") {
		properties, _ := workspace["properties"].(map[string]any)
		require.NotEmpty(l.T, properties["containerRegistry"], "the registry that Azure made is still the workspace's")
		kept, _ := workspace["tags"].(map[string]any)
		ignored := slices.Contains(deployed.Config.Azure.IgnoreTags, "CostCenter")
		require.Equal(l.T, ignored, kept["CostCenter"] != nil, "azure.ignoreTags decides who owns a tag")
	}
	planned := l.Planned(deployed)
	require.Len(l.T, planned, 1, "nothing is left to change: %v", planned)
}

// Names of one's own, and what goes together with prod's closed network but is in no example.
func TestOptionsThatNoExampleHas(t *testing.T) {
	l := newRig(t, fixtures())
	l.seed(theirGroup + " " + theirStorage + " " + theirVault + " " + theirInsights)
	before := l.ARM.List("")
	const subnet = theirGroup + "/providers/Microsoft.Network/virtualNetworks/theirs/subnets/jobs"
	require.NoError(t, l.ARM.Seed(subnet, nil))
	for name, c := range map[string]struct {
		stack string
		edits []lab.Edit
	}{
		"dev, with names and a subnet": {"dev", []lab.Edit{lab.With(t, "compute.subnetId", subnet), azureIs(t, `{"createContainerRegistry":true,
			"publicNetworkAccess":"Disabled","tags":{"cost-center":"42"},"serverlessComputeSettings":{"subnetId":"`+subnet+`","noPublicIp":true},
			"names":{"resourceGroup":"rg-ml","jobIdentity":"id-ml","storageAccount":"mldevstore","keyVault":"kv-ml-dev","logAnalytics":"log-ml",
			"applicationInsights":"appi-ml","containerRegistry":"mldevimages","workspace":"mlw-dev","computeCluster":"cpu-cluster"}}`)}},
		"prod, open to the internet": {"prod", []lab.Edit{
			lab.With(t, "azure.existingResourceGroup", "platform"), lab.With(t, "azure.storageAccountId", theirStorage), lab.With(t, "azure.applicationInsightsId", theirInsights),
			lab.With(t, "azure.managedNetwork.mode", "AllowInternetOutbound"), lab.With(t, "azure.managedNetwork.outboundRules[0].name", "store"),
			lab.With(t, "azure.managedNetwork.outboundRules[0].serviceResourceId", theirStorage),
			lab.With(t, "azure.managedNetwork.outboundRules[0].subresource", "queue"), without(t, "azure.managedNetwork.outboundRules[0].fqdn"),
			without(t, "azure.managedNetwork.outboundRules[1]"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &rig{&lab.Lab{Sandbox: l.Sandbox, T: t}}
			deployed := l.lives(c.stack, c.edits...)
			require.NoError(t, deployed.Unprotect(t.Context()))
			l.Destroy(deployed)
			require.Len(t, l.ARM.List(""), len(before)+1, "what was brought along is there, and all else is gone")
		})
	}
}

// A cluster has a name of its own and Azure changes no size: the old one goes first, and jobs find
// the new one by its name.
func TestAnotherSizeReplacesTheClusterUnderItsName(t *testing.T) {
	l := newRig(t, fixtures())
	l.Up("dev", lab.Sample())
	_, changes := l.Up("dev", lab.Sample(), lab.With(t, "compute.vmSize", "Standard_E8ds_v5"))
	require.Equal(t, 2, changes["replace"], "the cluster, and what it is fixed to: %v", changes)
	clusters := l.ARM.List("Microsoft.MachineLearningServices/workspaces/computes")
	require.Len(t, clusters, 1)
	require.Equal(t, "ml-cluster", clusters[0]["name"])
	require.Contains(t, fmt.Sprint(clusters[0]["properties"]), "vmSize:Standard_E8ds_v5")
}

func without(t *testing.T, key string) lab.Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		require.NoError(t, m.Remove(pulumiconfig.MustMakeKey("mlvault", key), true))
	}
}

// What Azure never takes back: where the provider can tell, the preview says replace; where it
// cannot, Azure refuses and nothing is lost; and with protect the engine refuses to replace.
func TestOneWayDoors(t *testing.T) {
	l := newRig(t, fixtures())
	l.seed(theirGroup + " " + theirStorage + " " + theirVault)
	const key = "https://theirkv.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	start := func(protect bool, network, vault, more string) lab.Edit {
		return azureIs(t, fmt.Sprintf(`{"protect":%t,"managedNetwork":{"mode":%q}%s,"customerManagedKey":{"keyVaultId":%q,"keyId":%q}%s}`,
			protect, network, vault, theirVault, key, more))
	}
	const purge = `,"keyVaultPurgeProtection":true`
	l.Up("dev", lab.Sample(), start(false, "AllowInternetOutbound", purge, ""))

	for name, c := range map[string]lab.Edit{
		"another storage account":  start(false, "AllowInternetOutbound", purge, `,"storageAccountId":"`+theirStorage+`"`),
		"another key vault":        start(false, "AllowInternetOutbound", `,"keyVaultId":"`+theirVault+`"`, ""),
		"no key of the user's own": azureIs(t, `{"managedNetwork":{"mode":"AllowInternetOutbound"},"keyVaultPurgeProtection":true}`),
		"high business impact":     start(false, "AllowInternetOutbound", purge, `,"hbiWorkspace":true`),
	} {
		planned := l.Planned(l.Prepare("dev", lab.Sample(), c))
		require.NotZero(t, planned["replace"], "%s: the preview says what it costs: %v", name, planned)
	}
	for name, c := range map[string]struct {
		edit lab.Edit
		says string
	}{
		"a looser network":    {start(false, "Disabled", purge, ""), "it cannot be disabled or loosened"},
		"no purge protection": {start(false, "AllowInternetOutbound", "", ""), "irreversible"},
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
		"customerManagedKey":{"keyVaultId":%q,"keyId":%q}}`, theirVault, strings.Replace(key, "0123", "4567", 1)))
	_, changes := l.Up("dev", lab.Sample(), rotated)
	require.Equal(t, 1, changes["update"])
	require.Zero(t, changes["replace"])
}
