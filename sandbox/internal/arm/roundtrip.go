package arm

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// knownProperties sends the body through Microsoft's SDK type for it and back. A property that does not return is one
// that the type does not have: misspelled, misplaced, or of another API version.
func knownProperties(p *put) *Error {
	if p.row.Model == nil {
		return nil
	}
	model := p.row.Model()
	lost, err := Lost(p.doc, model)
	if err != nil {
		return p.refuse(http.StatusBadRequest, "InvalidRequestContent",
			"The request content was invalid and could not be deserialized: '%v'.", err)
	}
	lost = slices.DeleteFunc(lost, func(path string) bool { return slices.Contains(p.row.Newer, path) })
	if len(lost) == 0 {
		return nil
	}
	version := ""
	if p.row.ModelVersion != p.row.APIVersion {
		version = fmt.Sprintf(" (of API version %s)", p.row.ModelVersion)
	}
	return p.refuse(http.StatusBadRequest, "InvalidRequestContent",
		"Could not find member %s on object of type '%s', API version %s: Microsoft's %T%s has no such property.",
		strings.Join(lost, ", "), p.row.Type, p.row.APIVersion, model, version)
}

// Lost sends a document through a type of Microsoft's SDK and back, and returns the paths that did not.
func Lost(doc Document, model any) ([]string, error) {
	text, err := json.Marshal(doc)
	if err == nil {
		err = json.Unmarshal(text, model)
	}
	if err == nil {
		text, err = json.Marshal(model)
	}
	var survived any
	if err == nil {
		err = json.Unmarshal(text, &survived)
	}
	if err != nil {
		return nil, fmt.Errorf("%T: %w", model, err)
	}
	return lostPaths("", map[string]any(doc), survived), nil
}

// lostPaths names what is in sent and not in returned.
func lostPaths(path string, sent, returned any) []string {
	switch sent := sent.(type) {
	case map[string]any:
		object, _ := returned.(map[string]any)
		var lost []string
		for _, name := range slices.Sorted(maps.Keys(sent)) {
			step := strings.TrimPrefix(path+"."+name, ".")
			value, ok := object[name]
			if !ok {
				lost = append(lost, step)
				continue
			}
			lost = append(lost, lostPaths(step, sent[name], value)...)
		}
		return lost
	case []any:
		list, _ := returned.([]any)
		var lost []string
		for i, value := range sent {
			var other any
			if i < len(list) {
				other = list[i]
			}
			lost = append(lost, lostPaths(fmt.Sprintf("%s[%d]", path, i), value, other)...)
		}
		return lost
	}
	return nil
}
