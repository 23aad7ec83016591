package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// requireNoSecret holds for whatever a person may get to see of a configuration: its errors, and
// any printing of it.
func requireNoSecret(t *testing.T, s *Settings, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes a secret: %q", err)
	}
	if printed := fmt.Sprintf("%+v %#v", s, s); strings.Contains(printed, canary) {
		t.Errorf("printed as %s", printed)
	}
}

// requireALineForEachProblem holds whatever characters a key has: a line break in one would forge a
// line of the report, and an escape sequence change what the terminal shows.
func requireALineForEachProblem(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	problems, isReport := AsProblems(err)
	lines := strings.Count(err.Error(), "\n")
	if !isReport || lines != len(problems) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%d problems in %q", len(problems), err)
	}
}

// FuzzSections takes any text as a section, a project, a stack or a credential's name. What is
// taken has its own path in Vault, and is taken alike the next time.
func FuzzSections(f *testing.F) {
	seedSections(f)
	f.Fuzz(func(t *testing.T, location, vault, azure, workload, compute, project, stack, name string) {
		credentials, err := json.Marshal(map[string]any{name: map[string]string{"k": canary}})
		if err != nil {
			t.Fatal(err)
		}
		src := fake{
			"azure-native:location":   location,
			project + ":vaultAddress": "https://vault.example.com:8200",
			project + ":vaultToken":   canary,
			project + ":credentials":  string(credentials),
			project + ":vault":        vault,
			project + ":azure":        azure,
			project + ":workload":     workload,
			project + ":compute":      compute,
		}.source()
		src.Project = project
		src.Stack = stack
		s, err := From(src)
		requireNoSecret(t, s, err)
		requireALineForEachProblem(t, err)
		if err != nil {
			return
		}
		requireOwnPaths(t, s)
		if s.Credentials[0].Name != name && utf8.ValidString(name) {
			t.Errorf("%q became %q", name, s.Credentials[0].Name)
		}
		again, err := From(src)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("the same text gave %v and then %v, %v", s, again, err)
		}
	})
}

// seedSections are the refusals, and what once was taken for something else.
func seedSections(f *testing.F) {
	f.Helper()
	for _, test := range refusals {
		values := with(test.edit)
		f.Add(values["azure-native:location"], values["mlvault:vault"], values["mlvault:azure"],
			values["mlvault:workload"], values["mlvault:compute"], "mlvault", "dev", "a.b")
	}
	const empty, none, audience = "{}", "[]", `{"audience":"a","authPath":"jwt"}`
	for _, name := range []string{"a\nb", "a\x1b[2J", "a/../b", "data/x", "*", "ä", ""} {
		f.Add("westeurope", `{"mount":"kv/data"}`, empty, `{"audience":"a","authPath":"jwt/"}`,
			none, "mlvault", "dev", name)
	}
	for _, stack := range []string{"../root", "*"} { // which once were a path and a wildcard
		f.Add("westeurope", `{"prefix":"p"}`, empty, audience, none, "mlvault", stack, "a")
	}
	named := `{"audience":"a","authPath":"jwt","role":"ml.readers","policy":"ml-read"}`
	f.Add("westeurope", `{}`, empty, named, none, "mlvault", "dev", "a")
	f.Add("westeurope", `{"mount":"kv","prefix":"a/b","namespace":"n"}`, empty, audience, none, "p*", "s\n", "a/b")
}

// requireOwnPaths holds for all that becomes part of a path.
func requireOwnPaths(t *testing.T, s *Settings) {
	t.Helper()
	parts := []string{
		s.Vault.Mount,
		s.Vault.Prefix,
		s.Workload.AuthPath,
		s.Workload.Role,
		s.Workload.Policy,
		s.Credentials[0].Name,
	}
	if s.Vault.Namespace != "" {
		parts = append(parts, s.Vault.Namespace)
	}
	for _, part := range parts {
		requireItsOwnPath(t, part)
	}
}

// requireItsOwnPath is the promise about names in other words than pathProblem's: nothing between
// here and Vault takes the path for another one, and no policy takes it for more than one.
func requireItsOwnPath(t *testing.T, p string) {
	t.Helper()
	if p == "" || path.Clean("/"+p) != "/"+p {
		t.Errorf("%q is not its own clean form", p)
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || url.PathEscape(segment) != segment {
			t.Errorf("%q changes in a URL", p)
		}
	}
	if strings.ContainsAny(p, "*+\"\\{}$") || strings.ContainsFunc(p, func(r rune) bool { return r > unicode.MaxASCII }) {
		t.Errorf("%q means more in a policy than it says", p)
	}
	if strings.HasPrefix(p, "data/") || strings.HasPrefix(p, "metadata/") || len(p) > 1024 {
		t.Errorf("%q is not a name below KV v2's own parts", p)
	}
}

