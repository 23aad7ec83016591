package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const (
	official = "github.com/pulumi/pulumi-azure-native-sdk/"
	anyType  = "pulumi.json#/Any"
)

// derived has the resources of each module whose official counterpart can be fetched from a Go proxy: their schema.json
// is not written by hand but read from the official module's Go source, so that nothing is left to a typist's care.
var derived = map[string][]string{
	"containerregistry":   {"v20230701:Registry"},
	"keyvault":            {"v20230201:Vault"},
	"operationalinsights": {"v20221001:Workspace"},
	"resources":           {"v20220901:ResourceGroup"},
	"storage":             {"v20220901:StorageAccount"},
}

// The parts of a Pulumi package schema that a slim SDK needs.
type (
	packageSpec struct {
		Name        string                  `json:"name"`
		DisplayName string                  `json:"displayName"`
		Version     string                  `json:"version"`
		Description string                  `json:"description"`
		Repository  string                  `json:"repository"`
		License     string                  `json:"license"`
		Language    map[string]any          `json:"language"`
		Types       map[string]objectSpec   `json:"types"`
		Resources   map[string]resourceSpec `json:"resources"`
	}
	objectSpec struct {
		Type       string              `json:"type"`
		Properties map[string]property `json:"properties,omitempty"`
		Required   []string            `json:"required,omitempty"`
		Enum       []enumValue         `json:"enum,omitempty"`
	}
	resourceSpec struct {
		Properties      map[string]property `json:"properties"`
		Required        []string            `json:"required,omitempty"`
		InputProperties map[string]property `json:"inputProperties"`
		RequiredInputs  []string            `json:"requiredInputs,omitempty"`
		Aliases         []alias             `json:"aliases"`
	}
	property struct {
		typeSpec
		Default any `json:"default,omitempty"`
	}
	typeSpec struct {
		Type                 string    `json:"type,omitempty"`
		Ref                  string    `json:"$ref,omitempty"`
		Items                *typeSpec `json:"items,omitempty"`
		AdditionalProperties *typeSpec `json:"additionalProperties,omitempty"`
	}
	enumValue struct {
		Name  string `json:"name,omitempty"`
		Value string `json:"value"`
	}
	alias struct {
		Type string `json:"type"`
	}
)

// derive returns the schema of a module's resources as the official module of that version declares them.
func derive(ctx context.Context, module, version string, resources []string) ([]byte, error) {
	dir, err := download(ctx, module, version)
	if err != nil {
		return nil, err
	}
	spec := packageSpec{
		Name: "azure-native", DisplayName: "Azure Native", Version: version,
		Description: "Slim Azure Native SDK, read from the official module " + module + "/v2 v" + version + ": " + strings.Join(resources, ", ") + ".",
		Repository:  "https://github.com/pulumi/pulumi-azure-native", License: "Apache-2.0",
		Language: map[string]any{"go": map[string]any{
			"importBasePath":    official + "v2",
			"importPathPattern": official + "{module}/v2", "rootPackageName": "pulumiazurenativesdk",
			"internalModuleName": "utilities", "disableInputTypeRegistrations": true,
			"generateResourceContainerTypes": false, "respectSchemaVersion": true,
		}},
		Types: map[string]objectSpec{}, Resources: map[string]resourceSpec{},
	}
	for _, resource := range resources {
		api, name, _ := strings.Cut(resource, ":")
		files, err := parsePackage(filepath.Join(dir, api))
		if err != nil {
			return nil, err
		}
		source := newSource(files, "azure-native:"+module+"/"+api+":", spec.Types)
		// All of them: which one an open enum's field is for, a plain string in Go, is in upstream's documentation only.
		for enum, values := range source.enums {
			spec.Types[source.prefix+enum] = objectSpec{Type: "string", Enum: values}
		}
		if spec.Resources[source.prefix+name], err = source.resource(name); err != nil {
			return nil, fmt.Errorf("%s: %w", resource, err)
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(spec)
	return text.Bytes(), err
}

// download returns the folder of an official module in the module cache, fetching it when it is missing. It is asked
// for by version, as go.mod replaces the same path by a slim SDK.
func download(ctx context.Context, module, version string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", official+module+"/v2@v"+version) //nolint:gosec // G204: our own table.
	cmd.Dir = os.TempDir()                                                                             // outside of any module
	output, err := cmd.Output()
	var found struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(output, &found); decodeErr != nil || found.Error != "" {
		return "", fmt.Errorf("download the official %s: %w %s", module, errors.Join(err, decodeErr), found.Error)
	}
	return found.Dir, err
}

// parsePackage parses the files of a package but its tests, without their comments.
func parsePackage(dir string) ([]*ast.File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has no Go files", dir)
	}
	var files []*ast.File
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// source is a package of an official module, by the names of its declarations.
type source struct {
	prefix  string // of a token: azure-native:storage/v20220901:
	structs map[string]*ast.StructType
	bodies  map[string]*ast.BlockStmt // NewVault, Sku.Defaults
	enums   map[string][]enumValue
	types   map[string]objectSpec // by token; filled as types are met
}

func newSource(files []*ast.File, prefix string, types map[string]objectSpec) *source {
	s := &source{prefix: prefix, types: types, structs: map[string]*ast.StructType{}, bodies: map[string]*ast.BlockStmt{}, enums: map[string][]enumValue{}}
	for _, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				s.bodies[functionName(decl)] = decl.Body
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					s.declare(spec)
				}
			}
		}
	}
	return s
}

