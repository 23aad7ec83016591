package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"mlvault/internal/settings"
)

// inCredentialsFile says where in the file each problem of the credentials is, which the program,
// that knows no file, cannot say. Any other error stays as it is.
func inCredentialsFile(err error, path, text string) error {
	problems, refused := settings.AsProblems(err)
	if !refused {
		return err
	}
	var lines []string
	for _, problem := range problems {
		place, ofCredentials := strings.CutPrefix(problem.Key, "credentials")
		if !ofCredentials {
			return err
		}
		name := ""
		if place != "" {
			name = strings.TrimPrefix(place, ".") + " "
		}
		at := findPlace(text, place)
		lines = append(lines, fmt.Sprintf("  %s:%s: %s%s", path, at, name, forFile(problem.Text)))
	}
	const refusal = "the credentials are refused, nothing was created:\n"
	return errors.New(refusal + strings.Join(lines, "\n"))
}

var (
	// ofBytes is where the program, which has no lines, says that a text is not JSON.
	ofBytes = regexp.MustCompile(` \(at byte \d+\)`)
	// ofCommand is advice for a configuration that the CLI has written.
	ofCommand = regexp.MustCompile("[.;] [^.;]*`pulumi config set[^`]*`.*$")
)

// forFile leaves out of a problem what does not help with a file.
func forFile(text string) string {
	text = ofBytes.ReplaceAllString(text, "")
	return ofCommand.ReplaceAllString(text, "")
}

// position is a place in a text, as editors count.
type position struct {
	line   int
	column int
}

func (p position) String() string { return fmt.Sprintf("%d:%d", p.line, p.column) }

func positionOf(text string, offset int) position {
	before := text[:offset]
	lineStart := strings.LastIndexByte(before, '\n') + 1
	return position{
		line:   strings.Count(before, "\n") + 1,
		column: utf8.RuneCountInString(before[lineStart:]) + 1,
	}
}

// findPlace is where a member of a JSON text begins, such as .ml_api_key.tags[0]. A path that is
// not there stands for the whole text: its place is where it stops being JSON, or its beginning.
func findPlace(text, path string) position {
	s := scanner{
		text:    text,
		decoder: json.NewDecoder(strings.NewReader(text)),
		places:  map[string]int{},
	}
	s.decoder.UseNumber()
	failed := s.value("")
	if offset, found := s.places[path]; found && path != "" {
		return positionOf(text, offset)
	}
	if invalid := invalidUTF8(text); invalid >= 0 {
		return positionOf(text, invalid)
	}
	if failed != nil || s.hasMore() {
		return positionOf(text, s.begins())
	}
	return positionOf(text, 0)
}

func invalidUTF8(text string) int {
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

// scanner notes where each member of a JSON text begins.
type scanner struct {
	text    string
	decoder *json.Decoder
	// places are offsets by path.
	places map[string]int
}

// begins is where the next token begins.
func (s *scanner) begins() int {
	offset := int(s.decoder.InputOffset())
	rest := strings.TrimLeft(s.text[offset:], " \t\r\n,:")
	return len(s.text) - len(rest)
}

// hasMore tells whether there is more text after the value.
func (s *scanner) hasMore() bool { return s.begins() < len(s.text) }

func (s *scanner) value(path string) error {
	if _, known := s.places[path]; !known {
		s.places[path] = s.begins()
	}
	token, err := s.decoder.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return s.object(path)
	case json.Delim('['):
		return s.array(path)
	default:
		return nil
	}
}

// object notes a member where its key begins. Of one that is given twice it is the second.
func (s *scanner) object(path string) error {
	for s.decoder.More() {
		begins := s.begins()
		token, err := s.decoder.Token()
		if err != nil {
			return err
		}
		member := fmt.Sprintf("%s.%v", path, token)
		s.places[member] = begins
		if err := s.value(member); err != nil {
			return err
		}
	}
	_, err := s.decoder.Token()
	return err
}

func (s *scanner) array(path string) error {
	for i := 0; s.decoder.More(); i++ {
		if err := s.value(fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := s.decoder.Token()
	return err
}
