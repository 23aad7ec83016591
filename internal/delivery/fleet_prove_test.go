//go:build prove

package delivery

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// schema is as much of a CRD's OpenAPI schema as an API server uses to refuse an object, and to
// drop what it does not know.
type schema struct {
	Type       string
	Properties map[string]schema
	Additional *schema `yaml:"additionalProperties"`
	Items      *schema
	Required   []string
	Enum       []any
	Anything   bool `yaml:"x-kubernetes-preserve-unknown-fields"`
}

// faults names what an API server would refuse or drop.
func (s schema) faults(path string, value any) []string {
	if s.Anything {
		return nil
	}
	var found []string
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
		found = append(found, fmt.Sprintf("%s: %v is none of %v", path, value, s.Enum))
	}
	switch value := value.(type) {
	case map[string]any:
		found = append(found, s.mapFaults(path, value)...)
	case []any:
		if s.Type != "array" {
			return append(found, path+": a list where there is "+s.Type)
		}
		for i, item := range value {
			found = append(found, s.Items.faults(fmt.Sprintf("%s[%d]", path, i), item)...)
		}
	case string:
		if s.Type != "string" {
			found = append(found, path+": a text where there is "+s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			found = append(found, path+": a boolean where there is "+s.Type)
		}
	default:
		if s.Type != "integer" && s.Type != "number" {
			found = append(found, fmt.Sprintf("%s: %v where there is %s", path, value, s.Type))
		}
	}
	return found
}

func (s schema) mapFaults(path string, value map[string]any) []string {
	if s.Type != "object" {
		return []string{path + ": an object where there is " + s.Type}
	}
	var found []string
	for _, name := range s.Required {
		if _, given := value[name]; !given {
			found = append(found, path+"."+name+": missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		field, known := s.Properties[name]
		switch {
		case known:
			found = append(found, field.faults(path+"."+name, value[name])...)
		case s.Additional != nil:
			found = append(found, s.Additional.faults(path+"."+name, value[name])...)
		case len(s.Properties) > 0:
			found = append(found, path+"."+name+": unknown")
		}
	}
	return found
}

// operatorVersion is the release of the operator whose CRD the manifests are held against.
const operatorVersion = "github.com/pulumi/pulumi-kubernetes-operator/v2@v2.9.0"

// stackSchema reads the published CRD: from a copy in the folder "shared" beside the checkout, or
// from the operator's own Go module. It is the operator's, so this repository has no copy.
func stackSchema(t *testing.T) schema {
	t.Helper()
	file := "../../../shared/crds/pulumi.com_stacks.yaml"
	if _, err := os.Stat(file); os.IsNotExist(err) {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", operatorVersion)
		cmd.Dir = t.TempDir() // outside of any module
		output, err := cmd.Output()
		var module struct{ Dir, Error string }
		if decodeErr := json.Unmarshal(output, &module); decodeErr != nil || module.Dir == "" {
			t.Fatalf("no ../shared/crds beside the checkout, and no module of the operator: %v %v %s",
				err, decodeErr, module.Error)
		}
		file = filepath.Join(module.Dir, "deploy", "crds", "pulumi.com_stacks.yaml")
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPI schema `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, file)), &crd); err != nil {
		t.Fatal(err)
	}
	for _, version := range crd.Spec.Versions {
		if version.Name == "v1" {
			return version.Schema.OpenAPI
		}
	}
	t.Fatalf("%s has no version v1", file)
	return schema{}
}

func TestProveTheFleetsManifestsAreWhatTheOperatorsCRDAllows(t *testing.T) {
	allowed := stackSchema(t)
	stacks := manifests(t, ".")
	if len(stacks) != 10 {
		t.Errorf("%d stacks for ten teams", len(stacks))
	}
	for _, stack := range stacks {
		for _, fault := range allowed.faults("stack", stack) {
			t.Error(fault)
		}
	}
}

func TestProveWhatTheOperatorWouldDropOrRefuseIsSeen(t *testing.T) {
	allowed := stackSchema(t)
	empty := map[string]any{}
	for _, c := range []struct {
		field string
		value any
		want  string
	}{
		{"vresion", "v1", "stack.spec.vresion: unknown"},
		{"stack", nil, "stack.spec.stack: missing"},
		{"runProgram", "yes", "stack.spec.runProgram: a text where there is boolean"},
		{"workspaceReclaimPolicy", "Keep", "stack.spec.workspaceReclaimPolicy: Keep is none of"},
		{"prerequisites", []any{empty}, "stack.spec.prerequisites[0].name: missing"},
		{"secretsRef", map[string]any{"x": empty}, "stack.spec.secretsRef.x.type: missing"},
		{"branch", 1, "stack.spec.branch: 1 where there is string"},
		{"envRefs", []any{}, "stack.spec.envRefs: a list where there is object"},
		{"projectRepo", empty, "stack.spec.projectRepo: an object where there is string"},
	} {
		stack := manifests(t, ".")[0]
		spec, isObject := stack["spec"].(map[string]any)
		if !isObject {
			t.Fatal("the stack has no spec")
		}
		spec[c.field] = c.value
		if c.value == nil {
			delete(spec, c.field)
		}
		found := strings.Join(allowed.faults("stack", stack), "\n")
		if !strings.Contains(found, c.want) {
			t.Errorf("want %s, found %q", c.want, found)
		}
	}
}
