package vaultplugin

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
)

// values are a resource's properties as plain Go: string, bool, float64,
// []any, map[string]any, nil, and unknown during a preview.
type values = map[string]any

// unknown stands for a property whose value only an update will know.
type unknown struct{}

// shape is what a property's value may look like.
type shape int

const (
	text shape = iota
	boolean
	number
	list   // of strings, order matters
	set    // of strings, order does not matter
	dict   // of strings
	object // with fields of its own
	jsonObject
)

var shapeNames = map[shape]string{
	text: "a string", boolean: "a boolean", number: "a number", list: "a list of strings", set: "a list of strings",
	dict: "a map of strings", object: "an object", jsonObject: "a JSON object in a string",
}

// field describes one property of a resource type.
type field struct {
	shape    shape
	api      string           // Vault's name of it, where encode and decode carry it
	fields   map[string]field // of an object
	required bool
	autoname bool // made from the resource's name when it is not given
	replace  bool // a change makes a new object
	secret   bool // marked as secret wherever it is returned
	output   bool // computed: never an input
	path     bool // becomes part of a request path

	// fallback is the value that an absent input means, where that is not the
	// shape's zero value.
	fallback any

	// server means that Vault fills the value in when it is not given, so an
	// input that is absent, or no longer there, wants no change (Terraform's
	// Optional+Computed).
	server bool
}

// problem is one reason why inputs are refused. It never holds a value.
type problem struct{ property, reason string }

// check lists what is wrong with the inputs. Unknown values pass.
func check(fields map[string]field, in values) []problem {
	return checkObject("", fields, in)
}

func checkObject(prefix string, fields map[string]field, in values) []problem {
	var problems []problem
	for _, name := range sortedKeys(in) {
		f, known := fields[name]
		switch {
		case !known || f.output:
			problems = append(problems, problem{prefix + name,
				"the built-in Vault provider does not know this input: look for a typo, or install the genuine plugin"})
		case in[name] != nil && in[name] != unknown{}:
			problems = append(problems, checkValue(prefix+name, f, in[name])...)
		}
	}
	for _, name := range sortedKeys(fields) {
		if fields[name].required && in[name] == nil {
			problems = append(problems, problem{prefix + name, "is required"})
		}
	}
	return problems
}

func checkValue(name string, f field, v any) []problem {
	ok := true
	switch f.shape {
	case text:
		_, ok = v.(string)
	case boolean:
		_, ok = v.(bool)
	case number:
		_, ok = v.(float64)
	case list, set:
		items, isList := v.([]any)
		ok = isList && !slices.ContainsFunc(items, notText)
	case dict:
		entries, isMap := v.(map[string]any)
		for _, entry := range entries {
			isMap = isMap && !notText(entry)
		}
		ok = isMap
	case object:
		entries, isMap := v.(map[string]any)
		if isMap {
			return checkObject(name+".", f.fields, entries)
		}
		ok = false
	case jsonObject:
		s, isText := v.(string)
		_, err := parseObject(s)
		ok = isText && err == nil
	}
	if !ok {
		return []problem{{name, "is not " + shapeNames[f.shape]}}
	}
	if text, isText := v.(string); f.path && (!isText || !plainPath(text)) {
		return []problem{{name, "is empty, has a leading, trailing or double slash, or a . or .. segment, which would name another path in Vault"}}
	}
	return nil
}

func notText(v any) bool {
	_, isText := v.(string)
	return !isText && v != any(unknown{})
}

