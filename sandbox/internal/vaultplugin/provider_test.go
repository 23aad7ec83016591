package vaultplugin_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultplugin"
)

const (
	secretType  = "vault:kv/secretV2:SecretV2"
	mountType   = "vault:index/mount:Mount"
	policyType  = "vault:index/policy:Policy"
	backendType = "vault:jwt/authBackend:AuthBackend"
	roleType    = "vault:jwt/authBackendRole:AuthBackendRole"
	anyPolicy   = `path "x" { capabilities = ["read"] }`
)

func payload(value string) resource.PropertyValue { return secret(`{"api_key": "` + value + `"}`) }

// stored is a secret as the program sets it.
func stored(name string) object {
	return object{
		"mount": "secret", "name": name, "dataJson": payload(canary), "deleteAllVersions": false, "disableRead": false,
		"customMetadata": object{"data": object{"owner": "ml"}},
	}
}

// life is what happens to an object of one type.
type life struct {
	kind   string
	before func() // makes what it needs
	in     object
	id     string

	respelled object // of the same meaning
	change    object // for an update
	changed   []string
	moved     object // for a replacement
	replaces  []string
	drift     func() error // by somebody else, without a word in the state
	drifted   []string

	creates, updates, reads, deletes string // requests, one of each; what writes also reads
}

