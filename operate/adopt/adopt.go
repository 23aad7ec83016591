// Package adopt takes what exists already, made by hand or by another program, into a stack's
// state. It changes the state and, where there is a key vault, one setting; nothing in Azure or
// Vault. The next `pulumi up` then changes what it found instead of making it a second time.
package adopt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlvault/operate/verify"
)

// Stack is what an adoption asks of the Pulumi CLI.
type Stack interface {
	// Export is what `pulumi stack export` prints, secrets encrypted.
	Export(ctx context.Context) ([]byte, error)
	// Import is `pulumi stack import`.
	Import(ctx context.Context, state []byte) error
	// Configure sets a setting by its path.
	Configure(ctx context.Context, path, value string) error
	// Wanted is the file of `pulumi preview --import-file`: what the next up would make.
	Wanted(ctx context.Context) ([]byte, error)
	// Take is `pulumi import --file`.
	Take(ctx context.Context, resources []byte) error
	// Plan is what the next up would do, without what stays as it is.
	Plan(ctx context.Context) ([]verify.Change, error)
}

// Adoption is the adoption of one stack.
type Adoption struct {
	Stack Stack
	// Existing are the ids of what exists, by the program's names of it: ml-workspace,
	// credentials-<name>.
	Existing map[string]string
	// Backup is the file for the state of before.
	Backup string
	// Name is the stack's, as the CLI takes it.
	Name string
	// Say tells a person what was done. Texts have no secret in them.
	Say func(text string)
}

// keyVault is the program's name of the key vault. Pulumi cannot import one, so it stays outside
// the stack and is named by its id (docs/decisions/0018-key-vault-api.md).
const keyVault = "ml-kv"

// Run does all of an adoption and shows the plan. It is an error if the plan replaces or deletes
// anything. Every end says how all of it is taken back.
func (a Adoption) Run(ctx context.Context) error {
	before, err := a.Stack.Export(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.Backup, before, 0o600); err != nil {
		return fmt.Errorf("the state of before cannot be kept: %w. Nothing was changed", err)
	}
	a.Say("kept the state of before in " + a.Backup)
	if id := a.Existing[keyVault]; id != "" {
		if err := a.Stack.Configure(ctx, "azure.keyVaultId", id); err != nil {
			return err
		}
		a.Say("named the key vault in azure.keyVaultId: Pulumi cannot import one")
	}
	if err := a.take(ctx, before); err != nil {
		return a.takenBackBy(err)
	}
	if err := a.respell(ctx); err != nil {
		return a.takenBackBy(err)
	}
	return a.plan(ctx)
}

func (a Adoption) takenBackBy(err error) error {
	return fmt.Errorf("%w. To take the adoption back: `%s`", err, a.takeBack())
}

// takeBack is the command that brings back the state and the setting of before.
func (a Adoption) takeBack() string {
	command := fmt.Sprintf("pulumi stack import --file %s --stack %s", filepath.Base(a.Backup), a.Name)
	if a.Existing[keyVault] != "" {
		command += fmt.Sprintf(" && pulumi config rm --path azure.keyVaultId --stack %s", a.Name)
	}
	return command
}

