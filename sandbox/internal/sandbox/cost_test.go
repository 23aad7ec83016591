package sandbox_test

import (
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/stretchr/testify/require"
)

// What a run asks of Vault and ARM is its cost on their side, whatever the machine.
func TestARunThatChangesNothingAsksExactlyThis(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())

	l.Vault.ResetRequests()
	before := l.ARM.Requests()
	_, changes := l.Up("dev", lab.Sample())
	require.NotContains(t, changes, "update")
	require.Equal(t, map[string]int{
		"PUT sys/policies/acl/deployer-mlvault-dev-ae5143b98a56bf8e": 1, "POST auth/token/lookup": 1, // the sandbox's own, for the deployer
	}, l.Vault.Requests(), "an up with nothing to do asks Vault nothing")
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
	require.Equal(t, map[string]int{
		"POST auth/jwt-mlvault-dev-ae5143b98a56bf8e/login": 1, "GET " + lab.APIKeyPath: 1, "GET " + lab.StorePath: 1,
	}, l.Vault.Requests(), "a job logs in once for all credentials")
}