// The counts are the genuine plugin's, measured with a proxy on 6.7.4.
func TestEachTypeLivesAndAsksVaultWhatTheGenuinePluginAsks(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	e.mustUp(fresh(policyType), object{"name": "first", "policy": anyPolicy}) // the login is not counted
	root := vault.Root()
	write := func(path string, body object) func() error {
		return func() error {
			_, err := root.Logical().WriteWithContext(t.Context(), path, body)
			return err
		}
	}
	for _, l := range []life{{
		kind: secretType, in: with(stored("ml/lives"), object{"deleteAllVersions": true}), id: "secret/data/ml/lives",
		respelled: object{"dataJson": secret("{ \"api_key\" :\t\"" + canary + "\" }")},
		change:    object{"dataJson": payload(canary + "2")}, changed: []string{"dataJson"},
		moved: object{"name": "ml/moves", "mount": "elsewhere"}, replaces: []string{"mount*", "name*"},
		drift: write("secret/data/ml/lives", object{"data": object{"api_key": "changed by hand"}}), drifted: []string{"dataJson"},
		creates: "PUT */data/*, PUT */metadata/*", updates: "PUT */data/*, PUT */metadata/*",
		reads: "GET */data/*, GET */metadata/*", deletes: "DELETE */metadata/*",
	}, {
		kind: mountType, in: object{"path": "team/kv", "type": "kv", "description": "ours", "options": object{"version": "2"}}, id: "team/kv",
		change: object{"description": "still ours"}, changed: []string{"description"},
		moved: object{"path": "team/kv2"}, replaces: []string{"path*"},
		drift: write("sys/mounts/team/kv/tune", object{"description": "theirs"}), drifted: []string{"description"},
		creates: "POST sys/mounts/*", updates: "POST sys/mounts/*/tune", reads: "GET sys/mounts/*", deletes: "DELETE sys/mounts/*",
	}, {
		kind: policyType, in: object{"name": "ml-read", "policy": `path "secret/data/ml" { capabilities = ["read"] }`}, id: "ml-read",
		change: object{"policy": anyPolicy}, changed: []string{"policy"},
		moved: object{"name": "ml-reads"}, replaces: []string{"name*"},
		drift: write("sys/policies/acl/ml-read", object{"policy": `path "*" { capabilities = ["sudo"] }`}), drifted: []string{"policy"},
		creates: "PUT sys/policies/acl/*", updates: "PUT sys/policies/acl/*", reads: "GET sys/policies/acl/*", deletes: "DELETE sys/policies/acl/*",
	}, {
		kind: backendType, in: backend("ml/jwt"), id: "ml/jwt",
		change: object{"description": "still ours", "jwtSupportedAlgs": []any{"RS256", "ES256"}}, changed: []string{"description", "jwtSupportedAlgs"},
		moved: object{"path": "ml/jwt2"}, replaces: []string{"path*"},
		drift: write("sys/mounts/auth/ml/jwt/tune", object{"description": "theirs"}), drifted: []string{"description"},
		creates: "POST sys/auth/*, PUT auth/*/config", updates: "PUT auth/*/config, POST sys/mounts/auth/*/tune",
		reads: "GET sys/mounts/auth/*, GET auth/*/config, GET sys/mounts/auth/*/tune", deletes: "DELETE sys/auth/*",
	}, {
		kind: roleType, before: func() { e.mustUp(fresh(backendType), backend("for/jwt")) },
		in: object{"backend": "for/jwt", "roleName": "ml-job", "roleType": "jwt", "userClaim": "oid", "boundAudiences": []any{"b", "a"},
			"boundClaimsType": "string", "boundClaims": object{"oid": "one,two", "tid": "t"}, "tokenPolicies": []any{"ml-read"}, "tokenTtl": 900,
			"tokenMaxTtl": 900, "tokenNoDefaultPolicy": true, "tokenType": "batch"},
		id:        "auth/for/jwt/role/ml-job",
		respelled: object{"boundAudiences": []any{"a", "b"}},
		change:    object{"boundClaims": object{"oid": "one"}, "tokenTtl": 60}, changed: []string{"boundClaims", "tokenTtl"},
		moved: object{"backend": "jwt"}, replaces: []string{"backend*"},
		drift: write("auth/for/jwt/role/ml-job", object{"role_type": "jwt", "user_claim": "oid", "bound_claims": object{"more": "x"},
			"bound_audiences": "a,b", "token_type": "service"}), drifted: []string{"boundClaims", "tokenType"},
		creates: "PUT auth/*/role/*", updates: "PUT auth/*/role/*", reads: "GET auth/*/role/*", deletes: "DELETE auth/*/role/*",
	}} {
		t.Run(l.kind, func(t *testing.T) {
			e.t = t
			if l.before != nil {
				l.before()
			}
			var state res
			require.Empty(t, requests(func() {
				_, err := e.provider.Create(e.ctx, &pulumirpc.CreateRequest{Urn: urn(l.kind), Properties: e.wire(l.in), Preview: true})
				require.NoError(t, err)
			}), "a preview")
			require.ElementsMatch(t, one(l.creates, l.reads), requests(func() { state = e.mustUp(fresh(l.kind), l.in) }), "create")
			require.Equal(t, l.id, state.id)
			require.Empty(t, requests(func() {
				require.Empty(t, e.diff(state, with(l.in, l.respelled)))
				require.Equal(t, l.changed, e.diff(state, with(l.in, l.change)))
				require.Equal(t, l.replaces, e.diff(state, with(l.in, l.moved)))
			}), "diffs")
			require.ElementsMatch(t, one(l.reads), requests(func() { state = e.refresh(state) }), "refresh")
			require.Empty(t, e.diff(state, l.in), "a refresh without drift leaves nothing to do")
			require.Empty(t, e.diff(e.refresh(res{urn: state.urn, id: state.id}), with(l.in, object{"deleteAllVersions": nil, "disableRemount": nil})), "an import")
			require.ElementsMatch(t, one(l.updates, l.reads), requests(func() { state = e.mustUp(state, with(l.in, l.change)) }), "update")
			require.Empty(t, e.diff(e.refresh(state), with(l.in, l.change)))
			state = e.mustUp(state, l.in)

			require.NoError(t, l.drift())
			state = e.refresh(state)
			require.Equal(t, l.drifted, e.diff(state, l.in), "drift")
			state = e.mustUp(state, l.in)
			require.Empty(t, e.diff(e.refresh(state), l.in), "it is repaired")
			require.ElementsMatch(t, one(l.deletes), requests(func() { e.destroy(state) }), "destroy")
			require.Empty(t, e.refresh(state).id, "gone")
		})
	}
}

// backend is an auth method as the program sets it.
func backend(path string) object {
	return object{"path": path, "type": "jwt", "description": "ours", "disableRemount": true, "jwtSupportedAlgs": []any{"RS256"},
		"boundIssuer": tokens.URL(issuer.V1), "oidcDiscoveryUrl": tokens.URL(issuer.V1), "oidcDiscoveryCaPem": string(tokensCA)}
}

