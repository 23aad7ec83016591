package arm

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const userAssigned = "identity.userAssignedIdentities"

// body makes the body of a PUT from azure-native's inputs: the opposite of azure-native's
// flattening.
func (r *resourceType) body(inputs map[string]any) Document {
	body := Document{}
	properties := map[string]any{}
	unsent := r.unsent()
	envelope := append(words("location tags"), r.Envelope...)
	for name, value := range inputs {
		switch {
		case value == nil || strings.HasPrefix(name, "__") || slices.Contains(unsent, name):
		case r.Nested || slices.Contains(envelope, name):
			body[name] = value
		case slices.Contains(r.Items, name):
			properties[name] = eachOf(value, nest)
		default:
			properties[cmp.Or(r.Renames[name], name)] = value
		}
	}
	if len(properties) > 0 {
		body["properties"] = properties
	}
	// azure-native takes the identities as a list of ids and sends the keys of an object.
	if ids, ok := body.at(userAssigned).([]any); ok {
		identities := map[string]any{}
		for _, id := range ids {
			identities[fmt.Sprint(id)] = map[string]any{}
		}
		body.set(userAssigned, identities)
	}
	return body
}

// outputs flattens a document into azure-native's outputs.
func (r *resourceType) outputs(doc Document) resource.PropertyMap {
	outputs := maps.Clone(map[string]any(doc))
	delete(outputs, "id")
	if r.Nested {
		return resource.NewPropertyMapFromMap(outputs)
	}
	delete(outputs, "properties")
	names := map[string]string{}
	for name, wire := range r.Renames {
		names[wire] = name
	}
	for wire, value := range doc.object("properties") {
		name := cmp.Or(names[wire], wire)
		if slices.Contains(r.Items, name) {
			value = eachOf(value, flatten)
		}
		outputs[name] = value
	}
	return resource.NewPropertyMapFromMap(outputs)
}

// nest and flatten put all but an item's id and name into properties of its own, and back.
func nest(item map[string]any) map[string]any {
	inner := maps.Clone(item)
	nested := map[string]any{"properties": inner}
	for _, name := range words("id name") {
		if value, set := item[name]; set {
			nested[name] = value
			delete(inner, name)
		}
	}
	return nested
}

func flatten(item map[string]any) map[string]any {
	flat := maps.Clone(item)
	delete(flat, "properties")
	maps.Copy(flat, Document(item).object("properties"))
	return flat
}

// eachOf maps an object, or those of a list.
func eachOf(value any, change func(map[string]any) map[string]any) any {
	switch value := value.(type) {
	case map[string]any:
		return change(value)
	case []any:
		changed := make([]any, len(value))
		for i, item := range value {
			changed[i] = eachOf(item, change)
		}
		return changed
	}
	return value
}

// settable keeps of azure-native's outputs what can be an input, in an input's shape.
func (r *resourceType) settable(outputs resource.PropertyMap) resource.PropertyMap {
	inputs := Document(outputs.Mappable())
	// A run that was killed leaves a state whose outputs are the inputs, so that the path's parameters
	// are among them.
	for _, name := range slices.Concat(words("name type"), r.Computed, r.unsent()) {
		delete(inputs, name)
	}
	if identities := inputs.object(userAssigned); identities != nil {
		inputs.set(userAssigned, slices.Sorted(maps.Keys(identities)))
	}
	delete(inputs.object("identity"), "principalId")
	return resource.NewPropertyMapFromMap(inputs)
}

// The casings in which ids were seen: azure-rest-api-specs#8323, and the AVM Terraform module of
// the workspace, which rewrites what ARM answers.
var (
	usual = strings.NewReplacer(
		"/resourceGroups/", "/resourcegroups/",
		"/Microsoft.KeyVault/", "/Microsoft.Keyvault/",
		"/Microsoft.Insights/", "/microsoft.insights/",
	)
	other = strings.NewReplacer(
		"/resourcegroups/", "/resourceGroups/",
		"/Microsoft.", "/microsoft.",
	)

	idInside = regexp.MustCompile(`"/subscriptions/[^"]*"`)
)

// response is a stored document as ARM answers with it: a copy, but for the casing of the ids
// inside, the keys of user-assigned identities included. That is the service's own, not the
// caller's, and not always the same.
func response(doc Document, respelled bool) Document {
	spelling := usual
	if respelled {
		spelling = other
	}
	answer := doc.clone()
	for _, service := range words("Microsoft.MachineLearningServices/ Microsoft.Network/") {
		if !strings.HasPrefix(doc.text("type"), service) {
			continue
		}
		text := idInside.ReplaceAllStringFunc(doc.json(), spelling.Replace)
		answer = parseDocument(text)
		answer["id"] = doc["id"]
	}
	return answer
}
