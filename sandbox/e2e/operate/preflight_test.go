package operate_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// A row breaks one thing, and has to get exactly this finding and no other.
type row struct {
	name string
	// problem is a part of the one problem. Empty: there is none.
	problem string
	// warning is a part of the one warning. Empty: there is none.
	warning string
	// overwrites says that an up would take what is others'.
	overwrites bool
	// another says that this is not the state's Vault.
	another bool
	// blind says that whose things in Vault are cannot be seen.
	blind bool
	does  step
}

const (
	apiKey    = "mlvault/dev/ml_api_key"
	warehouse = "secret/data/team/warehouse"
	metadata  = "secret/metadata/team/warehouse"
)

// The sentences that several rows expect.
const (
	notTrusted = "vaultAddress: the server's certificate is not signed by a CA that this machine " +
		"trusts"
	notAccepted = "vaultToken: Vault does not accept it"
	nothingRead = "vault.reads.theirs: there is nothing at " + warehouse
)

var (
	oldSecret = rights.Resource{Type: rights.TypeSecret, ID: "secret/data/mlvault/dev/old"}
	purgedOne = rights.Resource{
		Type:   rights.TypeSecret,
		ID:     "secret/data/mlvault/dev/old",
		Inputs: map[string]any{"deleteAllVersions": true},
	}
	ownSecret   = rights.Resource{Type: rights.TypeSecret, ID: "secret/data/" + apiKey}
	noChild     = set("vault.skipChildToken", true)
	createMount = set("vault.createMount", true)
	writeOnly   = set("vault.disableRead", true)
)

// jobsIdentity is the job identity in a state.
var jobsIdentity = rights.Resource{
	Type: "azure-native:managedidentity/v20230131:UserAssignedIdentity",
	URN:  "urn:pulumi:dev::mlvault::azure-native:managedidentity/v20230131:UserAssignedIdentity::ml-identity",
	Outputs: map[string]any{
		"principalId": "22222222-2222-2222-2222-222222222222",
		"tenantId":    "33333333-3333-3333-3333-333333333333",
	},
}

// roleOfTeam writes the role that `make policy FOR=role` prints, with changes.
func roleOfTeam(changes map[string]any) step {
	return func(a *attempt) {
		jobs, _ := a.stack.State.JobIdentity()
		role := rights.JobsRole(a.config(), jobs)
		maps.Copy(role, changes)
		a.Write(a.config().RolePath(), role)
	}
}

// policyOfTeam writes the policy that `make policy FOR=jobs` prints, without a path.
func policyOfTeam(without string) step {
	return func(a *attempt) {
		text := strings.ReplaceAll(rights.ReadPolicy(a.config()), without, "secret/data/old")
		if without == "" {
			text = rights.ReadPolicy(a.config())
		}
		makes(a.config().PolicyPath(), map[string]any{"policy": text})(a)
	}
}

// ofOthers leaves the auth backend to somebody else.
func ofOthers(a *attempt) {
	a.settings["workload"]["createAuthBackend"] = false
	delete(a.settings["workload"], "issuerCaPem")
}

