package changes

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/stretchr/testify/require"

	"mlvault/internal/losses"
	"mlvault/operate/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// consequence is a change and what is said of it where a person looks: in the plan.
type consequence struct {
	name  string
	edits texts
	// does is for what no setting of the stack's file says.
	does func(*stage)
	// says is in the plan of a change that is possible, and in the error of one that is refused.
	says    []string
	refused bool
}

// Of these the engine's own plan says no more than replace, delete or update, or nothing at all.
var consequences = []consequence{
	{
		name:  "another workspace in place of the one with the runs",
		edits: texts{"azure.hbiWorkspace": "true"},
		says: []string{
			"this deletes the workspace ml-workspace", "all runs, models, endpoints and schedules",
			"this deletes the cluster ml-cluster, and with it the jobs that run on it",
		},
	},
	{
		name:  "the same, and protection taken off in the same up",
		edits: texts{"azure.hbiWorkspace": "true", "azure.protect": "false"},
		says:  []string{"this deletes the workspace ml-workspace"},
	},
	{
		name:    "protection that no up has switched on yet",
		edits:   texts{"azure.hbiWorkspace": "true", "azure.protect": "true"},
		says:    []string{"azure.protect: it is on, and this deletes the workspace ml-workspace"},
		refused: true,
	},
	{
		name:  "a storage account that is no longer made",
		edits: texts{"azure.storageAccountId": theirStorage},
		says:  []string{"this deletes the storage account mlstorage", "all data"},
	},
	{
		name:    "a looser network, with secrets that move",
		edits:   texts{"azure.managedNetwork.mode": "Disabled", "vault.prefix": "teams/ml"},
		says:    []string{"azure.managedNetwork.mode: the workspace has AllowInternetOutbound"},
		refused: true,
	},
	{
		name:    "no registry any more",
		edits:   texts{"azure.createContainerRegistry": "", "azure.containerRegistrySku": ""},
		says:    []string{"azure.createContainerRegistry: the workspace keeps the registry that it has"},
		refused: true,
	},
	{
		name:    "no purge protection any more",
		edits:   texts{"azure.keyVaultPurgeProtection": "false"},
		says:    []string{"azure.keyVaultPurgeProtection: the key vault has it"},
		refused: true,
	},
	{
		name:  "another auth path",
		edits: texts{"workload.authPath": "jwt-moved"},
		says: []string{
			"this deletes the auth backend auth/jwt-mlvault-dev-", "with every role in it",
			"job definitions that are out fail after the up: the login path changes",
			"Then run `make job STACK=dev`", "job-definitions",
		},
	},
	{
		name:  "other names of the storage account and of the key vault",
		edits: texts{"azure.names.storageAccount": "mlnamedstore", "azure.names.keyVault": "kv-ml-named"},
		says: []string{
			"this deletes the storage account", "this deletes the key vault",
			"this deletes the workspace", "this deletes the cluster",
		},
	},
	{
		name:  "another group of somebody else's",
		edits: texts{"azure.existingResourceGroup": "platform-2"},
		says: []string{
			"this deletes the storage account", "this deletes the workspace", "this deletes the container registry",
			"this deletes the job identity", "the job identity changes",
		},
	},
	{
		name:  "a group of the stack's own",
		edits: texts{"azure.existingResourceGroup": ""},
		says:  []string{"this deletes the storage account", "this deletes the workspace"},
	},
	{
		name: "logins that are refused, secrets that are purged where they were, and protection",
		edits: texts{
			"workload.principalIds[0]": "",
			"workload.policy":          "jobs",
			"vault.prefix":             "teams/ml",
			"azure.protect":            "true",
		},
		does: (*stage).otherIssuer,
		says: []string{
			"workload.issuer: Vault admits tokens of", "No job can log in until its tokens are from there",
			"workload.principalIds: " + somebody + " can no longer log in after the up",
			"workload.policy: the up deletes the policy mlvault-dev-", "can read nothing more",
			"this purges every version of " + lab.APIKeyPath + ", which nobody can bring back",
			"credential ml_api_key moves",
			"azure.protect: is on, and the state does not protect what holds data yet",
		},
	},
	{
		name:  "another name of the job identity",
		edits: texts{"azure.names.jobIdentity": "id-other"},
		says:  []string{"this deletes the job identity", "fail after the up: the job identity changes. Then run"},
	},
	{
		name:  "another name of the cluster",
		edits: texts{"compute[0].name": "cpu-other"},
		says:  []string{"this deletes the cluster ml-cluster", "fail after the up: cluster ml-cluster goes. Then run"},
	},
	{
		name:  "another audience",
		edits: texts{"workload.audience": "api://other"},
		says:  []string{"audience api://mlvault-dev goes (workload.previousAudience keeps it)"},
	},
}

