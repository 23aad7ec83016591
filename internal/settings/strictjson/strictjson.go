// Package strictjson reads JSON as it will be stored: it reports what encoding/json alone would
// lose or change in silence.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth keeps a payload within what Vault parses: its listener refuses JSON nested more than 300
// deep (max_json_depth, Vault 1.21), and the API wraps a payload in objects of its own.
const maxDepth = 256

// Fault is a place in a JSON text that would be lost or changed on its way to Vault.
type Fault struct {
	// Path is below the text's root, for example .tags.owner; empty for the root.
	Path string
	// Text says what is wrong and what to do. It never quotes the JSON.
	Text string
}

// Parse reads one JSON text as encoding/json does, with numbers that keep their digits, and returns
// what that alone would let pass in silence: duplicate keys, null, numbers that a float64 rounds,
// text that is not UTF-8. A fault never quotes the text. With a fault at the root there is no
// value.
func Parse(text string) (any, []Fault) {
	if !utf8.ValidString(text) {
		return nil, []Fault{{Text: "is not valid UTF-8; Vault would store other characters"}}
	}
	if strings.HasPrefix(text, "\ufeff") {
		return nil, []Fault{{Text: "begins with a byte-order mark. Save the file as UTF-8 without one"}}
	}
	if loneSurrogate(text) {
		return nil, []Fault{{Text: `has half of a \u surrogate pair; Vault would store U+FFFD instead`}}
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
		return nil, []Fault{{Text: err.Error()}}
	}
	return root, p.faults
}

type parser struct {
	decoder *json.Decoder
	faults  []Fault
}

func (p *parser) fault(path, text string) {
	p.faults = append(p.faults, Fault{Path: path, Text: text})
}

// token is the next one. The decoder's own error quotes a character of the input, which may be a
// secret's.
func (p *parser) token() (json.Token, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
	}
	return token, nil
}

// value reads the next value. Only an error that ends the reading is returned; the rest are faults.
func (p *parser) value(path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("is nested more than %d deep, which Vault refuses", maxDepth)
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return p.object(path, depth)
		}
		return p.array(path, depth)
	case json.Number:
		if !exact(t) {
			p.fault(path, "is a number that JSON readers round; write it as a string")
		}
	case nil:
		p.fault(path, "is null, which Vault would store as a new version at every update; leave it out")
	}
	return token, nil
}

func (p *parser) object(path string, depth int) (map[string]any, error) {
	object := map[string]any{}
	for p.decoder.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string) // the decoder takes nothing else
		at := path + "." + key
		if _, twice := object[key]; twice {
			p.fault(at, "is given twice; only the last would be kept")
		}
		if object[key], err = p.value(at, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := p.token()
	return object, err
}

func (p *parser) array(path string, depth int) ([]any, error) {
	list := []any{} // not nil, which would be written as null
	for p.decoder.More() {
		member, err := p.value(fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, member)
	}
	_, err := p.token()
	return list, err
}

// Encode is json.Marshal without HTML escapes: the CLI masks a secret where it stands as it was
// configured, and `<` written as a unicode escape would no longer match. Keys are sorted and
// numbers as they were written, so the same payload always gives the same text, whichever way it
// was configured.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Leaves visits the values without members, each with its path: a key, or [0] for an element of an
// array.
func Leaves(value any, visit func(path []string, leaf any), path ...string) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			Leaves(member, visit, append(slices.Clone(path), key)...)
		}
	case []any:
		for i, member := range value {
			Leaves(member, visit, append(slices.Clone(path), fmt.Sprintf("[%d]", i))...)
		}
	default:
		visit(path, value)
	}
}

// exact tells whether a reader that keeps numbers as float64, as Vault's clients and the Pulumi
// plugin do, keeps n.
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
