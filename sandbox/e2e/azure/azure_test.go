// Package azure runs the settings of dev, prod and each example from up to down, and goes through
// what Azure never takes back, what it does by itself, and what it refuses.
package azure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
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
		key := pulumiconfig.MustMakeKey("mlvault", "azure")
		require.NoError(t, m.Set(key, pulumiconfig.NewObjectValue(settings), false))
	}
}

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

const (
	typeWorkspace = "Microsoft.MachineLearningServices/workspaces"
	typeCluster   = typeWorkspace + "/computes"
)

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
	named := regexp.MustCompile(`existingResourceGroup: (\S+)`)
	for _, group := range named.FindAllStringSubmatch(text, -1) {
		ids = append(ids, "/subscriptions/"+arm.SubscriptionID+"/resourceGroups/"+group[1])
	}
	for _, id := range ids {
		isVault := strings.Contains(id, "/Microsoft.KeyVault/")
		doc := arm.Document{
			"location":   "westeurope",
			"tags":       map[string]any{"owner": "platform"},
			"sku":        map[string]any{"name": "Standard_LRS"},
			"properties": map[string]any{"enablePurgeProtection": isVault},
		}
		if strings.Contains(id, "/registries/") {
			doc["sku"] = map[string]any{"name": "Premium"}
		}
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
	nothing := map[string]int{"same": all}
	oneUpdate := map[string]int{"same": all - 1, "update": 1}

	deployed, changes := l.Up(name, lab.Sample(), edits...)
	network := deployed.Config.Azure.ManagedNetwork
	isMade := network != nil && network.Mode != "Disabled"
	if isMade && deployed.Config.NeedsRefresh() {
		require.Equal(l.T, oneUpdate, changes, "it begins with a refresh, and sees the network")
	} else {
		require.Equal(l.T, nothing, changes, "the second up changes nothing")
	}

	settle := func() map[string]int {
		_, err := deployed.Refresh(l.T.Context(), optrefresh.SuppressProgress())
		require.NoError(l.T, err)
		return l.Planned(deployed)
	}
	if isMade && !deployed.Config.NeedsRefresh() {
		require.Equal(l.T, oneUpdate, settle(), "the network is made, and the workspace says so")
		_, changes = l.Up(name, lab.Sample(), edits...)
		require.Equal(l.T, oneUpdate, changes)
	}
	require.Equal(l.T, nothing, settle(), "ARM's spelling and additions are no drift")
	return deployed
}

func TestTheProdStackLivesAsItStands(t *testing.T) {
	l := newRig(t, fixtures())
	l.ARM.Inject(arm.Fault{
		Type:       typeWorkspace,
		Method:     http.MethodPut,
		Status:     http.StatusTooManyRequests,
		Code:       "TooManyRequests",
		RetryAfter: 10 * time.Millisecond,
	})
	l.ARM.Inject(arm.Fault{
		Type:    typeWorkspace,
		Method:  http.MethodPut,
		Latency: 300 * time.Millisecond,
	})
	prod := l.lives("prod")

	require.True(t, prod.Named())
	workspaces := l.ARM.List(typeWorkspace)
	require.Len(t, workspaces, 1)
	properties := fmt.Sprint(workspaces[0]["properties"])
	require.Contains(t, properties, "destination:"+vaultserver.Name, "the network leads to Vault")
	read, err := prod.Job(t.Context())
	require.NoError(t, err)
	everyName := "feature_store: password, port, user\nml_api_key: api_key"
	require.Equal(t, everyName, read, "a job reads through the proxy")
	requireNoFileSays(t, l, vaultserver.Name)

	workspace := fmt.Sprint(workspaces[0]["id"])
	for _, host := range []string{"mcr.microsoft.com", "pypi.org"} {
		require.True(t, l.ARM.Reach(workspace, host), host)
	}
	for _, host := range []string{"docker.io", "quay.io"} {
		require.False(t, l.ARM.Reach(workspace, host), host)
	}
	protected := l.protected(prod)
	require.Equal(t, []string{"ml-group", "ml-kv", "ml-workspace", "mlregistry", "mlstorage"},
		protected)
	require.Len(t, l.ARM.List(typeCluster), 1)
	before := l.ARM.List("")
	_, err = prod.PreviewDestroy(t.Context(), optdestroy.SuppressProgress())
	require.ErrorContains(t, err, "protect", "the preview of a destroy fails")
	require.Equal(t, before, l.ARM.List(""))
	_, err = prod.Destroy(t.Context(), optdestroy.SuppressProgress())
	require.ErrorContains(t, err, "protect", "and so does one without preview")
	data, _ := l.Read("secret/data/mlvault/prod/ml_api_key")
	require.NotNil(t, data, "the workspace's refusal comes before the turn of the credentials")
	require.Empty(t, l.ARM.List(typeCluster), "but what depends on the workspace is gone by then: "+
		"--skip-preview is no way to ask")
	require.Equal(t, protected, l.protected(prod))

	require.NoError(t, prod.Unprotect(t.Context()))
	l.Destroy(prod)
	require.Empty(t, l.ARM.List(""))
	_, changes := l.Up("prod", lab.Sample())
	require.Len(t, changes, 1,
		"soft-deleted names, and a vault that nobody can purge, are not in the way")
}

