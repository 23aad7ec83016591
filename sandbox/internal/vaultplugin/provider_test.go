package vaultplugin_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultplugin"
)

func TestMain(m *testing.M) { lab.Main(m) }

// Somebody else changes everything of a stack that is no secret. Secrets are in internal/sandbox.
func TestWhatSomebodyElseChangedIsFoundByARefreshAndRepaired(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	backend := dev.Config.Workload.AuthPath
	l.Write(dev.Config.PolicyPath(), map[string]any{"policy": `path "*" { capabilities = ["sudo"] }`})
	l.Write("auth/"+backend+"/config", map[string]any{
		"oidc_discovery_url":    l.Issuer.URL(issuer.V1),
		"oidc_discovery_ca_pem": lab.ReadFile(t, l.IssuerCA),
		"jwt_supported_algs":    "ES256",
	})
	l.Write(dev.Config.RolePath(), map[string]any{
		"role_type":    "jwt",
		"user_claim":   "oid",
		"bound_claims": map[string]any{"more": "x"},
		"token_type":   "service",
	})

	found := l.Planned(dev, optpreview.Refresh())
	require.Equal(t, map[string]int{"same": 18, "update": 3}, found)
	_, err := dev.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err)
	left := l.Planned(dev, optpreview.Refresh())
	require.Equal(t, map[string]int{"same": 21}, left, "it is repaired")
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
	const why = "the built-in Vault provider does not know this: " +
		"look for a typo, or install the genuine plugin"
	const install = " (pulumi plugin install resource vault 6.7.4)"
	unknownProperty := []plugin.CheckFailure{{Property: "dataJSON", Reason: why}}
	require.Equal(t, unknownProperty, check("vault:kv/secretV2:SecretV2", "dataJSON"))
	unknownType := []plugin.CheckFailure{{Reason: "vault:pkiSecret/x:X: " + why + install}}
	require.Equal(t, unknownType, check("vault:pkiSecret/x:X", "name"))
	_, err := provider.Configure(t.Context(), plugin.ConfigureRequest{
		Inputs: resource.PropertyMap{"authLoginJwt": resource.NewProperty(lab.Canary)},
	})
	require.EqualError(t, err, "authLoginJwt: "+why)
}
