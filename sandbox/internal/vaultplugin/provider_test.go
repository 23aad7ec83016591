package vaultplugin_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultplugin"
)

func TestMain(m *testing.M) { lab.Main(m) }

// The requests are the genuine plugin's, measured with a proxy on 6.7.4.
func TestARunAsksVaultWhatTheGenuinePluginAsks(t *testing.T) {
	const (
		key    = "secret/data/mlvault/dev/ml_api_key"
		store  = "secret/data/mlvault/dev/feature_store" // with a number, so that it is not read back
		policy = "sys/policies/acl/mlvault-dev-ae5143b98a56bf8e"
		config = "auth/jwt-mlvault-dev-ae5143b98a56bf8e/config"
		role   = "auth/jwt-mlvault-dev-ae5143b98a56bf8e/role/mlvault-dev-ae5143b98a56bf8e"
	)
	login := []string{"GET auth/token/lookup-self", "POST auth/token/create"}
	reads := []string{
		"GET " + key, "GET secret/metadata/mlvault/dev/ml_api_key", "GET " + policy, "GET " + config, "GET " + role,
		"GET sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e", "GET sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e/tune",
	}
	writes := []string{
		"PUT " + key, "PUT secret/metadata/mlvault/dev/ml_api_key", "PUT " + policy, "PUT " + config, "PUT " + role,
	}
	l := lab.New(t)
	dev := l.Prepare("dev", lab.Sample())
	up := func(options ...optup.Option) error {
		_, err := dev.Up(t.Context(), append(options, optup.SuppressProgress())...)
		return err
	}
	requireAsked := func(step string, err error, lists ...[]string) {
		t.Helper()
		require.NoError(t, err, step)
		want := map[string]int{}
		for _, list := range lists {
			for _, request := range list {
				want[request]++
			}
		}
		require.Equal(t, want, l.Vault.Requests(), step)
		l.Vault.ResetRequests()
	}

	l.Vault.ResetRequests()
	requireAsked("create", up(), login, reads, writes,
		[]string{"POST sys/auth/jwt-mlvault-dev-ae5143b98a56bf8e", "PUT " + store, "PUT secret/metadata/mlvault/dev/feature_store"})
	_, err := dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	requireAsked("refresh", err, login, reads)
	require.Equal(t, map[string]int{"same": 17}, l.Planned(dev), "a refresh without drift leaves nothing to do")
	requireAsked("preview", nil)

	// Somebody else changes everything, without a word in the state.
	l.Write(key, map[string]any{"data": map[string]any{"api_key": "theirs"}})
	l.Write(policy, map[string]any{"policy": `path "*" { capabilities = ["sudo"] }`})
	l.Write(config, map[string]any{
		"oidc_discovery_url": l.Issuer.URL(issuer.V1), "oidc_discovery_ca_pem": lab.ReadFile(t, l.IssuerCA),
		"jwt_supported_algs": "ES256",
	})
	l.Write(role, map[string]any{
		"role_type": "jwt", "user_claim": "oid", "bound_claims": map[string]any{"more": "x"}, "token_type": "service",
	})
	l.Vault.ResetRequests()
	require.Equal(t, map[string]int{"same": 13, "update": 4}, l.Planned(dev, optpreview.Refresh()))
	l.Vault.ResetRequests()
	requireAsked("update", up(optup.Refresh()), login, reads, writes, reads)
	require.Equal(t, map[string]int{"same": 17}, l.Planned(dev, optpreview.Refresh()), "it is repaired")

	l.Vault.ResetRequests()
	_, err = dev.Destroy(t.Context(), optdestroy.SuppressProgress())
	requireAsked("destroy", err, login, []string{
		"DELETE " + key, "DELETE " + store, "DELETE " + policy, "DELETE " + role, "DELETE sys/auth/jwt-mlvault-dev-ae5143b98a56bf8e",
	})
}

func TestWhatTheProgramDoesNotSetIsRefusedWithoutQuotingIt(t *testing.T) {
	provider := vaultplugin.New(nil)
	check := func(kind string, name resource.PropertyKey) []plugin.CheckFailure {
		checked, err := provider.Check(t.Context(), plugin.CheckRequest{
			URN:  resource.URN("urn:pulumi:dev::p::" + kind + "::x"),
			News: resource.PropertyMap{name: resource.NewProperty(lab.Canary)},
		})
		if err != nil {
			checked.Failures = append(checked.Failures, plugin.CheckFailure{Reason: err.Error()})
		}
		return checked.Failures
	}
	const why = "the built-in Vault provider does not know this: look for a typo, or install the genuine plugin"
	require.Equal(t, []plugin.CheckFailure{{Property: "dataJSON", Reason: why}}, check("vault:kv/secretV2:SecretV2", "dataJSON"))
	require.Equal(t, []plugin.CheckFailure{{
		Reason: "vault:pkiSecret/x:X: " + why + " (pulumi plugin install resource vault 6.7.4)",
	}}, check("vault:pkiSecret/x:X", "name"))
	_, err := provider.Configure(t.Context(), plugin.ConfigureRequest{
		Inputs: resource.PropertyMap{"authLoginJwt": resource.NewProperty(lab.Canary)},
	})
	require.EqualError(t, err, "authLoginJwt: "+why)
}
