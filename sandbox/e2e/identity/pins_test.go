package identity

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
)

// attempt is a write to Vault.
type attempt struct {
	name, path string
	fields     map[string]any
	// status is Vault's answer. 0: 403.
	status int
}

// The deployer writes a policy and a role, and who may write any policy and any role has everything in this
// Vault. So both are pinned: Vault itself refuses all that the stack does not need.
func TestTheDeployerCanWriteAndGiveNoOtherPolicy(t *testing.T) {
	p := newPrivileges(t, nil)
	p.clear()
	p.deployer(rights.DeployerPolicy(p.cfg, rights.State{}))
	require.NoError(t, p.live(p.phases[0]), "the stack is made with the pinned token")

	holder := p.holder()
	for _, taken := range p.ownWrites() {
		require.NoError(t, write(t, holder, taken), "%s: what the stack writes itself", taken.name)
	}
	for _, refused := range p.attempts() {
		err := write(t, holder, refused)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer, "%s is taken", refused.name)
		require.Equal(t, cmp.Or(refused.status, http.StatusForbidden), answer.StatusCode, "%s: %v", refused.name, err)
	}
	p.pinnedToTheTenant(holder)

	lab.Matches(t, "deployer.md", "policy", "```hcl\n"+p.shownPolicy()+"```\n")
	lab.Matches(t, "deployer.md", "attempts", p.shownAttempts())
}

// shownPolicy is the policy of a stack at an address and in a tenant of the documentation.
func (p *privileges) shownPolicy() string {
	shown := *p.cfg
	shown.Address = settings.NewSecret("https://vault.example.com:8200")
	shown.Workload.Issuer = ""
	shown.Workload.IssuerCAPEM = ""
	return rights.DeployerPolicy(&shown, inTenant)
}

func (p *privileges) shownAttempts() string {
	var table strings.Builder
	table.WriteString("| attempt | path | answer |\n|---|---|---|\n")
	for _, a := range p.attempts() {
		status := cmp.Or(a.status, http.StatusForbidden)
		fmt.Fprintf(&table, "| %s | `%s` | %d |\n", a.name, a.path, status)
	}
	return table.String()
}

// inTenant is a state that knows the job identity, and with it the tenant.
var inTenant = rights.State{Resources: []rights.Resource{{
	Type:    "azure-native:managedidentity/v20230131:UserAssignedIdentity",
	Outputs: map[string]any{"tenantId": "5a9db0c5-0000-4000-8000-000000000009"},
}}}

// holder is whoever has the deployer's token.
func (p *privileges) holder() *api.Client {
	p.T.Helper()
	client, err := p.Vault.Root().Clone()
	require.NoError(p.T, err)
	client.SetToken(p.token)
	return client
}

func write(t *testing.T, client *api.Client, a attempt) error {
	t.Helper()
	_, err := client.Logical().WriteWithContext(t.Context(), a.path, a.fields)
	return err
}

// role is the stack's role with other fields.
func (p *privileges) role(name string, other map[string]any) attempt {
	fields := map[string]any{
		"role_type":               "jwt",
		"bound_audiences":         []string{p.cfg.Workload.Audience},
		"bound_claims_type":       "string",
		"bound_claims":            map[string]any{"oid": "x", "tid": "y"},
		"user_claim":              "oid",
		"token_policies":          []string{p.cfg.VaultName()},
		"token_type":              "batch",
		"token_no_default_policy": true,
		"token_ttl":               600,
	}
	maps.Copy(fields, other)
	return attempt{name: name, path: p.cfg.RolePath(), fields: fields}
}

// roleWithout is the stack's role that leaves one thing to Vault's default.
func (p *privileges) roleWithout(name, field string) attempt {
	lacking := p.role(name, nil)
	delete(lacking.fields, field)
	return lacking
}

// token is one more than the deployer's own. Vault itself gives it no more rights and no longer life.
func token(name string, fields map[string]any) attempt {
	return attempt{name: name, path: "auth/token/create", fields: fields, status: http.StatusBadRequest}
}

func (p *privileges) config(name string, fields map[string]any) attempt {
	return attempt{name: name, path: "auth/" + p.cfg.Workload.AuthPath + "/config", fields: fields}
}

