package settings

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// setting is a line of the reference, or a field of the code.
type setting struct{ kind, standard, secret string }

// TestTheReferenceHasEachSettingAsTheCodeHasIt holds docs/configuration.md to the structs: each field once, with its type,
// its default and its secrecy.
func TestTheReferenceHasEachSettingAsTheCodeHasIt(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]setting{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`|]+)` \\| ([^|]+) \\| ([^|]+) \\| (yes|no) \\|").FindAllStringSubmatch(string(page), -1) {
		if _, twice := documented[row[1]]; twice {
			t.Errorf("%s stands there twice", row[1])
		}
		documented[row[1]] = setting{row[2], strings.Trim(row[3], "`"), row[4]}
	}
	cfg := &Settings{Project: "mlvault", Stack: "dev", Compute: &Compute{}, Azure: Azure{
		ManagedNetwork: &ManagedNetwork{OutboundRules: []OutboundRule{{}}}, ServerlessComputeSettings: &Serverless{},
		CustomerManagedKey: &CustomerManagedKey{}, RoleAssignments: []RoleAssignment{{}},
	}}
	cfg.normalise()
	cfg.Azure.PrivateEndpoints = &PrivateEndpoints{} // which change a default
	known := map[string]setting{"azure-native:location": {"text", "–", "no"}}
	for i, name := range SecretKeys {
		known[name] = setting{[]string{"text", "text", "object"}[i], "–", "yes"}
	}
	cfg.eachField(func(key string, field reflect.Value, _ reflect.StructTag) {
		field = reflect.Indirect(field)
		of := field.Type()
		if of.Kind() == reflect.Struct || of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			return // its fields come by themselves
		}
		kind, _, _ := strings.Cut(strings.Replace(wanted(of), "object whose values are texts", "object of texts", 1), " (")
		kind = strings.TrimPrefix(strings.TrimPrefix(kind, "a "), "an ")
		known[strings.ReplaceAll(key, "[0]", "[]")] = setting{kind, standard(field), "no"}
	})

	c := &collector{}
	cfg.validate(c)
	for key, want := range known {
		got, has := documented[key]
		if required := strings.ReplaceAll(key, "[]", "[0]"); got.standard == "required" {
			if !slices.ContainsFunc(c.found, func(p Problem) bool { return p.Key == required }) {
				t.Errorf("%s is said to be required, and its absence is no problem", key)
			}
			got.standard = "–"
		}
		if !has || got != want {
			t.Errorf("%s is documented as %q, and is %q", key, got, want)
		}
		delete(documented, key)
	}
	for key := range documented {
		t.Errorf("%s is documented and does not exist", key)
	}
}

// standard is a default as the reference writes it.
func standard(value reflect.Value) string {
	if value.IsZero() && value.Kind() != reflect.Bool {
		return "–"
	}
	text := strings.ReplaceAll(fmt.Sprint(value), "mlvault/dev", "<project>/<stack>")
	return strings.ReplaceAll(text, "mlvault-dev-ae5143b98a56bf8e", "<project>-<stack>-<16 digits>")
}
