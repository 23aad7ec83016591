package sandbox_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
)

// What a run asks of Vault and ARM is its cost on their side, whatever the machine.
func TestARunThatChangesNothingAsksExactlyThis(t *testing.T) {
	l := lab.New(t)
	name := settings.NameInVault(lab.ProjectName, "dev")
	dev, _ := l.Up("dev", lab.Sample())

	l.Vault.ResetRequests()
	before := l.ARM.Requests()
	_, changes := l.Up("dev", lab.Sample())
	require.NotContains(t, changes, "update")
	forDeployer := map[string]int{
		"PUT sys/policies/acl/deployer-" + name: 1,
		"POST auth/token/lookup":                1,
	}
	require.Equal(t, forDeployer, l.Vault.Requests(), "an up with nothing to do asks Vault nothing")
	require.Equal(t, before, l.ARM.Requests(), "nor ARM")

	l.Vault.ResetRequests()
	l.Planned(dev)
	require.Empty(t, l.Vault.Requests(), "neither does a preview")
	require.Equal(t, before, l.ARM.Requests())

	_, err := dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, before["GET"]+8, l.ARM.Requests()["GET"], "a refresh reads each resource once")
	require.Equal(t, before["PUT"], l.ARM.Requests()["PUT"])

	l.Vault.ResetRequests()
	_, err = dev.Job(t.Context())
	require.NoError(t, err)
	ofJob := map[string]int{
		"POST auth/jwt-" + name + "/login": 1,
		"GET " + lab.APIKeyPath:            1,
		"GET " + lab.StorePath:             1,
	}
	require.Equal(t, ofJob, l.Vault.Requests(), "a job logs in once for all credentials")
}
