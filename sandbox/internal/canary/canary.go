// Package canary searches whatever a run leaves behind for secrets that stand nowhere else in the
// world.
//
// It looks for each form in which a surface of a run can show a text: as it was given, in base64 at
// each of its three alignments (states, bytes in JSON), escaped in a URL (requests), in JSON with
// and without its escapes for HTML (outputs, event logs), in JSON within JSON (dataJson), in Go's
// syntax (the plugin's debug line), a number with an exponent, and every piece of eight bytes.
// Compressed files are searched inside too.
package canary

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Piece is the length in bytes of the shortest part of a canary that counts as one.
const Piece = 8

// Hit is a canary that was found.
type Hit struct {
	Canary string // its name; never its text, because hits are printed
	Form   string // for example base64, or a piece
	Offset int    // in bytes, in the searched data or in what it unpacks to
}

// String is for a test's failure.
func (h Hit) String() string { return fmt.Sprintf("%s (%s, at %d)", h.Canary, h.Form, h.Offset) }

// pattern is a canary in one form.
type pattern struct {
	canary string
	form   string
	text   []byte
}

// Searcher finds canaries. It is made once, by New, and may be used at the same time by several
// callers.
type Searcher struct {
	canaries int
	patterns map[uint64][]pattern // by the first Piece bytes
	first    [1 << 16]bool        // by the first two, so that most places cost no look-up
}

// New makes a searcher for canaries: name -> text. A text shorter than Piece is an error, since it
// would be found by chance.
func New(canaries map[string]string) (*Searcher, error) {
	s := &Searcher{canaries: len(canaries), patterns: map[uint64][]pattern{}}
	for _, name := range slices.Sorted(maps.Keys(canaries)) {
		text := canaries[name]
		if len(text) < Piece {
			return nil, fmt.Errorf("canary %s has %d bytes; it needs at least %d", name, len(text), Piece)
		}
		s.add(pattern{canary: name, form: "as it is", text: []byte(text)})
		encoded := forms(text)
		for _, form := range slices.Sorted(maps.Keys(encoded)) {
			s.add(pattern{canary: name, form: form, text: []byte(encoded[form])})
		}
		for i := 0; i+Piece <= len(text); i++ {
			s.add(pattern{canary: name, form: "a piece", text: []byte(text[i : i+Piece])})
		}
	}
	return s, nil
}

// forms are the encodings of a text.
func forms(text string) map[string]string {
	all := map[string]string{
		"URL query":    url.QueryEscape(text),
		"Go":           trim(strconv.Quote(text)),
		"JSON":         jsonText(text, false),
		"JSON, HTML":   jsonText(text, true),
		"JSON in JSON": jsonText(jsonText(text, false), false),
	}
	for shift := range 3 {
		all[fmt.Sprintf("base64, %d bytes in", shift)] = aligned(text, shift)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err == nil {
		all["a number with an exponent"] = strconv.FormatFloat(number, 'e', -1, 64)
	}
	for form, encoded := range all {
		if len(encoded) < Piece {
			delete(all, form)
		}
	}
	return all
}

// aligned is what base64 makes of a text that begins so many bytes into a group of three, without
// the characters that also depend on the text's neighbours.
func aligned(text string, shift int) string {
	encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
	begin := (shift*8 + 5) / 6
	end := (shift + len(text)) * 8 / 6
	return encoded[begin:end]
}

func jsonText(text string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(text); err != nil {
		return text
	}
	return trim(strings.TrimSuffix(b.String(), "\n"))
}

func trim(quoted string) string { return quoted[1 : len(quoted)-1] }

func (s *Searcher) add(p pattern) {
	key := binary.BigEndian.Uint64(p.text)
	for _, known := range s.patterns[key] {
		if known.canary == p.canary && bytes.Equal(known.text, p.text) {
			return
		}
	}
	s.patterns[key] = append(s.patterns[key], p)
	s.first[key>>48] = true
}

// Canaries is how many are searched for.
func (s *Searcher) Canaries() int { return s.canaries }

// Search returns what is in data, and in what it unpacks to where it is compressed by gzip. Each
// canary is reported once for each of its forms.
func (s *Searcher) Search(data []byte) []Hit {
	var hits []Hit
	found := map[string]bool{}
	for i := 0; i+Piece <= len(data); i++ {
		if !s.first[binary.BigEndian.Uint16(data[i:])] {
			continue
		}
		for _, p := range s.patterns[binary.BigEndian.Uint64(data[i:])] {
			id := p.canary + "/" + p.form
			if found[id] || !bytes.HasPrefix(data[i:], p.text) {
				continue
			}
			found[id] = true
			hits = append(hits, Hit{Canary: p.canary, Form: p.form, Offset: i})
		}
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		hits = append(hits, s.Search(unpacked(data))...)
	}
	return hits
}

// unpacked is as much of compressed data as can be read.
func unpacked(data []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	content, _ := io.ReadAll(reader)
	return content
}
