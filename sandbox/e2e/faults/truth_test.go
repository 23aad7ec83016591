package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// readable are credentials of texts alone, which the plugin may read back.
func readable() lab.Payloads {
	return lab.Payloads{
		"ml_api_key":    {"api_key": lab.Canary + "-key"},
		"feature_store": {"user": "ml", "password": lab.Canary + "-password"},
	}
}

// deployer is a new token with the deployer's policy, beside the one that the sandbox keeps.
func (l *rig) deployer(dev *sandbox.Stack, ttl time.Duration) string {
	l.T.Helper()
	policy := rights.DeployerPolicy(dev.Config, rights.State{})
	token, err := l.Vault.Token(l.T.Context(), "deployer-test", policy, ttl)
	require.NoError(l.T, err)
	return token
}

func (l *rig) revoke(token string) {
	l.T.Helper()
	require.NoError(l.T, l.Vault.Root().Auth().Token().RevokeTreeWithContext(l.T.Context(), token))
}

func TestANewTokenReachesEveryCommandAndWritesNothingAgain(t *testing.T) {
	l := newRig(t)
	settings := sandbox.Settings{Stack: "dev", Credentials: readable().JSON(t)}
	settings.Token = l.deployer(l.Configured(settings), time.Hour)
	dev := l.Configured(settings)
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	before := history(t, l.Vault.Root())
	require.Len(t, before, 2)

	rotate := func() {
		old := settings.Token
		settings.Token = l.deployer(dev, time.Hour)
		l.revoke(old)
		dev = l.Configured(settings)
	}
	rotate()
	_, err = dev.Refresh(t.Context(), optrefresh.RunProgram(false), optrefresh.SuppressProgress())
	require.ErrorContains(t, err, "403",
		"without the program a refresh takes the dead token of the state")
	require.Contains(t, sandbox.Explain(err), "Make a new one")
	result, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	changes := *result.Summary.ResourceChanges
	require.Equal(t, map[string]int{"same": 20, "update": 1}, changes, "the provider, in place")
	require.Equal(t, before, history(t, l.Vault.Root()), "no version was written")

	rotate()
	_, err = dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err, "with PULUMI_RUN_PROGRAM it takes the new one")
	require.Equal(t, before, history(t, l.Vault.Root()), "and no version was written")

	rotate()
	l.Destroy(dev)
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "destroy takes the new token too")
}

func TestADeadTokenGivesOneActionableError(t *testing.T) {
	l := newRig(t)
	settings := sandbox.Settings{Stack: "dev", Credentials: readable().JSON(t)}
	settings.Token = l.deployer(l.Configured(settings), 2*time.Second)
	dev := l.Configured(settings)
	require.Eventually(t, func() bool {
		_, err := l.Vault.Root().Auth().Token().LookupWithContext(t.Context(), settings.Token)
		return err != nil
	}, 10*time.Second, 100*time.Millisecond, "the token ends by itself")
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	require.Contains(t, sandbox.Explain(err), "it has expired")
	require.Empty(t, history(t, l.Vault.Root()))
}

func (l *rig) requireComplete(dev *sandbox.Stack) {
	l.T.Helper()
	read, err := dev.Job(l.T.Context())
	require.NoError(l.T, err)
	require.Equal(l.T, "feature_store: password, user\nml_api_key: api_key", read)
}

func TestANewEmptyVaultIsNeverLeftEmptyBehindAGreenUp(t *testing.T) {
	l := newRig(t)
	l.Up("dev", readable())
	old, before := l.Vault, history(t, l.Vault.Root())
	l.In(lab.New(t))

	dev := l.Prepare("dev", readable())
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err,
		"the new Vault has no auth method, and an up that cannot make the role there is red")
	require.Contains(t, sandbox.Explain(err), "Run `make up` again, which adds the auth method",
		"after a run that failed make up refreshes")
	require.Equal(t, before, history(t, l.Vault.Root()),
		"both secrets are written to the new Vault all the same")
	policy, err := l.Vault.Root().Sys().GetPolicyWithContext(t.Context(), dev.Config.VaultName())
	require.NoError(t, err)
	require.Contains(t, policy, lab.APIKeyPath)

	_, err = dev.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err, "up --refresh completes it")
	l.requireComplete(dev)
	require.Equal(t, map[string]int{"same": 21}, l.Planned(dev))

	require.Equal(t, before, history(t, old.Root()), "the old Vault was not touched")
}

func TestAnotherNameOfTheSameVaultCostsOneVersionAndLosesNothing(t *testing.T) {
	l := newRig(t)
	l.Up("dev", readable())
	before := history(t, l.Vault.Root())

	alias := strings.Replace(l.Vault.Addr(), "127.0.0.1", "localhost", 1)
	dev := l.Configured(sandbox.Settings{
		Stack:       "dev",
		Credentials: readable().JSON(t),
		Address:     alias,
	})
	result, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	changes := *result.Summary.ResourceChanges
	require.Equal(t, map[string]int{"same": 14, "update": 5, "replace": 2}, changes,
		"the provider, both secrets, the policy and what definitions name; the role, which cannot be updated without a "+
			"change, is made anew")
	after := history(t, l.Vault.Root())
	for name, versions := range before {
		require.Equal(t, append(versions, versions[0]), after[name], "one more version of the same value")
	}
	require.Len(t, after, 2)
	l.requireComplete(dev)
	require.Equal(t, map[string]int{"same": 21}, l.Planned(dev))
}

func TestAVaultThatHasABackendAlreadyIsCompleteAfterOneUp(t *testing.T) {
	l := newRig(t)
	edits := []lab.Edit{
		lab.With(t, "workload.authPath", "jwt-shared"),
		lab.With(t, "workload.createAuthBackend", "false"),
	}
	l.SharedBackend("jwt-shared")
	l.Up("dev", readable(), edits...)
	before := history(t, l.Vault.Root())
	l.In(lab.New(t))
	l.SharedBackend("jwt-shared")

	dev, changes := l.Up("dev", readable(), edits...)
	require.Equal(t, 2, changes["replace"])
	l.requireComplete(dev)
	require.Equal(t, before, history(t, l.Vault.Root()))
}
