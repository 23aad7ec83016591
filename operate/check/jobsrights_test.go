package check

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
)

var jobsIdentity = rights.Identity{
	PrincipalID: "22222222-2222-2222-2222-222222222222",
	TenantID:    "33333333-3333-3333-3333-333333333333",
}

func TestAPolicyOfTheVaultTeamIsComparedByItsRules(t *testing.T) {
	_, s := deployed(t)
	wanted := rights.ReadGrants(s)
	text := rights.ReadPolicy(s)
	for _, row := range []struct {
		name  string
		found string
		want  string
	}{
		{name: "the text as it is printed", found: text},
		{name: "with comments and lines of their own", found: "# ours\n\n" + strings.ReplaceAll(text, "  ", "\t")},
		{
			name:  "without a credential",
			found: strings.Replace(text, "secret/data/mlvault/dev/ml_api_key", "secret/data/old", 1),
			want:  "it lacks secret/data/mlvault/dev/ml_api_key",
		},
		{
			name:  "with a credential too many",
			found: text + `path "secret/data/*" { capabilities = ["read"] }`,
			want:  "its rules are others",
		},
		{
			name:  "with a right too many",
			found: strings.Replace(text, `"read"`, `"read", "update"`, 1),
			want:  "its rules are others",
		},
	} {
		require.Equal(t, row.want, policyDifferences(row.found, wanted), row.name)
	}
}

// roleInVault is the jobs' role as Vault answers it.
func roleInVault(t *testing.T, wanted map[string]any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(wanted)
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(encoded)))
	decoder.UseNumber()
	var found map[string]any
	require.NoError(t, decoder.Decode(&found))
	found["groups_claim"] = ""
	found["bound_subject"] = ""
	return found
}

func TestARoleOfTheVaultTeamIsComparedByWhatItAdmitsAndGives(t *testing.T) {
	_, s := deployed(t)
	s.Workload.PrincipalIDs = []string{"b", "a"}
	wanted := rights.JobsRole(s, jobsIdentity)
	for _, row := range []struct {
		name string
		does func(role map[string]any)
		want []string
	}{
		{name: "as it is printed", does: func(map[string]any) {}},
		{
			name: "one value as a text",
			does: func(role map[string]any) { role["bound_audiences"] = s.Workload.Audience },
		},
		{
			name: "readers in another order",
			does: func(role map[string]any) {
				claims, isObject := role["bound_claims"].(map[string]any)
				require.True(t, isObject)
				claims["oid"] = []any{"a", jobsIdentity.PrincipalID, "b"}
			},
		},
		{
			name: "another identity and one policy more",
			does: func(role map[string]any) {
				role["bound_claims"] = map[string]any{"oid": "x"}
				role["token_policies"] = []any{s.Workload.Policy, "admin"}
			},
			want: []string{"bound_claims", "token_policies"},
		},
		{
			name: "policies of groups",
			does: func(role map[string]any) { role["groups_claim"] = "groups" },
			want: []string{"groups_claim"},
		},
		{
			name: "a longer life",
			does: func(role map[string]any) { role["token_ttl"] = json.Number("86400") },
			want: []string{"token_ttl"},
		},
	} {
		found := roleInVault(t, wanted)
		row.does(found)
		require.Equal(t, row.want, roleDifferences(found, wanted), row.name)
	}
}
