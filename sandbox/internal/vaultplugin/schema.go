package vaultplugin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"
)

// values are a resource's properties as plain Go: string, bool, float64, []any, map[string]any, nil, and unknown during
// a preview.
type values = map[string]any

// unknown stands for a property whose value only an update will know.
type unknown struct{}

// field describes one property of a resource type. The SDK has seen to its Go type.
type field struct {
	api     string           // Vault's name of it, where encode and decode carry it
	fields  map[string]field // of an object
	replace bool             // a change makes a new object
	secret  bool             // marked as secret wherever it is returned
	output  bool             // computed: never an input
	set     bool             // of strings, in any order
	json    bool             // an object as text
	claims  bool             // an object of texts, each of which may be several with commas between
}

func unknownInputs(prefix string, fields map[string]field, in values) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		f, known := fields[name]
		if !known || f.output {
			names = append(names, prefix+name)
		} else if f.fields != nil {
			names = append(names, unknownInputs(prefix+name+".", f.fields, object(in[name]))...)
		}
	}
	return names
}

// equal compares two values of a field as Vault would: an absent value is zero, a set has no order, JSON has no spacing.
func (f field) equal(a, b any) bool {
	switch {
	case empty(a) && empty(b):
		return true
	case f.set:
		return slices.Equal(sortedSet(a), sortedSet(b))
	case f.json:
		return sameJSON(fmt.Sprint(a), fmt.Sprint(b))
	}
	return reflect.DeepEqual(a, b)
}

// project makes inputs out of what Vault holds, for a refresh: what the program set gets its live value, and what it
// left alone appears only if Vault holds something that an update would have to take away. With no inputs, as in an
// import, that gives every value that is set.
func project(fields map[string]field, in, live values) values {
	out := values{}
	for name, f := range fields {
		given, set := in[name]
		switch same := f.equal(given, live[name]); {
		case f.output, same && !set:
		case same:
			out[name] = given // the program's own spelling of the same value
		default:
			out[name] = live[name]
		}
	}
	return out
}

// encode returns a request body for the fields that have an api name. A field that is in old and no longer in now is
// sent as empty text, because Vault keeps what an update does not mention.
func encode(fields map[string]field, old, now values) map[string]any {
	body := map[string]any{}
	for name, f := range fields {
		switch {
		case f.api == "":
		case f.claims:
			// Always sent: claims that the program dropped must not stay bound, nor ones that somebody else added.
			claims := values{}
			for claim, text := range object(now[name]) {
				if claims[claim] = text; strings.Contains(fmt.Sprint(text), ",") {
					claims[claim] = strings.Split(fmt.Sprint(text), ",")
				}
			}
			body[f.api] = claims
		case now[name] != nil:
			body[f.api] = now[name]
		case old[name] != nil:
			body[f.api] = ""
		}
	}
	return body
}

// decode is encode's inverse for a Vault answer; zero values are left out.
func decode(fields map[string]field, data map[string]any) values {
	out := values{}
	for name, f := range fields {
		v := data[f.api]
		if number, isNumber := v.(json.Number); isNumber {
			v, _ = number.Float64()
		}
		if f.claims {
			claims := values{}
			for claim, one := range object(v) {
				claims[claim] = strings.Join(texts(one), ",")
			}
			v = claims
		}
		if f.api != "" && !empty(v) {
			out[name] = v
		}
	}
	return out
}

// stringMap renders a map the way the genuine plugin fills its string-map outputs: strings as they are, anything else
// as JSON.
func stringMap(m map[string]any) values {
	out := values{}
	for key, v := range m {
		text, isText := v.(string)
		if !isText {
			encoded, _ := json.Marshal(v) // it was decoded from JSON
			text = string(encoded)
		}
		out[key] = text
	}
	return out
}

// parseObject decodes a JSON object and keeps its numbers as they are written, so that what is stored is what was given.
func parseObject(s string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var m map[string]any
	err := decoder.Decode(&m)
	if _, end := decoder.Token(); err != nil || m == nil || !errors.Is(end, io.EOF) {
		return nil, errors.New("not one JSON object") // and no word of what it is: it may be a secret
	}
	return m, nil
}

// sameJSON reports whether Vault would return both as the same object. Numbers are compared as 64-bit floats, because
// that is how the KV engine reads them back: one beyond 2^53 would otherwise differ from itself after a refresh.
func sameJSON(a, b string) bool {
	var x, y map[string]any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

func empty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return v == nil || v == "" || v == false || v == 0.0
}

func sortedSet(v any) []string {
	items := texts(v)
	slices.Sort(items)
	return slices.Compact(items)
}

// texts are a list's items, or a single value.
func texts(v any) (items []string) {
	list, isList := v.([]any)
	if !isList && v != nil {
		list = []any{v}
	}
	for _, item := range list {
		items = append(items, fmt.Sprint(item))
	}
	return items
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func str(v values, name string) string {
	s, _ := v[name].(string)
	return s
}

// errHalfDone marks a failure after Vault took the first of several writes: the object exists and must get into the
// state, or it would be orphaned.
var errHalfDone = errors.New("the object was written and is not complete")

func halfDone(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, errHalfDone, err)
}

// describe renders an error for a person: Vault's answer in one line, the URL without its host (an address may be a
// secret), and no word of secrets.
func describe(err error, secrets []string) string {
	message := err.Error()
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		_, path, _ := strings.Cut(answer.URL, "/v1/")
		message = strings.ReplaceAll(message, answer.Error(), fmt.Sprintf("Vault answered %d to %s %s: %s",
			answer.StatusCode, answer.HTTPMethod, path, strings.Join(answer.Errors, "; ")))
	}
	return redact(message, secrets)
}

// redact replaces every secret in message, longest first, so that one that holds another does not leave a rest.
func redact(message string, secrets []string) string {
	words := slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, word := range words {
		// Shorter ones would eat the message, and are no secret worth the name.
		if len(word) >= 3 {
			message = strings.NewReplacer(word, "[secret]", strings.Trim(strconv.Quote(word), `"`), "[secret]").Replace(message)
		}
	}
	return message
}

// leaves appends every string in v, and in any JSON that a string holds.
func leaves(words []string, v any) []string {
	switch v := v.(type) {
	case string:
		words = append(words, v)
		if object, err := parseObject(v); err == nil {
			words = leaves(words, object)
		}
	case []any:
		for _, item := range v {
			words = leaves(words, item)
		}
	case map[string]any:
		for _, item := range v {
			words = leaves(words, item)
		}
	case json.Number:
		words = append(words, v.String())
	}
	return words
}