// functionName is F, or T.F for a method.
func functionName(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	receiver := decl.Recv.List[0].Type
	if star, isPointer := receiver.(*ast.StarExpr); isPointer {
		receiver = star.X
	}
	return fmt.Sprint(receiver, ".", decl.Name.Name)
}

func (s *source) declare(spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if structure, isStruct := spec.Type.(*ast.StructType); isStruct {
			s.structs[spec.Name.Name] = structure
		}
	case *ast.ValueSpec: // SkuFamilyA = SkuFamily("A")
		if len(spec.Values) != 1 {
			return
		}
		call, isCall := spec.Values[0].(*ast.CallExpr)
		if !isCall || len(call.Args) != 1 {
			return
		}
		if value, isText := literal(call.Args[0]).(string); isText {
			enum := fmt.Sprint(call.Fun)
			name := strings.TrimPrefix(spec.Names[0].Name, enum)
			s.enums[enum] = append(s.enums[enum], enumValue{Name: name, Value: value})
		}
	}
}

func (s *source) resource(name string) (spec resourceSpec, err error) {
	constructor := s.bodies["New"+name]
	outputs, inputs := s.structs[name], s.structs[lowerFirst(name)+"Args"]
	if constructor == nil || outputs == nil || inputs == nil {
		return spec, fmt.Errorf("no resource %s", name)
	}
	if spec.Properties, spec.Required, err = s.properties(outputs, nil); err != nil {
		return spec, err
	}
	if spec.InputProperties, spec.RequiredInputs, err = s.properties(inputs, defaults(constructor)); err != nil {
		return spec, err
	}
	ast.Inspect(constructor, func(node ast.Node) bool {
		if field, isField := node.(*ast.KeyValueExpr); isField && fmt.Sprint(field.Key) == "Type" {
			if call, isCall := field.Value.(*ast.CallExpr); isCall {
				spec.Aliases = append(spec.Aliases, alias{Type: fmt.Sprint(literal(call.Args[0]))})
			}
		}
		return true
	})
	return spec, nil
}

