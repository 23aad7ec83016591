package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAChangedAMissingAndAnExtraFileAreEachNamedInOrder(t *testing.T) {
	want := tree{"v1/a.go": []byte("a"), "v1/b.go": []byte("b"), "v1/d.go": []byte("d")}
	have := tree{"v1/a.go": []byte("a"), "v1/c.go": []byte("c"), "v1/d.go": []byte("edited")}
	got := compare(want, have)
	expected := []string{"v1/b.go: missing", "v1/c.go: not generated from the schema", "v1/d.go: differs"}
	if !slices.Equal(got, expected) {
		t.Errorf("got %q, want %q", got, expected)
	}
}

func TestEqualTreesDoNotDiffer(t *testing.T) {
	if got := compare(tree{"a": nil}, tree{"a": {}}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestOnlyTheModulesOwnFilesAreTakenFromTheOutput(t *testing.T) {
	got, err := collect(fstest.MapFS{
		"pulumi-plugin.json":   {Data: []byte("{}")},
		"init.go":              {},
		"utilities/utils.go":   {},
		"other/v1/init.go":     {},
		"identity/v1/init.go":  {Data: []byte("package v1")},
		"identity/v1/types.go": {},
	}, "identity")
	if err != nil {
		t.Fatal(err)
	}
	expected := tree{"pulumi-plugin.json": []byte("{}"), "v1/init.go": []byte("package v1"), "v1/types.go": {}}
	if differences := compare(expected, got); len(differences) != 0 {
		t.Error(differences)
	}
}

func TestASchemaOfAnotherModuleIsRefused(t *testing.T) {
	_, err := collect(fstest.MapFS{"pulumi-plugin.json": {}, "other/v1/init.go": {}}, "identity")
	if err == nil || !strings.Contains(err.Error(), "nothing of module identity") {
		t.Errorf("got %v", err)
	}
}

func TestWritingReplacesTheGeneratedFilesAndKeepsTheHandwritten(t *testing.T) {
	dir := t.TempDir()
	before := tree{
		"go.mod": []byte("module m"), "schema.json": []byte("{}"), "v1/a.go": []byte("old"), "v0/a.go": nil,
	}
	for p, content := range before {
		file := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := tree{"v1/a.go": []byte("new"), "v1/b.go": []byte("b")}
	if err := writeModule(dir, want, have); err != nil {
		t.Fatal(err)
	}

	if have, err = readModule(dir); err != nil {
		t.Fatal(err)
	}
	if differences := compare(want, have); len(differences) != 0 {
		t.Error(differences)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || string(content) != "module m" {
		t.Errorf("go.mod is %q, %v", content, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "v0")); !os.IsNotExist(err) {
		t.Errorf("the empty folder v0 is left: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "v1", "a.go")); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o644 {
		t.Errorf("v1/a.go: %v, %v", info, err)
	}
}

// A folder without a row would never be checked, and a row must lead to the official import path: the program's code
// must compile with the official module in its place.
func TestEachFolderOfSDKsIsARowWithTheOfficialImportPath(t *testing.T) {
	root := os.DirFS(filepath.Join("..", filepath.FromSlash(sdks)))
	folders, err := fs.Glob(root, "*/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for i := range folders {
		folders[i] = strings.TrimSuffix(folders[i], "/schema.json")
	}
	if !slices.Equal(folders, slices.Sorted(slices.Values(modules))) {
		t.Errorf("sdks/ has %q, the table has %q", folders, modules)
	}
	for _, name := range folders {
		gomod, err := fs.ReadFile(root, name+"/go.mod")
		if err != nil {
			t.Error(err)
		} else if first := "module github.com/pulumi/pulumi-azure-native-sdk/" + name + "/v2\n"; !strings.HasPrefix(string(gomod), first) {
			t.Errorf("sdks/%s/go.mod does not begin with %q", name, first)
		}
	}
}

// The schema's version is the plugin's version on the wire, and utilities comes from the root module of go.mod: two
// versions would ask the engine for two plugins.
func TestTheSchemasVersionIsThatOfTheRootModule(t *testing.T) {
	for _, name := range modules {
		dir := filepath.Join("..", filepath.FromSlash(sdks), name)
		content, err := os.ReadFile(filepath.Join(dir, "schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema struct{ Version string }
		if err := json.Unmarshal(content, &schema); err != nil {
			t.Fatal(err)
		}
		gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if line := "github.com/pulumi/pulumi-azure-native-sdk/v2 v" + schema.Version + "\n"; !strings.Contains(string(gomod), line) {
			t.Errorf("sdks/%s/go.mod does not require %q", name, line)
		}
	}
}
