package settings

import (
	"fmt"
	"io"
)

// masked is what every printing of a Secret shows, the same word that Pulumi's own output uses.
const masked = "[secret]"

// Secret holds text that must not be printed: a token, an address, the JSON of a credential. It
// shows as [secret] under every fmt verb, in errors, in JSON and in logs; Reveal is the one way to
// the text.
type Secret struct {
	text string
}

// NewSecret masks text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the text. The program hands it to Pulumi as a secret, or makes a digest of it; the
// preflight sends it to Vault. No caller prints it.
func (s Secret) Reveal() string { return s.text }

// Empty tells whether there is no text at all, without showing any.
func (s Secret) Empty() bool { return s.text == "" }

// Format implements [fmt.Formatter]: without it %v would reach into the struct and print the field.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// String implements [fmt.Stringer], for callers that concatenate.
func (Secret) String() string { return masked }

// MarshalText implements [encoding.TextMarshaler], which encoding/json, yaml and log/slog use.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