var rows = []row{
	{
		name: "nothing is wrong",
		does: do(),
	},

	// The configuration and the shell.
	{
		name:    "a large configuration",
		warning: "has 98304 bytes",
		does:    func(a *attempt) { a.stack.Size = 96 << 10 },
	},
	{
		name:    "a configuration that is too large",
		problem: "has 131072 bytes. On Linux the program does not start",
		does:    func(a *attempt) { a.stack.Size = 128 << 10 },
	},
	{
		name:    "a variable that reaches the plugin",
		warning: "VAULT_NAMESPACE is set in this shell",
		does:    func(a *attempt) { a.stack.Environment = []string{"VAULT_NAMESPACE"} },
	},

	// The address and TLS.
	{
		name:    "a host that nobody knows",
		problem: "vaultAddress: no name server of this machine knows its host",
		does:    func(a *attempt) { a.address = "https://vault-canary.invalid:8200" },
	},
	{
		name:    "no listener",
		problem: "vaultAddress: nothing listens there",
		does: func(a *attempt) {
			server := a.serves("127.0.0.1", http.NotFound)
			server.Close()
			a.address = "https" + strings.TrimPrefix(server.URL, "http")
		},
	},
	{
		name:    "a server that never answers",
		problem: "vaultAddress: no answer within",
		does: func(a *attempt) {
			done := make(chan struct{})
			check.Patience = time.Second / 2
			plain("http", func(http.ResponseWriter, *http.Request) { <-done })(a)
			a.T.Cleanup(func() { close(done); check.Patience = 10 * time.Second })
		},
	},
	{
		name:    "https to a server of plain http",
		problem: "vaultAddress: the server speaks plain http",
		does:    plain("https", http.NotFound),
	},
	{
		name:    "http to a server of TLS",
		problem: "vaultAddress: the server speaks TLS. Write https://",
		does:    func(a *attempt) { a.address = "http" + strings.TrimPrefix(a.address, "https") },
	},
	{
		name:    "a CA that this machine does not know",
		problem: notTrusted,
		does:    func(a *attempt) { delete(a.settings["vault"], "caCertFile") },
	},
	{
		name:    "the CA of another server",
		problem: notTrusted,
		does: func(a *attempt) {
			_, a.settings["vault"]["caCertFile"] = certificate(a.T, time.Now().Add(longAhead))
		},
	},
	{
		name:    "a CA file that is not there",
		problem: "vault.caCertFile: ",
		does:    set("vault.caCertFile", "no-such-file.pem"),
	},
	{
		name:    "a CA file without a certificate",
		problem: "has no PEM certificate in it",
		does: func(a *attempt) {
			file := filepath.Join(a.T.TempDir(), "ca.pem")
			require.NoError(a.T, os.WriteFile(file, []byte("nothing"), 0o600))
			a.settings["vault"]["caCertFile"] = file
		},
	},
	{
		name:    "a certificate for another name",
		problem: "vaultAddress: the server's certificate is for another name",
		does:    certified("127.0.0.2", longAhead, forwarded),
	},
	{
		name:    "a certificate that has expired",
		problem: "vaultAddress: the server's certificate has expired",
		does:    certified("127.0.0.1", -time.Hour, forwarded),
	},
	{
		name:    "a certificate that expires soon",
		warning: "vaultAddress: the server's certificate expires on",
		does:    certified("127.0.0.1", 48*time.Hour, forwarded),
	},
	{
		name:    "a server that is not Vault",
		problem: "what answers there is not Vault (status 404). Give",
		does:    plain("http", http.NotFound),
	},
	{
		name:    "a page that is not Vault's",
		problem: "what answers there is not Vault. Give",
		does:    plain("http", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }),
	},

	// The state of Vault. Two of them need a licence or a cluster, and only the answer of sys/health
	// is made up.
	{
		name:    "a sealed Vault",
		problem: "Vault is sealed",
		does: do(bare(token{}), func(a *attempt) {
			require.NoError(a.T, a.Vault.Seal())
			a.T.Cleanup(func() { require.NoError(a.T, a.Vault.Unseal(context.WithoutCancel(a.T.Context()))) })
		}),
	},
	{
		name:    "a Vault that is not initialised",
		problem: "Vault is not initialised",
		does:    health(map[string]any{"version": "1.21.1", "initialized": false, "sealed": true}),
	},
	{
		name:    "a disaster recovery secondary",
		problem: "is a disaster recovery secondary",
		does:    health(map[string]any{"version": "1.21.1", "initialized": true, "replication_dr_mode": "secondary"}),
	},
	{
		name:    "a standby node",
		warning: "is a standby node's",
		does:    health(map[string]any{"version": "1.21.1", "initialized": true, "standby": true}),
	},

	// The token.
	{
		name:    "no token",
		problem: "vaultToken: there is none, and neither ~/.vault-token nor VAULT_TOKEN",
		does:    func(a *attempt) { a.token = noToken },
	},
	{
		name:    "a token of nobody",
		problem: notAccepted,
		does:    func(a *attempt) { a.token = "hvs.canary-of-a-token" },
	},
	{
		name:    "a token that has expired",
		problem: notAccepted,
		does: func(a *attempt) {
			bare(token{TTL: "1s", ExplicitMaxTTL: "1s"})(a)
			time.Sleep(1500 * time.Millisecond)
		},
	},
	{
		name:    "a token that has been revoked",
		problem: notAccepted,
		does: do(bare(token{}), func(a *attempt) {
			require.NoError(a.T, a.Vault.Root().Auth().Token().RevokeTreeWithContext(a.T.Context(), a.token))
		}),
	},
	{
		name:    "a token with seconds to live",
		problem: "too short for any run",
		does:    ours(token{TTL: "30s"}),
	},
	{
		name:    "a token that lives shorter than its child",
		warning: "less than vault.maxLeaseTtlSeconds (20m0s)",
		does:    ours(token{TTL: "10m"}),
	},
	{
		name:    "a batch token",
		problem: "vaultToken: is a batch token",
		does:    ours(token{Type: "batch"}),
	},
	{
		name: "a batch token that is used itself",
		does: do(noChild, ours(token{Type: "batch"})),
	},
	{
		name:    "a token of limited uses",
		problem: "vaultToken: has limited uses and cannot have the child",
		does:    ours(token{NumUses: 50}),
	},
	{
		name:    "a token of too few uses",
		problem: "uses left, and a first up takes about 17",
		does:    do(noChild, ours(token{NumUses: 10})),
	},
	{
		name:  "a token of enough uses",
		blind: true,
		does:  do(noChild, ours(token{NumUses: 50})),
	},
	{
		name:    "the root token",
		warning: "vaultToken: is a root token",
		does:    bare(token{Policies: []string{"root"}}),
	},
	{
		name:    "a token without the default policy",
		warning: "may not ask what it may do (sys/capabilities-self)",
		does:    ours(token{NoDefaultPolicy: true}),
	},
	{
		name:    "a token that may see nothing of itself",
		problem: notAccepted + ", or it lacks the policy",
		does:    bare(token{NoDefaultPolicy: true}),
	},
	{
		name:    "a secret that leaves, and no right to delete it",
		problem: "vaultToken: may not delete at secret/data/mlvault/dev/old",
		warning: "credentials: the next up deletes secret/data/mlvault/dev/old",
		does:    do(stateHas(oldSecret), allBut("delete", oldSecret)),
	},
	{
		name:    "a purged secret that leaves, and no right to purge it",
		problem: "vaultToken: may not delete at secret/metadata/mlvault/dev/old",
		warning: "credentials: the next up purges every version of secret/data/mlvault/dev/old",
		does:    do(stateHas(purgedOne), allBut("delete", purgedOne)),
	},
	{
		name:    "a secret that leaves, with the policy for it",
		warning: "`vault kv undelete` brings a value back",
		does:    stateHas(oldSecret),
	},
	{
		name:       "a secret that leaves and bears another stack's mark",
		overwrites: true,
		problem: "state: the secret at secret/data/mlvault/dev/old is in this stack's state and bears " +
			"the mark of " +
			"mlvault/prod: two stacks write to one path",
		warning: "credentials: the next up deletes secret/data/mlvault/dev/old",
		does:    do(stateHas(oldSecret), secret("mlvault/dev/old", "prod")),
	},

	// The mount.
	{
		name:    "a mount that is not there",
		problem: "vault.mount: nothing is mounted at kv",
		does:    set("vault.mount", "kv"),
	},
	{
		name:    "a mount below another one",
		problem: "vault.mount: nothing is mounted at secret/ml",
		does:    set("vault.mount", "secret/ml"),
	},
	{
		name:    "a KV version 1 mount",
		problem: "vault.mount: old is not a KV version 2 engine (it is kv 1)",
		does:    do(mount("old", "1"), set("vault.mount", "old")),
	},
	{
		name:    "a mount to make that is there",
		problem: "vault.createMount: a mount at secret exists, and this stack's state does not have it",
		does:    createMount,
	},
	{
		name: "a mount that the stack has made",
		does: do(createMount, stateHas(rights.Resource{Type: rights.TypeMount, ID: "secret"})),
	},
	{
		name: "a mount to make",
		does: do(createMount, set("vault.mount", "new")),
	},
	{
		name:    "a mount that requires check-and-set",
		problem: "vault.mount: strict has cas_required",
		does: do(mount("strict", "2"), set("vault.mount", "strict"), also("read", "strict/config"), func(a *attempt) {
			a.Write("strict/config", map[string]any{"cas_required": true})
		}),
	},

	{
		name:    "a mount to make below another one",
		problem: "vault.createMount: secret is mounted already, and Vault mounts nothing below it",
		does:    do(createMount, set("vault.mount", "secret/ml")),
	},
	{
		name:    "a mount to make above another one",
		problem: "vault.createMount: team/kv is mounted below team, and Vault mounts nothing above it",
		does:    do(mount("team/kv", "2"), createMount, set("vault.mount", "team"), also("read", "team/kv/config")),
	},

	// The secrets.
	{
		name:    "a secret that requires check-and-set",
		problem: "credentials.ml_api_key: the secret at secret/data/" + apiKey + " has cas_required",
		does: makes("secret/metadata/"+apiKey, map[string]any{
			"cas_required": true, "custom_metadata": map[string]string{"project": "mlvault", "stack": "dev"},
		}),
	},
	{
		name:       "somebody's secret without a label",
		overwrites: true,
		problem: "credentials.ml_api_key: a secret at secret/data/" + apiKey + " exists, and this " +
			"stack's state does not have it",
		does: secret(apiKey, ""),
	},
	{
		name:       "another stack's secret",
		overwrites: true,
		problem: "credentials.team/feature_store: a secret at " +
			"secret/data/mlvault/dev/team/feature_store (labelled mlvault/prod) exists",
		does: secret("mlvault/dev/team/feature_store", "prod"),
	},
	{
		name:       "a secret with this stack's label that its state does not have",
		overwrites: true,
		problem: "(labelled mlvault/dev) exists, and this stack's state does not have it, so it is " +
			"somebody else's: `pulumi up` would overwrite it. Look at it: " +
			"`vault kv metadata get -mount=secret " + apiKey + "`",
		does: secret(apiKey, "dev"),
	},
	{
		name: "what this stack's own destroy has left",
		does: do(secret(apiKey, "dev"), deleted(apiKey)),
	},
	{
		name:       "a secret that left the configuration and was brought back",
		overwrites: true,
		problem: "`vault kv undelete` brought it back? Then it is this stack's. If it belongs to this " +
			"stack, adopt it: ",
		does: do(secret(apiKey, "dev"), deleted(apiKey), func(a *attempt) {
			a.Write("secret/undelete/"+apiKey, map[string]any{"versions": []int{1}})
		}),
	},
	{
		name:       "a deleted secret of others",
		overwrites: true,
		problem:    "credentials.ml_api_key: a secret at",
		does:       do(secret(apiKey, ""), deleted(apiKey)),
	},
	{
		name: "a secret in this stack's state",
		does: do(secret(apiKey, ""), stateHas(rights.Resource{Type: rights.TypeSecret, ID: "secret/data/" + apiKey})),
	},
	{
		name: "a secret in this stack's state that bears another stack's mark",
		problem: "credentials.ml_api_key: the secret at secret/data/" + apiKey + " is in this " +
			"stack's state and bears the mark of mlvault/qa",
		overwrites: true,
		does:       do(secret(apiKey, "qa"), stateHas(ownSecret)),
	},
	{
		name:       "somebody's secret where this stack's is not read back",
		problem:    "credentials.ml_api_key: a secret at secret/data/" + apiKey + " exists",
		overwrites: true,
		does:       do(writeOnly, secret(apiKey, "")),
	},
	{
		name:       "somebody's secret, and a token without the default policy",
		problem:    "credentials.ml_api_key: a secret at secret/data/" + apiKey + " exists",
		warning:    "may not ask what it may do",
		overwrites: true,
		does:       do(secret(apiKey, ""), ours(token{NoDefaultPolicy: true})),
	},
	{
		name:    "metadata that the token may not read",
		problem: "vaultToken: may not read at secret/metadata/" + apiKey,
		blind:   true,
		does:    do(secret(apiKey, ""), allBut("read", rights.Resource{ID: "secret/metadata/" + apiKey})),
	},

	// Another Vault than the one of the state.
	{
		name:    "a state of another Vault, and an empty one here",
		problem: "If the stack moves here, run `make preflight MOVED=yes`",
		another: true,
		does:    stateHas(policyOf("00000000")),
	},
	{
		name: "a stack that moves to an empty Vault",
		warning: "the state was written against another Vault (another address or namespace), and this " +
			"one has no policy of this stack",
		does: do(moves, stateHas(policyOf("00000000"))),
	},
	{
		name: "a state of another Vault, and a stack of this name here",
		problem: "a secret at secret/data/" + apiKey + " (labelled mlvault/dev) exists, and this " +
			"stack's state is of another Vault",
		warning:    "and this one has no policy of this stack",
		overwrites: true,
		does:       do(moves, secret(apiKey, "dev"), stateHas(ownSecret), stateHas(policyOf("00000000"))),
	},
	{
		name: "a state of another Vault, and the policy of a stack of this name here",
		problem: "policy " + name + ": a policy of this name exists, and this stack's state is of " +
			"another Vault",
		warning:    "and what is here is not this stack's. Is the address right?",
		overwrites: true,
		does:       do(stateHas(policyOf("00000000")), writtenPolicy("11111111")),
	},
	{
		name: "a state of another Vault, after a refresh took in a stack of this name here",
		problem: "policy " + name + ": a policy of this name exists, and this stack's state is of " +
			"another Vault",
		warning:    "and what is here is not this stack's. Is the address right?",
		overwrites: true,
		does: func(a *attempt) {
			here := a.config().Fingerprint()
			do(noteOf("00000000"), stateHas(policyOf(here)), writtenPolicy(here))(a)
		},
	},
	{
		name:    "the same Vault under another name, after a run that was killed at the role",
		warning: "so it is the same Vault. Run `pulumi up --refresh --run-program`",
		does: func(a *attempt) {
			here := a.config().Fingerprint()
			backend("shared", "jwt")(a)
			do(ofOthers, set("workload.authPath", "shared"), admits("shared"))(a)
			do(noteOf("00000000"), stateHas(jobIdentity), stateHas(policyOf(here)), writtenPolicy(here))(a)
		},
	},
	{
		name:    "the same Vault under another name",
		warning: "so it is the same Vault. Run `pulumi up --refresh --run-program`",
		does: do(stateHas(ownSecret), stateHas(policyOf("00000000")), writtenPolicy("00000000"),
			labelled(apiKey, map[string]string{"project": "mlvault", "stack": "dev", "vault": "00000000"})),
	},
	{
		name:    "a Vault that was initialised anew",
		problem: "the state has it, and this Vault does not. Was Vault restored or initialised anew?",
		another: true,
		does:    stateHas(policyOf("")),
	},
	{
		name:    "a Vault that was initialised anew, and the stack moves there",
		warning: "the state has it, and this Vault does not. Was Vault restored or initialised anew?",
		does:    do(moves, stateHas(policyOf(""))),
	},
	{
		name:    "another Vault behind the address, with a backend at this stack's path",
		problem: "auth backend jwt-" + name + ": is not the one that the state has, as its accessor says",
		another: true,
		does:    do(backend("jwt-"+name, "jwt"), stateHas(backendOf("auth_jwt_00000000"))),
	},
	{
		name: "another Vault behind the address, with a secret of a stack of this name",
		problem: "credentials.ml_api_key: the secret at secret/data/" + apiKey + " bears the mark of " +
			"another mlvault/dev, whose jobs have another identity",
		another: true,
		does: do(
			labelled(apiKey, map[string]string{"project": "mlvault", "stack": "dev", "identity": "b"}),
			stateHas(ownSecretOf("a")),
		),
	},
	{
		name: "this stack's secret, as its identity says",
		does: do(
			labelled(apiKey, map[string]string{"project": "mlvault", "stack": "dev", "identity": "a"}),
			stateHas(ownSecretOf("a")),
		),
	},
	{
		name: "a prefix inside another stack's",
		warning: "vault.prefix: mlvault/dev overlaps with somebody else's prefix: this stack does not " +
			"have secret/data/mlvault/theirs.",
		does: do(secret("mlvault/theirs", ""), also("list", "secret/metadata/*")),
	},
	{
		name:    "a prefix with another stack's inside",
		warning: "this stack does not have secret/data/mlvault/dev/sub.",
		does:    do(secret("mlvault/dev/sub/x", ""), also("list", "secret/metadata/*")),
	},
	{
		name: "a prefix beside another stack's",
		does: do(secret("mlvault/prod/x", ""), also("list", "secret/metadata/*")),
	},

	{
		name: "a prefix inside another stack's, as its mark says",
		problem: "vault.prefix: mlvault/dev is used by mlvault/prod too, whose are " +
			"secret/data/mlvault/theirs",
		overwrites: true,
		does: do(
			secret("mlvault/theirs", "prod"),
			also("list", "secret/metadata/*"),
			more("read", "secret/metadata/mlvault/theirs"),
		),
	},

	// The policy and the role.
	{
		name:       "a policy that the state does not have",
		overwrites: true,
		problem: "policy " + name + ": a policy of this name exists, and this stack's state does not " +
			"have it",
		does: policy(name),
	},
	{
		name: "this stack's own policy",
		does: do(policy(name), stateHas(rights.Resource{Type: rights.TypePolicy, ID: name})),
	},
	{
		name:       "a role in a shared backend that the state does not have",
		overwrites: true,
		problem:    "role auth/shared/role/" + name + ": a role of this name exists",
		does:       do(backend("shared", "jwt"), ofOthers, set("workload.authPath", "shared"), admits("shared")),
	},

	// The auth backend and the issuer.
	{
		name: "somebody's auth backend at this stack's path",
		problem: "workload.authPath: an auth backend at auth/jwt-" + name + " exists, and this stack's " +
			"state does not have it",
		does: backend("jwt-"+name, "jwt"),
	},
	{
		name:    "a backend of this stack's name that lets somebody in",
		problem: "Do not disable it: whoever logs in by it would lose their access",
		does:    do(halfMade, admits("jwt-"+name)),
	},
	{
		name: "a backend that a failed discovery left half-made",
		problem: "workload.authPath: a failed `pulumi up` of this stack left auth/jwt-" + name +
			" half-made. It has no role, so that nobody can log in by it. Remove it: `vault auth disable " +
			"jwt-" + name + "`.",
		does: halfMade,
	},
	{
		name: "a backend that was left half-made before the stack was renamed",
		problem: "workload.authPath: a failed `pulumi up` of this stack left auth/jwt-" + name +
			" half-made.",
		does: halfMadeBefore,
	},
	{
		name:    "an auth path of one's own choice that is taken",
		problem: "or use this stack's own path: `pulumi config rm --path workload.authPath`",
		does:    do(backend("theirs", "jwt"), set("workload.authPath", "theirs")),
	},
	{
		name: "an auth backend that the stack has made",
		does: do(backend("jwt-"+name, "jwt"), stateHas(rights.Resource{Type: rights.TypeBackend, ID: "jwt-" + name})),
	},
	{
		name:    "an auth backend of others that is not there",
		problem: "workload.authPath: there is no auth backend at auth/jwt-" + name,
		does:    ofOthers,
	},
	{
		name:    "an auth path below another backend",
		problem: "workload.authPath: auth/jwt is enabled already, and Vault enables nothing below it",
		does:    do(backend("jwt", "jwt"), set("workload.authPath", "jwt/ours")),
	},
	{
		name:    "an auth path above another backend",
		problem: "workload.authPath: auth/team/jwt is enabled below auth/team",
		does:    do(backend("team/jwt", "jwt"), set("workload.authPath", "team"), also("read", "auth/team/jwt/config")),
	},
	{
		name: "an auth backend of others",
		does: do(backend("jwt-"+name, "jwt"), ofOthers),
	},
	{
		name: "a role of the Vault team that nobody can have made yet",
		does: do(backend("jwt-"+name, "jwt"), ofOthers, set("workload.createRole", false)),
	},
	{
		name:    "a role that the Vault team has not made",
		warning: "Vault has no role auth/jwt-" + name + "/role/team-ml, and no job can log in",
		does: do(backend("jwt-"+name, "jwt"), ofOthers, stateHas(jobsIdentity),
			set("workload.createRole", false), set("workload.role", "team-ml")),
	},
	{
		name: "a role of the Vault team",
		does: do(backend("jwt-"+name, "jwt"), ofOthers, stateHas(jobsIdentity),
			set("workload.createRole", false), admits("jwt-"+name), roleOfTeam(nil)),
	},
	{
		name:    "a role of the Vault team that admits somebody else and gives more",
		warning: "It differs in bound_claims, token_policies. The Vault team writes it: `make policy STACK=dev FOR=role",
		does: do(backend("jwt-"+name, "jwt"), ofOthers, stateHas(jobsIdentity), admits("jwt-"+name),
			set("workload.createRole", false), roleOfTeam(map[string]any{
				"bound_claims":   map[string]any{"oid": "somebody"},
				"token_policies": []string{name, "admin"},
			})),
	},
	{
		name: "a policy of the Vault team",
		does: do(set("workload.policy", "team-ml-read"), set("workload.createPolicy", false), policyOfTeam("")),
	},
	{
		name:    "a policy that the Vault team has not made",
		warning: "Vault has no policy team-ml-read, and the jobs can read nothing until the Vault team makes it",
		does:    do(set("workload.policy", "team-ml-read"), set("workload.createPolicy", false)),
	},
	{
		name:    "a policy of the Vault team of before a credential was added",
		warning: "it lacks secret/data/" + apiKey + ". The Vault team writes it: `make policy STACK=dev FOR=jobs",
		does: do(set("workload.policy", "team-ml-read"), set("workload.createPolicy", false),
			policyOfTeam("secret/data/"+apiKey)),
	},
	{
		name:       "a policy of another stack by its name",
		problem:    "policy " + settings.NameInVault("mlvault", "qa") + ": a policy of this name exists",
		overwrites: true,
		does: do(set("workload.policy", settings.NameInVault("mlvault", "qa")),
			policy(settings.NameInVault("mlvault", "qa"))),
	},
	{
		name:    "an auth backend of another type",
		problem: "auth/jwt-" + name + " is of type approle",
		does:    do(backend("jwt-"+name, "approle"), ofOthers),
	},
	{
		name: "an issuer that cannot be fetched",
		warning: "workload.issuer: its discovery document cannot be fetched from this machine: nothing " +
			"listens there",
		does: func(a *attempt) {
			server := a.serves("127.0.0.1", http.NotFound)
			server.Close()
			a.settings["workload"]["issuer"] = strings.Replace(server.URL, "http", "https", 1) + "/" + a.Issuer.TenantID() + "/"
		},
	},
	{
		name:    "an issuer of a tenant that is not there",
		problem: "workload.issuer: its discovery document is answered with status 404",
		does: func(a *attempt) {
			a.settings["workload"]["issuer"] = strings.Replace(
				a.Issuer.URL(issuer.V1), a.Issuer.TenantID(), "44444444-4444-4444-4444-444444444444", 1)
		},
	},
	{
		name:    "an issuer whose document is another's",
		problem: `workload.issuer: the discovery document there names the issuer "https://sts.windows.net/x/"`,
		does: func(a *attempt) {
			own, file := certificate(a.T, time.Now().Add(longAhead))
			server := a.serves("127.0.0.1", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"issuer":"https://sts.windows.net/x/"}`))
			}, own)
			a.settings["workload"]["issuer"] = server.URL + "/" + a.Issuer.TenantID() + "/"
			a.settings["workload"]["issuerCaPem"] = lab.ReadFile(a.T, file)
		},
	},

	// What the jobs read and the stack does not write.
	{
		name: "a path that is there, as far as the token may see",
		does: do(secret("team/warehouse", ""), reads(warehouse), also("read", "secret/metadata/team/warehouse")),
	},
	{
		name:    "a path at which nothing is",
		problem: nothingRead,
		does:    do(reads(warehouse), also("read", "secret/metadata/team/warehouse")),
	},
	{
		name:    "a path whose secret is deleted",
		problem: nothingRead,
		does: do(
			secret("team/warehouse", ""),
			deleted("team/warehouse"),
			reads(warehouse),
			also("read", "secret/metadata/team/warehouse"),
		),
	},
	{
		name:    "a path that the token may not look at",
		problem: "vaultToken: may not read at " + metadata,
		does:    do(reads(warehouse), allBut("read", rights.Resource{ID: metadata})),
	},
	{
		name: "a KV version 1 mount of others, whose values alone would show",
		does: do(mount("kvold", "1"), reads("kvold/x"), also("read", "kvold/x")),
	},
	{
		name: "a path of KV version 2 without data/",
		problem: "vault.reads.theirs: shared/x lacks data/, under which the KV version 2 engine at " +
			"shared serves its values. Write shared/data/x",
		does: do(mount("shared", "2"), reads("shared/x"), also("read", "shared/x")),
	},
	{
		name: "another stack's credential",
		problem: "vault.reads.theirs: " + warehouse + " is a credential of the stack mlvault/prod, " +
			"which does not list this stack as a reader",
		does: do(secret("team/warehouse", "prod"), reads(warehouse), also("read", metadata)),
	},
	{
		name: "another stack's credential that lists this one as a reader",
		does: do(
			labelled("team/warehouse", map[string]string{
				"project": "mlvault",
				"stack":   "prod",
				"readers": "mlvault/qa, mlvault/dev",
			}),
			reads(warehouse), also("read", metadata),
		),
	},
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
			report := a.check()
			requireOnly(t, report, row.problem, row.warning)
			require.Equal(t, row.overwrites, report.Overwrites, report.Verdict())
			require.Equal(t, row.another, report.AnotherVault, report.Verdict())
			if row.problem == "" {
				require.Equal(t, row.blind, report.OwnersUnseen, "%q", report.Unseen)
				require.Equal(t, !row.blind, report.Ready())
			}
		})
	}
	t.Logf("%d rows", len(rows))
}

// requireOnly requires exactly the one problem and the one warning, or none where a part is empty.
func requireOnly(t *testing.T, report check.Report, problem, warning string) {
	t.Helper()
	for _, each := range []struct {
		part  string
		texts []string
	}{
		{part: problem, texts: report.Problems},
		{part: warning, texts: report.Warnings},
	} {
		if each.part == "" {
			require.Empty(t, each.texts)
			continue
		}
		require.Len(t, each.texts, 1, "%q", each.texts)
		require.Contains(t, each.texts[0], each.part)
	}
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
			policy := less.Policy + `path "sys/capabilities-self" { capabilities = ["update"] }`
			a.token = a.deployer(policy, token{NoDefaultPolicy: true})
			requireOnly(t, a.check(), fmt.Sprintf("vaultToken: may not %s at %s. Write the "+
				"policy", less.Capability, less.Path), "")
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
	require.Contains(t, report.Problems[10], "lacks rights at 97 paths more. Write the policy that "+
		"`make policy STACK=dev` prints")
}
