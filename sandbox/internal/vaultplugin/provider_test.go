package vaultplugin_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"mlvault/sandbox/internal/issuer"
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

// The counts are the genuine plugin's, measured with a proxy on 6.7.4.
func TestSecretV2AsksVaultWhatTheGenuinePluginAsks(t *testing.T) {
	e := newEngine(t, nil)
	in := stored("ml/counted")
	written := map[string]int{"PUT */data/*": 1, "PUT */metadata/*": 1, "GET */data/*": 1, "GET */metadata/*": 1}
	var state res

	require.Empty(t, requests(func() {
		_, err := e.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(secretType), Properties: e.wire(in), Preview: true})
		require.NoError(t, err)
	}), "preview")
	created := requests(func() { state = e.mustCreate(secretType, in) })
	require.Equal(t, 1, created["GET auth/token/lookup-self"]*created["POST auth/token/create"], "once for the plugin")
	delete(created, "GET auth/token/lookup-self")
	delete(created, "POST auth/token/create")
	require.Equal(t, written, created, "create")
	require.Empty(t, requests(func() { require.Empty(t, e.diff(state, in)) }), "no-op")
	require.Equal(t, map[string]int{"GET */data/*": 1, "GET */metadata/*": 1}, requests(func() { state = e.refresh(state) }), "refresh")
	in["dataJson"] = payload(canary + "2")
	require.Equal(t, written, requests(func() { state = e.mustUpdate(state, in) }), "update")
	require.Equal(t, map[string]int{"DELETE */data/*": 1}, requests(func() { e.destroy(state) }), "destroy")

	old, err := vault.Root().KVv2("secret").GetVersion(t.Context(), "ml/counted", 1)
	require.NoError(t, err)
	require.Equal(t, canary, old.Data["api_key"], "destroy leaves the older versions readable")
	newest, err := vault.Root().KVv2("secret").Get(t.Context(), "ml/counted")
	require.NoError(t, err)
	require.Empty(t, newest.Data)

	purged := e.mustCreate(secretType, with(stored("ml/purged"), object{"deleteAllVersions": true}))
	require.Equal(t, map[string]int{"DELETE */metadata/*": 1}, requests(func() { e.destroy(purged) }))

	in = with(stored("ml/unread"), object{"disableRead": true})
	require.Equal(t, map[string]int{"PUT */data/*": 1, "PUT */metadata/*": 1}, requests(func() { state = e.mustCreate(secretType, in) }), "disableRead")
	require.Empty(t, requests(func() { state = e.refresh(state) }))
	require.Empty(t, e.diff(state, in))
}

func TestSecretV2ReturnsWhatTheSDKReadsAndMarksThePayload(t *testing.T) {
	e := newEngine(t, nil)
	in := with(stored("ml/shaped"), object{"dataJson": secret(`{"n": 9007199254740993, "s": "` + canary + `", "o": {"k": true}}`)})
	state := e.mustCreate(secretType, in)

	require.Equal(t, "secret/data/ml/shaped", state.id)
	require.Equal(t, state.id, e.out(state, "path"))
	require.Subset(t, e.out(state, "metadata"), object{"version": "1"})
	require.Equal(t, object{"n": "9007199254740992", "s": canary, "o": `{"k":true}`}, e.out(state, "data"), "Vault reads numbers as floats")
	for _, name := range []string{"data", "dataJson"} {
		require.True(t, e.properties(state.outputs)[resource.PropertyKey(name)].IsSecret(), name)
	}
	require.Empty(t, e.diff(e.refresh(state), in), "a refresh without drift leaves nothing to do")
}

