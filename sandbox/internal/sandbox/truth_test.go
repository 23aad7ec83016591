package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/stack"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultserver"
)

// readable are credentials of texts alone, which the plugin may read back.
func readable() payloads {
	return payloads{"ml_api_key": {"api_key": canary + "-key"}, "feature_store": {"user": "ml", "password": canary + "-password"}}
}

// history is every version of every credential that Vault keeps, of all stacks: path -> version -> its data and fate.
func (l *lab) history() map[string]string {
	l.t.Helper()
	found := map[string]string{}
	for _, path := range l.names("mlvault/") {
		metadata, err := l.Vault.Root().Logical().ReadWithContext(l.t.Context(), "secret/metadata/"+path)
		require.NoError(l.t, err)
		versions, isMap := metadata.Data["versions"].(map[string]any)
		require.True(l.t, isMap)
		for version, fate := range versions {
			secret, err := l.Vault.Root().Logical().ReadWithDataWithContext(l.t.Context(), "secret/data/"+path, map[string][]string{"version": {version}})
			require.NoError(l.t, err)
			data, err := json.Marshal([]any{secret.Data["data"], fate})
			require.NoError(l.t, err)
			found[path+" version "+version] = string(data)
		}
	}
	return found
}

// names are the secrets below a folder that ends in a slash.
func (l *lab) names(folder string) []string {
	l.t.Helper()
	listed, err := l.Vault.Root().Logical().ListWithContext(l.t.Context(), "secret/metadata/"+folder)
	require.NoError(l.t, err)
	if listed == nil {
		return nil
	}
	keys, isList := listed.Data["keys"].([]any)
	require.True(l.t, isList)
	var names []string
	for _, key := range keys {
		if name := folder + fmt.Sprint(key); strings.HasSuffix(name, "/") {
			names = append(names, l.names(name)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// deployer is a new token with the deployer's policy, beside the one that the sandbox keeps.
func (l *lab) deployer(dev *Stack, ttl time.Duration) string {
	l.t.Helper()
	token, err := l.Vault.Token(l.t.Context(), "deployer-test", stack.DeployerPolicy(dev.Config), ttl)
	require.NoError(l.t, err)
	return token
}

func (l *lab) revoke(token string) {
	l.t.Helper()
	require.NoError(l.t, l.Vault.Root().Auth().Token().RevokeTreeWithContext(l.t.Context(), token))
}

func (l *lab) configured(settings Settings) *Stack {
	l.t.Helper()
	configured, err := l.Configure(l.t.Context(), settings)
	require.NoError(l.t, err)
	return configured
}

func TestANewTokenReachesEveryCommandAndWritesNothingAgain(t *testing.T) {
	l := newLab(t)
	settings := Settings{Stack: "dev", Credentials: readable().json(t)}
	settings.Token = l.deployer(l.configured(settings), time.Hour)
	dev := l.configured(settings)
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	before := l.history()
	require.Len(t, before, 2)

	rotate := func() {
		old := settings.Token
		settings.Token = l.deployer(dev, time.Hour)
		l.revoke(old)
		dev = l.configured(settings)
	}
	rotate()
	_, err = dev.Refresh(t.Context(), optrefresh.RunProgram(false), optrefresh.SuppressProgress())
	require.ErrorContains(t, err, "403", "without the program a refresh takes the dead token of the state")
	require.Contains(t, Explain(err), "Make a new one")
	result, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"same": 16, "update": 1}, *result.Summary.ResourceChanges, "the provider, in place")
	require.Equal(t, before, l.history(), "no version was written")

	rotate()
	_, err = dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err, "with PULUMI_RUN_PROGRAM it takes the new one")
	require.Equal(t, before, l.history(), "and no version was written")

	rotate()
	l.destroy(dev)
	data, _ := l.read(apiKeyPath)
	require.Nil(t, data, "destroy takes the new token too")
}

func TestADeadTokenGivesOneActionableError(t *testing.T) {
	l := newLab(t)
	settings := Settings{Stack: "dev", Credentials: readable().json(t)}
	settings.Token = l.deployer(l.configured(settings), 2*time.Second)
	dev := l.configured(settings)
	require.Eventually(t, func() bool {
		_, err := l.Vault.Root().Auth().Token().LookupWithContext(t.Context(), settings.Token)
		return err != nil
	}, 10*time.Second, 100*time.Millisecond, "the token ends by itself")
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	require.Contains(t, Explain(err), "it has expired")
	require.Empty(t, l.history())
}

// The genuine plugin words it otherwise than the built-in one; this is its text (6.7.4).
func TestTheGenuinePluginsErrorsAreExplainedToo(t *testing.T) {
	for text, want := range map[string]string{
		"failed to lookup token, err=Error making API request.\n\nURL: GET [secret]/v1/auth/token/lookup-self\nCode: 403. Errors:\n\n* permission denied\n* invalid token": "Make a new one",
		"error writing JWT auth backend role \"auth/jwt-mlvault-dev/role/mlvault-dev\": Error making API request.\n\nCode: 404. Errors:\n\n* no handler for route":         "--refresh",
		"Code: 503. Errors:\n\n* Vault is sealed": "unsealed",
	} {
		require.Contains(t, Explain(fmt.Errorf("%s", text)), want)
	}
	require.Empty(t, Explain(fmt.Errorf("something else")))
	require.Empty(t, Explain(nil))
}

// another starts a second Vault, empty and with a CA of its own, and makes it the lab's.
func (l *lab) another() (before *vaultserver.Server) {
	l.t.Helper()
	other, err := vaultserver.Start(l.t.Context(), vaultserver.Options{Dir: l.t.TempDir()})
	require.NoError(l.t, err)
	before = l.Vault
	l.Vault = other
	l.t.Cleanup(func() {
		l.Vault = before
		_ = other.Stop(l.t.Context())
	})
	return before
}

func (l *lab) requireComplete(dev *Stack) {
	l.t.Helper()
	outputs, err := dev.Outputs(l.t.Context())
	require.NoError(l.t, err)
	read, err := dev.jobInGo(l.t.Context(), outputs)
	require.NoError(l.t, err)
	require.Equal(l.t, "feature_store: password, user\nml_api_key: api_key", read)
}

func TestANewEmptyVaultIsNeverLeftEmptyBehindAGreenUp(t *testing.T) {
	l := newLab(t)
	l.up("dev", readable())
	old := l.another()

	dev := l.configure("dev", readable())
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err, "the new Vault has no auth method, and an up that cannot make the role there is red")
	require.Contains(t, Explain(err), "up --refresh --run-program")
	for _, path := range []string{apiKeyPath, storePath} {
		data, version := l.read(path)
		require.NotEmpty(t, data, "%s is written to the new Vault all the same", path)
		require.Equal(t, 1, version)
	}
	policy, err := l.Vault.Root().Sys().GetPolicyWithContext(t.Context(), "mlvault-dev")
	require.NoError(t, err)
	require.Contains(t, policy, apiKeyPath)

	_, err = dev.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err, "up --refresh completes it")
	l.requireComplete(dev)
	require.Equal(t, map[string]int{"same": 17}, l.planned(dev))

	l.Vault = old
	require.Len(t, l.history(), 2, "the old Vault was not touched")
}

