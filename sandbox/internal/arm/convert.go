package arm

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// renames maps a property of azure-native to ARM's name of it.
type renames map[string]string

func (r renames) apply(properties map[string]any) map[string]any {
	renamed := make(map[string]any, len(properties))
	for name, value := range properties {
		renamed[cmp.Or(r[name], name)] = cloneValue(value)
	}
	return renamed
}

func (r renames) inverse() renames {
	inverse := renames{}
	for name, arm := range r {
		inverse[arm] = name
	}
	return inverse
}

// body makes the body of a PUT from azure-native's inputs: the opposite of azure-native's flattening.
func (r *resourceType) body(inputs map[string]any) Document {
	body, properties := Document{}, map[string]any{}
	path := r.parameters()
	for name, value := range inputs {
		switch {
		case strings.HasPrefix(name, "__") || slices.Contains(path, name):
		case r.Nested || slices.Contains(r.Envelope, name):
			body[name] = cloneValue(value)
		default:
			properties[name] = value
		}
	}
	for _, list := range r.Items {
		properties[list] = eachOf(properties[list], func(item map[string]any) map[string]any {
			outer, inner := map[string]any{}, maps.Clone(item)
			for _, name := range words("id name") {
				if value, set := item[name]; set {
					outer[name] = value
					delete(inner, name)
				}
			}
			outer["properties"] = inner
			return outer
		})
	}
	maps.DeleteFunc(properties, func(_ string, value any) bool { return value == nil })
	if !r.Nested && len(properties) > 0 {
		body["properties"] = r.Renames.apply(properties)
	}
	// azure-native takes the identities as a list of ids and sends the keys of an object.
	if ids, ok := body.at("identity.userAssignedIdentities").([]any); ok {
		identities := map[string]any{}
		for _, id := range ids {
			if id, ok := id.(string); ok {
				identities[id] = map[string]any{}
			}
		}
		body.set("identity.userAssignedIdentities", identities)
	}
	return body
}

// outputs flattens a document into azure-native's outputs.
func (r *resourceType) outputs(doc Document) map[string]any {
	outputs := map[string]any{}
	for name, value := range doc {
		switch {
		case name == "id":
		case name == "properties" && !r.Nested:
			nested, _ := value.(map[string]any)
			for inner, v := range r.Renames.inverse().apply(nested) {
				if _, taken := doc[inner]; !taken { // App Insights repeats its name inside
					outputs[inner] = v
				}
			}
		default:
			outputs[name] = value
		}
	}
	for _, list := range r.Items {
		outputs[list] = eachOf(outputs[list], func(item map[string]any) map[string]any {
			flat := maps.Clone(item)
			delete(flat, "properties")
			inner, _ := item["properties"].(map[string]any)
			maps.Copy(flat, inner)
			return flat
		})
	}
	return outputs
}

// eachOf maps an object, or those of a list; azure-native flattens some of these too.
func eachOf(list any, change func(map[string]any) map[string]any) any {
	if object, isObject := list.(map[string]any); isObject {
		return change(object)
	}
	items, isList := list.([]any)
	if !isList {
		return list
	}
	changed := make([]any, len(items))
	for i, item := range items {
		object, _ := item.(map[string]any)
		changed[i] = change(object)
	}
	return changed
}

// settable keeps of azure-native's outputs what can be an input, in an input's shape.
func (r *resourceType) settable(outputs map[string]any) map[string]any {
	inputs := map[string]any{}
	for _, name := range r.Inputs {
		if value, ok := outputs[name]; ok {
			inputs[name] = cloneValue(value)
		}
	}
	shaped := Document(inputs)
	if identities, ok := shaped.at("identity.userAssignedIdentities").(map[string]any); ok {
		ids := []any{}
		for _, id := range slices.Sorted(maps.Keys(identities)) {
			ids = append(ids, id)
		}
		shaped.set("identity.userAssignedIdentities", ids)
	}
	if identity, ok := inputs["identity"].(map[string]any); ok {
		delete(identity, "principalId")
		delete(identity, "tenantId")
	}
	return inputs
}

// response is a stored document as ARM answers with it: the same, but for the casing of the ids inside, which is the
// service's own, not the caller's, and not always the same.
func response(doc Document, respelled bool) Document {
	answer := doc.clone()
	for _, service := range words("Microsoft.MachineLearningServices/ Microsoft.Network/") {
		if strings.HasPrefix(doc.text("type"), service) {
			for _, part := range words("properties identity") {
				answer[part] = spell(answer[part], respelled)
			}
			maps.DeleteFunc(answer, func(_ string, value any) bool { return value == nil })
		}
	}
	return answer
}

// spell gives every id in a value, the keys of user-assigned identities included, a casing in which it was seen:
// azure-rest-api-specs#8323, and the AVM Terraform module of the workspace, which rewrites what ARM answers.
func spell(value any, respelled bool) any {
	switch value := value.(type) {
	case string:
		if !strings.HasPrefix(value, "/subscriptions/") {
			return value
		}
		if respelled {
			return strings.NewReplacer("/resourcegroups/", "/resourceGroups/", "/Microsoft.", "/microsoft.").Replace(value)
		}
		return strings.NewReplacer("/resourceGroups/", "/resourcegroups/", "/Microsoft.KeyVault/", "/Microsoft.Keyvault/",
			"/Microsoft.Insights/", "/microsoft.insights/").Replace(value)
	case map[string]any:
		object := make(map[string]any, len(value))
		for k, v := range value {
			object[spell(k, respelled).(string)] = spell(v, respelled) //nolint:forcetypeassert // A text stays one.
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = spell(v, respelled)
		}
		return list
	}
	return value
}
