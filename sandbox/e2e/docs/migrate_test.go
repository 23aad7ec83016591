package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optremove"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
)

// aPerson has a role on the workspace.
const aPerson = "00000000-0000-0000-0000-00000000000a"

// sketch is a program as people have it before this one: the workspace and what ARM demands beside
// it, flat, with names of a person's choice, without tags, an identity for jobs or a thought for
// TLS. It exports the ids by our logical names.
func sketch(ctx *pulumi.Context) error {
	type object = map[string]any
	const group = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/ml-rg"
	id := func(name string) string {
		return group + "/providers/Microsoft." + name
	}
	before := []pulumi.Resource{}
	for _, r := range []struct {
		name       string
		kind       string
		properties object
	}{
		{name: "ml-group", kind: "resources/v20220901:ResourceGroup", properties: object{}},
		{
			name: "mlstorage",
			kind: "storage/v20220901:StorageAccount",
			properties: object{
				"accountName": "mlsketchstore",
				"kind":        "StorageV2",
				"sku":         object{"name": "Standard_LRS"},
			},
		},
		{
			name: "ml-kv",
			kind: "resources/v20220901:Resource",
			properties: object{
				"resourceName":              "ml-sketch-kv",
				"apiVersion":                settings.KeyVaultAPI,
				"resourceProviderNamespace": "Microsoft.KeyVault",
				"parentResourcePath":        "",
				"resourceType":              "vaults",
				"properties": object{
					"tenantId":                arm.TenantID,
					"enableRbacAuthorization": true,
					"sku":                     object{"family": "A", "name": "standard"},
					"accessPolicies":          []any{},
				},
			},
		},
		{
			name: "ml-logs",
			kind: "operationalinsights/v20221001:Workspace",
			properties: object{
				"workspaceName": "ml-sketch-logs",
				"sku":           object{"name": "PerGB2018"},
			},
		},
		{
			name: "ml-insights",
			kind: "insights/v20200202:Component",
			properties: object{
				"resourceName":        "ml-sketch-insights",
				"kind":                "web",
				"applicationType":     "web",
				"workspaceResourceId": id("OperationalInsights/workspaces/ml-sketch-logs"),
			},
		},
		{
			name: "ml-workspace",
			kind: "machinelearningservices/v20241001:Workspace",
			properties: object{
				"workspaceName":       "ml-sketch",
				"identity":            object{"type": "SystemAssigned"},
				"sku":                 object{"name": "Basic", "tier": "Basic"},
				"storageAccount":      id("Storage/storageAccounts/mlsketchstore"),
				"keyVault":            id("KeyVault/vaults/ml-sketch-kv"),
				"applicationInsights": id("Insights/components/ml-sketch-insights"),
			},
		},
		{
			name: "ml-data-scientist-" + aPerson,
			kind: "authorization/v20220401:RoleAssignment",
			properties: object{
				"scope":            id("MachineLearningServices/workspaces/ml-sketch"),
				"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + settings.RoleIDDataScientist,
				"principalId":      aPerson,
				"principalType":    "User",
			},
		},
	} {
		if r.properties["scope"] == nil {
			r.properties["location"] = "westeurope"
			r.properties["resourceGroupName"] = "ml-rg"
		}
		made := new(pulumi.CustomResourceState)
		err := ctx.RegisterResource("azure-native:"+r.kind, r.name, pulumi.ToMap(r.properties), made,
			pulumi.DependsOn(before))
		if err != nil {
			return err
		}
		before = append(before, made)
		ctx.Export(r.name, made.ID())
	}
	return nil
}

