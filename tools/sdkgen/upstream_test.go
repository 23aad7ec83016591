package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const official = "github.com/pulumi/pulumi-azure-native-sdk/"

// The promise of a slim SDK is that the official module can take its place. The official network module is small enough
// to download (10 MB); the other two are not served by every proxy.
func TestEveryDeclarationOfTheSlimNetworkIsUpstreams(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", official+"network/v2@v2.92.3")
	cmd.Dir = t.TempDir() // outside of any module
	output, err := cmd.Output()
	var found struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(output, &found); decodeErr != nil || found.Dir == "" {
		t.Fatalf("download the official module: %v %v %s", err, decodeErr, found.Error)
	}
	versions, err := filepath.Glob("../../sdks/network/v*")
	if err != nil || len(versions) == 0 {
		t.Fatalf("%d versions: %v", len(versions), err)
	}
	for _, dir := range versions {
		api := filepath.Base(dir)
		ours, theirs := map[string]string{}, map[string]string{}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		more, err := filepath.Glob(filepath.Join(found.Dir, api, "pulumiTypes?.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			declare(t, ours, file, nil)
			more = append(more, filepath.Join(found.Dir, api, filepath.Base(file)))
		}
		for _, file := range more {
			declare(t, theirs, file, nil)
		}
		if differences := foreign(ours, theirs); len(differences) != 0 || len(ours) < 50 {
			t.Errorf("%s: of %d declarations upstream has these otherwise, or not at all: %q", api, len(ours), differences)
		}
	}
}

func TestAnyOtherTokenInADeclarationIsSeen(t *testing.T) {
	upstream := map[string]string{}
	declare(t, upstream, "p.go", `package p
		type Sku struct { Name string `+"`pulumi:\"name\"`"+`; Tier string }
		const A, B = 1, 2
		func (s *Sku) Get() string { return "web" }
		func init() { register(1); register(2) }`)
	for name, slim := range map[string]string{
		"Sku.Name": "type Sku struct { Name string `pulumi:\"sku\"` }",
		"B":        "const B = 3",
		"Sku.Get":  `func (s *Sku) Get() string { return "other" }`,
		"init":     `func init() { register(3) }`,
		"Extra":    "type Extra int",
		"":         "// Other words.\nfunc init() { register(2) }; type Sku struct { Tier string }", // a part of upstream's
	} {
		ours := map[string]string{}
		declare(t, ours, "p.go", "package p\n"+slim)
		got := foreign(ours, upstream)
		if (name == "") != (len(got) == 0) || name != "" && !strings.HasPrefix(got[0], name) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// foreign names the declarations of ours that theirs has not, or has otherwise. The functions PrivateZoneExists and so on
// are what our newer generator adds for each resource.
func foreign(ours, theirs map[string]string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ours)), func(key string) bool {
		return theirs[key] == ours[key] || strings.HasSuffix(key, "Exists")
	})
}

// declare adds the declarations of a file by name, each as the printer writes it. A slim SDK has a part of upstream's
// structs and of the functions that list every type, init and Construct: each field or statement stands for itself.
func declare(t *testing.T, all map[string]string, name string, source any) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name := decl.Name.Name
			if decl.Recv != nil {
				name = strings.TrimPrefix(tokens(t, decl.Recv.List[0].Type), "*") + "." + name
			}
			if name != "init" && name != "module.Construct" {
				all[name] = tokens(t, decl)
				continue
			}
			for _, statement := range decl.Body.List {
				parts := []ast.Stmt{statement}
				if choice, isSwitch := statement.(*ast.SwitchStmt); isSwitch {
					parts = choice.Body.List
				}
				for _, part := range parts {
					all[name+": "+tokens(t, part)] = name
				}
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				declareSpec(t, all, spec)
			}
		}
	}
}

func declareSpec(t *testing.T, all map[string]string, spec ast.Spec) {
	t.Helper()
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		structure, isStruct := spec.Type.(*ast.StructType)
		if !isStruct {
			all[spec.Name.Name] = tokens(t, spec)
			return
		}
		for _, field := range structure.Fields.List {
			text := tokens(t, field.Type)
			if field.Tag != nil {
				text += " " + field.Tag.Value
			}
			all[fmt.Sprint(spec.Name.Name, ".", strings.Trim(fmt.Sprint(field.Names), "[]"))] = text
		}
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

// tokens prints a node without its positions, so that only its tokens decide.
func tokens(t *testing.T, node any) string {
	t.Helper()
	var text strings.Builder
	if err := printer.Fprint(&text, token.NewFileSet(), node); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