func TestAnotherNameOfTheSameVaultCostsOneVersionAndLosesNothing(t *testing.T) {
	l := newLab(t)
	l.up("dev", readable())
	before := l.history()

	alias := strings.Replace(l.Vault.Addr(), "127.0.0.1", "localhost", 1)
	dev := l.configured(Settings{Stack: "dev", Credentials: readable().json(t), Address: alias})
	result, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"same": 12, "update": 4, "replace": 1}, *result.Summary.ResourceChanges,
		"the provider, both secrets and the policy; the role, which cannot be updated without a change, is made anew")
	after := l.history()
	for version, data := range before {
		require.Equal(t, data, after[version], "%s is as it was", version)
	}
	require.Len(t, after, 4)
	for _, path := range []string{apiKeyPath, storePath} {
		data, version := l.read(path)
		require.NotEmpty(t, data)
		require.Equal(t, 2, version)
	}
	l.requireComplete(dev)
	require.Equal(t, map[string]int{"same": 17}, l.planned(dev))
}

func TestAVaultThatHasABackendAlreadyIsCompleteAfterOneUp(t *testing.T) {
	l := newLab(t)
	edits := []edit{with(t, "workload.authPath", "jwt-shared"), with(t, "workload.createAuthBackend", "false")}
	l.sharedBackend("jwt-shared")
	l.up("dev", readable(), edits...)
	l.another()
	l.sharedBackend("jwt-shared")

	dev, changes := l.up("dev", readable(), edits...)
	require.Equal(t, 1, changes["replace"])
	l.requireComplete(dev)
	require.Len(t, l.history(), 2)
}

// sharedBackend is an auth backend of somebody else's in the lab's Vault, which trusts the lab's issuer.
func (l *lab) sharedBackend(path string) {
	l.t.Helper()
	ca, err := os.ReadFile(l.issuerCA)
	require.NoError(l.t, err)
	require.NoError(l.t, l.Vault.Root().Sys().EnableAuthWithOptionsWithContext(l.t.Context(), path, &api.EnableAuthOptions{Type: "jwt"}))
	_, err = l.Vault.Root().Logical().WriteWithContext(l.t.Context(), "auth/"+path+"/config", map[string]any{
		"oidc_discovery_url": l.Issuer.URL(issuer.V1), "oidc_discovery_ca_pem": string(ca), "bound_issuer": l.Issuer.URL(issuer.V1),
	})
	require.NoError(l.t, err)
}
