package vaultplugin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
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
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	secretType  = "vault:kv/secretV2:SecretV2"
	mountType   = "vault:index/mount:Mount"
	policyType  = "vault:index/policy:Policy"
	backendType = "vault:jwt/authBackend:AuthBackend"
	roleType    = "vault:jwt/authBackendRole:AuthBackendRole"
)

func payload(value string) resource.PropertyValue {
	return secret(`{"api_key": "` + value + `"}`)
}

// The counts are the genuine plugin's, measured with a proxy on 6.7.4.
func TestSecretV2AsksVaultWhatTheGenuinePluginAsks(t *testing.T) {
	e := newEngine(t, nil)
	in := object{"mount": "secret", "name": "ml/counted", "dataJson": payload(canary)}
	var state res

	require.Empty(t, requests(func() {
		_, err := e.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(secretType, "x"), Properties: e.wire(in), Preview: true})
		require.NoError(t, err)
	}), "preview")
	require.Equal(t, map[string]int{
		"GET auth/token/lookup-self": 1, "POST auth/token/create": 1,
		"PUT */data/*": 1, "GET */data/*": 1, "GET */metadata/*": 1,
	}, requests(func() { state = e.mustCreate(secretType, in) }), "create")
	require.Empty(t, requests(func() { require.Empty(t, e.diff(state, in)) }), "no-op")
	require.Equal(t, map[string]int{"GET */data/*": 1, "GET */metadata/*": 1},
		requests(func() { state = e.refresh(state) }), "refresh")
	in["dataJson"] = payload(canary + "2")
	require.Equal(t, map[string]int{"PUT */data/*": 1, "PUT */metadata/*": 1, "GET */data/*": 1, "GET */metadata/*": 1},
		requests(func() { state = e.mustUpdate(state, in) }), "update")
	require.Equal(t, map[string]int{"DELETE */data/*": 1}, requests(func() { e.destroy(state) }), "destroy")

	t.Run("destroy leaves the older versions readable", func(t *testing.T) {
		old, err := vault.Root().KVv2("secret").GetVersion(t.Context(), "ml/counted", 1)
		require.NoError(t, err)
		require.Equal(t, canary, old.Data["api_key"])
		newest, err := vault.Root().KVv2("secret").Get(t.Context(), "ml/counted")
		require.NoError(t, err)
		require.Empty(t, newest.Data)
	})
}

func TestSecretV2ReturnsWhatTheSDKReadsAndMarksThePayload(t *testing.T) {
	e := newEngine(t, nil)
	in := object{"mount": "secret", "name": "ml/shaped", "dataJson": secret(`{"n": 9007199254740993, "s": "` + canary + `", "o": {"k": true}}`),
		"customMetadata": object{"data": object{"owner": "ml"}, "maxVersions": 3}}
	state := e.mustCreate(secretType, in)

	require.Equal(t, "secret/data/ml/shaped", state.id)
	require.Equal(t, state.id, e.out(state, "path"))
	require.Subset(t, e.out(state, "metadata"), object{"version": "1"})
	require.Equal(t, object{"n": "9007199254740992", "s": canary, "o": `{"k":true}`}, e.out(state, "data"), "Vault reads numbers as floats")
	require.Equal(t, object{"casRequired": false, "data": object{"owner": "ml"}, "deleteVersionAfter": 0.0, "maxVersions": 3.0},
		e.out(state, "customMetadata"))
	e.requireMasked(state.outputs)
	e.requireMasked(state.inputs)
	for _, name := range []string{"data", "dataJson"} {
		require.True(t, e.properties(state.outputs)[resource.PropertyKey(name)].IsSecret(), name)
	}
	refreshed := e.refresh(state)
	e.requireMasked(refreshed.outputs)
	e.requireMasked(refreshed.inputs)
	require.Empty(t, e.diff(refreshed, in), "a refresh without drift leaves nothing to do")
}

