package arm

import (
	"maps"
	"slices"
	"strings"
)

// renames maps a dotted wire path of azure-native to the last step of ARM's path, for example
// "networkRuleSet.ipRules.iPAddressOrRange" to "value". Steps into a list are not counted.
type renames map[string]string

// apply returns value with every renamed key renamed, at any depth.
func (r renames) apply(value any) any { return r.walk("", value) }

func (r renames) walk(path string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(value))
		for k, v := range value {
			step, renamed := path+k, k
			if to, ok := r[step]; ok {
				renamed = to
			}
			object[renamed] = r.walk(step+".", v)
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = r.walk(path, v)
		}
		return list
	}
	return value
}

// inverse maps ARM's paths back to azure-native's names.
func (r renames) inverse() renames {
	inverse := renames{}
	for wire := range r {
		steps := strings.Split(wire, ".")
		arm := make([]string, len(steps))
		for i, step := range steps {
			arm[i] = step
			if to, ok := r[strings.Join(steps[:i+1], ".")]; ok {
				arm[i] = to
			}
		}
		inverse[strings.Join(arm, ".")] = steps[len(steps)-1]
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
			flat, _ := r.Renames.inverse().apply(value).(map[string]any)
			for inner, v := range flat {
				if _, taken := doc[inner]; !taken { // App Insights repeats its name inside
					outputs[inner] = v
				}
			}
		default:
			outputs[name] = value
		}
	}
	return outputs
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
// service's own and not the caller's. Refresh must not mistake it for drift.
func response(doc Document) Document {
	answer := doc.clone()
	row, known := rowOfType(doc.text("type"))
	if !known {
		return answer
	}
	for path, spelling := range row.Spelling {
		if id := answer.text(path); id != "" {
			answer.set(path, respell(id, spelling))
		}
	}
	if identities, ok := answer.at("identity.userAssignedIdentities").(map[string]any); ok {
		spelled := map[string]any{}
		for id, value := range identities {
			spelled[respell(id, "resourcegroups")] = value
		}
		answer.set("identity.userAssignedIdentities", spelled)
	}
	return answer
}

// respell gives the part of id that equals spelling, but for case, that spelling.
func respell(id, spelling string) string {
	at := strings.Index(strings.ToLower(id), "/"+strings.ToLower(spelling)+"/")
	if at < 0 {
		return id
	}
	return id[:at+1] + spelling + id[at+1+len(spelling):]
}
