package stack

import (
	"encoding/json"
	"strings"
	"testing"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// A Vault team makes the role from what `make policy FOR=role` prints. It is the role that the
// program makes, in the words of Vault's API.
func TestTheRoleThatIsPrintedIsTheOneThatTheProgramMakes(t *testing.T) {
	readers := set("mlvault:workload", `{"audience":"api://x","principalIds":["`+aReader+`"]}`)
	made := inputsOf(t, mustRun(t, "dev", readers), rights.TypeRole, "credentials-role")
	values := stackConfig(t, "dev")
	readers(values)
	s, err := settings.From(settings.Source{
		Project:   "mlvault",
		Stack:     "dev",
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	if err != nil {
		t.Fatal(err)
	}
	printed := rights.JobsRole(s, rights.Identity{
		PrincipalID: "22222222-2222-2222-2222-222222222222",
		TenantID:    "33333333-3333-3333-3333-333333333333",
	})
	for name, want := range printed {
		got := made[nameInPulumi(name)]
		if name == "bound_claims" { // the plugin takes a list of claims as a text with commas
			claims, isObject := want.(map[string]any)
			readers, isList := claims["oid"].([]string)
			if !isObject || !isList {
				t.Fatalf("%s is printed as %v", name, want)
			}
			claims["oid"] = strings.Join(readers, ",")
		}
		if inJSON(t, got) != inJSON(t, want) {
			t.Errorf("%s: the program makes %s, and %s is printed", name, inJSON(t, got), inJSON(t, want))
		}
	}
	const place = 2 // backend and roleName are the path that it is written to
	if len(made) != len(printed)+place {
		t.Errorf("the program makes a role of %v", made)
	}
}

const aReader = "44444444-4444-4444-4444-444444444444"

// nameInPulumi is tokenPolicies of token_policies.
func nameInPulumi(name string) string {
	var camel strings.Builder
	for i, word := range strings.Split(name, "_") {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		camel.WriteString(word)
	}
	return camel.String()
}

func inJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