func TestSecretV2DiffsSeeMeaningAndNotSpelling(t *testing.T) {
	e := newEngine(t, nil)
	in := func(change object) object {
		base := object{"mount": "secret", "name": "ml/diffed", "dataJson": secret(`{"a":1,"b":"` + canary + `"}`)}
		for name, v := range change {
			base[name] = v
		}
		return base
	}
	state := e.mustCreate(secretType, in(nil))
	require.Empty(t, e.diff(state, in(object{"dataJson": secret("{ \"b\": \"" + canary + "\", \"a\": 1 }"), "deleteAllVersions": false})))
	require.Equal(t, []string{"dataJson"}, e.diff(state, in(object{"dataJson": payload("other")})))
	require.Equal(t, []string{"dataJson"}, e.diff(state, in(object{"dataJson": resource.MakeSecret(resource.MakeComputed(resource.NewProperty("")))})))
	require.Equal(t, []string{"name*"}, e.diff(state, in(object{"name": "ml/renamed"})))
	require.Equal(t, []string{"mount*"}, e.diff(state, in(object{"mount": "elsewhere"})))
	require.Equal(t, []string{"deleteAllVersions"}, e.diff(state, in(object{"deleteAllVersions": true})))

	custom := in(object{"customMetadata": object{"data": object{"owner": "ml"}}})
	state = e.mustUpdate(state, custom)
	require.Empty(t, e.diff(state, in(nil)), "removed customMetadata stays in Vault, as with the genuine plugin")
	require.Equal(t, []string{"customMetadata"}, e.diff(state, in(object{"customMetadata": object{"data": object{"owner": "other"}}})))
}

func TestSecretV2RefreshSeesDrift(t *testing.T) {
	e := newEngine(t, nil)
	kv := vault.Root().KVv2("secret")
	in := object{"mount": "secret", "name": "ml/drifting", "dataJson": payload(canary)}
	state := e.mustCreate(secretType, in)

	_, err := kv.Put(t.Context(), "ml/drifting", object{"api_key": "changed by hand"})
	require.NoError(t, err)
	require.Equal(t, []string{"dataJson"}, e.diff(e.refresh(state), in), "an edit")
	state = e.mustUpdate(e.refresh(state), in)

	require.NoError(t, kv.Delete(t.Context(), "ml/drifting"))
	deleted := e.refresh(state)
	require.NotEmpty(t, deleted.id, "a soft-deleted secret is not gone")
	require.Equal(t, []string{"dataJson"}, e.diff(deleted, in))
	state = e.mustUpdate(deleted, in)
	live, err := kv.Get(t.Context(), "ml/drifting")
	require.NoError(t, err)
	require.Equal(t, canary, live.Data["api_key"])

	require.NoError(t, kv.DeleteMetadata(t.Context(), "ml/drifting"))
	require.Empty(t, e.refresh(state).id, "a purged secret is gone")
}

func TestSecretV2SwitchesDoWhatTheySay(t *testing.T) {
	e := newEngine(t, nil)

	t.Run("deleteAllVersions purges", func(t *testing.T) {
		state := e.mustCreate(secretType, object{"mount": "secret", "name": "ml/purged", "dataJson": payload(canary), "deleteAllVersions": true})
		require.Equal(t, map[string]int{"DELETE */metadata/*": 1}, requests(func() { e.destroy(state) }))
		_, err := vault.Root().KVv2("secret").GetMetadata(t.Context(), "ml/purged")
		require.ErrorIs(t, err, api.ErrSecretNotFound)
	})
	t.Run("disableRead reads nothing", func(t *testing.T) {
		in := object{"mount": "secret", "name": "ml/unread", "dataJson": payload(canary), "disableRead": true}
		var state res
		require.Equal(t, map[string]int{"PUT */data/*": 1}, requests(func() { state = e.mustCreate(secretType, in) }))
		require.Empty(t, requests(func() { state = e.refresh(state) }))
		require.Empty(t, e.diff(state, in))
		in["dataJson"] = payload("next")
		require.Equal(t, map[string]int{"PUT */data/*": 1}, requests(func() { state = e.mustUpdate(state, in) }))
	})
	t.Run("options.cas 0 guards a foreign secret", func(t *testing.T) {
		_, err := vault.Root().KVv2("secret").Put(t.Context(), "ml/foreign", object{"k": "theirs"})
		require.NoError(t, err)
		_, err = e.create(secretType, object{"mount": "secret", "name": "ml/foreign", "dataJson": payload(canary), "options": object{"cas": "0"}})
		require.ErrorContains(t, err, "check-and-set")
		require.NotContains(t, err.Error(), canary)
	})
}