func TestSecretV2DiffsSeeMeaningAndNotSpelling(t *testing.T) {
	e := newEngine(t, nil)
	in := with(stored("ml/diffed"), object{"dataJson": secret(`{"a":1,"b":"` + canary + `"}`)})
	state := e.mustCreate(secretType, in)
	for _, c := range []struct {
		change object
		want   []string
	}{
		{object{"dataJson": secret("{ \"b\": \"" + canary + "\", \"a\": 1 }")}, nil},
		{object{"dataJson": payload("other")}, []string{"dataJson"}},
		{object{"dataJson": resource.MakeSecret(resource.MakeComputed(resource.NewProperty("")))}, []string{"dataJson"}},
		{object{"name": "ml/renamed"}, []string{"name*"}},
		{object{"mount": "elsewhere"}, []string{"mount*"}},
		{object{"deleteAllVersions": true}, []string{"deleteAllVersions"}},
		{object{"customMetadata": object{"data": object{"owner": "other"}}}, []string{"customMetadata"}},
	} {
		require.Equal(t, c.want, e.diff(state, with(in, c.change)), "%v", c.want)
	}
}

func TestSecretV2RefreshSeesDrift(t *testing.T) {
	e := newEngine(t, nil)
	kv := vault.Root().KVv2("secret")
	in := stored("ml/drifting")
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

func TestAFailureAfterTheWriteKeepsTheSecretInTheState(t *testing.T) {
	e := newEngine(t, nil)
	for name, method := range map[string]string{"/metadata/ml/half-put": http.MethodPut, "/data/ml/half-get": http.MethodGet} {
		in := stored(name[len(name)-len("ml/half-put"):])
		repair := failing(t, method, name, http.StatusForbidden)
		state, err := e.create(secretType, in)
		require.ErrorContains(t, err, "Vault answered 403 to "+method+" secret"+name)
		require.True(t, state.initFailed)
		repair()
		require.Subset(t, e.out(e.mustUpdate(state, in), "metadata"), object{"version": "2"}, "the next update repairs it")
	}
	t.Run("an update that fails is repaired by the next one, changed or not", func(t *testing.T) {
		before := stored("ml/kept")
		state := e.mustCreate(secretType, before)
		repair := failing(t, http.MethodPut, "/data/ml/kept", http.StatusForbidden)
		state, err := e.update(state, with(before, object{"dataJson": payload(canary + "2")}))
		require.ErrorContains(t, err, "Vault answered 403 to PUT secret/data/ml/kept")
		require.True(t, state.initFailed, "the engine updates it again even if the program goes back to what it said before")
		repair()
		require.Subset(t, e.out(e.mustUpdate(state, before), "metadata"), object{"version": "2"})
	})
	t.Run("a refused write leaves nothing behind", func(t *testing.T) {
		failing(t, http.MethodPut, "/data/ml/none", http.StatusForbidden)
		state, err := e.create(secretType, stored("ml/none"))
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		require.False(t, state.initFailed)
	})
	t.Run("a KV v1 engine is an error", func(t *testing.T) {
		require.NoError(t, vault.Root().Sys().MountWithContext(t.Context(), "old", &api.MountInput{Type: "kv", Options: map[string]string{"version": "1"}}))
		in := with(stored("x"), object{"mount": "old"})
		delete(in, "customMetadata")
		state, err := e.create(secretType, in)
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
	_, err := e.client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn("vault:pkiSecret/x:X")})
	require.ErrorContains(t, err, "install the genuine plugin")
	for name, setting := range map[string]any{"authLoginJwt": object{"role": canary}, "maxRetries": canary, "skipTlsVerify": true} {
		_, err = e.client.Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: e.wire(object{name: setting})})
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestMountLifecycle(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	in := object{"path": "team/kv", "type": "kv", "description": "ours", "options": object{"version": "2"}}
	var state res
	require.Equal(t, map[string]int{"GET auth/token/lookup-self": 1, "POST sys/mounts/*": 1, "GET sys/mounts/*": 1},
		requests(func() { state = e.mustCreate(mountType, in) }))
	require.Equal(t, "team/kv", state.id)
	require.Empty(t, e.diff(e.refresh(state), in))

	in["description"] = "still ours"
	require.Equal(t, []string{"description"}, e.diff(state, in))
	require.Equal(t, map[string]int{"POST sys/mounts/*/tune": 1, "GET sys/mounts/*": 1}, requests(func() { state = e.mustUpdate(state, in) }))
	require.Equal(t, "still ours", e.out(state, "description"))
	require.Equal(t, []string{"path*"}, e.diff(state, with(in, object{"path": "team/kv2"})))

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
}

func TestJWTLifecycle(t *testing.T) {
	e := newEngine(t, object{"skipChildToken": true})
	in := object{"path": "ml/jwt", "type": "jwt", "description": "ours", "disableRemount": true, "jwtSupportedAlgs": []any{"RS256"},
		"boundIssuer": "https://127.0.0.1:1/", "oidcDiscoveryUrl": "https://127.0.0.1:1/"}
	var state res
	var err error
	require.Equal(t, map[string]int{"GET auth/token/lookup-self": 1, "POST sys/auth/*": 1, "PUT auth/*/config": 1},
		requests(func() { state, err = e.create(backendType, in) }))
	require.ErrorContains(t, err, "configure the auth method", "Vault does not reach the issuer")
	require.True(t, state.initFailed, "the mount is in the state")

	in["oidcDiscoveryUrl"], in["oidcDiscoveryCaPem"] = tokens.URL(issuer.V1), string(tokensCA)
	in["boundIssuer"], in["description"] = tokens.URL(issuer.V1), "still ours"
	require.Equal(t, map[string]int{
		"PUT auth/*/config": 1, "POST sys/mounts/auth/*/tune": 1,
		"GET sys/mounts/auth/*": 1, "GET auth/*/config": 1, "GET sys/mounts/auth/*/tune": 1,
	}, requests(func() { state = e.mustUpdate(state, in) }))
	require.Empty(t, e.diff(e.refresh(state), in))
	require.Equal(t, []string{"boundIssuer", "description"}, e.diff(state, with(in, object{"boundIssuer": "x", "description": "y"})))

	role := object{"backend": "ml/jwt", "roleName": "ml-job", "roleType": "jwt", "userClaim": "oid", "boundAudiences": []any{"b", "a"},
		"boundClaimsType": "string", "boundClaims": object{"oid": "one,two", "tid": "t"}, "tokenPolicies": []any{"ml-read"}, "tokenTtl": 900,
		"tokenMaxTtl": 900, "tokenNoDefaultPolicy": true, "tokenType": "batch"}
	var made res
	require.Equal(t, map[string]int{"PUT auth/*/role/*": 1, "GET auth/*/role/*": 1}, requests(func() { made = e.mustCreate(roleType, role) }))
	require.Equal(t, "auth/ml/jwt/role/ml-job", made.id)
	require.Empty(t, e.diff(e.refresh(made), with(role, object{"boundAudiences": []any{"a", "b"}})), "sets have no order")
	require.Empty(t, e.diff(e.refresh(res{urn: made.urn, id: made.id}), role), "an import")
	require.Equal(t, []string{"backend*"}, e.diff(made, with(role, object{"backend": "jwt"})))

	_, err = vault.Root().Logical().WriteWithContext(t.Context(), made.id, object{"role_type": "jwt", "user_claim": "oid",
		"bound_claims": object{"more": "x"}, "bound_audiences": "a,b", "token_type": "service"})
	require.NoError(t, err)
	drifted := e.refresh(made)
	require.Equal(t, []string{"boundClaims", "tokenType"}, e.diff(drifted, role))
	made = e.mustUpdate(drifted, role)
	require.Empty(t, e.diff(e.refresh(made), role))
	require.Equal(t, role["boundClaims"], e.out(made, "boundClaims"))

	e.destroy(made)
	require.Empty(t, e.refresh(made).id)
	e.destroy(state)
	require.Empty(t, e.refresh(state).id)
}

func TestAPreviewKnowsNoOutput(t *testing.T) {
	e := newEngine(t, nil)
	r, err := e.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(secretType), Properties: e.wire(stored("x")), Preview: true})
	require.NoError(t, err)
	properties := e.properties(r.GetProperties())
	require.True(t, properties["path"].IsComputed())
	require.Equal(t, "x", properties["name"].StringValue())
}

