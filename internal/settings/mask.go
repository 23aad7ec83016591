package settings

import (
	"encoding/json"
	"strconv"
	"strings"
)

// The Vault plugin logs every secret that it reads, whole and in Go's syntax (%#v), and `--json`,
// `--debug` and the event log show the line. The CLI replaces in it what equals a configuration
// secret, as it was set or as JSON writes it (AddGlobalSecretFilter in
// pulumi/sdk/v3/go/common/util/logging). So a credential may be read back only if each of its
// values is certain to be replaced there; [Credential.Masked] says which are.

// minMasked is the length of the shortest text that the CLI replaces. Nothing shorter is kept from
// any output.
const minMasked = 3

// mask holds every text that the CLI replaces.
type mask struct {
	forms []string // as set, and as JSON writes it
	tails []string // what follows a quotation mark in a text as set
}

func newMask(texts []string) mask {
	var m mask
	for _, text := range texts {
		if !replaced(text) {
			continue
		}
		m.forms = append(m.forms, text, escaped(text))
		for i := range len(text) - 1 {
			if text[i] == '"' {
				m.tails = append(m.tails, text[i+1:])
			}
		}
	}
	return m
}

func replaced(text string) bool {
	isTruthValue := strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
	return len(text) >= minMasked && !isTruthValue
}

// covers tells whether the CLI replaces a value of a payload wherever the plugin logs it.
func (m mask) covers(leaf any) bool {
	switch leaf := leaf.(type) {
	case json.Number:
		return len(leaf) < minMasked // no number is a configuration secret of its own
	case string:
		if !replaced(leaf) {
			return true
		}
		logged := strconv.Quote(leaf)
		logged = logged[1 : len(logged)-1]
		if logged != leaf && logged != escaped(leaf) {
			return false // for example " together with <: Go writes \"<, JSON \"\u003c
		}
		for _, form := range append(m.forms, m.tails...) {
			// The CLI replaces the texts in no fixed order: where a shorter one fits first, the
			// rest of this one stays. A text with a quotation mark can also begin before this one
			// and end inside it.
			if len(form) < len(logged) && strings.HasPrefix(logged, form) {
				return false
			}
		}
	}
	return true
}

// escaped is a text as the CLI escapes it: by encoding/json with its HTML escapes, without the
// quotation marks.
func escaped(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return string(encoded[1 : len(encoded)-1])
}