func TestAFailureAfterTheWriteKeepsTheSecretInTheState(t *testing.T) {
	e := newEngine(t, nil)
	in := object{"mount": "secret", "name": "ml/half", "dataJson": payload(canary)}

	repair := failing(t, http.MethodGet, "/data/ml/half", http.StatusForbidden)
	state, err := e.create(secretType, in)
	require.ErrorContains(t, err, "read the secret: Vault answered 403 to GET secret/data/ml/half")
	require.NotContains(t, err.Error(), canary, "even where Vault quotes it")
	require.True(t, state.initFailed)
	require.Equal(t, "secret/data/ml/half", state.id)
	e.requireMasked(state.outputs)
	repair()

	t.Run("the next update repairs it", func(t *testing.T) {
		require.Subset(t, e.out(e.mustUpdate(state, in), "metadata"), object{"version": "2"})
	})
	t.Run("a metadata write that fails does so too", func(t *testing.T) {
		failing(t, http.MethodPut, "/metadata/ml/half2", http.StatusForbidden)
		in := object{"mount": "secret", "name": "ml/half2", "dataJson": payload(canary), "customMetadata": object{"maxVersions": 2}}
		state, err := e.create(secretType, in)
		require.ErrorContains(t, err, "write the metadata")
		require.True(t, state.initFailed)
	})
	t.Run("an update that fails is repaired by the next one, changed or not", func(t *testing.T) {
		before := object{"mount": "secret", "name": "ml/kept", "dataJson": payload(canary)}
		state := e.mustCreate(secretType, before)
		repair := failing(t, http.MethodPut, "/data/ml/kept", http.StatusForbidden)
		changed := object{"mount": "secret", "name": "ml/kept", "dataJson": payload(canary + "2")}
		state, err := e.update(state, changed)
		require.ErrorContains(t, err, "Vault answered 403 to PUT secret/data/ml/kept")
		require.NotContains(t, err.Error(), canary)
		require.True(t, state.initFailed, "the engine updates it again even if the program goes back to what it said before")
		e.requireMasked(state.outputs)
		repair()
		require.Subset(t, e.out(e.mustUpdate(state, before), "metadata"), object{"version": "2"})
	})
	t.Run("a refused write leaves nothing behind", func(t *testing.T) {
		failing(t, http.MethodPut, "/data/ml/none", http.StatusForbidden)
		state, err := e.create(secretType, object{"mount": "secret", "name": "ml/none", "dataJson": payload(canary)})
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		require.NotContains(t, err.Error(), canary)
		require.False(t, state.initFailed)
	})
}

func TestAKV1EngineIsAnError(t *testing.T) {
	e := newEngine(t, nil)
	require.NoError(t, vault.Root().Sys().MountWithContext(t.Context(), "old", &api.MountInput{Type: "kv", Options: map[string]string{"version": "1"}}))
	t.Cleanup(func() { _ = vault.Root().Sys().Unmount("old") })
	state, err := e.create(secretType, object{"mount": "old", "name": "x", "dataJson": payload(canary)})
	require.ErrorContains(t, err, "old/ is not a KV v2 engine")
	require.True(t, state.initFailed, "what was written must be destroyable")
	e.destroy(state)
}