func (l *rig) protected(stack *sandbox.Stack) []string {
	l.T.Helper()
	names, err := stack.Protected(l.T.Context())
	require.NoError(l.T, err)
	return names
}

// requireNoFileSays looks for a text in every file of the sandbox but in the documents of its Azure
// and in job definitions, where it belongs.
func requireNoFileSays(t *testing.T, l *rig, text string) {
	t.Helper()
	files := 0
	for path, content := range lab.Files(t, l.Options.Dir) {
		isVaults := strings.HasPrefix(path, filepath.Join(l.Options.Dir, "vault"))
		isJobs := strings.HasPrefix(path, filepath.Join(l.Options.Dir, "job"))
		if isVaults || isJobs || filepath.Base(path) == "arm.json" {
			continue
		}
		files++
		require.False(t, bytes.Contains(content, []byte(text)), "%s says %s in plain text", path, text)
	}
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
			if len(deployed.Config.Compute) > 0 && !deployed.Config.Azure.ManagedNetwork.IsOn() {
				var steps strings.Builder
				require.NoError(t, deployed.Pipeline(t.Context(), &steps), "handed over")
				require.Contains(t, steps.String(), "register: reads ['train.txt']")
			}

			require.NoError(t, deployed.Unprotect(t.Context()))
			l.Destroy(deployed)
			after := l.ARM.List("")
			require.Len(t, after, len(before), "what was brought along is there, and all else is gone")
			requireUntouched(t, before, after)
		})
	}
}

// requireUntouched wants what was brought along to be as its owners had it, but for what Azure itself
// did to it: a policy's tag, and another spelling of ids.
func requireUntouched(t *testing.T, before, after []arm.Document) {
	t.Helper()
	for i, was := range before {
		is := after[i]
		tags, _ := is["tags"].(map[string]any)
		delete(tags, "CostCenter")
		asWritten := func(doc arm.Document) string {
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			return strings.ToLower(string(text))
		}
		require.JSONEq(t, asWritten(was), asWritten(is), "%v", was["id"])
	}
}

