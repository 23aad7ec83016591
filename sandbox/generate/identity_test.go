package main

import (
	"bytes"
	"go/ast"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The promise of a slim SDK is that the official module can take its place. Where the official one can be fetched, this
// is held declaration by declaration: what the slim one has, upstream has to the token.
func TestEveryDeclarationOfADerivedSDKIsUpstreams(t *testing.T) {
	inSandboxFolder(t)
	for module, resources := range derived {
		version, err := requiredVersion(module)
		if err != nil {
			t.Fatal(err)
		}
		upstream, err := download(t.Context(), module, version)
		if err != nil {
			t.Fatal(err)
		}
		slim := filepath.Join(filepath.FromSlash(sdks), module)
		for _, resource := range resources {
			api, kind, _ := strings.Cut(resource, ":")
			dir, name := filepath.Join(slim, api), module+"/"+api
			ours, theirs := declarationsOf(t, dir), declarationsOf(t, filepath.Join(upstream, api))
			if ours["New"+kind] == "" {
				t.Errorf("%s does not declare %s", name, kind)
			}
			if differences := foreign(ours, theirs); len(differences) != 0 {
				t.Errorf("%s: upstream declares otherwise, or not at all: %q", name, differences)
			}
			t.Logf("%s: all %d declarations are upstream's, which has %d", name, len(ours), len(theirs))
		}
	}
}

// The type has a method for each of the SDK's own output types, and a package that mentions it compiles them all anew:
// 25 MB of object code and four seconds, and so again in every package that uses the first.
func TestNoSlimSDKMentionsAnyOutput(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(sdks), "*", "v*", "*.go"))
	if err != nil || len(files) < len(modules) {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("pulumi.AnyOutput")) {
			t.Errorf("%s: leave the property of type Any out of the schema", file)
		}
	}
}

// A schema that no longer is what upstream's source says was edited by hand.
func TestADerivedSchemaIsNotEditedByHand(t *testing.T) {
	inSandboxFolder(t)
	for module, resources := range derived {
		version, err := requiredVersion(module)
		if err != nil {
			t.Fatal(err)
		}
		want, err := derive(t.Context(), module, version, resources)
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join(filepath.FromSlash(sdks), module, "schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, have) {
			t.Errorf("sdks/%s/schema.json is not upstream's: run make generate", module)
		}
	}
}

func TestAnyOtherTokenInADeclarationIsSeen(t *testing.T) {
	upstream := declarationsIn(t, `package p
		type Sku struct { Name string `+"`pulumi:\"name\"`"+` }
		const A, B = 1, 2
		func (s *Sku) Get() string { return "web" }
		func init() { register(1); register(2) }`)
	for name, slim := range map[string]string{
		"Sku":     "package p\ntype Sku struct { Name string `pulumi:\"sku\"` }",
		"B":       "package p\nconst B = 3",
		"Sku.Get": `package p; func (s *Sku) Get() string { return "other" }`,
		"init":    `package p; func init() { register(3) }`,
		"Extra":   "package p\ntype Extra int",
	} {
		if got := foreign(declarationsIn(t, slim), upstream); !slices.ContainsFunc(got, func(key string) bool { return strings.HasPrefix(key, name) }) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := foreign(declarationsIn(t, "package p\n// Other words.\nfunc init() { register(2) }"), upstream); len(got) != 0 {
		t.Errorf("a part of init in other words: got %q", got)
	}
}

func inSandboxFolder(t *testing.T) {
	t.Helper()
	t.Chdir("..") // where the command runs
}

// foreign names the declarations of ours that theirs has not, or has otherwise.
func foreign(ours, theirs map[string]string) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if text, declared := theirs[key]; !declared || text != ours[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

func declarationsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := parsePackage(dir)
	if err != nil {
		t.Fatal(err)
	}
	return declarations(t, files)
}

func declarationsIn(t *testing.T, source string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return declarationsOf(t, dir)
}

// declarations are a package's, by name, each as the printer writes it. Of the functions that list every type of the
// package, init and Construct, a slim SDK has a part: each of their statements stands for itself.
func declarations(t *testing.T, files []*ast.File) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				addFunction(t, all, decl)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					addSpec(t, all, spec)
				}
			}
		}
	}
	return all
}

func addFunction(t *testing.T, all map[string]string, decl *ast.FuncDecl) {
	t.Helper()
	name := functionName(decl)
	if name != "init" && name != "module.Construct" {
		all[name] = tokens(t, decl)
		return
	}
	for _, statement := range decl.Body.List {
		cases := []ast.Stmt{statement}
		if choice, isSwitch := statement.(*ast.SwitchStmt); isSwitch {
			cases = choice.Body.List
		}
		for _, each := range cases {
			text := tokens(t, each)
			all[name+": "+text] = text
		}
	}
}

func addSpec(t *testing.T, all map[string]string, spec ast.Spec) {
	t.Helper()
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		all[spec.Name.Name] = tokens(t, spec)
	case *ast.ValueSpec:
		for i, name := range spec.Names {
			text := name.Name
			if spec.Type != nil {
				text += " " + tokens(t, spec.Type)
			}
			if i < len(spec.Values) {
				text += " = " + tokens(t, spec.Values[i])
			}
			all[name.Name] = text
		}
	}
}

// tokens prints a node on positions of no file, so that only its tokens decide.
func tokens(t *testing.T, node any) string {
	t.Helper()
	var text bytes.Buffer
	if err := printer.Fprint(&text, token.NewFileSet(), node); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
