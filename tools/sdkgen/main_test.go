package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One folder through its life: generated, checked, edited by hand, and mended.
func TestAnEditOfGeneratedCodeIsFoundAndMended(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "managedidentity")
	write := func(name, text string) {
		t.Helper()
		if err := put(filepath.Join(dir, filepath.FromSlash(name)), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("schema.json", read(t, "../../sdks/managedidentity/schema.json"))
	write("go.mod", "module m")
	var said strings.Builder
	step := func(check bool, want string) {
		t.Helper()
		said.Reset()
		err := run(root, check, &said)
		mustFail := check && want != ""
		saysSo := want == "any" || said.String() == want
		if (err != nil) != mustFail || !saysSo {
			t.Fatalf("check %v: %v, said %q, want %q", check, err, said.String(), want)
		}
	}
	step(false, "any")
	step(true, "")
	write("v20230131/init.go", "package edited")
	write("v1/old.go", "package v1")
	if err := os.Remove(filepath.Join(dir, "pulumi-plugin.json")); err != nil {
		t.Fatal(err)
	}
	const differs = " differs from what the schema gives\n"
	const folder = "sdks/managedidentity/"
	step(true, folder+"pulumi-plugin.json"+differs+
		folder+"v1/old.go"+differs+
		folder+"v20230131/init.go"+differs)
	step(false, "any")
	step(true, "")
	if _, err := os.Stat(filepath.Join(dir, "v1")); !os.IsNotExist(err) {
		t.Errorf("the empty folder v1 is left: %v", err)
	}
	if content := read(t, filepath.Join(dir, "go.mod")); content != "module m" {
		t.Errorf("go.mod is %q", content)
	}
}

func TestASchemaOfAnotherModuleIsRefused(t *testing.T) {
	_, err := generate("storage", "../../sdks/managedidentity/schema.json")
	if err == nil || !strings.Contains(err.Error(), "nothing of module storage") {
		t.Errorf("got %v", err)
	}
}

// The code must compile with the official module in the slim one's place, and ask the engine for one plugin: the
// schema's version is that of the plugin on the wire, and utilities comes from the root module.
func TestEachSDKHasTheOfficialImportPathAndOneVersion(t *testing.T) {
	for _, file := range glob(t, "../../sdks/*/schema.json") {
		var spec struct{ Version string }
		if err := json.Unmarshal([]byte(read(t, file)), &spec); err != nil {
			t.Fatal(err)
		}
		gomod := read(t, filepath.Join(filepath.Dir(file), "go.mod"))
		for _, line := range []string{
			"module " + official + filepath.Base(filepath.Dir(file)) + "/v2\n", "\t" + official + "v2 v" + spec.Version + "\n",
		} {
			if !strings.Contains(gomod, line) {
				t.Errorf("%s: go.mod beside it has no line %q", file, line)
			}
		}
	}
}

// pulumi.AnyOutput has a method for each of the SDK's own output types. Each package that mentions it, and each that
// uses such a package, compiles them all again: 25 MB of object code and four seconds.
func TestNoSlimSDKMentionsAnyOutput(t *testing.T) {
	for _, file := range glob(t, "../../sdks/*/v*/*.go") {
		if strings.Contains(read(t, file), "pulumi.AnyOutput") {
			t.Errorf("%s: leave the output of type Any out of the schema", file)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files
}