func TestTheChildTokenIsShortAndIsRevokedByClose(t *testing.T) {
	provider, address := serve(t)
	e := attach(t, address, object{"maxLeaseTtlSeconds": "77", "tokenName": "up-42"})
	accessors := func() []any {
		list, err := vault.Root().Logical().ListWithContext(t.Context(), "auth/token/accessors")
		require.NoError(t, err)
		keys, isList := list.Data["keys"].([]any)
		require.True(t, isList)
		return keys
	}
	before := accessors()
	e.mustCreate(policyType, object{"name": "child", "policy": anyPolicy})
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
	_, err := newEngine(t, object{"token": secret("hvs." + canary)}).create(policyType, in)
	require.ErrorContains(t, err, "look up the provider's token")
	require.NotContains(t, err.Error(), vault.Addr())

	limited, err := vault.Token(t.Context(), "limited", `
		path "auth/token/lookup-self" { capabilities = ["read"] }
		path "sys/policies/acl/p" { capabilities = ["update", "read"] }`, time.Minute)
	require.NoError(t, err)
	_, err = newEngine(t, object{"token": limited}).create(policyType, in)
	require.ErrorContains(t, err, "allow update on auth/token/create, or set skipChildToken")
	_, err = newEngine(t, object{"token": limited, "skipChildToken": "true"}).create(policyType, in)
	require.NoError(t, err)
}

