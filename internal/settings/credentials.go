package settings

import (
	"maps"
	"slices"
	"strings"

	"mlvault/internal/settings/strictjson"
)

// maxPayloadBytes is the largest credential: integrated storage refuses an entry over 1 MiB
// (max_entry_size), and Vault's own wrapping and encryption take some of that.
const maxPayloadBytes = 1_000_000

// Credential is one KV v2 secret.
type Credential struct {
	Name string
	// Payload is a JSON object in canonical form.
	Payload Secret
	// Masked says that each of its values is masked even where the plugin logs what it reads.
	Masked bool
}

// WritesOnly tells whether the plugin writes a credential and never reads it back. It logs what it
// reads, so what the CLI cannot mask there is not read.
func (s *Settings) WritesOnly(credential Credential) bool {
	return s.Vault.DisableRead || !credential.Masked
}

// credentialsSetting is in the reference. It is an object at the top of the configuration whose
// names are the user's.
var credentialsSetting = Setting{
	Key:    "credentials",
	Name:   "credentials",
	Kind:   KindObject,
	Secret: true,
	Meaning: "What to store: name -> key -> value. Each credential becomes one KV v2 secret. " +
		"`pulumi config set --path --secret credentials.<name>.<key>` sets one value.",
	Change: Change{
		Makes:   []Part{PartSecrets},
		Updates: []Part{PartSecrets, PartPolicy},
		Note:    "`vault kv undelete` brings a removed one back.",
		Jobs:    JobsThatUse,
		Back:    BackWhole,
	},
}

//nolint:gosec // G101: a command to type, no credential.
const setCredential = "`pulumi config set --path --secret credentials.<name>.<key>`"

// payload is a credential while it is decoded.
type payload struct {
	name   string
	object map[string]any
	// text is the payload as it was configured, where it was one text.
	text string
}

// decodeCredentials reads the value of the credentials key, a JSON object of JSON objects. others
// are secrets of the configuration beside them.
func decodeCredentials(r *report, text string, file settingsFile, others ...Secret) []Credential {
	payloads := decodePayloads(r, text)
	var secrets []string
	for _, other := range others {
		secrets = append(secrets, other.Reveal())
	}
	for _, p := range payloads {
		secrets = append(secrets, p.secretTexts()...)
	}
	m := newMask(secrets)
	var credentials []Credential
	for _, p := range payloads {
		key := "credentials." + p.name
		canonical, err := strictjson.Encode(p.object)
		if err != nil {
			r.addf(key, "cannot be written as JSON")
			continue
		}
		if len(canonical) > maxPayloadBytes {
			r.addf(key, "has %d bytes of JSON; Vault takes at most %d in one secret, split it",
				len(canonical), maxPayloadBytes)
		}
		credentials = append(credentials, Credential{
			Name:    p.name,
			Payload: NewSecret(string(canonical)),
			Masked:  p.isMasked(r, key, file, m),
		})
	}
	return credentials
}

// decodePayloads takes the credentials apart, in the order of their names.
func decodePayloads(r *report, text string) []payload {
	const key = "credentials"
	root, faults := strictjson.Parse(text)
	faulty := reportFaults(r, key, faults)
	if faulty[key] {
		return nil
	}
	members, isObject := root.(map[string]any)
	if !isObject {
		r.addf(key, "is not an object of credential names; set each value with %s", setCredential)
		return nil
	}
	var payloads []payload
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := key + "." + name
		if problem := pathProblem(name); problem != "" {
			r.addf(at, "the name %s", problem)
		}
		if faulty[at] {
			continue
		}
		decoded, ok := decodePayload(r, at, members[name])
		if ok {
			decoded.name = name
			payloads = append(payloads, decoded)
		}
	}
	return payloads
}

// decodePayload accepts a payload as an object, whose leaves are then config secrets of their own,
// and as a text that holds a JSON object, which is how `pulumi config set --secret` stores numbers
// and nested values.
func decodePayload(r *report, key string, value any) (payload, bool) {
	var decoded payload
	if text, isText := value.(string); isText {
		parsed, ok := parsePayload(r, key, text)
		if !ok {
			return payload{}, false
		}
		decoded.text = text
		value = parsed
	}
	object, isObject := value.(map[string]any)
	switch {
	case !isObject:
		r.addf(key, "is not an object of keys and values, which is all that KV v2 stores")
		return payload{}, false
	case len(object) == 0:
		r.addf(key, "has no keys; give it one with `pulumi config set --path --secret %s.<key>`, "+
			"or remove it", key)
		return payload{}, false
	}
	decoded.object = object
	return decoded, true
}

// parsePayload reads a payload that is one text.
func parsePayload(r *report, key, text string) (any, bool) {
	start := strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark))
	if !strings.HasPrefix(start, "{") {
		r.addf(key, "is a text and no object of keys and values. "+
			"Set each value with `pulumi config set --path --secret %s.<key>`", key)
		return nil, false
	}
	parsed, faults := strictjson.Parse(text)
	faulty := reportFaults(r, key, faults)
	return parsed, !faulty[key]
}

// secretTexts are the configuration secrets that a payload is made of.
func (p payload) secretTexts() []string {
	if p.text != "" {
		return []string{p.text}
	}
	var texts []string
	strictjson.Leaves(p.object, func(_ []string, leaf any) {
		if text, isText := leaf.(string); isText {
			texts = append(texts, text)
		}
	})
	return texts
}

// isMasked tells whether the plugin may read a credential: each value is encrypted by itself in the
// stack's file, and the CLI replaces it wherever the plugin logs it. A value in plain text beside
// encrypted ones is refused.
func (p payload) isMasked(r *report, key string, file settingsFile, m mask) bool {
	if p.text != "" {
		// The whole text is the configuration secret, and the values in it are none.
		if file.keeps(p.name) == keptPlain {
			r.addPlain(key)
		}
		return false
	}
	isMasked := true
	strictjson.Leaves(p.object, func(path []string, leaf any) {
		place := file.keeps(append([]string{p.name}, path...)...)
		if place == keptPlain {
			r.addPlain(keyOfLeaf(key, path))
		}
		if place != keptEncrypted || !m.covers(leaf) {
			isMasked = false
		}
	})
	return isMasked
}

// keyOfLeaf is the key of a value inside a credential. A step into a list is in brackets already.
func keyOfLeaf(key string, path []string) string {
	for _, step := range path {
		if !strings.HasPrefix(step, "[") {
			key += "."
		}
		key += step
	}
	return key
}