func TestASecretIsReadAndPurgedOnlyWhereThatIsWanted(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	e.mustUp(fresh(policyType), object{"name": "first", "policy": anyPolicy})
	in := with(stored("ml/unread"), object{"disableRead": true})
	var state res
	require.ElementsMatch(t, one("PUT */data/*, PUT */metadata/*"), requests(func() { state = e.mustUp(fresh(secretType), in) }))
	require.Empty(t, requests(func() { state = e.refresh(state) }))
	require.Empty(t, e.diff(state, in))
	require.ElementsMatch(t, one("DELETE */data/*"), requests(func() { e.destroy(state) }), "the older versions stay")
}

func TestSecretV2ReturnsWhatTheSDKReadsAndMarksThePayload(t *testing.T) {
	e := newEngine(t, nil)
	in := with(stored("ml/shaped"), object{"dataJson": secret(`{"n": 9007199254740993, "s": "` + canary + `", "o": {"k": true}}`)})
	preview, err := e.provider.Create(e.ctx, &pulumirpc.CreateRequest{Urn: urn(secretType), Properties: e.wire(in), Preview: true})
	require.NoError(t, err)
	require.True(t, e.properties(preview.GetProperties())["path"].IsComputed(), "a preview knows no output")
	state := e.mustUp(fresh(secretType), in)

	require.Equal(t, "secret/data/ml/shaped", state.id)
	require.Equal(t, state.id, e.out(state, "path"))
	require.Subset(t, e.out(state, "metadata"), object{"version": "1"})
	require.Equal(t, object{"n": "9007199254740992", "s": canary, "o": `{"k":true}`}, e.out(state, "data"), "Vault reads numbers as floats")
	for _, name := range []string{"data", "dataJson"} {
		require.True(t, e.properties(state.outputs)[resource.PropertyKey(name)].IsSecret(), name)
	}
	require.Empty(t, e.diff(e.refresh(state), in), "and this is no drift")
	unknown := resource.MakeSecret(resource.MakeComputed(resource.NewProperty("")))
	require.Equal(t, []string{"dataJson"}, e.diff(state, with(in, object{"dataJson": unknown})))
}

func TestAFailureAfterTheWriteKeepsTheSecretInTheState(t *testing.T) {
	e := newEngine(t, nil)
	for name, method := range map[string]string{"/metadata/ml/half-put": http.MethodPut, "/data/ml/half-get": http.MethodGet} {
		in := stored(name[len(name)-len("ml/half-put"):])
		repair := failing(t, method, name)
		state, err := e.up(fresh(secretType), in)
		require.ErrorContains(t, err, "Vault answered 403 to "+method+" secret"+name)
		require.True(t, state.initFailed)
		repair()
		require.Subset(t, e.out(e.mustUp(state, in), "metadata"), object{"version": "2"}, "the next update repairs it")
	}
	t.Run("a refused write leaves nothing behind", func(t *testing.T) {
		failing(t, http.MethodPut, "/data/ml/none")
		state, err := e.up(fresh(secretType), stored("ml/none"))
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		require.False(t, state.initFailed)
	})
	t.Run("a KV v1 engine is an error", func(t *testing.T) {
		require.NoError(t, vault.Root().Sys().MountWithContext(t.Context(), "old", &api.MountInput{Type: "kv", Options: map[string]string{"version": "1"}}))
		in := with(stored("x"), object{"mount": "old"})
		delete(in, "customMetadata")
		state, err := e.up(fresh(secretType), in)
		require.ErrorContains(t, err, "old/ is not a KV v2 engine")
		require.True(t, state.initFailed, "what was written must be destroyable")
		e.destroy(state)
	})
}

