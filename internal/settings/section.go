package settings

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"mlvault/internal/settings/strictjson"
)

// decodeSection fills what into points to from a JSON object, strictly: every unknown field, every value of another type
// and every duplicate is reported under its own key, not only the first.
func decodeSection(c *collector, key, text string, into any) {
	root, faults := strictjson.Parse(text)
	if reportFaults(c, key, faults); len(faults) == 0 {
		decodeField(c, key, root, reflect.ValueOf(into).Elem())
	}
}

func decodeStruct(c *collector, key string, value any, into reflect.Value) {
	members, isObject := value.(map[string]any)
	if !isObject {
		c.addf(key, "is not an object; set its fields one by one, for example `pulumi config set --path %s.%s ...`",
			key, fieldNames(into.Type())[0])
		return
	}
	fields := fieldsByName(into.Type())
	for name, member := range members {
		index, known := fields[name]
		if !known {
			c.addf(key+"."+name, "is not a known field; %s has %s", key, strings.Join(fieldNames(into.Type()), ", "))
			continue
		}
		decodeField(c, key+"."+name, member, into.Field(index))
	}
}

func decodeField(c *collector, key string, value any, into reflect.Value) {
	target := into
	if into.Kind() == reflect.Pointer {
		target = reflect.New(into.Type().Elem()).Elem()
		defer func() { into.Set(target.Addr()) }()
	}
	list, isList := value.([]any)
	object, isObject := value.(map[string]any)
	switch kind := target.Kind(); {
	case kind == reflect.Struct:
		decodeStruct(c, key, value, target)
	case kind == reflect.Slice && target.Type().Elem().Kind() == reflect.Struct && isList:
		for i, member := range list {
			into := reflect.New(target.Type().Elem()).Elem()
			decodeStruct(c, element(key, i), member, into)
			target.Set(reflect.Append(target, into))
		}
	case kind == reflect.Map && isObject:
		target.Set(reflect.MakeMap(target.Type()))
		for name, member := range object {
			text, isText := member.(string)
			if !isText {
				c.addf(key+"."+name, "is not a text; set it again with `pulumi config set --path --type string %s.%s ...`", key, name)
			}
			target.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(text))
		}
	default:
		text, err := strictjson.Encode(value)
		if err == nil {
			err = json.Unmarshal(text, target.Addr().Interface())
		}
		if err != nil {
			c.addf(key, "is not %s", wanted(target.Type()))
		}
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

// eachField visits every field of a section, of what is in it and of each element of its lists, with its key. Beside its name
// in JSON a field's tag may have
//   - default: the value where there is none,
//   - required: what to do about its absence,
//   - oneof: the values that it may have,
//   - between: the ends of a number,
//   - path: it is a path in Vault,
//   - arm: it is the ARM id of a resource of this type; empty for any.
func eachField(key string, v reflect.Value, visit func(key string, field reflect.Value, tag reflect.StructTag)) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for i := 0; v.Kind() == reflect.Struct && i < v.NumField(); i++ {
		tag, field := v.Type().Field(i).Tag, v.Field(i)
		at := key + "." + tag.Get("json")
		visit(at, field, tag)
		eachField(at, field, visit)
		for j := 0; field.Kind() == reflect.Slice && j < field.Len(); j++ {
			if field.Index(j).Kind() == reflect.String {
				visit(element(at, j), field.Index(j), tag)
			}
			eachField(element(at, j), field.Index(j), visit)
		}
	}
}

// setDefault fills a field that the configuration leaves out.
func setDefault(_ string, field reflect.Value, tag reflect.StructTag) {
	text, has := tag.Lookup("default")
	switch {
	case !has || !field.IsZero():
	case field.Kind() == reflect.String:
		field.SetString(text)
	default:
		_ = json.Unmarshal([]byte(text), field.Addr().Interface()) // a test holds each to the reference
	}
}

// checkField refuses a value that its tags do not allow.
func (c *collector) checkField(key string, field reflect.Value, tag reflect.StructTag) {
	if ends := strings.Fields(tag.Get("between")); len(ends) == 2 {
		least, _ := strconv.ParseInt(ends[0], 10, 64)
		most, _ := strconv.ParseInt(ends[1], 10, 64)
		if n := field.Int(); n < least || n > most {
			c.addf(key, "%d is not between %d and %d", n, least, most)
		}
	}
	if hint, required := tag.Lookup("required"); required && field.IsZero() {
		c.addf(key, "is missing; %s", hint)
	}
	if field.Kind() != reflect.String || field.IsZero() && !strings.HasSuffix(key, "]") {
		return // an element of a list is never left out
	}
	text := field.String()
	if values := strings.Split(tag.Get("oneof"), ","); values[0] != "" && !slices.Contains(values, text) {
		c.addf(key, "%s is not one of %s", c.show(key, text), strings.Join(values, ", "))
	}
	if _, isPath := tag.Lookup("path"); isPath {
		if problem := pathProblem(text); problem != "" {
			c.addf(key, "%s %s", c.show(key, text), problem)
		}
	}
	if armType, isID := tag.Lookup("arm"); isID {
		c.checkID(key, text, armType)
	}
}

func fieldsByName(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("json")] = i
	}
	return fields
}

func fieldNames(t reflect.Type) []string { return slices.Sorted(maps.Keys(fieldsByName(t))) }
