package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20200202"
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230201"
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	operationalinsights "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20221001"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20220901"
	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20220901"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optremove"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
)

// sketch is a program as people have it before this one: the workspace and what ARM demands beside it, flat, with names
// of a person's choice, without tags, an identity for jobs or a thought for TLS. It exports the ids by our logical names.
func sketch(ctx *pulumi.Context) error {
	location := pulumi.String("westeurope")
	group, err := resources.NewResourceGroup(ctx, "rg", &resources.ResourceGroupArgs{ResourceGroupName: pulumi.String("ml-rg"), Location: location})
	if err != nil {
		return err
	}
	account, err := storage.NewStorageAccount(ctx, "storage", &storage.StorageAccountArgs{
		AccountName: pulumi.String("mlsketchstore"), ResourceGroupName: group.Name, Location: location,
		Kind: pulumi.String("StorageV2"), Sku: storage.SkuArgs{Name: pulumi.String("Standard_LRS")},
	})
	if err != nil {
		return err
	}
	vault, err := keyvault.NewVault(ctx, "kv", &keyvault.VaultArgs{
		VaultName: pulumi.String("ml-sketch-kv"), ResourceGroupName: group.Name, Location: location,
		Properties: keyvault.VaultPropertiesArgs{
			TenantId: pulumi.String(arm.TenantID), EnableRbacAuthorization: pulumi.Bool(true),
			Sku: keyvault.SkuArgs{Family: pulumi.String("A"), Name: keyvault.SkuNameStandard},
		},
	})
	if err != nil {
		return err
	}
	logs, err := operationalinsights.NewWorkspace(ctx, "logs", &operationalinsights.WorkspaceArgs{
		WorkspaceName: pulumi.String("ml-sketch-logs"), ResourceGroupName: group.Name, Location: location,
		Sku: operationalinsights.WorkspaceSkuArgs{Name: pulumi.String("PerGB2018")},
	})
	if err != nil {
		return err
	}
	component, err := insights.NewComponent(ctx, "insights", &insights.ComponentArgs{
		ResourceName: pulumi.String("ml-sketch-insights"), ResourceGroupName: group.Name, Location: location,
		Kind: pulumi.String("web"), ApplicationType: pulumi.String("web"), WorkspaceResourceId: logs.ID(),
	})
	if err != nil {
		return err
	}
	workspace, err := machinelearningservices.NewWorkspace(ctx, "workspace", &machinelearningservices.WorkspaceArgs{
		WorkspaceName: pulumi.String("ml-sketch"), ResourceGroupName: group.Name, Location: location,
		StorageAccount: account.ID(), KeyVault: vault.ID(), ApplicationInsights: component.ID(),
		Identity: machinelearningservices.ManagedServiceIdentityArgs{Type: pulumi.String("SystemAssigned")},
		Sku:      machinelearningservices.SkuArgs{Name: pulumi.String("Basic"), Tier: machinelearningservices.SkuTierBasic},
	})
	if err != nil {
		return err
	}
	for name, id := range map[string]pulumi.IDOutput{
		"ml-group": group.ID(), "mlstorage": account.ID(), "ml-kv": vault.ID(), "ml-logs": logs.ID(), "ml-insights": component.ID(), "ml-workspace": workspace.ID(),
	} {
		ctx.Export(name, id)
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
	root := term.Vault.Root().Logical()
	for path, data := range map[string]map[string]any{
		// What generic.Secret with the path secret/data/ml_api_key writes, request by request.
		"secret/data/data/ml_api_key":  {"api_key": lab.Canary},
		"secret/data/ml/feature_store": {"user": "ml", "password": lab.Canary},
	} {
		_, err := root.WriteWithContext(t.Context(), path, map[string]any{"data": data})
		require.NoError(t, err)
	}
	workspace, _ := term.ARM.Resource(existing["ml-workspace"])
	before, requests := len(term.ARM.List("")), term.ARM.Requests()

	term.adapt("dev", lab.With(t, "vault.prefix", "ml")) // as the page says later: the deployer's token is made before
	text, err := json.Marshal(existing)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(term.dir, "existing.json"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(term.dir, "ml_api_key.json"), []byte(`{"api_key":"`+lab.Canary+`"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(term.dir, "feature_store.json"), []byte(`{"user":"ml","password":"`+lab.Canary+`"}`), 0o600))
	printed, err := term.runPage("docs/operate.md#" + importing)
	require.NoError(t, err, printed)
	require.NotContains(t, printed, "replace")
	require.NotContains(t, printed, lab.Canary)

	require.Equal(t, requests["DELETE"], term.ARM.Requests()["DELETE"], "nothing in Azure was deleted")
	require.Len(t, term.ARM.List(""), before+2, "the job identity and the cluster are new, all else is what was there")
	adopted, _ := term.ARM.Resource(existing["ml-workspace"])
	require.NotEmpty(t, workspaceID(workspace))
	require.Equal(t, workspaceID(workspace), workspaceID(adopted))
	data, version := term.Read("secret/data/ml/feature_store")
	require.Equal(t, map[string]any{"user": "ml", "password": lab.Canary}, data)
	require.LessOrEqual(t, version, 2, "the old version is still there, and at most one was added")
	data, _ = term.Read("secret/data/ml/ml_api_key")
	require.Equal(t, map[string]any{"api_key": lab.Canary}, data, "the secret at the wrong path is where a job finds it")
	data, _ = term.Read("secret/data/data/ml_api_key")
	require.NotNil(t, data, "and the old one is left for a person to remove")

	require.NoError(t, old.Workspace().RemoveStack(t.Context(), old.Name(), optremove.Force()))
	require.Len(t, term.ARM.List(""), before+2, "the old project has forgotten it, and nothing is gone")
}

// workspaceID is the GUID that Azure ML gives a workspace when it makes it: a workspace that was made again has another.
func workspaceID(workspace arm.Document) string {
	properties, _ := workspace["properties"].(map[string]any)
	id, _ := properties["workspaceId"].(string)
	return id
}