func plainPath(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// equal compares two values of a field as Vault would: an absent value is the
// fallback or zero, a set has no order, JSON has no spacing.
func equal(f field, a, b any) bool {
	if f.fallback != nil {
		if a == nil {
			a = f.fallback
		}
		if b == nil {
			b = f.fallback
		}
	}
	if empty(a) && empty(b) {
		return true
	}
	switch f.shape {
	case list:
		return slices.Equal(trimmed(a), trimmed(b))
	case set:
		return reflect.DeepEqual(sortedSet(a), sortedSet(b))
	case object:
		x, _ := a.(map[string]any)
		y, _ := b.(map[string]any)
		return len(changed(f.fields, x, y)) == 0
	case jsonObject:
		x, _ := a.(string)
		y, _ := b.(string)
		return sameJSON(x, y)
	default:
		return reflect.DeepEqual(a, b)
	}
}

// changed lists the fields in which the inputs differ, sorted.
func changed(fields map[string]field, old, now values) []string {
	var names []string
	for _, name := range sortedKeys(fields) {
		f := fields[name]
		if f.output || (f.server && now[name] == nil) {
			continue
		}
		if now[name] == any(unknown{}) || !equal(f, old[name], now[name]) {
			names = append(names, name)
		}
	}
	return names
}

// project makes inputs out of what Vault holds, for a refresh: what the program
// set gets its live value, and what it left alone appears only if Vault holds
// something that an update would have to take away. With no inputs, as in an
// import, that gives every value that is set.
func project(fields map[string]field, in, live values) values {
	out := values{}
	for name, f := range fields {
		if f.output {
			continue
		}
		given, set := in[name]
		switch {
		case set && f.shape == object:
			x, _ := given.(map[string]any)
			y, _ := live[name].(map[string]any)
			out[name] = project(f.fields, x, y)
		case set && equal(f, given, live[name]):
			out[name] = given // the program's own spelling of the same value
		case set:
			out[name] = live[name]
		case !f.server && !equal(f, nil, live[name]):
			out[name] = live[name]
		}
	}
	return out
}

// encode returns a request body for the fields that have an api name. A field
// that is in old and no longer in now is sent as zero, because Vault keeps what
// an update does not mention.
func encode(fields map[string]field, old, now values) map[string]any {
	body := map[string]any{}
	for name, f := range fields {
		if f.api == "" {
			continue
		}
		switch {
		case now[name] != nil:
			body[f.api] = now[name]
		case f.fallback != nil:
			body[f.api] = f.fallback
		case old[name] != nil && !f.server:
			body[f.api] = map[shape]any{text: "", boolean: false, number: 0, list: []any{}, set: []any{}, dict: values{}}[f.shape]
		}
	}
	return body
}

// decode is encode's inverse for a Vault answer; zero values are left out.
func decode(fields map[string]field, data map[string]any) values {
	out := values{}
	for name, f := range fields {
		if v := plainJSON(data[f.api]); f.api != "" && !empty(v) {
			out[name] = v
		}
	}
	return out
}

// plainJSON turns a decoded JSON value into the types that values hold.
func plainJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case int:
		return float64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainJSON(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key := range v {
			out[key] = plainJSON(v[key])
		}
		return out
	}
	return v
}

// stringMap renders a map the way the genuine plugin fills its string-map
// outputs: strings as they are, anything else as JSON.
func stringMap(m map[string]any) values {
	out := values{}
	for key, v := range m {
		if s, isText := v.(string); isText {
			out[key] = s
			continue
		}
		encoded, _ := json.Marshal(v) // it was decoded from JSON
		out[key] = string(encoded)
	}
	return out
}

var errNotObject = errors.New("not one JSON object") // and no word of what it is: it may be a secret

// parseObject decodes a JSON object and keeps its numbers as they are written,
// so that what is stored is what was given.
func parseObject(s string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var m map[string]any
	if decoder.Decode(&m) != nil || m == nil {
		return nil, errNotObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return m, nil
}

// sameJSON reports whether Vault would return both as the same object. Numbers
// are compared as 64-bit floats, because that is how the KV engine reads them
// back: one beyond 2^53 would otherwise differ from itself after a refresh.
func sameJSON(a, b string) bool {
	var x, y map[string]any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// trimmed returns a list's items as Vault keeps them, without space around
// them: a PEM block loses its last newline.
func trimmed(v any) []string {
	items, _ := v.([]any)
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, _ := item.(string)
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

func sortedSet(v any) []string {
	items := trimmed(v)
	slices.Sort(items)
	return slices.Compact(items)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func str(v values, name string) string {
	s, _ := v[name].(string)
	return s
}

func flag(v values, name string) bool {
	b, _ := v[name].(bool)
	return b
}