// take imports what exists and is not in the state yet.
func (a Adoption) take(ctx context.Context, before []byte) error {
	wanted, err := a.Stack.Wanted(ctx)
	if err != nil {
		return err
	}
	resources, names, err := Choose(wanted, a.Existing)
	if err != nil {
		return err
	}
	known, err := namesIn(before)
	if err != nil {
		return err
	}
	var unknown []string
	for name := range a.Existing {
		if name != keyVault && !slices.Contains(names, name) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	if len(unknown) > 0 {
		return fmt.Errorf("the stack makes nothing called %s. Correct the names, or the settings that "+
			"ask for it", strings.Join(unknown, ", "))
	}
	if len(names) == 0 {
		return nil
	}
	if err := a.Stack.Take(ctx, resources); err != nil {
		return err
	}
	a.Say("imported " + strings.Join(names, ", "))
	return nil
}

// respell gives the imported ids the spelling that the program has for them. ARM and the import
// return another one, and the next up would take that for a change.
func (a Adoption) respell(ctx context.Context) error {
	state, err := a.Stack.Export(ctx)
	if err != nil {
		return err
	}
	spelled, err := Respell(state, a.Existing)
	if err != nil {
		return err
	}
	return a.Stack.Import(ctx, spelled)
}

// plan shows what the next up would do.
func (a Adoption) plan(ctx context.Context) error {
	changes, err := a.Stack.Plan(ctx)
	if err != nil {
		return a.takenBackBy(err)
	}
	var losses []string
	for _, change := range changes {
		line := change.Operation + " " + change.Name
		if len(change.Properties) > 0 {
			line += " (" + strings.Join(change.Properties, ", ") + ")"
		}
		a.Say(line)
		isLoss := strings.Contains(change.Operation, "replace") || change.Operation == "delete"
		if isLoss && !slices.Contains(losses, change.Name) {
			losses = append(losses, change.Name)
		}
	}
	if len(losses) == 0 {
		a.Say(fmt.Sprintf("all that exists stays. Read the plan, then run `pulumi up --stack %s`. To "+
			"take the adoption back before that: `%s`", a.Name, a.takeBack()))
		return nil
	}
	return a.takenBackBy(fmt.Errorf("the next up would replace or delete %s: location, name or "+
		"prefix of the settings are not those of what exists. Do not run it. Correct the settings and "+
		"run this again", strings.Join(losses, ", ")))
}

// resource is one of an import file. Nothing of it is decoded but what is asked for.
type resource = map[string]json.RawMessage

// Choose leaves of a file of `pulumi preview --import-file` what exists, with its ids, and what
// that hangs on. It returns the names of what exists, too.
func Choose(wanted []byte, existing map[string]string) (file []byte, names []string, err error) {
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal(wanted, &whole); err != nil {
		return nil, nil, fmt.Errorf("the import file is no JSON: %w", err)
	}
	var all []resource
	if err := json.Unmarshal(whole["resources"], &all); err != nil {
		return nil, nil, fmt.Errorf("the import file has no resources: %w", err)
	}
	var chosen []resource
	for _, each := range all {
		name := text(each, "name")
		id := existing[name]
		isComponent := string(each["component"]) == "true"
		isParent := isComponent || text(each, "type") == "pulumi:providers:vault"
		switch {
		case isParent:
			chosen = append(chosen, each)
		case id != "":
			each["id"], _ = json.Marshal(id)
			chosen = append(chosen, each)
			names = append(names, name)
		}
	}
	slices.Sort(names)
	whole["resources"], err = json.Marshal(chosen)
	if err != nil {
		return nil, nil, fmt.Errorf("the import file: %w", err)
	}
	file, err = json.Marshal(whole)
	return file, names, err
}

func text(of resource, field string) string {
	var value string
	_ = json.Unmarshal(of[field], &value)
	return value
}

// namesIn are the program's names of what a state has.
func namesIn(state []byte) (map[string]bool, error) {
	resources, err := verify.ParseState(state)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, each := range resources {
		names[each.Name] = true
	}
	return names, nil
}

// parts are what a workspace is wired to, by the names of its inputs.
var parts = map[string]string{
	"storageAccount":      "mlstorage",
	"keyVault":            keyVault,
	"applicationInsights": "ml-insights",
}

const workspace = "ml-workspace"

// Respell writes the ids of what exists into the inputs of a state as the program has them. It
// refuses a workspace that is wired to something else than what was given beside it: the next up
// would keep it silently.
func Respell(state []byte, existing map[string]string) ([]byte, error) {
	var whole, deployment map[string]json.RawMessage
	if err := json.Unmarshal(state, &whole); err != nil {
		return nil, errors.New("the state is not what `pulumi stack export` prints")
	}
	if err := json.Unmarshal(whole["deployment"], &deployment); err != nil {
		return nil, errors.New("the state has no deployment")
	}
	var resources []resource
	if err := json.Unmarshal(deployment["resources"], &resources); err != nil {
		return nil, errors.New("the state has no resources")
	}
	given := spelling{}
	for _, id := range existing {
		given[strings.ToLower(id)] = id
	}
	for _, each := range resources {
		var inputs map[string]json.RawMessage
		name := text(each, "urn")
		name = name[strings.LastIndex(name, ":")+1:]
		if existing[name] == "" || json.Unmarshal(each["inputs"], &inputs) != nil {
			continue
		}
		if err := refuseOtherParts(name, inputs, existing); err != nil {
			return nil, err
		}
		for field, value := range inputs {
			var decoded any
			decoder := json.NewDecoder(bytes.NewReader(value))
			decoder.UseNumber() // as they are written
			if decoder.Decode(&decoded) == nil {
				inputs[field], _ = json.Marshal(given.of(field, decoded))
			}
		}
		each["inputs"], _ = json.Marshal(inputs)
	}
	deployment["resources"], _ = json.Marshal(resources)
	whole["deployment"], _ = json.Marshal(deployment)
	return json.Marshal(whole)
}

// spelling has ids as they were given, by their lower case.
type spelling map[string]string

// of is an input of a resource with the ids in it as the program spells them.
func (s spelling) of(field string, value any) any {
	switch value := value.(type) {
	case string:
		return s.ofText(field, value)
	case []any:
		for i, member := range value {
			value[i] = s.of(field, member)
		}
	case map[string]any:
		for name, member := range value {
			value[name] = s.of(name, member)
		}
	}
	return value
}

const definitions = "/providers/Microsoft.Authorization/roleDefinitions/"

func (s spelling) ofText(field, text string) string {
	switch field {
	case "scope", "resourceUri":
		// An import takes them out of the id without their first slash (pulumi-azure-native#4818).
		text = "/" + strings.TrimPrefix(text, "/")
	case "roleDefinitionId":
		// ARM answers with the definition below the scope's subscription, which the program leaves out
		// (azure-rest-api-specs#10939).
		at := strings.LastIndex(text, definitions)
		return text[max(at, 0):]
	}
	if given, isGiven := s[strings.ToLower(text)]; isGiven {
		return given
	}
	return text
}

func refuseOtherParts(name string, inputs resource, existing map[string]string) error {
	if name != workspace {
		return nil
	}
	for _, field := range slices.Sorted(maps.Keys(parts)) {
		part := parts[field]
		isGiven := existing[part] != ""
		if isGiven && !strings.EqualFold(text(inputs, field), existing[part]) {
			return fmt.Errorf("the workspace uses another %s than %s. Give the one that it uses",
				field, part)
		}
	}
	return nil
}