func policyText(text string) map[string]any { return map[string]any{"policy": text} }

// ownWrites are taken: without them a refusal would show nothing about what is refused.
func (p *privileges) ownWrites() []attempt {
	return []attempt{
		{name: "the jobs' policy", path: p.cfg.PolicyPath(), fields: policyText(rights.ReadPolicy(p.cfg))},
		p.role("the jobs' role", nil),
		// Said in docs/deployer.md: this is left to whoever has the token.
		p.roleWithout("Vault's own kind of tokens in the jobs' role", "token_type"),
		p.roleWithout("the default policy in the jobs' role", "token_no_default_policy"),
		p.role("another identity in the jobs' role", map[string]any{"bound_claims": map[string]any{"oid": "z"}}),
	}
}

// attempts are what somebody would try who has the token.
func (p *privileges) attempts() []attempt {
	const all = `path "*" { capabilities = ["read", "sudo"] }`
	longer := rights.ReadPolicy(p.cfg) + all
	one := func(parameter string, value any) map[string]any { return map[string]any{parameter: value} }
	backend := "auth/" + p.cfg.Workload.AuthPath
	return []attempt{
		{name: "another text of the policy", path: p.cfg.PolicyPath(), fields: policyText(all)},
		{name: "a longer text of the policy", path: p.cfg.PolicyPath(), fields: policyText(longer)},
		{name: "another policy", path: "sys/policies/acl/other", fields: policyText(rights.ReadPolicy(p.cfg))},
		{name: "the policy by the old path", path: "sys/policy/" + p.cfg.VaultName(), fields: policyText(all)},
		{name: "its own policy", path: "sys/policies/acl/restricted", fields: policyText(all)},
		{name: "another role", path: backend + "/role/other", fields: p.role("", nil).fields},
		p.role("a role with another policy", one("token_policies", []string{"root"})),
		p.role("a role with one more policy", one("token_policies", []string{p.cfg.VaultName(), "other"})),
		p.role("a policy in a text", one("token_policies", "other")),
		p.role("a policy by its older name", one("policies", []string{"other"})),
		p.role("service tokens", one("token_type", "service")),
		p.role("tokens of the mount's type", one("token_type", "default")),
		p.role("the default policy too", one("token_no_default_policy", false)),
		p.role("another kind of role", one("role_type", "oidc")),
		p.role("another audience", one("bound_audiences", []string{"api://other"})),
		p.role("claims with wildcards", one("bound_claims_type", "glob")),
		p.role("another claim as the user", one("user_claim", "sub")),
		p.role("groups, which have policies", one("groups_claim", "groups")),
		p.config("keys of one's own", one("jwt_validation_pubkeys", []string{"x"})),
		p.config("keys from elsewhere", one("jwks_url", "https://elsewhere.example.com/keys")),
		p.config("keys from several places", one("jwks_pairs", []any{
			map[string]any{"jwks_url": "https://elsewhere.example.com/keys"},
		})),
		p.config("a CA of one's own for the keys", one("oidc_discovery_ca_pem", "x")),
		p.config("a parameter that nobody knows", one("unknown", "x")),
		token("a token with another policy", one("policies", []string{"root"})),
		token("a token that lives on without it", one("no_parent", true)),
		{
			name:   "another auth method in its place",
			path:   "sys/" + backend,
			fields: map[string]any{"type": "userpass"},
		},
	}
}

// pinnedToTheTenant holds once the state knows the job identity, and with it the tenant.
func (p *privileges) pinnedToTheTenant(holder *api.Client) {
	p.T.Helper()
	p.restrict(rights.DeployerPolicy(p.cfg, inTenant))
	const other = "https://sts.windows.net/5a9db0c5-0000-4000-8000-00000000000a/"
	for _, parameter := range []string{"oidc_discovery_url", "bound_issuer"} {
		err := write(p.T, holder, p.config("", map[string]any{parameter: other}))
		var answer *api.ResponseError
		require.ErrorAs(p.T, err, &answer, "%s of another tenant is taken", parameter)
		require.Equal(p.T, http.StatusForbidden, answer.StatusCode, parameter)
	}
}
