package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"mlvault/internal/config/strictjson"
)

// decodeSection fills what into points to from a JSON object, strictly: every unknown field, every value of another type
// and every duplicate is reported under its own key, not only the first.
func decodeSection(c *collector, key, text string, into any) {
	root, faults := strictjson.Parse(text)
	if reportFaults(c, key, faults); len(faults) == 0 {
		decodeField(c, key, root, reflect.ValueOf(into).Elem())
	}
}

func decodeStruct(c *collector, key string, n strictjson.Node, into reflect.Value) {
	if n.Kind != '{' {
		c.addf(key, "is not an object; set its fields one by one, for example `pulumi config set --path %s.%s ...`",
			key, fieldNames(into.Type())[0])
		return
	}
	fields := fieldsByName(into.Type())
	for i, name := range n.Keys {
		index, known := fields[name]
		if !known {
			c.addf(key+"."+name, "is not a known field; %s has %s", key, strings.Join(fieldNames(into.Type()), ", "))
			continue
		}
		decodeField(c, key+"."+name, n.Members[i], into.Field(index))
	}
}

func decodeField(c *collector, key string, n strictjson.Node, into reflect.Value) {
	target := into
	if into.Kind() == reflect.Pointer {
		target = reflect.New(into.Type().Elem()).Elem()
		defer func() { into.Set(target.Addr()) }()
	}
	if target.Kind() == reflect.Struct {
		decodeStruct(c, key, n, target)
		return
	}
	if target.Kind() == reflect.Slice && target.Type().Elem().Kind() == reflect.Struct && n.Kind == '[' {
		for i, member := range n.Members {
			element := reflect.New(target.Type().Elem()).Elem()
			decodeStruct(c, fmt.Sprintf("%s[%d]", key, i), member, element)
			target.Set(reflect.Append(target, element))
		}
		return
	}
	if target.Kind() == reflect.Map && n.Kind == '{' {
		target.Set(reflect.MakeMap(target.Type()))
		for i, name := range n.Keys {
			text, isText := n.Members[i].Scalar.(string)
			if !isText {
				c.addf(key+"."+name, "is not a text; set it again with `pulumi config set --path --type string %s.%s ...`", key, name)
			}
			target.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(text))
		}
		return
	}
	text, err := strictjson.Encode(n)
	if err == nil {
		err = json.Unmarshal(text, target.Addr().Interface())
	}
	if err != nil {
		c.addf(key, "is not %s", wanted(target.Type()))
	}
}

// wanted names a Go type in the words of the person who writes YAML.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "a list of texts"
		}
		return "a list of objects"
	case reflect.Map:
		return "an object whose values are texts"
	default:
		return "a text (put it in quotes)"
	}
}

func fieldsByName(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("json")] = i
	}
	return fields
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, 0, t.NumField())
	for name := range fieldsByName(t) {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