// properties reads the fields that have a pulumi tag. What is required shows in a field's type; for a list or a map
// it does not, and neither does it matter for the code.
func (s *source) properties(structure *ast.StructType, defaults map[string]any) (map[string]property, []string, error) {
	properties, required := map[string]property{}, []string{}
	for _, field := range structure.Fields.List {
		if field.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return nil, nil, err
		}
		name := reflect.StructTag(tag).Get("pulumi")
		spec, needed, err := s.typeOf(field.Type)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		properties[name] = property{typeSpec: spec, Default: defaults[field.Names[0].Name]}
		if needed {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return properties, required, nil
}

var primitives = map[string]string{
	"string": "string", "bool": "boolean", "int": "integer", "float64": "number",
	"String": "string", "Bool": "boolean", "Int": "integer", "Float64": "number",
}

// typeOf returns the schema's type for a field's, and whether the field is required.
func (s *source) typeOf(expr ast.Expr) (spec typeSpec, required bool, err error) {
	var inner typeSpec
	switch expr := expr.(type) {
	case *ast.StarExpr:
		spec, _, err = s.typeOf(expr.X)
		return spec, false, err
	case *ast.ArrayType:
		inner, _, err = s.typeOf(expr.Elt)
		return typeSpec{Type: "array", Items: &inner}, false, err
	case *ast.MapType:
		inner, _, err = s.typeOf(expr.Value)
		return typeSpec{Type: "object", AdditionalProperties: &inner}, false, err
	case *ast.InterfaceType:
		return typeSpec{Ref: anyType}, false, nil
	case *ast.SelectorExpr: // pulumi.StringPtrOutput
		return s.named(strings.TrimSuffix(expr.Sel.Name, "Output"))
	case *ast.Ident:
		return s.named(strings.TrimSuffix(expr.Name, "Output"))
	}
	return spec, false, fmt.Errorf("a type of another kind: %T", expr)
}

// named takes a name apart: string, Sku, and for outputs StringMap, SkuResponsePtr.
func (s *source) named(name string) (typeSpec, bool, error) {
	if primitive, known := primitives[name]; known {
		return typeSpec{Type: primitive}, true, nil
	}
	if s.structs[name] != nil || s.enums[name] != nil {
		return typeSpec{Ref: "#/types/" + s.prefix + name}, true, s.addType(name)
	}
	if name == "Any" || name == "" { // pulumi.ArrayOutput is a list of anything
		return typeSpec{Ref: anyType}, false, nil
	}
	for _, kind := range []string{"Ptr", "Array", "Map"} {
		element, found := strings.CutSuffix(name, kind)
		if !found {
			continue
		}
		inner, _, err := s.named(element)
		switch kind {
		case "Array":
			return typeSpec{Type: "array", Items: &inner}, false, err
		case "Map":
			return typeSpec{Type: "object", AdditionalProperties: &inner}, false, err
		}
		return inner, false, err
	}
	return typeSpec{}, false, fmt.Errorf("no type %s", name)
}

func (s *source) addType(name string) (err error) {
	token := s.prefix + name
	if _, done := s.types[token]; done {
		return nil
	}
	object := objectSpec{Type: "object"}
	s.types[token] = object // before its properties, which may refer to it
	object.Properties, object.Required, err = s.properties(s.structs[name], defaults(s.bodies[name+".Defaults"]))
	s.types[token] = object
	return err
}

// defaults reads the values that a constructor or a Defaults method gives to fields left nil.
//
//	if args.Kind == nil { args.Kind = pulumi.String("web") }
//	if tmp.Enabled == nil { enabled_ := false; tmp.Enabled = &enabled_ }
//	if utilities.IsZero(tmp.Type) { tmp.Type = "None" }
func defaults(body *ast.BlockStmt) map[string]any {
	values := map[string]any{}
	if body == nil {
		return values
	}
	for _, statement := range body.List {
		condition, isIf := statement.(*ast.IfStmt)
		if !isIf || len(condition.Body.List) == 0 {
			continue
		}
		first, isAssign := condition.Body.List[0].(*ast.AssignStmt)
		last, isSet := condition.Body.List[len(condition.Body.List)-1].(*ast.AssignStmt)
		if !isAssign || !isSet {
			continue
		}
		if field, isField := last.Lhs[0].(*ast.SelectorExpr); isField {
			if value := literal(first.Rhs[0]); value != nil {
				values[field.Sel.Name] = value
			}
		}
	}
	return values
}

// literal is the value of a literal, also of one that a type is made of: pulumi.StringPtr("web"). Any other is nil.
func literal(expr ast.Expr) any {
	switch expr := expr.(type) {
	case *ast.CallExpr:
		if len(expr.Args) == 1 {
			return literal(expr.Args[0])
		}
	case *ast.Ident:
		if value, err := strconv.ParseBool(expr.Name); err == nil {
			return value
		}
	case *ast.BasicLit:
		if text, err := strconv.Unquote(expr.Value); err == nil {
			return text
		}
		if number, err := strconv.ParseFloat(expr.Value, 64); err == nil {
			return number
		}
	}
	return nil
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// deriveAll writes the schema.json of each module in derived.
func deriveAll(ctx context.Context) error {
	for _, module := range slices.Sorted(maps.Keys(derived)) {
		version, err := requiredVersion(module)
		if err != nil {
			return err
		}
		schema, err := derive(ctx, module, version, derived[module])
		if err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		file := filepath.Join(filepath.FromSlash(sdks), module, "schema.json")
		if err := os.WriteFile(file, schema, 0o644); err != nil { //nolint:gosec // Source, for all to read.
			return err
		}
	}
	return nil
}

// requiredVersion is that of azure-native's root module in a slim SDK's go.mod, which is the version of them all.
func requiredVersion(module string) (string, error) {
	text, err := os.ReadFile(filepath.Join(filepath.FromSlash(sdks), module, "go.mod"))
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(text), official+"v2 v")
	if !found {
		return "", fmt.Errorf("%s/go.mod does not require %sv2", module, official)
	}
	version, _, _ := strings.Cut(rest, "\n")
	return version, nil
}