// What would be lost is said in words before it happens, and what Azure refuses is refused by the
// plan, with which an up begins: before anything moves, in Vault too.
func TestAPlanSaysWhatWouldBeLostAndRefusesWhatAzureRefuses(t *testing.T) {
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, "dev")})
	before := stage{Lab: l, stack: "dev", credentials: lab.Sample(), texts: texts{
		"azure.managedNetwork.mode":     "AllowInternetOutbound",
		"azure.createContainerRegistry": "true",
		"azure.containerRegistrySku":    "Premium",
		"azure.keyVaultPurgeProtection": "true",
		"azure.existingResourceGroup":   "platform",
		"workload.principalIds[0]":      somebody,
		"vault.deleteOnDestroy":         "true",
	}}
	for _, group := range []string{theirGroup, theirGroup + "-2"} {
		require.NoError(t, l.ARM.Seed(group, arm.Document{"location": "westeurope"}))
	}
	up(&before)
	state, err := l.Configured(before.settings()).State(t.Context())
	require.NoError(t, err)
	for _, each := range consequences {
		t.Run(each.name, func(t *testing.T) {
			after := before
			after.texts = before.texts.with(each.edits)
			after.swaps = map[string]string{}
			if each.does != nil {
				each.does(&after)
			}
			changed := l.Configured(after.settings())
			after.swap(changed.Workspace().WorkDir())
			planned, err := changed.Preview(t.Context(), optpreview.SuppressProgress())
			said := planned.StdOut
			if each.refused {
				require.Error(t, err)
				said = err.Error()
			} else {
				require.NoError(t, err)
				report := check.Check(t.Context(), check.Stack{
					Settings:   changed.Config,
					State:      state,
					AzureLogin: true, // so that nobody's Azure CLI is asked
				})
				warned := strings.Join(report.Warnings, "\n")
				require.Equal(t, namedBy(said), namedBy(warned), "what the preflight names")
			}
			for _, text := range each.says {
				require.Contains(t, said, text)
			}
		})
	}
	data, version := l.Read(lab.APIKeyPath)
	require.NotNil(t, data, "no secret has moved")
	require.Equal(t, 1, version)
}

// namedBy are the parts that a plan or a preflight names as deleted.
func namedBy(said string) []string {
	var named []string
	for _, holding := range losses.Holdings {
		if strings.Contains(said, "deletes "+holding.What+" ") {
			named = append(named, holding.What)
		}
	}
	return named
}

// A credential that goes takes its value along, and the scripts that ask for all.
func TestAPlanNamesTheCredentialThatGoes(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	less := lab.Sample()
	delete(less, "feature_store")
	for _, purges := range []string{"false", "true"} {
		changed, _ := l.Up("dev", lab.Sample(), lab.With(t, "vault.deleteOnDestroy", purges))
		require.NotNil(t, changed)
		changed = l.Prepare("dev", less, lab.With(t, "vault.deleteOnDestroy", purges))
		planned, err := changed.Preview(t.Context(), optpreview.SuppressProgress())
		require.NoError(t, err)
		require.Contains(t, planned.StdOut, "credential feature_store goes")
		loss := "this deletes secret/data/mlvault/dev/feature_store. `vault kv undelete` brings"
		if purges == "true" {
			loss = "this purges every version of secret/data/mlvault/dev/feature_store"
		}
		require.Contains(t, planned.StdOut, loss)
	}
}
