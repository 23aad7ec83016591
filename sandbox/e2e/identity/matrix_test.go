package identity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// vaultGUID is the audience of the stack with version 2 tokens, which name theirs by a GUID,
// always.
const vaultGUID = "7c1e9a44-52b8-4f0d-b6c3-2a8f4e5d6071"

// TestIdentityMatrix holds what this program promises about identities: who gets in at a stack's
// door in Vault, what one who got in may do, and that Vault refuses all else, each for its own
// reason. Three stacks share one Vault: dev and prod with the same audience, so that only the
// object id tells their jobs apart, and one that takes version 2 tokens.
func TestIdentityMatrix(t *testing.T) {
	l := newLabWith(t, "dev", "prod", "v2")
	dev, prod := l.door("dev", issuer.V1), l.door("prod", issuer.V1)
	v2 := l.door("v2", issuer.V2, lab.With(t, "workload.audience", vaultGUID))

	t.Run("each job reads its own credentials and nothing else", func(t *testing.T) {
		for _, pair := range [][2]*door{{dev, prod}, {prod, dev}, {v2, dev}} {
			matrix := pair[0].matrix(pair[1])
			require.Empty(t, run(matrix), pair[0].Name())
			t.Logf("%s: %d attempts are answered as they must be", pair[0].Name(), len(matrix))
		}
	})

	t.Run("a mutation of what is deployed turns its rows red and no other", func(t *testing.T) {
		for _, m := range mutations(dev, prod) {
			opened := l.opened(dev.matrix(prod), m.changes)
			require.Equal(t, m.opens, opened, m.name)
			t.Logf("%s: red: %s", m.name, cmp.Or(strings.Join(opened, "; "), "none"))
			require.Empty(t, run(dev.matrix(prod)), "all is as it was before: %s", m.name)
		}
	})

	t.Run("a token is dead when its time is over", func(t *testing.T) {
		restore := l.mutate(dev.RolePath(), func(role map[string]any) { role["token_ttl"], role["token_max_ttl"] = 2, 2 })
		defer restore()
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		require.Eventually(t, func() bool { return strings.HasPrefix(answer(read()), "403 ") }, 10*time.Second, 200*time.Millisecond)
	})

	t.Run("a token cannot be revoked but without its policy opens nothing", func(t *testing.T) {
		as := dev.job()
		read := dev.reads(as, "ml_api_key")
		revoked := l.Vault.Root().Auth().Token().RevokeTreeWithContext(t.Context(), as().Token())
		require.Equal(t, "400 batch tokens cannot be revoked", answer(revoked))
		require.Equal(t, granted, answer(read()))

		restore := l.mutate(dev.RolePath(), func(role map[string]any) { role["token_policies"] = []string{"nothing"} })
		require.Equal(t, granted, answer(read()), "the role counts at the login only")
		restore()
		restore = l.mutate(dev.PolicyPath(), func(policy map[string]any) { policy["policy"] = "# nothing" })
		require.Contains(t, answer(read()), denied, "the policy counts at each request: this stops a job at once")
		restore()
		require.Equal(t, granted, answer(read()), "it is the same token")
	})

	t.Run("no path of the read policy is spare", func(t *testing.T) {
		names := []string{"feature_store", "ml_api_key"}
		for i, removed := range names {
			grant := rights.Grant{Path: "secret/data/" + dev.Prefix + "/" + names[1-i], Capabilities: []string{"read"}}
			restore := l.mutate(dev.PolicyPath(), func(policy map[string]any) {
				policy["policy"] = rights.PolicyText("one less", []rights.Grant{grant})
			})
			require.Equal(t, granted, answer(dev.reads(dev.job(), names[1-i])()))
			require.Contains(t, answer(dev.reads(dev.job(), removed)()), denied)
			restore()
		}
	})

	t.Run("an operator may do all that a job is refused", func(t *testing.T) {
		// Otherwise a row may be refused because what it asks for is not there. This deletes the stack's
		// credentials.
		for _, row := range v2.requests(dev, l.operator) {
			require.Equal(t, granted, answer(row.try()), row.name)
		}
	})

	t.Run("without its auth method a stack lets nobody in, and a token that is out lives on", func(t *testing.T) {
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		require.NoError(t, l.Vault.Root().Sys().DisableAuthWithContext(t.Context(), dev.AuthPath))
		require.Equal(t, "403 permission denied", answer(dev.login(dev.Name(), dev.token())()))
		require.Equal(t, granted, answer(prod.login(prod.Name(), prod.token())()), "another stack's is another")
		require.Equal(t, granted, answer(read()), "a batch token hangs on no auth method; its policy is what stops it")
	})
}

// mutation is a change of what a stack has deployed, and the rows that let somebody through because
// of it.
type mutation struct {
	name    string
	changes changes
	opens   []string
}

// changes are edits of what stands in Vault, by path.
type changes map[string]func(fields map[string]any)

// opened are the rows of a matrix that, while the changes are in place, give more than they should.
// Rows that are refused for another reason than before are not among them.
func (l *rig) opened(matrix []row, by changes) (rows []string) {
	for path, change := range by {
		defer l.mutate(path, change)()
	}
	for _, failure := range run(matrix) {
		if failure.got == granted || strings.HasPrefix(failure.got, moreThanMeant) {
			rows = append(rows, failure.row)
		}
	}
	return rows
}

