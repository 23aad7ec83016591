package settings

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
)

func TestACredentialIsReadBackOnlyIfEachOfItsValuesIsMasked(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		want    bool
	}{
		"a text":                                {`{"k":"secret-text"}`, true},
		"texts, nested":                         {`{"k":"secret-text","n":{"l":["other-text"]}}`, true},
		"a PEM key":                             {`{"k":"-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n"}`, true},
		"a JSON text as a value":                {`{"k":"{\"client_id\":\"x-y-z\"}"}`, true},
		"quotation marks":                       {`{"k":"a\"b"}`, true},
		"what HTML escapes":                     {`{"k":"a<b&c"}`, true},
		"letters of any script":                 {`{"k":"pässwörd-漢字-😀"}`, true},
		"quotation marks and what HTML escapes": {`{"k":"a\"b<c"}`, false},
		"a line break and what HTML escapes":    {`{"k":"a\nb&c"}`, false},
		"a control character":                   {`{"k":"a\u0001b"}`, false},
		"a no-break space":                      {`{"k":"a\u00a0b"}`, false},
		"a truth value":                         {`{"k":"secret-text","b":true}`, true},
		"a number":                              {`{"k":"secret-text","port":5432}`, false},
		"a number that nobody masks":            {`{"k":"secret-text","retries":3}`, true},
		"a text that nobody masks":              {`{"k":"secret-text","user":"ml"}`, true},
		"one text for all":                      {`"{\"k\":\"secret-text\"}"`, false},
		"a value that begins another":           {`{"user":"admin","password":"admin-1234"}`, false},
		"a value inside another":                {`{"user":"1234","password":"admin-1234"}`, true},
		"a value that begins with the address":  {`{"k":"https://vault.example.com:8200/ui"}`, false},
		"a value that ends inside another":      {`{"k":"secret-text","l":"x\":\"secr"}`, false},
	} {
		if got := with(set("credentials", `{"a":`+c.payload+`}`)).load(t).Credentials[0].Masked; got != c.want {
			t.Errorf("%s: masked is %t, want %t", name, got, c.want)
		}
	}
}

// The rule against the CLI's own filter, on the line that the plugin logs: what the rule calls
// masked leaves nothing of a value, in whatever order the filter got the texts.
func TestWhatTheRuleCallsMaskedTheCLIMasks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: test data
	pieces := []string{"a", "b", `"`, `\`, "<", "&", "\n", "\u00a0", "é", `":"`, `", "`, "aab", "1"}
	word := func() string {
		var b strings.Builder
		for b.Len() < minMasked || random.IntN(3) > 0 {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	masked, unmasked := 0, 0
	for range 20000 {
		texts := []string{word(), word(), word()}
		m, data := newMask(texts), map[string]any{}
		covered := true
		for i, text := range texts {
			data[fmt.Sprintf("k%d", i)] = text
			covered = covered && m.covers(text)
		}
		random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		line := cliFilter(texts).Replace(fmt.Sprintf("%#v", data))
		if !covered {
			unmasked++
			continue
		}
		masked++
		if rest := remains(line); rest != "" {
			t.Fatalf("%q of %q is in the clear: %q", rest, texts, line)
		}
	}
	if masked < 1000 || unmasked < 1000 {
		t.Errorf("%d masked and %d unmasked cases: the test compares too little", masked, unmasked)
	}
}

// cliFilter replaces texts as the CLI does. The CLI keeps one filter for the whole process and
// cannot forget a text, so the random cases need one of their own; the test below holds it to the
// CLI's.
func cliFilter(texts []string) *strings.Replacer {
	var pairs []string
	for _, text := range texts {
		if replaced(text) {
			pairs = append(pairs, text, "\x00")
			if form := escaped(text); form != text {
				pairs = append(pairs, form, "\x00")
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

func TestTheCLIFiltersAsTheseTestsAssume(t *testing.T) {
	texts := []string{"ab", "abc", "true", "FALSE", `say "hi"`, "a<b&c", "line\nbreak", "pässwörd-漢字", "abc-longer"}
	logging.AddGlobalSecretFilter(texts, "\x00")
	for _, text := range texts {
		for _, line := range []string{text, fmt.Sprintf("%q", text), escaped(text), "x" + text + text} {
			if got, want := logging.FilterString(line), cliFilter(texts).Replace(line); got != want {
				t.Errorf("the CLI makes %q of %q, the tests assume %q", got, line, want)
			}
		}
	}
}

// remains is what is left of any value in a filtered line.
func remains(line string) string {
	line = strings.TrimPrefix(line, "map[string]interface {}{")
	// A value that holds the quotation mark and the colon around a key replaces those too.
	return strings.Trim(regexp.MustCompile(`"?k[0-2]?"?:?`).ReplaceAllString(line, ""), "\x00\", }")
}
