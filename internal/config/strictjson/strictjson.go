// Package strictjson reads JSON as it will be stored: it reports what encoding/json alone would lose or change in silence.
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

// maxDepth keeps a payload within what Vault parses: its listener refuses JSON nested more than 300 deep
// (max_json_depth, Vault 1.21), and the API wraps a payload in objects of its own.
const maxDepth = 256

// Node is one JSON value whose numbers still have their digits and whose objects still have their order.
type Node struct {
	// Kind is '{', '[' or 0 for a scalar.
	Kind json.Delim
	// Scalar is a string, bool, json.Number or nil.
	Scalar any
	// Keys are an object's, as written.
	Keys []string
	// Members are the values of an object or an array.
	Members []Node
}

// Fault is a place in a JSON text that would be lost or changed on its way to Vault.
type Fault struct {
	// Path is below the text's root, for example .tags.owner; empty for the root.
	Path string
	// Text says what is wrong and what to do. It never quotes the JSON.
	Text string
}

// Parse reads one JSON text and returns what encoding/json alone would let pass in silence: duplicate keys,
// null, numbers that a float64 rounds, text that is not UTF-8. A fault never quotes the text. With a fault at the root
// there is no value, and the node's kind and scalar are empty.
func Parse(text string) (Node, []Fault) {
	if !utf8.ValidString(text) {
		return Node{}, []Fault{{Text: "is not valid UTF-8; Vault would store other characters"}}
	}
	if strings.HasPrefix(text, "\ufeff") {
		return Node{}, []Fault{{Text: "begins with a byte-order mark. Save the file as UTF-8 without one"}}
	}
	if loneSurrogate(text) {
		return Node{}, []Fault{{Text: `has half of a \u surrogate pair; Vault would store U+FFFD instead`}}
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
		return Node{}, []Fault{{Text: err.Error()}}
	}
	return root, p.faults
}

type parser struct {
	decoder *json.Decoder
	faults  []Fault
}

func (p *parser) faultf(path, format string, args ...any) {
	p.faults = append(p.faults, Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

// value reads the next value. Only an error that ends the reading is returned; the rest are faults.
func (p *parser) value(path string, depth int) (Node, error) {
	if depth > maxDepth {
		return Node{}, fmt.Errorf("is nested more than %d deep, which Vault refuses", maxDepth)
	}
	token, err := p.decoder.Token()
	if err != nil {
		// The decoder's own text quotes a character of the input, which may be a secret's.
		return Node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
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
	return Node{Scalar: token}, nil
}

func (p *parser) container(kind json.Delim, path string, depth int) (Node, error) {
	n := Node{Kind: kind, Members: []Node{}} // not nil, which would be written as null
	seen := map[string]bool{}
	for i := 0; p.decoder.More(); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if kind == '{' {
			token, err := p.decoder.Token()
			key, isKey := token.(string)
			if err != nil || !isKey {
				return Node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
			}
			at = path + "." + key
			if seen[key] {
				p.faultf(at, "is given twice; only the last would be kept")
			}
			seen[key] = true
			n.Keys = append(n.Keys, key)
		}
		member, err := p.value(at, depth+1)
		if err != nil {
			return Node{}, err
		}
		n.Members = append(n.Members, member)
	}
	if _, err := p.decoder.Token(); err != nil {
		return Node{}, fmt.Errorf("is not valid JSON (at byte %d)", p.decoder.InputOffset())
	}
	return n, nil
}

// MarshalJSON writes the value in one canonical form: keys sorted, no HTML escapes, numbers as they were written.
// The same payload then always gives the same text, whichever way it was configured.
func (n Node) MarshalJSON() ([]byte, error) {
	switch n.Kind {
	case '[':
		return Encode(n.Members)
	case '{':
		object := make(map[string]Node, len(n.Keys))
		for i, key := range n.Keys {
			object[key] = n.Members[i]
		}
		return Encode(object)
	default:
		return Encode(n.Scalar)
	}
}

// Encode is json.Marshal without HTML escapes: the CLI masks a secret where it stands as it was configured,
// and `<` written as a unicode escape would no longer match.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Leaves visits the values without members, each with its path: a key, or [0] for an element of an array.
func (n Node) Leaves(visit func(path []string, leaf any), path ...string) {
	if n.Kind == 0 {
		visit(path, n.Scalar)
	}
	for i, member := range n.Members {
		step := fmt.Sprintf("[%d]", i)
		if n.Kind == '{' {
			step = n.Keys[i]
		}
		member.Leaves(visit, append(slices.Clone(path), step)...)
	}
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
