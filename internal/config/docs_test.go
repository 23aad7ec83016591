package config

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
	cfg := &Config{Project: "mlvault", Stack: "dev", Compute: &Compute{}, Azure: Azure{
		ManagedNetwork: &ManagedNetwork{}, ServerlessComputeSettings: &Serverless{}, CustomerManagedKey: &CustomerManagedKey{}, RoleAssignments: []RoleAssignment{{}},
	}}
	cfg.normalise()
	known := map[string]setting{"azure-native:location": {"text", "–", "no"}}
	for i, name := range SecretKeys {
		known[name] = setting{[]string{"text", "text", "object"}[i], "–", "yes"}
	}
	collect(known, "vault", reflect.TypeFor[Vault](), reflect.ValueOf(cfg.Vault))
	collect(known, "workload", reflect.TypeFor[Workload](), reflect.ValueOf(cfg.Workload))
	collect(known, "compute", reflect.TypeFor[Compute](), reflect.ValueOf(*cfg.Compute))
	collect(known, "azure", reflect.TypeFor[Azure](), reflect.ValueOf(cfg.Azure))

	c := &collector{}
	cfg.Azure.PrivateEndpoints = &PrivateEndpoints{}
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

// collect finds a section's fields. value has the defaults; it is the zero Value below an object that is absent by default.
func collect(found map[string]setting, key string, section reflect.Type, value reflect.Value) {
	for i := range section.NumField() {
		of, field := section.Field(i).Type, reflect.Value{}
		if value.IsValid() {
			field = value.Field(i)
		}
		at := key + "." + section.Field(i).Tag.Get("json")
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
			field = reflect.Indirect(field)
		}
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			at, of, field = at+"[]", of.Elem(), reflect.Value{}
		}
		if of.Kind() == reflect.Struct {
			collect(found, at, of, field)
			continue
		}
		kind := strings.TrimPrefix(strings.TrimPrefix(wanted(of), "a "), "an ")
		kind, _, _ = strings.Cut(kind, " (")
		found[at] = setting{strings.Replace(kind, "object whose values are texts", "object of texts", 1), standard(of, field), "no"}
	}
}

// standard is a default as the reference writes it.
func standard(of reflect.Type, value reflect.Value) string {
	switch {
	case of.Kind() == reflect.Bool && !value.IsValid():
		return "false"
	case of.Kind() == reflect.Bool || value.IsValid() && !value.IsZero():
		text := strings.ReplaceAll(fmt.Sprint(value), "mlvault/dev", "<project>/<stack>")
		return strings.ReplaceAll(text, "mlvault-dev-ae5143b9", "<project>-<stack>-<8 digits>")
	}
	return "–"
}
