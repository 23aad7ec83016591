package canary

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const text = `cK7"<v&wé9 Zq/+?Xt4`

func searcher(t *testing.T) *Searcher {
	t.Helper()
	s, err := New(map[string]string{"text": text, "number": "812345678901234"})
	require.NoError(t, err)
	return s
}

func quoted(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	require.NoError(t, err)
	return string(encoded)
}

func TestACanaryIsFoundInEveryForm(t *testing.T) {
	s := searcher(t)
	for _, test := range []struct{ form, data string }{
		{form: "as it is", data: "before " + text + " after"},
		{form: "query", data: "https://a/?k=" + url.QueryEscape(text)},
		{form: "JSON", data: quoted(t, map[string]string{"k": text})},
		{form: "JSON in JSON", data: quoted(t, quoted(t, text))},
		{form: "Go", data: fmt.Sprintf("%#v", map[string]any{"k": text})},
		{form: "number", data: `{"port":812345678901234}`},
		{form: "float", data: fmt.Sprint(812345678901234.0)},
		{form: "piece", data: "..." + text[3:3+Piece] + "..."},
		{form: "last", data: text[len(text)-Piece:]},
	} {
		require.NotEmpty(t, s.Search([]byte(test.data)), test.form)
	}
}

func TestACanaryIsFoundInBase64WhereverItBegins(t *testing.T) {
	s := searcher(t)
	for before := range 7 {
		for after := range 4 {
			data := []byte(strings.Repeat("b", before) + text + strings.Repeat("a", after))
			encoded := base64.StdEncoding.EncodeToString(data)
			require.NotEmpty(t, s.Search([]byte(encoded)), "%d bytes before, %d after", before, after)
		}
	}
}

func TestACanaryIsFoundInsideACompressedFile(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(strings.Repeat("x", 1000) + text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	whole := b.Bytes()
	require.NotEmpty(t, searcher(t).Search(whole))
	cutOff := func() { searcher(t).Search(whole[:len(whole)/2]) }
	require.NotPanics(t, cutOff)
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	random := rand.NewChaCha8([32]byte{7})
	noise := make([]byte, 1<<20)
	_, err := random.Read(noise)
	require.NoError(t, err)
	s := searcher(t)
	require.Empty(t, s.Search(noise))
	require.Empty(t, s.Search([]byte(base64.StdEncoding.EncodeToString(noise))))
	require.Empty(t, s.Search([]byte(text[:Piece-1])), "less than a piece")
	require.Empty(t, s.Search(nil))
}

func TestAHitDoesNotShowTheCanary(t *testing.T) {
	for _, hit := range searcher(t).Search([]byte(text)) {
		require.NotContains(t, hit.String(), text[:Piece])
	}
}

func TestACanaryThatChanceWouldFindIsRefused(t *testing.T) {
	_, err := New(map[string]string{"short": "1234567"})
	require.ErrorContains(t, err, "short")
}