// requireNamed holds what is said on the screen to what the settings name.
func requireNamed(t *testing.T, lent []string, settings string) {
	t.Helper()
	said := strings.Join(lent, "\n") + "\n"
	for _, id := range regexp.MustCompile(`/subscriptions/[^\s"]+`).FindAllString(settings, -1) {
		require.Contains(t, said, " "+filepath.Base(id)+"\n")
	}
	for _, test := range []struct{ setting, said string }{
		{setting: "createAuthBackend: false", said: "Vault's login"},
		{setting: "mount: team-ml", said: "Vault's mount team-ml"},
		{setting: "database/creds", said: "database/creds/ml-reader"},
	} {
		if strings.Contains(settings, test.setting) {
			require.Contains(t, said, test.said)
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
	for _, workspace := range l.ARM.List(typeWorkspace) {
		properties, _ := workspace["properties"].(map[string]any)
		require.NotEmpty(l.T, properties["containerRegistry"],
			"the registry that Azure made is still the workspace's")
		kept, _ := workspace["tags"].(map[string]any)
		ignored := slices.Contains(deployed.Config.Azure.IgnoreTags, "CostCenter")
		if deployed.Config.Azure.WorkspaceExists() {
			ignored = true // no tag of it is the stack's
		}
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
	for _, test := range []struct {
		name  string
		stack string
		edits []lab.Edit
	}{
		{
			name:  "dev, with names and a subnet",
			stack: "dev",
			edits: []lab.Edit{
				azureIs(t, `{
					"createContainerRegistry": true,
					"publicNetworkAccess": "Disabled",
					"tags": {"cost-center": "42"},
					"serverlessComputeSettings": {"subnetId": "`+subnet+`", "noPublicIp": true},
					"names": {
						"resourceGroup": "rg-ml",
						"jobIdentity": "id-ml",
						"storageAccount": "mldevstore",
						"keyVault": "kv-ml-dev",
						"logAnalytics": "log-ml",
						"applicationInsights": "appi-ml",
						"containerRegistry": "mldevimages",
						"workspace": "mlw-dev"
					}
				}`),
				lab.Settings(t, map[string]string{
					"compute[0].subnetId": subnet,
					"compute[0].name":     "cpu-cluster",
				}),
			},
		},
		{
			name:  "prod, open to the internet",
			stack: "prod",
			edits: []lab.Edit{
				lab.Settings(t, map[string]string{
					"azure.existingResourceGroup":                             "platform",
					"azure.storageAccountId":                                  theirStorage,
					"azure.applicationInsightsId":                             theirInsights,
					"azure.managedNetwork.mode":                               "AllowInternetOutbound",
					"azure.managedNetwork.outboundRules[0].name":              "store",
					"azure.managedNetwork.outboundRules[0].serviceResourceId": theirStorage,
					"azure.managedNetwork.outboundRules[0].subresource":       "queue",
				}),
				without(t, "azure.managedNetwork.outboundRules[0].fqdn"),
				without(t, "azure.managedNetwork.outboundRules[1]"),
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &rig{Lab: l.For(t)}
			deployed := l.lives(test.stack, test.edits...)
			require.NoError(t, deployed.Unprotect(t.Context()))
			l.Destroy(deployed)
			left := l.ARM.List("")
			require.Len(t, left, len(before)+1, "what was brought along is there, and all else is gone")
		})
	}
}

// A cluster has a name of its own and Azure changes no size: the old one goes first, and jobs find
// the new one by its name.
func TestAnotherSizeReplacesTheClusterUnderItsName(t *testing.T) {
	l := newRig(t, fixtures())
	l.Up("dev", lab.Sample())
	_, changes := l.Up("dev", lab.Sample(), lab.With(t, "compute[0].vmSize", "Standard_E8ds_v5"))
	require.Equal(t, 2, changes["replace"], "the cluster, and what it is fixed to: %v", changes)
	clusters := l.ARM.List(typeWorkspace + "/computes")
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
// cannot, the program refuses before Azure does, and nothing is lost; and with protect the engine refuses to replace.
func TestOneWayDoors(t *testing.T) {
	l := newRig(t, fixtures())
	l.seed(theirGroup + " " + theirStorage + " " + theirVault)
	const key = "https://theirkv.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	// As the stack is made, and each door is one change of it.
	start := func() map[string]any {
		return map[string]any{
			"managedNetwork":          map[string]any{"mode": "AllowInternetOutbound"},
			"keyVaultPurgeProtection": true,
			"customerManagedKey":      map[string]any{"keyVaultId": theirVault, "keyId": key},
		}
	}
	changed := func(change func(azure map[string]any)) lab.Edit {
		azure := start()
		change(azure)
		text, err := json.Marshal(azure)
		require.NoError(t, err)
		return azureIs(t, string(text))
	}
	l.Up("dev", lab.Sample(), changed(func(map[string]any) {}))

	for _, test := range []struct {
		name   string
		change func(azure map[string]any)
	}{
		{
			name:   "another storage account",
			change: func(azure map[string]any) { azure["storageAccountId"] = theirStorage },
		},
		{
			name: "another key vault",
			change: func(azure map[string]any) {
				delete(azure, "keyVaultPurgeProtection")
				azure["keyVaultId"] = theirVault
			},
		},
		{
			name:   "no key of the user's own",
			change: func(azure map[string]any) { delete(azure, "customerManagedKey") },
		},
		{
			name:   "high business impact",
			change: func(azure map[string]any) { azure["hbiWorkspace"] = true },
		},
	} {
		planned := l.Planned(l.Prepare("dev", lab.Sample(), changed(test.change)))
		require.NotZero(t, planned["replace"], "%s: the preview says what it costs: %v", test.name,
			planned)
	}

	for _, test := range []struct {
		name   string
		change func(azure map[string]any)
		says   string
	}{
		{
			name: "a looser network",
			change: func(azure map[string]any) {
				azure["managedNetwork"] = map[string]any{"mode": "Disabled"}
			},
			says: "Azure lets a mode become stricter only",
		},
		{
			name:   "no purge protection",
			change: func(azure map[string]any) { delete(azure, "keyVaultPurgeProtection") },
			says:   "Azure never switches it off",
		},
	} {
		refused := l.Prepare("dev", lab.Sample(), changed(test.change))
		_, err := refused.Up(t.Context(), optup.SuppressProgress())
		require.ErrorContains(t, err, test.says, test.name)
	}

	l.Up("dev", lab.Sample(), changed(func(azure map[string]any) { azure["protect"] = true }))
	impact := l.Prepare("dev", lab.Sample(), changed(func(azure map[string]any) {
		azure["protect"] = true
		azure["hbiWorkspace"] = true
	}))
	_, err := impact.Preview(t.Context(), optpreview.SuppressProgress())
	require.ErrorContains(t, err, "protect", "a protected workspace is not replaced")

	// A rotated key is no door: within its vault the version changes in place.
	_, changes := l.Up("dev", lab.Sample(), changed(func(azure map[string]any) {
		azure["protect"] = true
		azure["customerManagedKey"] = map[string]any{
			"keyVaultId": theirVault,
			"keyId":      strings.Replace(key, "0123", "4567", 1),
		}
	}))
	require.Equal(t, 1, changes["update"])
	require.Zero(t, changes["replace"])
}
