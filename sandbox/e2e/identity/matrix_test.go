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
	dev := l.door("dev", issuer.V1)
	prod := l.door("prod", issuer.V1)
	v2 := l.door("v2", issuer.V2, lab.With(t, "workload.audience", vaultGUID))

	t.Run("each job reads its own credentials and nothing else", func(t *testing.T) {
		for _, test := range []struct{ at, neighbour *door }{
			{at: dev, neighbour: prod},
			{at: prod, neighbour: dev},
			{at: v2, neighbour: dev},
		} {
			matrix := test.at.matrix(test.neighbour)
			require.Empty(t, run(matrix), test.at.cfg.VaultName())
			t.Logf("%s: %d attempts are answered as they must be", test.at.cfg.VaultName(), len(matrix))
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
		restore := l.mutate(dev.cfg.RolePath(), func(role map[string]any) {
			role["token_ttl"] = 2
			role["token_max_ttl"] = 2
		})
		defer restore()
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		isDead := func() bool { return strings.HasPrefix(answer(read()), "403 ") }
		require.Eventually(t, isDead, 10*time.Second, 200*time.Millisecond)
	})

	t.Run("a token cannot be revoked but without its policy opens nothing", func(t *testing.T) {
		as := dev.job()
		read := dev.reads(as, "ml_api_key")
		revoked := l.Vault.Root().Auth().Token().RevokeTreeWithContext(t.Context(), as().Token())
		require.Equal(t, "400 batch tokens cannot be revoked", answer(revoked))
		require.Equal(t, granted, answer(read()))

		restore := l.mutate(dev.cfg.RolePath(), func(role map[string]any) {
			role["token_policies"] = []string{"nothing"}
		})
		require.Equal(t, granted, answer(read()), "the role counts at the login only")
		restore()
		restore = l.mutate(dev.cfg.PolicyPath(), func(policy map[string]any) {
			policy["policy"] = "# nothing"
		})
		require.Contains(t, answer(read()), denied,
			"the policy counts at each request: this stops a job at once")
		restore()
		require.Equal(t, granted, answer(read()), "it is the same token")
	})

	t.Run("no path of the read policy is spare", func(t *testing.T) {
		names := []string{"feature_store", "ml_api_key"}
		for i, removed := range names {
			kept := names[1-i]
			grant := rights.Grant{
				Path:         "secret/data/" + dev.cfg.Vault.Prefix + "/" + kept,
				Capabilities: []string{"read"},
			}
			restore := l.mutate(dev.cfg.PolicyPath(), func(policy map[string]any) {
				policy["policy"] = rights.PolicyText("one less", []rights.Grant{grant})
			})
			require.Equal(t, granted, answer(dev.reads(dev.job(), kept)()))
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

	t.Run("without its auth method a stack lets nobody in, but a token lives on", func(t *testing.T) {
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		require.NoError(t, l.Vault.Root().Sys().DisableAuthWithContext(t.Context(), dev.cfg.Workload.AuthPath))
		require.Equal(t, "403 permission denied", answer(dev.login(dev.cfg.VaultName(), dev.token())()))
		elsewhere := prod.login(prod.cfg.VaultName(), prod.token())
		require.Equal(t, granted, answer(elsewhere()), "another stack's is another")
		require.Equal(t, granted, answer(read()),
			"a batch token hangs on no auth method; its policy is what stops it")
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
	role := func(change func(map[string]any)) changes { return changes{d.cfg.RolePath(): change} }
	set := func(field string, value any) changes {
		return role(func(fields map[string]any) { fields[field] = value })
	}
	bind := func(claim string, value any) changes {
		return role(func(fields map[string]any) { bound(fields)[claim] = value })
	}
	forget := func(claim string) changes {
		return role(func(fields map[string]any) { delete(bound(fields), claim) })
	}
	config := func(field string, value any) changes {
		return changes{d.configPath(): func(fields map[string]any) { fields[field] = value }}
	}
	policy := func(from, to string) changes {
		return changes{d.cfg.PolicyPath(): func(fields map[string]any) {
			fields["policy"] = strings.ReplaceAll(fmt.Sprint(fields["policy"]), from, to)
		}}
	}
	both := func(one, other changes) changes {
		maps.Copy(one, other)
		return one
	}
	glob := role(func(fields map[string]any) {
		fields["bound_claims_type"] = "glob"
		bound(fields)["oid"] = "*"
	})
	hour := role(func(fields map[string]any) {
		fields["token_ttl"] = 3600
		fields["token_max_ttl"] = 3600
	})
	all := changes{d.cfg.PolicyPath(): func(fields map[string]any) {
		fields["policy"] = `path "*" { capabilities = ["read", "list"] }`
	}}
	bothIdentities := []string{
		d.identity.PrincipalID,
		extraReader,
		neighbour.identity.PrincipalID,
	}

	logins := []string{
		"the job identity",
		"one token a second time",
		"a list of audiences with ours in it",
		"a reader of workload.principalIds",
	}
	anyone := []string{
		"another identity of the tenant",
		"the neighbour's identity",
		"our object id in upper case",
		"our object id and a space",
		"both readers in one object id",
		"a star for an object id",
	}
	names := []string{
		"reads a sibling",
		"reads a longer name",
		"reads its name in upper case",
		"reads below its credential",
	}
	neighbours := []string{
		"reads the neighbour's ml_api_key",
		"reads the neighbour's feature_store",
	}
	anyIssuer := []string{
		"another tenant's issuer with the same key",
		"our issuer with the other ending",
		"our tenant's issuer of the other version",
		"no issuer",
	}
	anyTime := []string{
		"expired",
		"not yet valid",
		"issued in the future",
		"no end, and five minutes old",
	}
	byDefault := []string{
		"asks for its capabilities",
		"asks what it may do",
		"renews a lease, as only jobs may that can have one",
		"looks itself up",
	}
	everythingThatIsRead := []string{
		"reads the same path of another mount",
		"lists the stack",
		"lists the mount",
		"reads metadata",
		"reads subkeys",
		"reads the mount's settings",
		"lists mounts",
		"lists auth methods",
		"reads the auth method's settings",
		"lists roles",
		"reads its role",
		"lists policies",
		"reads its policy",
		"asks what it may do",
		"reads the server's settings",
		"looks itself up",
		"lists identities",
	}
	return []mutation{
		{name: "the role forgets the object id", changes: forget("oid"), opens: anyone},
		{name: "the role takes any object id by a glob", changes: glob, opens: anyone},
		{
			name:    "the role knows the neighbour",
			changes: bind("oid", bothIdentities),
			opens:   []string{"the neighbour's identity"},
		},
		{
			name:    "the role forgets the tenant",
			changes: forget("tid"),
			opens:   []string{"another tenant", "our tenant in upper case", "no tenant"},
		},
		{name: "the role forgets the issuer, which the auth method still binds", changes: forget("iss")},
		{name: "the auth method forgets the issuer, which the role still binds", changes: config("bound_issuer", "")},
		{
			name:    "role and auth method forget the issuer",
			changes: both(forget("iss"), config("bound_issuer", "")),
			opens:   anyIssuer,
		},
		{
			name:    "the role admits another audience",
			changes: set("bound_audiences", []string{d.identity.Audience, elsewhere}),
			opens:   []string{"another audience", "a list of other audiences"},
		},
		{
			name:    "the role forgets the audience",
			changes: set("bound_audiences", []string{}),
			opens:   []string{"an empty list of audiences", "no audience"},
		},
		{name: "the role forgives two hours", changes: set("clock_skew_leeway", 7200), opens: anyTime},

		{
			name:    "the role gives the default policy",
			changes: set("token_no_default_policy", false),
			opens:   slices.Concat(logins, byDefault),
		},
		{
			name:    "the role gives the neighbour's policy too",
			changes: set("token_policies", []string{d.cfg.VaultName(), neighbour.cfg.VaultName()}),
			opens:   slices.Concat(logins, neighbours),
		},
		{
			name:    "the role gives service tokens",
			changes: set("token_type", "service"),
			opens:   append(slices.Clone(logins), "revokes itself, a batch token"),
		},
		{name: "the role gives an hour", changes: hour, opens: logins},

		{name: "the policy reads the whole stack", changes: policy("/ml_api_key", "/*"), opens: names},
		{
			name:    "the policy reads what begins alike",
			changes: policy("/ml_api_key", "/ml_api_key*"),
			opens:   []string{"reads a longer name", "reads below its credential"},
		},
		{name: "the policy reads every stack", changes: policy(d.cfg.Vault.Prefix, "mlvault/+"), opens: neighbours},
		{
			name:    "the policy reads every mount",
			changes: policy("secret/", "+/"),
			opens:   []string{"reads the same path of another mount"},
		},
		{
			name:    "the policy reads metadata",
			changes: policy("/data/", "/+/"),
			opens:   []string{"reads metadata", "reads subkeys"},
		},
		{
			name:    "the policy writes",
			changes: policy(`"read"`, `"read", "create", "update", "patch"`),
			opens:   []string{"writes its credential", "patches its credential"},
		},
		{
			name:    "the policy reads and lists everything",
			changes: all,
			opens:   slices.Concat(names, []string{"reads the parent"}, neighbours, everythingThatIsRead),
		},
	}
}

// bound are the bound claims of a role as Vault shows it.
func bound(role map[string]any) map[string]any {
	claims, _ := role["bound_claims"].(map[string]any)
	return claims
}