func TestTwoConfigurationsDoNotMix(t *testing.T) {
	_, address := serve(t)
	good := attach(t, address, nil)
	_ = attach(t, address, object{"address": "https://127.0.0.1:1"})
	good.mustCreate(policyType, object{"name": "unmixed", "policy": anyPolicy})
}

func TestAnEmptyTokenMeansTheEnvironments(t *testing.T) {
	in := object{"name": "from-env", "policy": anyPolicy}
	t.Setenv("VAULT_TOKEN", vault.Root().Token())
	newEngine(t, object{"token": ""}).mustCreate(policyType, in)
	t.Setenv("VAULT_TOKEN", "")
	_, err := newEngine(t, object{"token": ""}).create(policyType, in)
	require.ErrorContains(t, err, "no Vault token")
}

func TestAnObjectCanBeImportedByItsID(t *testing.T) {
	e := newEngine(t, nil)
	_, err := vault.Root().KVv2("secret").Put(t.Context(), "ml/imported", object{"api_key": canary})
	require.NoError(t, err)
	state := e.refresh(res{urn: urn(secretType), id: "secret/data/ml/imported"})
	require.Equal(t, []string{"customMetadata"}, e.diff(state, stored("ml/imported")))
}

// logEngine is the engine's end for log lines.
type logEngine struct {
	pulumirpc.UnimplementedEngineServer

	mu   sync.Mutex
	logs []*pulumirpc.LogRequest
}

func (e *logEngine) Log(_ context.Context, line *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, line)
	return &emptypb.Empty{}, nil
}

// This is where the genuine plugin shows payloads, and what a proof that they are masked has to start from.
func TestEachReadOfASecretIsLoggedWithItsPayloadAsTheGenuinePluginDoes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log, server := &logEngine{}, grpc.NewServer()
	pulumirpc.RegisterEngineServer(server, log)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	e := newEngine(t, nil)
	_, err = e.client.Attach(t.Context(), &pulumirpc.PluginAttach{Address: listener.Addr().String()})
	require.NoError(t, err)
	in := with(stored("logged"), object{"dataJson": secret(`{"api_key":"` + canary + `","port":5432}`)})

	state := e.mustCreate(secretType, in)
	require.Len(t, log.logs, 1)
	require.Equal(t, pulumirpc.LogSeverity_DEBUG, log.logs[0].GetSeverity())
	require.Empty(t, log.logs[0].GetUrn())
	require.Regexp(t, `^\[DEBUG\] secret: &api\.Secret\{RequestID:"`, log.logs[0].GetMessage())
	require.Contains(t, log.logs[0].GetMessage(), `Data:map[string]interface {}{"data":map[string]interface {}{"api_key":"`+canary+`", "port":"5432"}, "metadata"`)
	e.refresh(state)
	require.Len(t, log.logs, 2)
	e.refresh(e.mustUpdate(state, with(in, object{"disableRead": true})))
	require.Len(t, log.logs, 2, "what is not read is not logged")
}
