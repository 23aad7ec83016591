package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"mlvault/internal/settings"
)

// stack is a Pulumi.<stack>.yaml.
type stack struct {
	Config map[string]any `yaml:"config"`
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := renderSchema("", settings.Reference())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaPath, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// judgeBySchema is what an editor says of a configuration: nil, or the places that it underlines.
func judgeBySchema(t *testing.T, schema *jsonschema.Schema, config map[string]any) []string {
	t.Helper()
	err := schema.Validate(map[string]any{"config": config})
	if err == nil {
		return nil
	}
	var refusal *jsonschema.ValidationError
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	return placesOf(refusal)
}

func placesOf(refusal *jsonschema.ValidationError) []string {
	places := []string{strings.Join(refusal.InstanceLocation, ".")}
	for _, cause := range refusal.Causes {
		places = append(places, placesOf(cause)...)
	}
	return places
}

// judgeBySettings is what the program says of it: nil, or the keys that it refuses. Secrets come
// from elsewhere.
func judgeBySettings(t *testing.T, config map[string]any) []string {
	t.Helper()
	values := map[string]string{
		"azure-native:location": "westeurope",
		"mlvault:vaultAddress":  "https://vault.example.com",
		"mlvault:credentials":   `{"api":{"key":"value"}}`,
	}
	for key, value := range config {
		if !strings.Contains(key, ":") {
			key = "mlvault:" + key
		}
		values[key] = valueOfCLI(t, value)
	}
	_, err := settings.From(settings.Source{
		Project:   "mlvault",
		Stack:     "dev",
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	problems, _ := settings.AsProblems(err)
	var keys []string
	for _, problem := range problems {
		keys = append(keys, problem.Key)
	}
	return keys
}

// valueOfCLI is a value as the CLI hands it to the program: a text as it is, all else as JSON.
func valueOfCLI(t *testing.T, value any) string {
	t.Helper()
	if text, isText := value.(string); isText {
		return text
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestEachStackFileOfTheRepositoryKeepsTheSchema(t *testing.T) {
	schema := compileSchema(t)
	ofRoot, _ := filepath.Glob("../../Pulumi.*.yaml")
	ofExamples, _ := filepath.Glob("../../examples/*/Pulumi.*.yaml")
	files := slices.Concat(ofRoot, ofExamples)
	if len(files) < 7 {
		t.Fatalf("only %v", files)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file stack
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if places := judgeBySchema(t, schema, plain(t, file.Config)); places != nil {
			t.Errorf("%s: an editor underlines %v", path, places)
		}
		if keys := judgeBySettings(t, file.Config); keys != nil {
			t.Errorf("%s: the program refuses %v", path, keys)
		}
		relative, err := filepath.Rel(filepath.Dir(path), filepath.Join("../..", schemaPath))
		if err != nil {
			t.Fatal(err)
		}
		want := "# yaml-language-server: $schema=" + filepath.ToSlash(relative) + "\n"
		if !strings.HasPrefix(string(text), want) {
			t.Errorf("%s does not begin with %s", path, want)
		}
	}
}

// plain is a configuration as a reader of JSON has it, whose numbers are the schema's.
func plain(t *testing.T, config map[string]any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	object, _ := decoded.(map[string]any)
	return object
}

// place is a setting in a configuration, and how to write a value there.
type place struct {
	key   string // azure.managedNetwork.outboundRules[0].name
	write func(value any) map[string]any
}

// below is the place of a setting in an object, or in the first object of a list.
func (p place) below(setting settings.Setting, isList bool) place {
	key := p.key
	if isList {
		key += "[0]"
	}
	return place{
		key: key + "." + setting.Name,
		write: func(value any) map[string]any {
			object := map[string]any{setting.Name: value}
			if isList {
				return p.write([]any{object})
			}
			return p.write(object)
		},
	}
}

// eachPlace visits every setting of the sections.
func eachPlace(visit func(settings.Setting, place)) {
	var walk func(settings.Setting, place)
	walk = func(setting settings.Setting, at place) {
		visit(setting, at)
		for _, field := range setting.Settings {
			walk(field, at.below(field, setting.Kind == settings.KindObjects))
		}
	}
	for _, setting := range settings.Reference() {
		if len(setting.Settings) > 0 {
			write := func(value any) map[string]any { return map[string]any{setting.Key: value} }
			walk(setting, place{key: setting.Key, write: write})
		}
	}
}

// wrongValues are of no use at a setting, each for a reason that a schema can know.
func wrongValues(setting settings.Setting) map[string]any {
	wrong := map[string]any{"of another type": []any{true}}
	switch setting.Kind {
	case settings.KindNumber:
		wrong["too small"] = setting.Least - 1
		wrong["too large"] = setting.Most + 1
		wrong["in quotes"] = fmt.Sprint(setting.Least)
	case settings.KindFlag:
		wrong["in quotes"] = "true"
	case settings.KindText:
		wrong["empty"] = ""
		wrong["of another type"] = 7
		if setting.Longest > 0 {
			wrong["too long"] = strings.Repeat("a", setting.Longest+1)
		}
		if setting.Pattern != "" || len(setting.OneOf) > 0 {
			wrong["strange"] = "?! ?!"
		}
	case settings.KindTexts:
		wrong["no list"] = "text"
	case settings.KindTextMap, settings.KindReads:
		wrong["no object"] = "text"
	case settings.KindObject:
		wrong["with a field that nobody knows"] = map[string]any{"nobodyKnows": true}
	case settings.KindObjects:
		wrong["of objects with a field that nobody knows"] = []any{map[string]any{"nobodyKnows": true}}
	}
	return wrong
}

func TestAnEditorUnderlinesWhatTheProgramRefuses(t *testing.T) {
	schema := compileSchema(t)
	count := 0
	eachPlace(func(setting settings.Setting, at place) {
		wrong := wrongValues(setting)
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			count++
			config := withAudience(at.write(wrong[name]))
			if !isOrIsBelow(judgeBySettings(t, config), at.key) {
				t.Errorf("%s: the program takes a value that is %s", at.key, name)
			}
			inPath := "config." + strings.NewReplacer("[", ".", "]", "").Replace(at.key)
			if !isOrIsBelow(judgeBySchema(t, schema, plain(t, config)), inPath) {
				t.Errorf("%s: an editor takes a value that is %s", at.key, name)
			}
		}
	})
	if count < 150 {
		t.Errorf("only %d values", count)
	}
}

// isOrIsBelow tells whether one of the keys is a setting or in it.
func isOrIsBelow(keys []string, setting string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, setting) })
}

// withAudience adds what alone is required, where nothing else of the section is asked for.
func withAudience(config map[string]any) map[string]any {
	if _, given := config["workload"]; !given {
		config["workload"] = map[string]any{"audience": "api://vault"}
	}
	return config
}

func TestAnEditorAndTheProgramMissTheSame(t *testing.T) {
	schema := compileSchema(t)
	count := 0
	eachPlace(func(setting settings.Setting, at place) {
		isObject := setting.Kind == settings.KindObject || setting.Kind == settings.KindObjects
		if !isObject {
			return
		}
		empty := at.write(map[string]any{})
		key := at.key
		if setting.Kind == settings.KindObjects {
			empty = at.write([]any{map[string]any{}})
			key += "[0]"
		}
		var required []string
		for _, field := range setting.Settings {
			if field.Required {
				required = append(required, key+"."+field.Name)
			}
		}
		count += len(required)
		keys := judgeBySettings(t, withAudience(empty))
		for _, missing := range required {
			if !slices.Contains(keys, missing) {
				t.Errorf("the program does not miss %s: %v", missing, keys)
			}
		}
		if places := judgeBySchema(t, schema, plain(t, empty)); (places != nil) != (len(required) > 0) {
			t.Errorf("%s: an editor underlines %v where %v are missing", at.key, places, required)
		}
	})
	if count < 8 {
		t.Errorf("only %d required settings", count)
	}
}

// secure is an encrypted value in a stack's file.
func secure() map[string]any { return map[string]any{"secure": "v1:x"} }

func TestSecretsAreEncryptedInAnEditorToo(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct {
		name    string
		config  map[string]any
		isTaken bool
	}{
		{
			name:    "an address",
			config:  map[string]any{"vaultAddress": secure()},
			isTaken: true,
		},
		{
			name:   "an address in plain text",
			config: map[string]any{"vaultAddress": "https://vault"},
		},
		{
			name:    "a token",
			config:  map[string]any{"mlvault:vaultToken": secure()},
			isTaken: true,
		},
		{
			name:   "a token in plain text",
			config: map[string]any{"vaultToken": "hvs.x"},
		},
		{
			name:    "no token, as in Pulumi.yaml",
			config:  map[string]any{"vaultToken": ""},
			isTaken: true,
		},
		{
			name:    "credentials as one text",
			config:  map[string]any{"credentials": secure()},
			isTaken: true,
		},
		{
			name:    "a credential as one text",
			config:  credentials(secure()),
			isTaken: true,
		},
		{
			name:    "a value",
			config:  credentials(map[string]any{"k": secure()}),
			isTaken: true,
		},
		{
			name:    "a value in a list",
			config:  credentials(map[string]any{"k": []any{secure()}}),
			isTaken: true,
		},
		{
			name:   "a value in plain text",
			config: credentials(map[string]any{"k": "plain"}),
		},
		{
			name:   "a number in plain text",
			config: credentials(map[string]any{"k": 5432}),
		},
		{
			name:   "a credential without keys",
			config: credentials(map[string]any{}),
		},
		{
			name:    "a plain setting that is kept secret",
			config:  map[string]any{"vault": map[string]any{"mount": secure()}},
			isTaken: true,
		},
		{
			name:    "a section that is kept secret",
			config:  map[string]any{"mlvault:vault": secure()},
			isTaken: true,
		},
	}
	for _, test := range tests {
		places := judgeBySchema(t, schema, plain(t, test.config))
		if (places == nil) != test.isTaken {
			t.Errorf("%s: an editor underlines %v", test.name, places)
		}
	}
}

func credentials(credential any) map[string]any {
	return map[string]any{"credentials": map[string]any{"api": credential}}
}

func TestKeysOfOthersAreTheirs(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct {
		name    string
		config  map[string]any
		isTaken bool
	}{
		{
			name:    "another provider's",
			config:  map[string]any{"azure-native:subscriptionId": "x"},
			isTaken: true,
		},
		{
			name:    "another project's",
			config:  map[string]any{"networking:azure": "hub"},
			isTaken: true,
		},
		{
			name:   "a key that nobody knows",
			config: map[string]any{"azur": map[string]any{}},
		},
		{
			name:   "ours with the project's name",
			config: map[string]any{"ml:azure": map[string]any{"protect": "yes"}},
		},
	}
	for _, test := range tests {
		places := judgeBySchema(t, schema, plain(t, test.config))
		if (places == nil) != test.isTaken {
			t.Errorf("%s: an editor underlines %v", test.name, places)
		}
	}
}