func TestInputsThatCannotWorkAreRefusedWithoutQuotingThem(t *testing.T) {
	e := newEngine(t, nil)
	for name, test := range map[string]struct {
		kind string
		in   object
		want string
	}{
		"a typo":             {secretType, object{"mount": "secret", "dataJson": payload(canary), "dataJSON": canary}, "dataJSON the built-in Vault provider does not know this input"},
		"an output":          {secretType, object{"mount": "secret", "dataJson": payload(canary), "path": canary}, "path the built-in"},
		"nothing":            {secretType, object{"mount": "secret"}, "dataJson is required"},
		"malformed JSON":     {secretType, object{"mount": "secret", "dataJson": secret(canary)}, "dataJson is not a JSON object"},
		"JSON null":          {secretType, object{"mount": "secret", "dataJson": secret("null")}, "dataJson is not a JSON object"},
		"two JSON objects":   {secretType, object{"mount": "secret", "dataJson": secret("{}{}")}, "dataJson is not a JSON object"},
		"an escape":          {secretType, object{"mount": "secret", "name": "a/../../sys", "dataJson": payload(canary)}, "name is empty, has a leading"},
		"a wrong type":       {roleType, object{"roleName": "r", "userClaim": "sub", "tokenTtl": canary}, "tokenTtl is not a number"},
		"a nested typo":      {secretType, object{"mount": "secret", "dataJson": payload(canary), "customMetadata": object{"max": 1}}, "customMetadata.max the built-in"},
		"a list of the like": {roleType, object{"roleName": "r", "userClaim": "sub", "tokenPolicies": []any{1}}, "tokenPolicies is not a list of strings"},
	} {
		t.Run(name, func(t *testing.T) {
			_, failures := e.check(test.kind, test.in)
			require.Len(t, failures, 1)
			require.Contains(t, failures[0], test.want)
			require.NotContains(t, failures[0], canary)
		})
	}
	_, err := e.client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn("vault:pkiSecret/x:X", "x")})
	require.ErrorContains(t, err, "install the genuine plugin")
}

func TestANameIsMadeWhereTheSDKLeavesItOpen(t *testing.T) {
	e := newEngine(t, nil)
	inputs, failures := e.check(policyType, object{"policy": ""})
	require.Empty(t, failures)
	require.Regexp(t, `^x-[0-9a-f]{7}$`, e.properties(inputs)["name"].StringValue())
}

func TestMountLifecycle(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	in := object{"path": "team/kv", "type": "kv", "description": "ours", "options": object{"version": "2"}}
	var state res
	require.Equal(t, map[string]int{"GET auth/token/lookup-self": 1, "POST sys/mounts/*": 1, "GET sys/mounts/*": 1},
		requests(func() { state = e.mustCreate(mountType, in) }))
	require.Equal(t, "team/kv", state.id)
	require.NotEmpty(t, e.out(state, "accessor"))
	require.Empty(t, e.diff(e.refresh(state), in))

	in["description"] = "still ours"
	require.Equal(t, []string{"description"}, e.diff(state, in))
	require.Equal(t, map[string]int{"POST sys/mounts/*/tune": 1, "GET sys/mounts/*": 1}, requests(func() { state = e.mustUpdate(state, in) }))
	require.Equal(t, "still ours", e.out(state, "description"))
	require.Equal(t, []string{"path*"}, e.diff(state, object{"path": "team/kv2", "type": "kv", "description": "still ours", "options": object{"version": "2"}}))

	e.destroy(state)
	require.Empty(t, e.refresh(state).id)
}

func TestPolicyLifecycle(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	in := object{"name": "ml-read", "policy": `path "secret/data/ml" { capabilities = ["read"] }`}
	var state res
	require.Equal(t, map[string]int{"GET auth/token/lookup-self": 1, "PUT sys/policies/acl/*": 1, "GET sys/policies/acl/*": 1},
		requests(func() { state = e.mustCreate(policyType, in) }))
	require.Empty(t, e.diff(e.refresh(state), in))

	require.NoError(t, vault.Root().Sys().PutPolicyWithContext(t.Context(), "ml-read", `path "*" { capabilities = ["sudo"] }`))
	drifted := e.refresh(state)
	require.Equal(t, []string{"policy"}, e.diff(drifted, in))
	state = e.mustUpdate(drifted, in)
	require.Equal(t, in["policy"], e.out(state, "policy"))
	e.destroy(state)
	require.Empty(t, e.refresh(state).id)

	_, err := e.create(policyType, object{"name": "bad", "policy": secret("path " + canary)})
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
}

