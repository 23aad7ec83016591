package preflight_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"mlvault/internal/access"
	"mlvault/preflight/check"
	"mlvault/sandbox/internal/issuer"
)

// A row breaks one thing, and has to get exactly this finding and no other.
type row struct {
	name    string
	problem string // a part of the one problem; empty: none
	warning string // a part of the one warning; empty: none
	does    func(*attempt)
}

var rows = []row{
	{"nothing is wrong", "", "", func(*attempt) {}},

	// The configuration and the shell.
	{"a large configuration", "", "has 98304 bytes", func(a *attempt) { a.stack.Size = 96 << 10 }},
	{"a configuration that is too large", "has 131072 bytes. On Linux the program does not start", "", func(a *attempt) { a.stack.Size = 128 << 10 }},
	{"a variable that reaches the plugin", "", "VAULT_NAMESPACE is set in this shell", func(a *attempt) { a.stack.Environment = []string{"VAULT_NAMESPACE"} }},

	// The address and TLS.
	{"a host that nobody knows", "vaultAddress: no name server of this machine knows its host", "", func(a *attempt) { a.address = "https://vault-canary.invalid:8200" }},
	{"no listener", "vaultAddress: nothing listens there", "", func(a *attempt) {
		server := a.serves("127.0.0.1", nil, http.NotFoundHandler())
		server.Close()
	}},
	{"a server that never answers", "vaultAddress: no answer within", "", func(a *attempt) {
		done := make(chan struct{})
		check.Patience = time.Second / 2
		a.serves("127.0.0.1", nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
		a.address = "http" + a.address[len("https"):]
		a.t.Cleanup(func() { close(done); check.Patience = 10 * time.Second })
	}},
	{"https to a server of plain http", "vaultAddress: the server speaks plain http", "", func(a *attempt) { a.serves("127.0.0.1", nil, http.NotFoundHandler()) }},
	{"http to a server of TLS", "vaultAddress: the server speaks TLS. Write https://", "", func(a *attempt) { a.address = "http" + a.address[len("https"):] }},
	{"a CA that this machine does not know", "vaultAddress: the server's certificate is not signed by a CA that this machine trusts", "",
		func(a *attempt) { delete(a.settings["vault"], "caCertFile") }},
	{"the CA of another server", "vaultAddress: the server's certificate is not signed by a CA", "",
		func(a *attempt) { a.settings["vault"]["caCertFile"] = newAuthority(a.t).file }},
	{"a CA file that is not there", "vault.caCertFile: ", "", func(a *attempt) { a.settings["vault"]["caCertFile"] = "no-such-file.pem" }},
	{"a CA file without a certificate", "has no PEM certificate in it", "", func(a *attempt) {
		file := filepath.Join(a.t.TempDir(), "ca.pem")
		require.NoError(a.t, os.WriteFile(file, []byte("nothing"), 0o600))
		a.settings["vault"]["caCertFile"] = file
	}},
	{"a certificate for another name", "vaultAddress: the server's certificate is for another name", "", func(a *attempt) {
		ca := newAuthority(a.t)
		certificate := ca.certificate(time.Now().Add(90 * 24 * time.Hour))
		a.serves("127.0.0.2", &certificate, a.forwards())
		a.settings["vault"]["caCertFile"] = ca.file
	}},
	{"a certificate that has expired", "vaultAddress: the server's certificate has expired", "", func(a *attempt) {
		ca := newAuthority(a.t)
		certificate := ca.certificate(time.Now().Add(-time.Hour))
		a.serves("127.0.0.1", &certificate, a.forwards())
		a.settings["vault"]["caCertFile"] = ca.file
	}},
	{"a certificate that expires soon", "", "vaultAddress: the server's certificate expires on", func(a *attempt) {
		ca := newAuthority(a.t)
		certificate := ca.certificate(time.Now().Add(48 * time.Hour))
		a.serves("127.0.0.1", &certificate, a.forwards())
		a.settings["vault"]["caCertFile"] = ca.file
	}},
	{"a server that is not Vault", "what answers there is not Vault (status 404). Give", "", func(a *attempt) {
		a.serves("127.0.0.1", nil, http.NotFoundHandler())
		a.address = "http" + a.address[len("https"):]
	}},
	{"a page that is not Vault's", "what answers there is not Vault. Give", "", func(a *attempt) {
		a.serves("127.0.0.1", nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
		a.address = "http" + a.address[len("https"):]
	}},

	// The state of Vault. Two of them need a licence or a cluster, and only the answer of sys/health is made up.
	{"a sealed Vault", "Vault is sealed", "", func(a *attempt) {
		token := a.deployer("")
		require.NoError(a.t, a.vault.Seal())
		a.t.Cleanup(func() { require.NoError(a.t, a.vault.Unseal(context.WithoutCancel(a.t.Context()))) })
		a.token = token
	}},
	{"a Vault that is not initialised", "Vault is not initialised", "", func(a *attempt) {
		a.healthIs(map[string]any{"version": "1.21.1", "initialized": false, "sealed": true})
	}},
	{"a disaster recovery secondary", "is a disaster recovery secondary", "", func(a *attempt) {
		a.healthIs(map[string]any{"version": "1.21.1", "initialized": true, "replication_dr_mode": "secondary"})
	}},
	{"a standby node", "", "is a standby node's", func(a *attempt) {
		a.healthIs(map[string]any{"version": "1.21.1", "initialized": true, "standby": true})
	}},

	// The token.
	{"no token", "vaultToken: there is none, and no VAULT_TOKEN either", "", func(a *attempt) { a.token = noToken }},
	{"a token of nobody", "vaultToken: Vault does not accept it", "", func(a *attempt) { a.token = "hvs.canary-of-a-token" }},
	{"a token that has expired", "vaultToken: Vault does not accept it", "", func(a *attempt) {
		a.token = a.deployer("", func(r *api.TokenCreateRequest) { r.TTL, r.ExplicitMaxTTL = "1s", "1s" })
		time.Sleep(1500 * time.Millisecond)
	}},
	{"a token that has been revoked", "vaultToken: Vault does not accept it", "", func(a *attempt) {
		a.token = a.deployer("")
		require.NoError(a.t, a.root.Auth().Token().RevokeTreeWithContext(a.t.Context(), a.token))
	}},
	{"a token with seconds to live", "too short for any run", "", func(a *attempt) { a.token = a.ours(func(r *api.TokenCreateRequest) { r.TTL = "30s" }) }},
	{"a token that lives shorter than its child", "", "less than vault.maxLeaseTtlSeconds (20m0s)", func(a *attempt) { a.token = a.ours(func(r *api.TokenCreateRequest) { r.TTL = "10m" }) }},
	{"a batch token", "vaultToken: is a batch token", "", func(a *attempt) { a.token = a.ours(func(r *api.TokenCreateRequest) { r.Type = "batch" }) }},
	{"a batch token that is used itself", "", "", func(a *attempt) {
		a.settings["vault"]["skipChildToken"] = true
		a.token = a.ours(func(r *api.TokenCreateRequest) { r.Type = "batch" })
	}},
	{"a token of limited uses", "vaultToken: has limited uses and cannot have the child", "", func(a *attempt) { a.token = a.ours(func(r *api.TokenCreateRequest) { r.NumUses = 50 }) }},
	{"a token of too few uses", "uses left, and a first up takes about 17", "", func(a *attempt) {
		a.settings["vault"]["skipChildToken"] = true
		a.token = a.ours(func(r *api.TokenCreateRequest) { r.NumUses = 10 })
	}},
	{"a token of enough uses", "", "", func(a *attempt) {
		a.settings["vault"]["skipChildToken"] = true
		a.token = a.ours(func(r *api.TokenCreateRequest) { r.NumUses = 50 })
	}},
	{"the root token", "", "vaultToken: is a root token", func(a *attempt) {
		created, err := a.root.Auth().Token().CreateOrphanWithContext(a.t.Context(), &api.TokenCreateRequest{Policies: []string{"root"}, TTL: "1h"})
		require.NoError(a.t, err)
		a.token = created.Auth.ClientToken
	}},
	{"a token without the default policy", "", "may not ask what it may do (sys/capabilities-self)", func(a *attempt) {
		a.token = a.ours(func(r *api.TokenCreateRequest) { r.NoDefaultPolicy = true })
	}},
	{"a token that may see nothing of itself", "vaultToken: Vault does not accept it, or it lacks the policy", "", func(a *attempt) {
		a.token = a.deployer("", func(r *api.TokenCreateRequest) { r.NoDefaultPolicy = true })
	}},
	{"a secret that leaves, and no right to delete it", "vaultToken: may not delete at secret/data/mlvault/dev/old", "", func(a *attempt) {
		a.stack.Resources = []check.Resource{{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/old"}}
	}},
	{"a purged secret that leaves, and no right to purge it", "vaultToken: may not delete at secret/metadata/mlvault/dev/old", "", func(a *attempt) {
		a.stack.Resources = []check.Resource{{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/old", Purges: true}}
	}},
	{"a secret that leaves, with the policy for it", "", "", func(a *attempt) {
		a.stack.Resources = []check.Resource{{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/old"}}
		a.stack.Config = a.config()
		a.token = a.deployer(a.stack.Policy())
	}},

	// The mount.
	{"a mount that is not there", "vault.mount: nothing is mounted at kv", "", func(a *attempt) { a.settings["vault"]["mount"] = "kv" }},
	{"a mount below another one", "vault.mount: nothing is mounted at secret/ml", "", func(a *attempt) { a.settings["vault"]["mount"] = "secret/ml" }},
	{"a KV version 1 mount", "vault.mount: old is not a KV version 2 engine (it is kv 1)", "", func(a *attempt) {
		a.mounts("old", "1")
		a.settings["vault"]["mount"] = "old"
	}},
	{"a mount to make that is there", "vault.createMount: a mount at secret exists, and this stack's state does not have it", "", func(a *attempt) { a.settings["vault"]["createMount"] = true }},
	{"a mount that the stack has made", "", "", func(a *attempt) {
		a.settings["vault"]["createMount"] = true
		a.stack.Resources = []check.Resource{{Type: check.TypeMount, ID: "secret"}}
	}},
	{"a mount to make", "", "", func(a *attempt) { a.settings["vault"]["createMount"], a.settings["vault"]["mount"] = true, "new" }},
	{"a mount that requires check-and-set", "vault.mount: strict has cas_required", "", func(a *attempt) {
		a.mounts("strict", "2")
		a.settings["vault"]["mount"] = "strict"
		a.write("strict/config", map[string]any{"cas_required": true})
		a.token = a.deployer(a.config().Access().DeployerPolicy() + `path "strict/config" { capabilities = ["read"] }`)
	}},

	// The secrets.
	{"a secret that requires check-and-set", "credentials.ml_api_key: the secret at secret/data/mlvault/dev/ml_api_key has cas_required", "", func(a *attempt) {
		a.write("secret/metadata/mlvault/dev/ml_api_key", map[string]any{"cas_required": true, "custom_metadata": map[string]string{"project": "mlvault", "stack": "dev"}})
		a.removes("secret/metadata/mlvault/dev/ml_api_key")
	}},
	{"somebody's secret without a label", "credentials.ml_api_key: a secret at secret/data/mlvault/dev/ml_api_key exists, and this stack's state does not have it", "", func(a *attempt) {
		a.secret("mlvault/dev/ml_api_key", nil)
	}},
	{"another stack's secret", "credentials.team/feature_store: a secret at secret/data/mlvault/dev/team/feature_store (labelled mlvault/prod) exists", "", func(a *attempt) {
		a.secret("mlvault/dev/team/feature_store", map[string]string{"project": "mlvault", "stack": "prod"})
	}},
	{"a secret with this stack's label that its state does not have", "(labelled mlvault/dev) exists, and this stack's state does not have it, so it is somebody else's. Look at it: " +
		"`vault kv metadata get -mount=secret mlvault/dev/ml_api_key`", "", func(a *attempt) {
		a.secret("mlvault/dev/ml_api_key", own)
	}},
	{"what this stack's own destroy has left", "", "", func(a *attempt) {
		a.secret("mlvault/dev/ml_api_key", own)
		_, err := a.root.Logical().DeleteWithContext(a.t.Context(), "secret/data/mlvault/dev/ml_api_key")
		require.NoError(a.t, err)
	}},
	{"a secret that left the configuration and was brought back", "`vault kv undelete` brought it back? Then it is this stack's. If it belongs to this stack, adopt it: ", "", func(a *attempt) {
		a.secret("mlvault/dev/ml_api_key", own)
		_, err := a.root.Logical().DeleteWithContext(a.t.Context(), "secret/data/mlvault/dev/ml_api_key")
		require.NoError(a.t, err)
		a.write("secret/undelete/mlvault/dev/ml_api_key", map[string]any{"versions": []int{1}})
	}},
	{"a deleted secret of others", "credentials.ml_api_key: a secret at", "", func(a *attempt) {
		a.secret("mlvault/dev/ml_api_key", nil)
		_, err := a.root.Logical().DeleteWithContext(a.t.Context(), "secret/data/mlvault/dev/ml_api_key")
		require.NoError(a.t, err)
	}},
	{"a secret in this stack's state", "", "", func(a *attempt) {
		a.write("secret/data/mlvault/dev/ml_api_key", map[string]any{"data": map[string]string{"k": payloadCanary}})
		a.removes("secret/metadata/mlvault/dev/ml_api_key")
		a.stack.Resources = []check.Resource{{Type: check.TypeSecret, ID: "secret/data/mlvault/dev/ml_api_key"}}
	}},

	{"a prefix inside another stack's", "", "vault.prefix: mlvault/dev overlaps with somebody else's prefix: this stack does not have secret/data/mlvault/theirs.", func(a *attempt) {
		a.secret("mlvault/theirs", nil)
		a.lists()
	}},
	{"a prefix with another stack's inside", "", "this stack does not have secret/data/mlvault/dev/sub.", func(a *attempt) {
		a.secret("mlvault/dev/sub/x", nil)
		a.lists()
	}},
	{"a prefix beside another stack's", "", "", func(a *attempt) {
		a.secret("mlvault/prod/x", nil)
		a.lists()
	}},

	// The policy and the role.
	{"a policy that the state does not have", "policy " + name + ": a policy of this name exists, and this stack's state does not have it", "", func(a *attempt) {
		a.write("sys/policies/acl/"+name, map[string]any{"policy": `path "secret/data/x" { capabilities = ["read"] }`})
		a.removes("sys/policies/acl/" + name)
	}},
	{"this stack's own policy", "", "", func(a *attempt) {
		a.write("sys/policies/acl/"+name, map[string]any{"policy": `path "secret/data/x" { capabilities = ["read"] }`})
		a.removes("sys/policies/acl/" + name)
		a.stack.Resources = []check.Resource{{Type: check.TypePolicy, ID: name}}
	}},
	{"a role in a shared backend that the state does not have", "role auth/shared/role/" + name + ": a role of this name exists", "", func(a *attempt) {
		a.enables("shared", "jwt")
		a.settings["workload"]["createAuthBackend"], a.settings["workload"]["authPath"] = false, "shared"
		a.admits("shared")
	}},

	// The auth backend and the issuer.
	{"somebody's auth backend at this stack's path", "workload.authPath: an auth backend at auth/jwt-" + name + " exists, and this stack's state does not have it", "",
		func(a *attempt) { a.enables("jwt-"+name, "jwt") }},
	{"a backend of this stack's name that lets somebody in", "Do not disable it: whoever logs in by it would lose their access", "", func(a *attempt) {
		a.marks()
		a.admits("jwt-" + name)
	}},
	{"a backend that a failed discovery left half-made", "workload.authPath: a failed `pulumi up` of this stack left auth/jwt-" + name + " half-made. It has no role, so that nobody can log in by it. " +
		"Remove it: `vault auth disable jwt-" + name + "`.", "", func(a *attempt) { a.marks() }},
	{"an auth path of one's own choice that is taken", "or use this stack's own path: `pulumi config rm --path workload.authPath`", "", func(a *attempt) {
		a.enables("theirs", "jwt")
		a.settings["workload"]["authPath"] = "theirs"
	}},
	{"an auth backend that the stack has made", "", "", func(a *attempt) {
		a.enables("jwt-"+name, "jwt")
		a.stack.Resources = []check.Resource{{Type: check.TypeBackend, ID: "jwt-" + name}}
	}},
	{"an auth backend of others that is not there", "workload.authPath: there is no auth backend at auth/jwt-" + name, "",
		func(a *attempt) { a.settings["workload"]["createAuthBackend"] = false }},
	{"an auth backend of others", "", "", func(a *attempt) {
		a.enables("jwt-"+name, "jwt")
		a.settings["workload"]["createAuthBackend"] = false
	}},
	{"an auth backend of another type", "auth/jwt-" + name + " is of type approle", "", func(a *attempt) {
		a.enables("jwt-"+name, "approle")
		a.settings["workload"]["createAuthBackend"] = false
	}},
	{"an issuer that cannot be fetched", "", "workload.issuer: its discovery document cannot be fetched from this machine: nothing listens there", func(a *attempt) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(a.t, err)
		require.NoError(a.t, listener.Close())
		a.settings["workload"]["issuer"] = "https://" + listener.Addr().String() + "/" + tenant + "/"
	}},
	{"an issuer of a tenant that is not there", "workload.issuer: its discovery document is answered with status 404", "", func(a *attempt) {
		a.settings["workload"]["issuer"] = a.issuer.URL(issuer.V1)[:len(a.issuer.URL(issuer.V1))-len(tenant)-1] + "44444444-4444-4444-4444-444444444444/"
	}},
	{"an issuer whose document is another's", `workload.issuer: the discovery document there names the issuer "https://sts.windows.net/x/"`, "", func(a *attempt) {
		address := a.address
		ca := newAuthority(a.t)
		certificate := ca.certificate(time.Now().Add(90 * 24 * time.Hour))
		server := a.serves("127.0.0.1", &certificate, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://sts.windows.net/x/"}`))
		}))
		pem, err := os.ReadFile(ca.file)
		require.NoError(a.t, err)
		a.settings["workload"]["issuer"], a.settings["workload"]["issuerCaPem"] = server.URL+"/"+tenant+"/", string(pem)
		a.address = address
	}},

	// What the jobs read and the stack does not write.
	{"a path that is there, as far as the token may see", "", "", func(a *attempt) {
		a.secret("team/warehouse", nil)
		a.reads("secret/data/team/warehouse", "secret/metadata/team/warehouse")
	}},
	{"a path at which nothing is", "vault.reads.theirs: there is nothing at secret/data/team/warehouse", "", func(a *attempt) {
		a.reads("secret/data/team/warehouse", "secret/metadata/team/warehouse")
	}},
	{"a path whose secret is deleted", "vault.reads.theirs: there is nothing at secret/data/team/warehouse", "", func(a *attempt) {
		a.secret("team/warehouse", nil)
		_, err := a.root.Logical().DeleteWithContext(a.t.Context(), "secret/data/team/warehouse")
		require.NoError(a.t, err)
		a.reads("secret/data/team/warehouse", "secret/metadata/team/warehouse")
	}},
	{"a path that the token may not look at", "", "", func(a *attempt) { a.reads("secret/data/team/warehouse", "") }},
}

// ours is a token with this attempt's own policy.
func (a *attempt) ours(edit func(*api.TokenCreateRequest)) string {
	return a.deployer(a.config().Access().DeployerPolicy(), edit)
}

func TestEachFaultGetsExactlyItsFinding(t *testing.T) {
	l := newLab(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("ARM_CLIENT_ID", "x")
			t.Setenv("ARM_TENANT_ID", "x")
			t.Setenv("ARM_CLIENT_SECRET", "x")
			a := l.attempt(t)
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
	l := newLab(t)
	t.Setenv("ARM_USE_MSI", "true")
	rights := 0
	for _, createMount := range []bool{false, true} {
		base := l.attempt(t)
		if createMount {
			base.settings["vault"]["createMount"], base.settings["vault"]["mount"] = true, "new"
		}
		grants := base.config().Access().DeployerGrants()
		for i, grant := range grants {
			for _, capability := range grant.Capabilities {
				reduced := append([]access.Grant{}, grants...)
				reduced[i].Capabilities = without(grant.Capabilities, capability)
				if len(reduced[i].Capabilities) == 0 {
					reduced = append(reduced[:i], reduced[i+1:]...)
				}
				a := l.attempt(t)
				a.settings = base.settings
				// In place of the default policy, whose look at itself would stand in for the deployer's own.
				a.token = a.deployer(access.PolicyText("less", reduced)+`path "sys/capabilities-self" { capabilities = ["update"] }`,
					func(r *api.TokenCreateRequest) { r.NoDefaultPolicy = true })
				report := a.check()
				requireOnly(t, report, fmt.Sprintf("vaultToken: may not %s at %s. Write the policy", capability, grant.Path), "")
				rights++
			}
		}
	}
	t.Logf("%d rights, each missing once", rights)
	require.Greater(t, rights, 40)
}

func TestATokenOfNoRightsGetsAShortReport(t *testing.T) {
	l := newLab(t)
	t.Setenv("ARM_USE_MSI", "true")
	a := l.attempt(t)
	many := map[string]any{}
	for i := range 50 {
		many[fmt.Sprintf("c%02d", i)] = map[string]string{"k": payloadCanary}
	}
	a.settings["credentials"] = many
	a.token = a.deployer("")
	report := a.check()
	require.Len(t, report.Problems, 11)
	require.Contains(t, report.Problems[10], "lacks rights at 97 paths more. Write the policy that `make policy STACK=dev` prints")
}