// mutations are the mistakes that a change of the program, or somebody with a token of Vault, could
// make at a door.
func mutations(d, neighbour *door) []mutation {
	role := func(change func(map[string]any)) changes { return changes{d.RolePath(): change} }
	set := func(field string, value any) changes {
		return role(func(fields map[string]any) { fields[field] = value })
	}
	bind := func(claim string, value any) changes {
		return role(func(fields map[string]any) { bound(fields)[claim] = value })
	}
	forget := func(claim string) changes { return role(func(fields map[string]any) { delete(bound(fields), claim) }) }
	config := func(field string, value any) changes {
		return changes{d.configPath(): func(fields map[string]any) { fields[field] = value }}
	}
	policy := func(from, to string) changes {
		return changes{d.PolicyPath(): func(fields map[string]any) {
			fields["policy"] = strings.ReplaceAll(fmt.Sprint(fields["policy"]), from, to)
		}}
	}
	both := func(one, other changes) changes {
		maps.Copy(one, other)
		return one
	}
	glob := role(func(fields map[string]any) { fields["bound_claims_type"], bound(fields)["oid"] = "glob", "*" })
	hour := role(func(fields map[string]any) { fields["token_ttl"], fields["token_max_ttl"] = 3600, 3600 })
	all := changes{d.PolicyPath(): func(fields map[string]any) { fields["policy"] = `path "*" { capabilities = ["read", "list"] }` }}

	logins := []string{"the job identity", "one token a second time", "a list of audiences with ours in it", "a reader of workload.principalIds"}
	anyone := []string{
		"another identity of the tenant", "the neighbour's identity", "our object id in upper case", "our object id and a space",
		"both readers in one object id", "a star for an object id",
	}
	names := []string{"reads a sibling", "reads a longer name", "reads its name in upper case", "reads below its credential"}
	neighbours := []string{"reads the neighbour's ml_api_key", "reads the neighbour's feature_store"}
	return []mutation{
		{"the role forgets the object id", forget("oid"), anyone},
		{"the role takes any object id by a glob", glob, anyone},
		{"the role knows the neighbour", bind("oid", []string{d.identity.PrincipalID, extraReader, neighbour.identity.PrincipalID}), []string{"the neighbour's identity"}},
		{"the role forgets the tenant", forget("tid"), []string{"another tenant", "our tenant in upper case", "no tenant"}},
		{"the role forgets the issuer, which the auth method still binds", forget("iss"), nil},
		{"the auth method forgets the issuer, which the role still binds", config("bound_issuer", ""), nil},
		{"role and auth method forget the issuer", both(forget("iss"), config("bound_issuer", "")), []string{
			"another tenant's issuer with the same key", "our issuer with the other ending", "our tenant's issuer of the other version", "no issuer",
		}},
		{"the role admits another audience", set("bound_audiences", []string{d.identity.Audience, elsewhere}), []string{"another audience", "a list of other audiences"}},
		{"the role forgets the audience", set("bound_audiences", []string{}), []string{"an empty list of audiences", "no audience"}},
		{"the role forgives two hours", set("clock_skew_leeway", 7200), []string{"expired", "not yet valid", "issued in the future", "no end, and five minutes old"}},

		{"the role gives the default policy", set("token_no_default_policy", false),
			append(slices.Clone(logins), "asks for its capabilities", "asks what it may do", "looks itself up")},
		{"the role gives the neighbour's policy too", set("token_policies", []string{d.Name(), neighbour.Name()}), append(slices.Clone(logins), neighbours...)},
		{"the role gives service tokens", set("token_type", "service"),
			append(slices.Clone(logins), "revokes itself, a batch token")},
		{"the role gives an hour", hour, logins},

		{"the policy reads the whole stack", policy("/ml_api_key", "/*"), names},
		{"the policy reads what begins alike", policy("/ml_api_key", "/ml_api_key*"), []string{"reads a longer name", "reads below its credential"}},
		{"the policy reads every stack", policy(d.Prefix, "mlvault/+"), neighbours},
		{"the policy reads every mount", policy("secret/", "+/"), []string{"reads the same path of another mount"}},
		{"the policy reads metadata", policy("/data/", "/+/"), []string{"reads metadata", "reads subkeys"}},
		{"the policy writes", policy(`"read"`, `"read", "create", "update", "patch"`), []string{"writes its credential", "patches its credential"}},
		{"the policy reads and lists everything", all, slices.Concat(names, []string{"reads the parent"}, neighbours, []string{
			"reads the same path of another mount", "lists the stack", "lists the mount", "reads metadata", "reads subkeys",
			"reads the mount's settings", "lists mounts", "lists auth methods", "reads the auth method's settings", "lists roles",
			"reads its role", "lists policies", "reads its policy", "asks what it may do", "reads the server's settings",
			"looks itself up", "lists identities",
		})},
	}
}

// bound are the bound claims of a role as Vault shows it.
func bound(role map[string]any) map[string]any {
	claims, _ := role["bound_claims"].(map[string]any)
	return claims
}
