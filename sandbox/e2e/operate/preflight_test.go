package operate_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/operate/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// A row breaks one thing, and has to get exactly this finding and no other.
type row struct {
	name    string
	problem string // a part of the one problem; empty: none
	warning string // a part of the one warning; empty: none
	does    step
}

const (
	apiKey    = "mlvault/dev/ml_api_key"
	warehouse = "secret/data/team/warehouse"
)

// The sentences that several rows expect.
const (
	notTrusted  = "vaultAddress: the server's certificate is not signed by a CA that this machine trusts"
	notAccepted = "vaultToken: Vault does not accept it"
	nothingRead = "vault.reads.theirs: there is nothing at " + warehouse
)

var (
	oldSecret   = check.Resource{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/old"}
	purgedOne   = check.Resource{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/old", Inputs: map[string]any{"deleteAllVersions": true}}
	noChild     = set("vault.skipChildToken", true)
	ofOthers    = do(set("workload.createAuthBackend", false), func(a *attempt) { delete(a.settings["workload"], "issuerCaPem") })
	createMount = set("vault.createMount", true)
)

var rows = []row{
	{"nothing is wrong", "", "", do()},

	// The configuration and the shell.
	{"a large configuration", "", "has 98304 bytes", func(a *attempt) { a.stack.Size = 96 << 10 }},
	{"a configuration that is too large", "has 131072 bytes. On Linux the program does not start", "",
		func(a *attempt) { a.stack.Size = 128 << 10 }},
	{"a variable that reaches the plugin", "", "VAULT_NAMESPACE is set in this shell",
		func(a *attempt) { a.stack.Environment = []string{"VAULT_NAMESPACE"} }},

	// The address and TLS.
	{"a host that nobody knows", "vaultAddress: no name server of this machine knows its host", "",
		func(a *attempt) { a.address = "https://vault-canary.invalid:8200" }},
	{"no listener", "vaultAddress: nothing listens there", "", func(a *attempt) {
		server := a.serves("127.0.0.1", http.NotFound)
		server.Close()
		a.address = "https" + strings.TrimPrefix(server.URL, "http")
	}},
	{"a server that never answers", "vaultAddress: no answer within", "", func(a *attempt) {
		done := make(chan struct{})
		check.Patience = time.Second / 2
		plain("http", func(http.ResponseWriter, *http.Request) { <-done })(a)
		a.T.Cleanup(func() { close(done); check.Patience = 10 * time.Second })
	}},
	{"https to a server of plain http", "vaultAddress: the server speaks plain http", "", plain("https", http.NotFound)},
	{"http to a server of TLS", "vaultAddress: the server speaks TLS. Write https://", "",
		func(a *attempt) { a.address = "http" + strings.TrimPrefix(a.address, "https") }},
	{"a CA that this machine does not know", notTrusted, "", func(a *attempt) { delete(a.settings["vault"], "caCertFile") }},
	{"the CA of another server", notTrusted, "", func(a *attempt) {
		_, a.settings["vault"]["caCertFile"] = certificate(a.T, time.Now().Add(longAhead))
	}},
	{"a CA file that is not there", "vault.caCertFile: ", "", set("vault.caCertFile", "no-such-file.pem")},
	{"a CA file without a certificate", "has no PEM certificate in it", "", func(a *attempt) {
		file := filepath.Join(a.T.TempDir(), "ca.pem")
		require.NoError(a.T, os.WriteFile(file, []byte("nothing"), 0o600))
		a.settings["vault"]["caCertFile"] = file
	}},
	{"a certificate for another name", "vaultAddress: the server's certificate is for another name", "",
		certified("127.0.0.2", longAhead, forwarded)},
	{"a certificate that has expired", "vaultAddress: the server's certificate has expired", "",
		certified("127.0.0.1", -time.Hour, forwarded)},
	{"a certificate that expires soon", "", "vaultAddress: the server's certificate expires on",
		certified("127.0.0.1", 48*time.Hour, forwarded)},
	{"a server that is not Vault", "what answers there is not Vault (status 404). Give", "", plain("http", http.NotFound)},
	{"a page that is not Vault's", "what answers there is not Vault. Give", "",
		plain("http", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })},

	// The state of Vault. Two of them need a licence or a cluster, and only the answer of sys/health is made up.
	{"a sealed Vault", "Vault is sealed", "", do(bare(token{}), func(a *attempt) {
		require.NoError(a.T, a.Vault.Seal())
		a.T.Cleanup(func() { require.NoError(a.T, a.Vault.Unseal(context.WithoutCancel(a.T.Context()))) })
	})},
	{"a Vault that is not initialised", "Vault is not initialised", "",
		health(map[string]any{"version": "1.21.1", "initialized": false, "sealed": true})},
	{"a disaster recovery secondary", "is a disaster recovery secondary", "",
		health(map[string]any{"version": "1.21.1", "initialized": true, "replication_dr_mode": "secondary"})},
	{"a standby node", "", "is a standby node's", health(map[string]any{"version": "1.21.1", "initialized": true, "standby": true})},

	// The token.
	{"no token", "vaultToken: there is none, and no VAULT_TOKEN either", "", func(a *attempt) { a.token = noToken }},
	{"a token of nobody", notAccepted, "", func(a *attempt) { a.token = "hvs.canary-of-a-token" }},
	{"a token that has expired", notAccepted, "", func(a *attempt) {
		bare(token{TTL: "1s", ExplicitMaxTTL: "1s"})(a)
		time.Sleep(1500 * time.Millisecond)
	}},
	{"a token that has been revoked", notAccepted, "", do(bare(token{}), func(a *attempt) {
		require.NoError(a.T, a.Vault.Root().Auth().Token().RevokeTreeWithContext(a.T.Context(), a.token))
	})},
	{"a token with seconds to live", "too short for any run", "", ours(token{TTL: "30s"})},
	{"a token that lives shorter than its child", "", "less than vault.maxLeaseTtlSeconds (20m0s)", ours(token{TTL: "10m"})},
	{"a batch token", "vaultToken: is a batch token", "", ours(token{Type: "batch"})},
	{"a batch token that is used itself", "", "", do(noChild, ours(token{Type: "batch"}))},
	{"a token of limited uses", "vaultToken: has limited uses and cannot have the child", "", ours(token{NumUses: 50})},
	{"a token of too few uses", "uses left, and a first up takes about 17", "", do(noChild, ours(token{NumUses: 10}))},
	{"a token of enough uses", "", "", do(noChild, ours(token{NumUses: 50}))},
	{"the root token", "", "vaultToken: is a root token", bare(token{Policies: []string{"root"}})},
	{"a token without the default policy", "", "may not ask what it may do (sys/capabilities-self)", ours(token{NoDefaultPolicy: true})},
	{"a token that may see nothing of itself", notAccepted + ", or it lacks the policy", "", bare(token{NoDefaultPolicy: true})},
	{"a secret that leaves, and no right to delete it", "vaultToken: may not delete at secret/data/mlvault/dev/old", "",
		stateHas(oldSecret)},
	{"a purged secret that leaves, and no right to purge it", "vaultToken: may not delete at secret/metadata/mlvault/dev/old", "",
		stateHas(purgedOne)},
	{"a secret that leaves, with the policy for it", "", "", do(stateHas(oldSecret), func(a *attempt) {
		a.stack.Config = a.config()
		a.token = a.deployer(a.stack.Policy(), token{})
	})},

	// The mount.
	{"a mount that is not there", "vault.mount: nothing is mounted at kv", "", set("vault.mount", "kv")},
	{"a mount below another one", "vault.mount: nothing is mounted at secret/ml", "", set("vault.mount", "secret/ml")},
	{"a KV version 1 mount", "vault.mount: old is not a KV version 2 engine (it is kv 1)", "",
		do(mount("old", "1"), set("vault.mount", "old"))},
	{"a mount to make that is there", "vault.createMount: a mount at secret exists, and this stack's state does not have it", "",
		createMount},
	{"a mount that the stack has made", "", "", do(createMount, stateHas(check.Resource{Type: check.TypeMount, ID: "secret"}))},
	{"a mount to make", "", "", do(createMount, set("vault.mount", "new"))},
	{"a mount that requires check-and-set", "vault.mount: strict has cas_required", "",
		do(mount("strict", "2"), set("vault.mount", "strict"), also("read", "strict/config"), func(a *attempt) {
			a.Write("strict/config", map[string]any{"cas_required": true})
		})},

	// The secrets.
	{"a secret that requires check-and-set", "credentials.ml_api_key: the secret at secret/data/" + apiKey + " has cas_required", "",
		makes("secret/metadata/"+apiKey, map[string]any{
			"cas_required": true, "custom_metadata": map[string]string{"project": "mlvault", "stack": "dev"},
		})},
	{"somebody's secret without a label",
		"credentials.ml_api_key: a secret at secret/data/" + apiKey + " exists, and this stack's state does not have it", "",
		secret(apiKey, "")},
	{"another stack's secret",
		"credentials.team/feature_store: a secret at secret/data/mlvault/dev/team/feature_store (labelled mlvault/prod) exists", "",
		secret("mlvault/dev/team/feature_store", "prod")},
	{"a secret with this stack's label that its state does not have",
		"(labelled mlvault/dev) exists, and this stack's state does not have it, so it is somebody else's. Look at it: " +
			"`vault kv metadata get -mount=secret " + apiKey + "`", "", secret(apiKey, "dev")},
	{"what this stack's own destroy has left", "", "", do(secret(apiKey, "dev"), deleted(apiKey))},
	{"a secret that left the configuration and was brought back",
		"`vault kv undelete` brought it back? Then it is this stack's. If it belongs to this stack, adopt it: ", "",
		do(secret(apiKey, "dev"), deleted(apiKey), func(a *attempt) {
			a.Write("secret/undelete/"+apiKey, map[string]any{"versions": []int{1}})
		})},
	{"a deleted secret of others", "credentials.ml_api_key: a secret at", "", do(secret(apiKey, ""), deleted(apiKey))},
	{"a secret in this stack's state", "", "",
		do(secret(apiKey, ""), stateHas(check.Resource{Type: check.TypeSecret, ID: "secret/data/" + apiKey}))},
	{"a prefix inside another stack's", "",
		"vault.prefix: mlvault/dev overlaps with somebody else's prefix: this stack does not have secret/data/mlvault/theirs.",
		do(secret("mlvault/theirs", ""), also("list", "secret/metadata/*"))},
	{"a prefix with another stack's inside", "", "this stack does not have secret/data/mlvault/dev/sub.",
		do(secret("mlvault/dev/sub/x", ""), also("list", "secret/metadata/*"))},
	{"a prefix beside another stack's", "", "", do(secret("mlvault/prod/x", ""), also("list", "secret/metadata/*"))},

	// The policy and the role.
	{"a policy that the state does not have",
		"policy " + name + ": a policy of this name exists, and this stack's state does not have it", "", policy(name)},
	{"this stack's own policy", "", "", do(policy(name), stateHas(check.Resource{Type: check.TypePolicy, ID: name}))},
	{"a role in a shared backend that the state does not have", "role auth/shared/role/" + name + ": a role of this name exists", "",
		do(backend("shared", "jwt"), ofOthers, set("workload.authPath", "shared"), admits("shared"))},

	// The auth backend and the issuer.
	{"somebody's auth backend at this stack's path",
		"workload.authPath: an auth backend at auth/jwt-" + name + " exists, and this stack's state does not have it", "",
		backend("jwt-"+name, "jwt")},
	{"a backend of this stack's name that lets somebody in",
		"Do not disable it: whoever logs in by it would lose their access", "", do(halfMade, admits("jwt-"+name))},
	{"a backend that a failed discovery left half-made", "workload.authPath: a failed `pulumi up` of this stack left auth/jwt-" + name +
		" half-made. It has no role, so that nobody can log in by it. Remove it: `vault auth disable jwt-" + name + "`.", "", halfMade},
	{"an auth path of one's own choice that is taken", "or use this stack's own path: `pulumi config rm --path workload.authPath`", "",
		do(backend("theirs", "jwt"), set("workload.authPath", "theirs"))},
	{"an auth backend that the stack has made", "", "",
		do(backend("jwt-"+name, "jwt"), stateHas(check.Resource{Type: check.TypeBackend, ID: "jwt-" + name}))},
	{"an auth backend of others that is not there", "workload.authPath: there is no auth backend at auth/jwt-" + name, "", ofOthers},
	{"an auth backend of others", "", "", do(backend("jwt-"+name, "jwt"), ofOthers)},
	{"an auth backend of another type", "auth/jwt-" + name + " is of type approle", "", do(backend("jwt-"+name, "approle"), ofOthers)},
	{"an issuer that cannot be fetched", "",
		"workload.issuer: its discovery document cannot be fetched from this machine: nothing listens there", func(a *attempt) {
			server := a.serves("127.0.0.1", http.NotFound)
			server.Close()
			a.settings["workload"]["issuer"] = strings.Replace(server.URL, "http", "https", 1) + "/" + a.Issuer.TenantID() + "/"
		}},
	{"an issuer of a tenant that is not there", "workload.issuer: its discovery document is answered with status 404", "",
		func(a *attempt) {
			a.settings["workload"]["issuer"] = strings.Replace(
				a.Issuer.URL(issuer.V1), a.Issuer.TenantID(), "44444444-4444-4444-4444-444444444444", 1)
		}},
	{"an issuer whose document is another's",
		`workload.issuer: the discovery document there names the issuer "https://sts.windows.net/x/"`, "", func(a *attempt) {
			own, file := certificate(a.T, time.Now().Add(longAhead))
			server := a.serves("127.0.0.1", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"issuer":"https://sts.windows.net/x/"}`))
			}, own)
			a.settings["workload"]["issuer"] = server.URL + "/" + a.Issuer.TenantID() + "/"
			a.settings["workload"]["issuerCaPem"] = lab.ReadFile(a.T, file)
		}},

	// What the jobs read and the stack does not write.
	{"a path that is there, as far as the token may see", "", "",
		do(secret("team/warehouse", ""), reads(warehouse), also("read", "secret/metadata/team/warehouse"))},
	{"a path at which nothing is", nothingRead, "", do(reads(warehouse), also("read", "secret/metadata/team/warehouse"))},
	{"a path whose secret is deleted", nothingRead, "",
		do(secret("team/warehouse", ""), deleted("team/warehouse"), reads(warehouse), also("read", "secret/metadata/team/warehouse"))},
	{"a path that the token may not look at", "", "", reads(warehouse)},
}

func TestEachFaultGetsExactlyItsFinding(t *testing.T) {
	l := lab.New(t)
	for _, variable := range []string{"ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_CLIENT_SECRET"} {
		t.Setenv(variable, "x")
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := newAttempt(l.For(t))
			row.does(a)
			requireOnly(t, a.check(), row.problem, row.warning)
		})
	}
	t.Logf("%d rows", len(rows))
}

func requireOnly(t *testing.T, report check.Report, problem, warning string) {
	t.Helper()
	for want, got := range map[*string][]string{&problem: report.Problems, &warning: report.Warnings} {
		require.Equal(t, *want == "", len(got) == 0, "%q", got)
		require.LessOrEqual(t, len(got), 1, "%q", got)
		require.Contains(t, strings.Join(got, ""), *want)
	}
	require.Equal(t, problem == "", report.Ready())
}

func TestEachRightThatIsMissingIsNamed(t *testing.T) {
	l := lab.New(t)
	t.Setenv("ARM_USE_MSI", "true")
	missing := 0
	for _, configure := range []step{do(), do(createMount, set("vault.mount", "new"))} {
		a := newAttempt(l)
		configure(a)
		for _, less := range lab.Reduced(rights.SettingsGrants(a.config())) {
			// In place of the default policy, whose look at itself would stand in for the deployer's own.
			a.token = a.deployer(less.Policy+`path "sys/capabilities-self" { capabilities = ["update"] }`, token{NoDefaultPolicy: true})
			requireOnly(t, a.check(), fmt.Sprintf("vaultToken: may not %s at %s. Write the policy", less.Capability, less.Path), "")
			missing++
		}
	}
	t.Logf("%d rights, each missing once", missing)
	require.Greater(t, missing, 40)

	a := newAttempt(l)
	for i := range 48 { // with the two that are there, 50
		a.settings["credentials"][fmt.Sprintf("c%02d", i)] = map[string]string{"k": lab.Canary}
	}
	bare(token{})(a)
	report := a.check()
	require.Len(t, report.Problems, 11, "a token of no rights gets a short report")
	require.Contains(t, report.Problems[10], "lacks rights at 97 paths more. Write the policy that `make policy STACK=dev` prints")
}
