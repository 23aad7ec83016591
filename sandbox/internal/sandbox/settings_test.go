package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/internal/config"
)

// odd are texts that a stack's file, a path of `pulumi config set` or a shell reads otherwise than they are.
var odd = []string{
	"", " ", "a", "secure", "null", "true", "~", "=", "<<", "-", "0", "1e3", "0x1f", "2001-01-01", "on", "a.b", "a[0]", `a["b"]`, `\`, `\n`, "\t", "\n", "\r\n", "a\nb\n",
	"é漢字😀", "\u00a0", "\u200b", "\u2028", "\ufeff", "\u0000", "\u001b[31m", "\u007f", "\u0085", "\ufffd", "${x}", "$HOME", "%s", "#", "a: b", "- a", "&a", "*a", "!!str", "|", ">", `"`, "'", "<&>", "{", "]",
}

func anyText(r *rand.Rand) string {
	var text strings.Builder
	for range r.IntN(4) {
		text.WriteString(odd[r.IntN(len(odd))])
	}
	return text.String()
}

func anyNumber(r *rand.Rand) any {
	switch r.IntN(4) {
	case 0:
		return json.Number([]string{"0", "-0", "1E5", "1e+2", "9007199254740991", "-9007199254740991", "2.2250738585072014e-308", "5e-324", "0.1", "-1.5"}[r.IntN(10)])
	case 1:
		return r.Int64N(1<<53) - 1<<52
	default:
		return json.Number(strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64))
	}
}

func anyValue(r *rand.Rand, depth int) any {
	kinds := 6
	if depth > 4 {
		kinds = 4
	}
	switch r.IntN(kinds) {
	case 0, 1:
		return anyText(r)
	case 2:
		return anyNumber(r)
	case 3:
		return r.IntN(2) == 0
	case 4:
		list := []any{}
		for range []int{0, 1, 2, 30}[r.IntN(4)] >> depth {
			list = append(list, anyValue(r, depth+1))
		}
		return list
	default:
		return anyObject(r, depth+1, r.IntN(4), r.IntN(2) == 0)
	}
}

func anyObject(r *rand.Rand, depth, size int, texts bool) map[string]any {
	object := map[string]any{}
	for range size {
		if key := anyText(r); texts {
			object[key] = anyText(r)
		} else {
			object[key] = anyValue(r, depth)
		}
	}
	return object
}

// RandomCredentials is the text of a credentials file: n credentials, each with so many payloads more within it. Half of
// them are of texts alone.
func RandomCredentials(seed uint64, n, within int) string {
	r, all := rand.New(rand.NewPCG(seed, 2026)), map[string]any{}
	for i := range n {
		credential := anyObject(r, 0, 1+r.IntN(4), i%2 == 0)
		for j := range within {
			credential[fmt.Sprintf("p%d", j)] = anyObject(r, 0, 1+r.IntN(4), i%2 == 0)
		}
		all[fmt.Sprintf("c%d", i)] = credential
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// What the program reads from the stack's file is what the credentials file says, to the last character.
func TestCredentialsReachTheProgramAsTheFileSaysThem(t *testing.T) {
	s := &Sandbox{Options: Options{Root: "../../..", Dir: t.TempDir()}}
	const each = 100
	total, texts := 0, 0
	for seed := range uint64(20) {
		file, err := s.OpenStackFile("dev")
		require.NoError(t, err)
		given := RandomCredentials(seed, each, 0)
		read := func(credentials string) *config.Config {
			cfg, err := file.config("dev", map[string]string{"vaultAddress": "https://vault.example.com", "credentials": credentials})
			require.NoError(t, err)
			return cfg
		}
		cfg := read(given)
		require.NoError(t, s.save(t.Context(), file, s.Path("work"), "dev", cfg.Credentials))
		again := read(file.decrypted[pulumiconfig.MustMakeKey("mlvault", "credentials")])

		var file2, want map[string]any
		require.NoError(t, json.Unmarshal([]byte(given), &want))
		got := map[string]any{}
		for _, credential := range again.Credentials {
			require.NoError(t, json.Unmarshal([]byte(credential.Payload.Reveal()), &file2))
			got[credential.Name], file2 = file2, nil
			if strings.Contains(file.decrypted[pulumiconfig.MustMakeKey("mlvault", "credentials")], `"`+credential.Name+`":{`) {
				texts++
			}
		}
		require.Equal(t, want, got)
		total += each
	}
	require.Greater(t, texts, total/4, "payloads of texts are secrets text by text")
	t.Logf("%d payloads, %d of them text by text", total, texts)
}