func TestJWTLifecycle(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	in := object{"path": "ml/jwt", "boundIssuer": "https://issuer.example/", "jwtValidationPubkeys": []any{publicKey(t)}, "description": "ours"}
	var state res
	require.Equal(t, map[string]int{
		"GET auth/token/lookup-self": 1, "POST sys/auth/*": 1, "PUT auth/*/config": 1,
		"GET sys/mounts/auth/*": 1, "GET auth/*/config": 1, "GET sys/mounts/auth/*/tune": 1,
	}, requests(func() { state = e.mustCreate(backendType, in) }))
	require.NotEmpty(t, e.out(state, "accessor"))
	require.Equal(t, "jwt", e.out(state, "type"))
	require.Empty(t, e.diff(e.refresh(state), in))
	in["boundIssuer"], in["description"] = "https://other.example/", "still ours"
	require.Equal(t, []string{"boundIssuer", "description"}, e.diff(state, in))
	state = e.mustUpdate(state, in)
	require.Equal(t, in["boundIssuer"], e.out(state, "boundIssuer"))

	t.Run("a role", func(t *testing.T) {
		in := object{"backend": "ml/jwt", "roleName": "ml-job", "roleType": "jwt", "userClaim": "oid",
			"boundAudiences": []any{"b", "a"}, "boundClaims": object{"oid": "one,two", "tid": "t"},
			"tokenPolicies": []any{"ml-read"}, "tokenTtl": 900, "tokenNoDefaultPolicy": true, "tokenType": "batch"}
		var role res
		require.Equal(t, map[string]int{"PUT auth/*/role/*": 1, "GET auth/*/role/*": 1}, requests(func() { role = e.mustCreate(roleType, in) }))
		require.Equal(t, "auth/ml/jwt/role/ml-job", role.id)
		in["boundAudiences"] = []any{"a", "b"}
		require.Empty(t, e.diff(e.refresh(role), in), "sets have no order")

		_, err := vault.Root().Logical().WriteWithContext(t.Context(), role.id,
			object{"role_type": "jwt", "user_claim": "oid", "bound_claims": object{}, "bound_subject": "", "token_bound_cidrs": "10.0.0.0/8", "bound_audiences": "a,b", "token_type": "service"})
		require.NoError(t, err)
		drifted := e.refresh(role)
		require.Equal(t, []string{"boundClaims", "tokenBoundCidrs", "tokenType"}, e.diff(drifted, in), "also what the program never set")
		role = e.mustUpdate(drifted, in)
		require.Empty(t, e.diff(e.refresh(role), in))
		require.Equal(t, object{"oid": "one,two", "tid": "t"}, e.out(role, "boundClaims"))

		delete(in, "tokenTtl")
		require.Equal(t, []string{"tokenTtl"}, e.diff(role, in))
		role = e.mustUpdate(role, in)
		require.Nil(t, e.out(role, "tokenTtl"), "an input that is taken away is reset")
		require.Equal(t, []string{"backend*"}, e.diff(role, merged(in, object{"backend": "jwt"})))
		e.destroy(role)
		require.Empty(t, e.refresh(role).id)
	})

	e.destroy(state)
	require.Empty(t, e.refresh(state).id)

	t.Run("an issuer that cannot be reached leaves the mount in the state", func(t *testing.T) {
		state, err := e.create(backendType, object{"path": "lost", "oidcDiscoveryUrl": "https://127.0.0.1:1/", "boundIssuer": "https://127.0.0.1:1/"})
		require.ErrorContains(t, err, "configure the auth method")
		require.True(t, state.initFailed)
		e.destroy(state)
		require.Empty(t, e.refresh(state).id)
	})
}

func TestTheChildTokenIsShortAndIsRevokedByClose(t *testing.T) {
	provider, address := serve(t)
	e := attach(t, address, object{"maxLeaseTtlSeconds": "77", "tokenName": "up-42"})
	accessors := func() (out []string) {
		list, err := vault.Root().Logical().ListWithContext(t.Context(), "auth/token/accessors")
		require.NoError(t, err)
		keys, isList := list.Data["keys"].([]any)
		require.True(t, isList)
		for _, a := range keys {
			out = append(out, fmt.Sprint(a))
		}
		return out
	}
	before := accessors()
	e.mustCreate(policyType, object{"name": "child", "policy": `path "x" { capabilities = ["read"] }`})
	var child string
	for _, a := range accessors() {
		if !slices.Contains(before, a) {
			child = a
		}
	}
	token, err := vault.Root().Auth().Token().LookupAccessorWithContext(t.Context(), child)
	require.NoError(t, err)
	require.Equal(t, "token-up-42", token.Data["display_name"])
	require.Equal(t, "77", fmt.Sprint(token.Data["explicit_max_ttl"]))
	require.Equal(t, false, token.Data["renewable"])

	require.NoError(t, provider.Close(t.Context()))
	require.NotContains(t, accessors(), child)
}