func TestWhatTheProgramDoesNotSetIsRefusedWithoutQuotingIt(t *testing.T) {
	e := newEngine(t, nil)
	for name, in := range map[string]object{
		"dataJSON":           {"dataJSON": canary},
		"path":               {"path": canary},
		"customMetadata.max": {"customMetadata": object{"max": canary}},
	} {
		_, failures := e.check(secretType, with(stored("x"), in))
		require.Equal(t, []string{name + " the built-in Vault provider does not know this input: look for a typo, or install the genuine plugin"}, failures)
	}
	_, err := e.provider.Check(e.ctx, &pulumirpc.CheckRequest{Urn: urn("vault:pkiSecret/x:X")})
	require.ErrorContains(t, err, "install the genuine plugin")
	for name, setting := range map[string]any{"authLoginJwt": object{"role": canary}, "maxRetries": canary, "skipTlsVerify": true} {
		_, err = e.provider.Configure(e.ctx, &pulumirpc.ConfigureRequest{Args: e.wire(object{name: setting})})
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestAnAuthMethodThatCannotBeConfiguredIsInTheState(t *testing.T) {
	e := newEngine(t, nil)
	state, err := e.up(fresh(backendType), with(backend("half/jwt"), object{"boundIssuer": "https://127.0.0.1:1/", "oidcDiscoveryUrl": "https://127.0.0.1:1/"}))
	require.ErrorContains(t, err, "configure the auth method", "Vault does not reach the issuer")
	require.True(t, state.initFailed)
	state = e.mustUp(state, backend("half/jwt"))
	require.Empty(t, e.diff(e.refresh(state), backend("half/jwt")))
}

func TestTheChildTokenIsShortAndIsRevokedByClose(t *testing.T) {
	provider := vaultplugin.New()
	e := connect(t, provider, object{"maxLeaseTtlSeconds": "77", "tokenName": "up-42"})
	accessors := func() []any {
		list, err := vault.Root().Logical().ListWithContext(t.Context(), "auth/token/accessors")
		require.NoError(t, err)
		keys, isList := list.Data["keys"].([]any)
		require.True(t, isList)
		return keys
	}
	before := accessors()
	e.mustUp(fresh(policyType), object{"name": "child", "policy": anyPolicy})
	made := slices.DeleteFunc(accessors(), func(a any) bool { return slices.Contains(before, a) })
	require.Len(t, made, 1)
	token, err := vault.Root().Auth().Token().LookupAccessorWithContext(t.Context(), fmt.Sprint(made[0]))
	require.NoError(t, err)
	require.Equal(t, "token-up-42", token.Data["display_name"])
	require.Equal(t, "77", fmt.Sprint(token.Data["explicit_max_ttl"]))
	require.Equal(t, false, token.Data["renewable"])

	require.NoError(t, provider.Close(t.Context()))
	require.NotContains(t, accessors(), made[0])
}

func TestATokenThatVaultRefusesIsNotInTheMessage(t *testing.T) {
	in := object{"name": "p", "policy": anyPolicy}
	_, err := newEngine(t, object{"token": secret("hvs." + canary)}).up(fresh(policyType), in)
	require.ErrorContains(t, err, "look up the provider's token")
	require.NotContains(t, err.Error(), vault.Addr())

	limited, err := vault.Token(t.Context(), "limited", `
		path "auth/token/lookup-self" { capabilities = ["read"] }
		path "sys/policies/acl/p" { capabilities = ["update", "read"] }`, time.Minute)
	require.NoError(t, err)
	_, err = newEngine(t, object{"token": limited}).up(fresh(policyType), in)
	require.ErrorContains(t, err, "allow update on auth/token/create, or set skipChildToken")
	_, err = newEngine(t, object{"token": limited, "skipChildToken": "true"}).up(fresh(policyType), in)
	require.NoError(t, err)
}

func TestTwoConfigurationsDoNotMix(t *testing.T) {
	provider := vaultplugin.New()
	good := connect(t, provider, nil)
	_ = connect(t, provider, object{"address": "https://127.0.0.1:1"})
	good.mustUp(fresh(policyType), object{"name": "unmixed", "policy": anyPolicy})
}

func TestAnEmptyTokenMeansTheEnvironments(t *testing.T) {
	in := object{"name": "from-env", "policy": anyPolicy}
	t.Setenv("VAULT_TOKEN", vault.Root().Token())
	newEngine(t, object{"token": ""}).mustUp(fresh(policyType), in)
	t.Setenv("VAULT_TOKEN", "")
	_, err := newEngine(t, object{"token": ""}).up(fresh(policyType), in)
	require.ErrorContains(t, err, "no Vault token")
}
