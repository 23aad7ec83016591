// Command pipelines holds the pipelines' files against the schemas that their vendors publish. The
// schemas are the vendors', so this repository has no copy:
//
//	go run ./pipelines FOLDER     in the tools folder
//
// FOLDER has github-workflows.json and gitlab-ci.json, as SchemaStore and GitLab publish them, and
// azure-pipelines.json, which is service-schema.json of microsoft/azure-pipelines-vscode.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// vendor is one kind of pipeline.
type vendor struct {
	schema string
	files  string // a pattern below the repository
	// plain makes of a file what the schema is about.
	plain func(any) any
}

var vendors = []vendor{
	{schema: "github-workflows.json", files: ".github/workflows/*.yml", plain: asItIs},
	{schema: "gitlab-ci.json", files: ".ci/gitlab/*.yml", plain: asItIs},
	{schema: "azure-pipelines.json", files: ".ci/azure-devops/*.yml", plain: expanded},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "pipelines: name the folder of the vendors' schemas")
		os.Exit(1)
	}
	if err := run("..", os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pipelines:", err)
		os.Exit(1)
	}
}

// run checks every file, and collects what is wrong.
func run(root, folder string) error {
	var faults []error
	checked := 0
	for _, v := range vendors {
		schema, err := compile(filepath.Join(folder, v.schema))
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(v.files)))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s: no file, %w", v.files, err)
		}
		for _, file := range files {
			checked++
			if err := v.check(schema, file); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", filepath.Base(file), err))
			}
		}
	}
	fmt.Fprintf(os.Stdout, "%d files, %d not as their vendor's schema says\n", checked, len(faults))
	return errors.Join(faults...)
}

func compile(file string) (*jsonschema.Schema, error) {
	text, err := os.Open(file) //nolint:gosec // G304: the user's own.
	if err != nil {
		return nil, err
	}
	defer text.Close() //nolint:errcheck // Nothing is written to it.
	document, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(file, document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return compiler.Compile(file)
}

func (v vendor) check(schema *jsonschema.Schema, file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // G304: a file of the repository.
	if err != nil {
		return err
	}
	var read any
	if err := yaml.Unmarshal(text, &read); err != nil {
		return err
	}
	encoded, err := json.Marshal(v.plain(read))
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func asItIs(read any) any { return read }

// expression is one of Azure's templates.
var expression = regexp.MustCompile(`\$\{\{.*?\}\}`)

// expanded is a file of Azure's as Azure sees it when the templates are filled in: what stands
// below a condition or a loop stands in its place, and every value is a text, as in Azure's schema.
func expanded(read any) any {
	switch value := read.(type) {
	case map[string]any:
		return expandedObject(value)
	case []any:
		list := []any{}
		for _, member := range value {
			made := expanded(member)
			inner, isList := made.([]any)
			if isList && isTemplate(member) {
				list = append(list, inner...)
				continue
			}
			list = append(list, made)
		}
		return list
	case nil:
		return ""
	default:
		return expression.ReplaceAllString(fmt.Sprint(value), "x")
	}
}

func expandedObject(object map[string]any) any {
	made := map[string]any{}
	for name, member := range object {
		inner := expanded(member)
		if !strings.HasPrefix(name, "${{") {
			made[name] = inner
			continue
		}
		fields, isObject := inner.(map[string]any)
		if !isObject {
			return inner
		}
		for field, text := range fields {
			made[field] = text
		}
	}
	return made
}

// isTemplate tells of a member of a list whether it is a condition or a loop.
func isTemplate(member any) bool {
	object, isObject := member.(map[string]any)
	if !isObject {
		return false
	}
	for name := range object {
		if strings.HasPrefix(name, "${{") {
			return true
		}
	}
	return false
}
