package identity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mutation is a change of what a stack has deployed, and the rows that let somebody through because of it.
type mutation struct {
	name    string
	changes changes
	opens   []string
}

// changes are edits of what stands in Vault, by path.
type changes map[string]func(fields map[string]any)

// opened are the rows of a matrix that, while the changes are in place, give more than they should. Rows that are
// refused for another reason than before are not among them.
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

// mutations are the mistakes that a change of the program, or somebody with a token of Vault, could make at a door.
func mutations(d, neighbour *door) []mutation {
	role := func(change func(map[string]any)) changes { return changes{d.rolePath(): change} }
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
		return changes{d.policyPath(): func(fields map[string]any) {
			fields["policy"] = strings.ReplaceAll(fmt.Sprint(fields["policy"]), from, to)
		}}
	}
	both := func(one, other changes) changes {
		maps.Copy(one, other)
		return one
	}
	glob := role(func(fields map[string]any) { fields["bound_claims_type"], bound(fields)["oid"] = "glob", "*" })
	hour := role(func(fields map[string]any) { fields["token_ttl"], fields["token_max_ttl"] = 3600, 3600 })
	all := changes{d.policyPath(): func(fields map[string]any) { fields["policy"] = `path "*" { capabilities = ["read", "list"] }` }}

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
		{"the role knows the neighbour", bind("oid", []string{d.principal, extraReader, neighbour.principal}), []string{"the neighbour's identity"}},
		{"the role forgets the tenant", forget("tid"), []string{"another tenant", "our tenant in upper case", "no tenant"}},
		{"the role forgets the issuer, which the auth method still binds", forget("iss"), nil},
		{"the auth method forgets the issuer, which the role still binds", config("bound_issuer", ""), nil},
		{"role and auth method forget the issuer", both(forget("iss"), config("bound_issuer", "")), []string{
			"another tenant's issuer with the same key", "our issuer with the other ending", "our tenant's issuer of the other version", "no issuer",
		}},
		{"the role admits another audience", set("bound_audiences", []string{d.audience, elsewhere}), []string{"another audience", "a list of other audiences"}},
		{"the role forgets the audience", set("bound_audiences", []string{}), []string{"an empty list of audiences", "no audience"}},
		{"the role forgives two hours", set("clock_skew_leeway", 7200), []string{"expired", "not yet valid", "issued in the future", "no end, and five minutes old"}},

		{"the role gives the default policy", set("token_no_default_policy", false),
			append(slices.Clone(logins), "asks for its capabilities", "asks what it may do", "looks itself up")},
		{"the role gives the neighbour's policy too", set("token_policies", []string{d.role, neighbour.role}), append(slices.Clone(logins), neighbours...)},
		{"the role gives service tokens", set("token_type", "service"), logins},
		{"the role gives an hour", hour, logins},

		{"the policy reads the whole stack", policy("/ml_api_key", "/*"), names},
		{"the policy reads what begins alike", policy("/ml_api_key", "/ml_api_key*"), []string{"reads a longer name", "reads below its credential"}},
		{"the policy reads every stack", policy(d.prefix, "mlvault/+"), neighbours},
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