func TestATokenThatVaultRefusesIsNotInTheMessage(t *testing.T) {
	e := newEngine(t, object{"token": secret("hvs." + canary)})
	_, err := e.create(policyType, object{"name": "p", "policy": "x"})
	require.ErrorContains(t, err, "look up the provider's token")
	require.NotContains(t, err.Error(), canary)
	require.NotContains(t, err.Error(), vault.Addr())

	limited, err := vault.Token(t.Context(), "limited", `
		path "auth/token/lookup-self" { capabilities = ["read"] }
		path "sys/policies/acl/p" { capabilities = ["update", "read"] }`, time.Minute)
	require.NoError(t, err)
	_, err = newEngine(t, object{"token": limited}).create(policyType, object{"name": "p", "policy": `path "x" { capabilities = ["read"] }`})
	require.ErrorContains(t, err, "allow update on auth/token/create, or set skipChildToken")
	_, err = newEngine(t, object{"token": limited, "skipChildToken": "true"}).create(policyType, object{"name": "p", "policy": `path "x" { capabilities = ["read"] }`})
	require.NoError(t, err)
}

func TestTwoConfigurationsDoNotMix(t *testing.T) {
	_, address := serve(t)
	good := attach(t, address, nil)
	_ = attach(t, address, object{"address": "https://127.0.0.1:1"})
	good.mustCreate(policyType, object{"name": "unmixed", "policy": `path "x" { capabilities = ["read"] }`})
}

func TestAnEmptyTokenAndAddressMeanTheEnvironment(t *testing.T) {
	t.Setenv("VAULT_ADDR", vault.Addr())
	t.Setenv("VAULT_TOKEN", vault.Root().Token())
	e := newEngine(t, object{"address": "", "token": ""})
	e.mustCreate(policyType, object{"name": "from-env", "policy": `path "x" { capabilities = ["read"] }`})

	t.Setenv("VAULT_TOKEN", "")
	_, err := newEngine(t, object{"token": ""}).create(policyType, object{"name": "p", "policy": "x"})
	require.ErrorContains(t, err, "no Vault token")
}

func TestTheEnginesHandshake(t *testing.T) {
	e := newEngine(t, nil)
	handshake, err := e.client.Handshake(t.Context(), &pulumirpc.ProviderHandshakeRequest{})
	require.NoError(t, err)
	require.True(t, handshake.GetAcceptSecrets())
	_, err = e.client.Attach(t.Context(), &pulumirpc.PluginAttach{Address: "127.0.0.1:1"})
	require.NoError(t, err)
	info, err := e.client.GetPluginInfo(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, "6.7.4", info.GetVersion())

	config := object{"address": "https://a:8200", "token": secret(canary), "authLoginJwt": object{"role": "x"}, "maxRetries": "many"}
	check, err := e.client.CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: e.wire(config)})
	require.NoError(t, err)
	require.Len(t, check.GetFailures(), 2)
	diff, err := e.client.DiffConfig(t.Context(), &pulumirpc.DiffRequest{
		OldInputs: e.wire(object{"address": "https://a:8200"}), News: e.wire(object{"address": "https://b:8200"})})
	require.NoError(t, err)
	require.Equal(t, []string{"address"}, diff.GetDiffs())
	require.Empty(t, diff.GetReplaces())
}

func TestAnObjectCanBeImportedByItsID(t *testing.T) {
	e := newEngine(t, nil)
	_, err := vault.Root().KVv2("secret").Put(t.Context(), "ml/imported", object{"api_key": canary})
	require.NoError(t, err)
	state := e.refresh(res{urn: urn(secretType, "x"), id: "secret/data/ml/imported"})
	e.requireMasked(state.inputs)
	e.requireMasked(state.outputs)
	require.Empty(t, e.diff(state, object{"mount": "secret", "name": "ml/imported", "dataJson": payload(canary)}))
}

func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func merged(maps ...object) object {
	out := object{}
	for _, m := range maps {
		for name, v := range m {
			out[name] = v
		}
	}
	return out
}