func TestAnExistingWorkspaceAndItsSecretsAreAdoptedAndNotReplaced(t *testing.T) {
	term := newTerminal(t)
	environment, err := term.Environment()
	require.NoError(t, err)
	command, err := term.Command()
	require.NoError(t, err)
	old, err := auto.UpsertStackInlineSource(t.Context(), "dev", "sketch", sketch,
		auto.PulumiHome(t.TempDir()), auto.Pulumi(command), auto.EnvVars(environment))
	require.NoError(t, err)
	made, err := old.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	existing := map[string]string{"credentials-feature_store": "secret/data/ml/feature_store"}
	for name, output := range made.Outputs {
		existing[name], _ = output.Value.(string)
	}
	credentials := lab.Payloads{
		"ml_api_key":    {"api_key": lab.Canary},
		"feature_store": {"user": "ml", "password": lab.Canary},
	}
	// What generic.Secret with the path secret/data/ml_api_key writes, request by request.
	term.Write("secret/data/data/ml_api_key", map[string]any{"data": credentials["ml_api_key"]})
	term.Write("secret/data/ml/feature_store", map[string]any{"data": credentials["feature_store"]})
	before := len(term.ARM.List(""))
	requests := term.ARM.Requests()

	// As the page says later: the deployer's token is made before.
	term.adapt(lab.Settings(t, map[string]string{
		"vault.prefix":                           "ml",
		"azure.roleAssignments[0].role":          settings.RoleDataScientist,
		"azure.roleAssignments[0].principalId":   aPerson,
		"azure.roleAssignments[0].principalType": "User",
	}))
	for name, content := range map[string]any{
		"existing":      existing,
		"ml_api_key":    credentials["ml_api_key"],
		"feature_store": credentials["feature_store"],
	} {
		text, err := json.Marshal(content)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(term.Dir, name+".json"), text, 0o600))
	}
	printed, err := term.runPage("docs/operate.md#" + importing)
	require.NoError(t, err, printed)
	require.NotContains(t, printed, "replace")
	require.NotContains(t, printed, lab.Canary)
	require.Contains(t, printed, "all that exists stays")

	require.Equal(t, requests["DELETE"], term.ARM.Requests()["DELETE"], "nothing in Azure was deleted")
	require.Len(t, term.ARM.List(""), before+2,
		"the job identity and the cluster are new, all else is what was there")
	data, version := term.Read("secret/data/ml/feature_store")
	require.Equal(t, credentials["feature_store"], data)
	require.LessOrEqual(t, version, 2, "the old version is still there, and at most one was added")
	data, _ = term.Read("secret/data/ml/ml_api_key")
	require.Equal(t, credentials["ml_api_key"], data,
		"the secret at the wrong path is where a job finds it")
	data, _ = term.Read("secret/data/data/ml_api_key")
	require.NotNil(t, data, "and the old one is left for a person to remove")

	requireTakenBack(t, term)

	require.NoError(t, old.Workspace().RemoveStack(t.Context(), old.Name(), optremove.Force()))
	require.Len(t, term.ARM.List(""), before+2,
		"the old project has forgotten it, and nothing is gone")
}

// requireTakenBack adopts a secret that the state has lost, and takes that back by the command that
// the adoption prints.
func requireTakenBack(t *testing.T, term *terminal) {
	t.Helper()
	say := func(command string) string { return term.Must(command, passphrase) }
	const lost = "urn:pulumi:dev::mlvault::mlvault:credentials:Store$vault:kv/secretV2:SecretV2::" +
		"credentials-feature_store"
	say("pulumi state delete --yes '" + lost + "'")
	require.NotContains(t, say("pulumi stack export"), lost)
	id := `{"credentials-feature_store": "secret/data/ml/feature_store"}`
	require.NoError(t, os.WriteFile(filepath.Join(term.Dir, "existing.json"), []byte(id), 0o600))
	printed := say("make adopt STACK=dev")
	require.Contains(t, say("pulumi stack export"), lost)
	command := regexp.MustCompile("take the adoption back before that: `([^`]+)`").FindStringSubmatch(printed)
	require.NotNil(t, command, printed)
	say(command[1])
	require.NotContains(t, say("pulumi stack export"), lost)
}
