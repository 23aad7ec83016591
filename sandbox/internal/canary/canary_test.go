package canary

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
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
	for form, data := range map[string]string{
		"as it is": "before " + text + " after",
		"hex":      hex.EncodeToString([]byte("x" + text)),
		"HEX":      strings.ToUpper(hex.EncodeToString([]byte(text))),
		"query":    "https://a/?k=" + url.QueryEscape(text),
		"path":     "https://a/" + url.PathEscape(text),
		"JSON":     quoted(t, map[string]string{"k": text}),
		"JSON²":    quoted(t, quoted(t, text)),
		"Go":       fmt.Sprintf("%#v", map[string]any{"k": text}),
		"number":   `{"port":812345678901234}`,
		"float":    fmt.Sprint(812345678901234.0),
		"piece":    "..." + text[3:3+Piece] + "...",
		"last":     text[len(text)-Piece:],
	} {
		require.NotEmpty(t, s.Search([]byte(data)), form)
	}
}

func TestACanaryIsFoundInBase64WhereverItBegins(t *testing.T) {
	s := searcher(t)
	for before := range 7 {
		for after := range 4 {
			data := []byte(strings.Repeat("b", before) + text + strings.Repeat("a", after))
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
				require.NotEmpty(t, s.Search([]byte(encoding.EncodeToString(data))), "%d bytes before, %d after", before, after)
			}
		}
	}
}

func TestACanaryIsFoundInsideACompressedFile(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(strings.Repeat("x", 1000) + text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NotEmpty(t, searcher(t).Search(b.Bytes()))
	require.NotPanics(t, func() { searcher(t).Search(b.Bytes()[:b.Len()/2]) }, "a file that was cut off")
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	random := rand.NewChaCha8([32]byte{7})
	noise := make([]byte, 1<<20)
	_, err := random.Read(noise)
	require.NoError(t, err)
	s := searcher(t)
	for _, data := range [][]byte{noise, []byte(hex.EncodeToString(noise)), []byte(base64.StdEncoding.EncodeToString(noise)), []byte(text[:Piece-1]), nil} {
		require.Empty(t, s.Search(data))
	}
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