// FuzzSecrets puts the canary into each of the three secret texts, wherever the fuzzer wants it.
func FuzzSecrets(f *testing.F) {
	for _, test := range refusals {
		values := with(test.edit)
		strip := func(key string) string {
			return strings.ReplaceAll(values["mlvault:"+key], canary, "")
		}
		credentials := strip("credentials")
		if len(credentials) < 10_000 {
			f.Add(strip("vaultAddress"), strip("vaultToken"), credentials, 7)
		}
	}
	f.Add("", "", `{"a":{"k":1e999}}`, 11)
	f.Add("https://h", "t", `{"a": "{\"k\": \"{\\\"x\\\": \\\"y\\\"}\", \"n\": null}"}`, 3)
	f.Add("https://vault.example.com", "hvs.x\x00", `{"a":"{\"k\":{\"deep\":[1,null,\"v\"]}}"}`, 0)
	f.Fuzz(func(t *testing.T, address, token, credentials string, at int) {
		plant := func(text string) string {
			i := int(uint(at) % uint(len(text)+1))
			return text[:i] + canary + text[i:]
		}
		src := with(
			set("vaultAddress", plant(address)),
			set("vaultToken", plant(token)),
			set("credentials", plantInValues(credentials, plant)),
		).source()
		s, err := From(src)
		requireNoSecret(t, s, err)
		requireALineForEachProblem(t, err)
		src.Encrypted = func(string) bool { return false }
		_, err = From(src)
		requireNoSecret(t, nil, err)
	})
}

// plantInValues puts the canary into every text of a JSON document but the names and keys, which
// are no secrets, and into any place of a text that is no JSON.
func plantInValues(text string, plant func(string) string) string {
	var document any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if !json.Valid([]byte(text)) || decoder.Decode(&document) != nil {
		return plant(text)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key, member := range v {
				v[key] = walk(member)
			}
		case []any:
			for i, member := range v {
				v[i] = walk(member)
			}
		case string:
			return plantInValues(v, plant) // a payload given as text
		}
		return v
	}
	planted, err := json.Marshal(walk(document))
	if err != nil {
		return plant(text)
	}
	return string(planted)
}

func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`{"k":"v"}`,
		`{"k":{"n":[1,-0,0.1,1e3,5e-324,9007199254740991],"t":true}}`,
		`{"k":"\u00e9\ud83d\ude00\\ud800<&>\u2028"}`,
		`{"k":"\ufffd"}`,
		`{"a":1,"a":2}`,
		`{"a":{"b":1,"c":{"b":1}}}`,
		`{"":""}`,
		`{"k":1.10}`,
		`{"k":1E400}`,
		"{\"k\":\"\x7f\"}",
		`{"k":[[],{}]}`,
		` {"k" : "v"} `,
		`{"k":0e999999999}`,
		`{"k":"v"},"other":{"k":"v"}`,
		`{"k":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		whole := `{"name":` + payload + `}`
		credentials, err := parseCredentials(whole)
		requireALineForEachProblem(t, err)
		if err != nil || len(credentials) != 1 || credentials[0].Name != "name" {
			return // refused, or a payload that closes its own brace
		}
		canonical := credentials[0].Payload.Reveal()

		again, err := parseCredentials(`{"name":` + canonical + `}`)
		if err != nil || again[0].Payload.Reveal() != canonical {
			t.Fatalf("the canonical form %q is not its own: %v, %v", canonical, again, err)
		}
		var given struct{ Name json.RawMessage }
		if err := json.Unmarshal([]byte(whole), &given); err != nil {
			t.Fatalf("accepted, but no JSON: %v", err)
		}
		source := string(given.Name)
		var text string
		if json.Unmarshal(given.Name, &text) == nil {
			source = text // a payload given as text
		}
		requireStoredAsGiven(t, source, canonical)
	})
}

// requireStoredAsGiven compares what was written with what Vault holds after the plugin has decoded
// and encoded it as Go does: into float64 and back.
func requireStoredAsGiven(t *testing.T, source, canonical string) {
	t.Helper()
	var given, sent, stored any
	err := errors.Join(json.Unmarshal([]byte(source), &given), json.Unmarshal([]byte(canonical), &sent))
	wire, unsent := json.Marshal(sent)
	if err := errors.Join(err, unsent, json.Unmarshal(wire, &stored)); err != nil {
		t.Fatalf("%q was accepted and cannot be stored: %v", source, err)
	}
	if !reflect.DeepEqual(given, stored) || !slices.Equal(scalars(t, source), scalars(t, string(wire))) {
		t.Errorf("%q would be stored as %q", source, wire)
	}
}

// scalars are a document's keys and values in an order of their own, with every digit of a number,
// so that a key that is lost or a number that is rounded shows.
func scalars(t *testing.T, text string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var found []string
	for {
		token, err := decoder.Token()
		if err != nil {
			slices.Sort(found)
			return found
		}
		switch token := token.(type) {
		case json.Number:
			exact, ok := new(big.Rat).SetString(token.String())
			if !ok {
				t.Fatalf("%s is no number", token)
			}
			found = append(found, exact.RatString())
		case string:
			isWritten := strings.ContainsRune(text, unicode.ReplacementChar) ||
				strings.Contains(strings.ToLower(text), `\ufffd`)
			if strings.ContainsRune(token, unicode.ReplacementChar) && !isWritten {
				t.Errorf("%q has a character that nobody wrote", token)
			}
			found = append(found, token)
		default:
			found = append(found, fmt.Sprint(token))
		}
	}
}
