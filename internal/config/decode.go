package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth keeps a payload within what Vault parses: its listener refuses JSON nested more than 300 deep
// (max_json_depth, Vault 1.21), and the API wraps a payload in objects of its own.
const maxDepth = 256

// node is one JSON value whose numbers still have their digits and whose objects still have their order.
type node struct {
	kind    json.Delim // '{', '[' or 0 for a scalar
	scalar  any        // string, bool, json.Number or nil
	keys    []string   // of an object, as written
	members []node     // of an object or an array
}

// fault is a place in a JSON text that would be lost or changed on its way to Vault.
type fault struct {
	path string // below the text's root, for example .tags.owner; empty for the root
	text string
}

// parseJSON reads one JSON text and returns what encoding/json alone would let pass in silence: duplicate keys,
// null, numbers that a float64 rounds, text that is not UTF-8. A fault never quotes the text. With a fault at the root
// there is no value, and the node's kind and scalar are empty.
func parseJSON(text string) (node, []fault) {
	if !utf8.ValidString(text) {
		return node{}, []fault{{text: "is not valid UTF-8; Vault would store other characters"}}
	}
	if loneSurrogate(text) {
		return node{}, []fault{{text: `has half of a \u surrogate pair; Vault would store U+FFFD instead`}}
	}
	p := parser{decoder: json.NewDecoder(strings.NewReader(text))}
	p.decoder.UseNumber()
	root, err := p.value("", 0)
	if err == nil {
		if _, extra := p.decoder.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("has more text after its end")
		}
	}
	if err != nil {
		return node{}, []fault{{text: err.Error()}}
	}
	return root, p.faults
}

type parser struct {
	decoder *json.Decoder
	faults  []fault
}

func (p *parser) faultf(path, format string, args ...any) {
	p.faults = append(p.faults, fault{path: path, text: fmt.Sprintf(format, args...)})
}

// value reads the next value. Only an error that ends the reading is returned; the rest are faults.
func (p *parser) value(path string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, fmt.Errorf("is nested more than %d deep, which Vault refuses", maxDepth)
	}
	token, err := p.decoder.Token()
	if err != nil {
		// The decoder's own text quotes a character of the input, which may be a secret's.
		return node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
	}
	switch t := token.(type) {
	case json.Delim:
		return p.container(t, path, depth)
	case json.Number:
		if !exact(t) {
			p.faultf(path, "is a number that JSON readers round; write it as a string")
		}
	case nil:
		p.faultf(path, "is null, which Vault would store as a new version at every update; leave it out")
	}
	return node{scalar: token}, nil
}

func (p *parser) container(kind json.Delim, path string, depth int) (node, error) {
	n := node{kind: kind, members: []node{}} // not nil, which would be written as null
	seen := map[string]bool{}
	for i := 0; p.decoder.More(); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if kind == '{' {
			token, err := p.decoder.Token()
			key, isKey := token.(string)
			if err != nil || !isKey {
				return node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
			}
			at = path + "." + key
			if seen[key] {
				p.faultf(at, "is given twice; only the last would be kept")
			}
			seen[key] = true
			n.keys = append(n.keys, key)
		}
		member, err := p.value(at, depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member)
	}
	if _, err := p.decoder.Token(); err != nil {
		return node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
	}
	return n, nil
}

// MarshalJSON writes the value in one canonical form: keys sorted, no HTML escapes, numbers as they were written.
// The same payload then always gives the same text, whichever way it was configured.
func (n node) MarshalJSON() ([]byte, error) {
	switch n.kind {
	case '[':
		return encode(n.members)
	case '{':
		object := make(map[string]node, len(n.keys))
		for i, key := range n.keys {
			object[key] = n.members[i]
		}
		return encode(object)
	default:
		return encode(n.scalar)
	}
}

// encode is json.Marshal without HTML escapes: the CLI masks a secret where it stands as it was configured,
// and `<` written as a unicode escape would no longer match.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// exact tells whether a reader that keeps numbers as float64, as Vault's clients and the Pulumi plugin do, keeps n.
func exact(n json.Number) bool {
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	if f == 0 {
		// 1e-999 parses as zero. Its digits tell; big.Rat would expand the exponent and take all memory.
		mantissa, _, _ := strings.Cut(strings.ToLower(n.String()), "e")
		return !strings.ContainsAny(mantissa, "123456789")
	}
	written, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return false
	}
	if written.IsInt() {
		return math.Abs(f) < 1<<53
	}
	shortest, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	return ok && shortest.Cmp(written) == 0
}

var (
	escapedBackslash = regexp.MustCompile(`\\\\`)
	surrogatePair    = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	surrogate        = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)
)

func loneSurrogate(text string) bool {
	text = escapedBackslash.ReplaceAllString(text, "")
	return surrogate.MatchString(surrogatePair.ReplaceAllString(text, ""))
}

// decodeSection fills the struct that into points to from a JSON object, strictly: every unknown field, every value
// of another type and every duplicate is reported under its own key, not only the first.
func decodeSection(c *collector, key, text string, into any) {
	root, faults := parseJSON(text)
	for _, f := range faults {
		c.addf(key+f.path, "%s", f.text)
	}
	if len(faults) == 0 {
		decodeStruct(c, key, root, reflect.ValueOf(into).Elem())
	}
}

func decodeStruct(c *collector, key string, n node, into reflect.Value) {
	if n.kind != '{' {
		c.addf(key, "is not an object; set its fields one by one, for example `pulumi config set --path %s.%s ...`",
			key, fieldNames(into.Type())[0])
		return
	}
	fields := fieldsByName(into.Type())
	for i, name := range n.keys {
		index, known := fields[name]
		if !known {
			c.addf(key+"."+name, "is not a known field; %s has %s", key, strings.Join(fieldNames(into.Type()), ", "))
			continue
		}
		decodeField(c, key+"."+name, n.members[i], into.Field(index))
	}
}

func decodeField(c *collector, key string, n node, into reflect.Value) {
	target := into
	if into.Kind() == reflect.Pointer {
		target = reflect.New(into.Type().Elem()).Elem()
		defer func() { into.Set(target.Addr()) }()
	}
	if target.Kind() == reflect.Struct {
		decodeStruct(c, key, n, target)
		return
	}
	if target.Kind() == reflect.Slice && target.Type().Elem().Kind() == reflect.Struct && n.kind == '[' {
		for i, member := range n.members {
			element := reflect.New(target.Type().Elem()).Elem()
			decodeStruct(c, fmt.Sprintf("%s[%d]", key, i), member, element)
			target.Set(reflect.Append(target, element))
		}
		return
	}
	text, err := encode(n)
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
