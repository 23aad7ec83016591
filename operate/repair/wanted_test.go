package repair_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/operate/repair"
)

func TestAConfigurationAsksForItsNamesInVaultAndForThoseThatItGivesInAzure(t *testing.T) {
	cfg := &settings.Settings{
		Project:     "mlvault",
		Stack:       "dev",
		Credentials: []settings.Credential{{Name: "team/key"}},
		Vault:       settings.Vault{Mount: "secret", Prefix: "ml"},
		Workload: settings.Workload{
			AuthPath:          "jwt-x",
			CreateAuthBackend: true,
			Role:              "ml",
			CreateRole:        true,
			Policy:            "ml-read",
			CreatePolicy:      true,
		},
		Azure: settings.Azure{Names: settings.Names{Workspace: "ml-ws", JobIdentity: "ml-job"}},
	}
	wants := repair.WantedBy(cfg)
	const (
		group     = "/subscriptions/s/resourceGroups/rg"
		providers = group + "/providers/"
	)
	for _, id := range []string{
		"secret/data/ml/team/key",
		"ml-read",
		"auth/jwt-x/role/ml",
		"jwt-x",
		providers + "Microsoft.MachineLearningServices/workspaces/ml-ws",
		providers + "Microsoft.ManagedIdentity/userAssignedIdentities/ml-job",
	} {
		require.True(t, wants(id), id)
	}
	for _, id := range []string{
		"secret/data/old/team/key",
		"secret", // it is not made by the stack
		"auth/jwt-old/role/ml",
		group,
		providers + "Microsoft.OperationalInsights/workspaces/ml-ws",
		providers + "Microsoft.Storage/storageAccounts/ml5f3a",
		"/subscriptions/s",
		"",
	} {
		require.False(t, wants(id), id)
	}
}
