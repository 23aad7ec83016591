package settings

import (
	"maps"
	"slices"
	"strings"

	"mlvault/internal/settings/strictjson"
)

// maxPayloadBytes is the largest credential: integrated storage refuses an entry over 1 MiB (max_entry_size),
// and Vault's own wrapping and encryption take some of that.
const maxPayloadBytes = 1_000_000

// Credential is one KV v2 secret.
type Credential struct {
	Name string
	// Payload is a JSON object in canonical form.
	Payload Secret
	// Masked says that each of its values is masked even where the plugin logs what it reads.
	Masked bool
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

// decodeCredentials reads the value of the credentials key, a JSON object of JSON objects. others are secrets of the
// configuration beside them.
func decodeCredentials(c *collector, text string, file settingsFile, others ...Secret) []Credential {
	const key = "credentials"
	if text == "" {
		return nil
	}
	root, faults := strictjson.Parse(text)
	faulty := reportFaults(c, key, faults)
	if faulty[key] {
		return nil
	}
	members, isObject := root.(map[string]any)
	if !isObject {
		c.addf(key, "is not an object of credential names; set each value with "+setCredential)
		return nil
	}
	var payloads []payload
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if problem := pathProblem(name); problem != "" {
			c.addf(key+"."+name, "the name %s", problem)
		}
		if at := key + "." + name; !faulty[at] {
			if p, ok := decodePayload(c, at, members[name]); ok {
				p.name = name
				payloads = append(payloads, p)
			}
		}
	}
	var texts []string
	for _, other := range others {
		texts = append(texts, other.Reveal())
	}
	for _, p := range payloads {
		texts = append(texts, p.secretTexts()...)
	}
	m := newMask(texts)
	var credentials []Credential
	for _, p := range payloads {
		at := key + "." + p.name
		canonical, err := strictjson.Encode(p.object)
		if err != nil {
			c.addf(at, "cannot be written as JSON")
			continue
		}
		if len(canonical) > maxPayloadBytes {
			c.addf(at, "has %d bytes of JSON; Vault takes at most %d in one secret, split it", len(canonical), maxPayloadBytes)
		}
		credentials = append(credentials, Credential{Name: p.name, Payload: NewSecret(string(canonical)), Masked: p.masked(c, at, file, m)})
	}
	return credentials
}

// decodePayload accepts a payload as an object, whose leaves are then config secrets of their own, and as a text that holds
// a JSON object, which is how `pulumi config set --secret` stores numbers and nested values.
func decodePayload(c *collector, key string, value any) (p payload, ok bool) {
	if text, isText := value.(string); isText {
		if !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")), "{") {
			c.addf(key, "is a text and no object of keys and values. Set each value with `pulumi config set --path --secret %s.<key>`", key)
			return p, false
		}
		parsed, faults := strictjson.Parse(text)
		if reportFaults(c, key, faults)[key] {
			return p, false
		}
		value, p.text = parsed, text
	}
	if p.object, ok = value.(map[string]any); !ok {
		c.addf(key, "is not an object of keys and values, which is all that KV v2 stores")
	} else if ok = len(p.object) > 0; !ok {
		c.addf(key, "has no keys; give it one with `pulumi config set --path --secret %s.<key>`, or remove it", key)
	}
	return p, ok
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

// masked tells whether the plugin may read a credential: each value is encrypted by itself in the stack's file, and the CLI
// replaces it wherever the plugin logs it. A value in plain text beside encrypted ones is refused.
func (p payload) masked(c *collector, key string, file settingsFile, m mask) bool {
	if p.text != "" {
		// The whole text is the configuration secret, and the values in it are none.
		if file.keeps(p.name) == keptPlain {
			c.addPlain(key)
		}
		return false
	}
	masked := true
	strictjson.Leaves(p.object, func(path []string, leaf any) {
		kept := file.keeps(append([]string{p.name}, path...)...)
		if kept == keptPlain {
			at := key
			for _, step := range path {
				at += "." + step
			}
			c.addPlain(strings.ReplaceAll(at, ".[", "["))
		}
		masked = masked && kept == keptEncrypted && m.covers(leaf)
	})
	return masked
}

// reportFaults adds the faults and returns the keys that have one.
func reportFaults(c *collector, key string, faults []strictjson.Fault) map[string]bool {
	faulty := map[string]bool{}
	for _, f := range faults {
		c.addf(key+f.Path, "%s", f.Text)
		faulty[key+f.Path] = true
	}
	return faulty
}
