package issuer_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/issuer"
)

const (
	tenantID    = "0a1b2c3d-0000-4000-8000-00000000000a"
	clientID    = "0a1b2c3d-0000-4000-8000-00000000000b"
	principalID = "0a1b2c3d-0000-4000-8000-00000000000c"
	audience    = "api://vault-ml"
)

// loopbackTLS returns options with httptest's certificate for 127.0.0.1, and a client that trusts
// it.
func loopbackTLS(t *testing.T) (issuer.Options, *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	options := issuer.Options{TenantID: tenantID, TLS: server.TLS.Clone(), Dir: t.TempDir()}
	return options, server.Client()
}

func start(t *testing.T) (*issuer.Issuer, *http.Client) {
	t.Helper()
	options, client := loopbackTLS(t)
	i, err := issuer.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(i.Close)
	return i, client
}

// get returns status and body of url.
func get(t *testing.T, client *http.Client, url string, header http.Header) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header = header
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// discover does what a verifier does with an issuer's URL: discovery document, then keys.
func discover(t *testing.T, client *http.Client, issuerURL string) jose.JSONWebKeySet {
	t.Helper()
	documentURL := strings.TrimSuffix(issuerURL, "/") + "/.well-known/openid-configuration"
	status, body := get(t, client, documentURL, nil)
	require.Equal(t, http.StatusOK, status)
	var document struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	require.Equal(t, issuerURL, document.Issuer,
		"Vault refuses a document whose issuer differs from the URL by a slash")

	status, body = get(t, client, document.KeysURL, nil)
	require.Equal(t, http.StatusOK, status)
	var keys jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal([]byte(body), &keys))
	require.Len(t, keys.Keys, 1)
	assert.True(t, keys.Keys[0].IsPublic(), "a private key must never be served")
	return keys
}

func TestARestartKeepsKeyAndURL(t *testing.T) {
	options, client := loopbackTLS(t)
	options.Dir = filepath.Join(options.Dir, "made", "on", "demand")
	first, err := issuer.Start(t.Context(), options)
	require.NoError(t, err)
	token, err := first.Token(claims())
	require.NoError(t, err)
	first.Close()

	second, err := issuer.Start(t.Context(), options)
	require.NoError(t, err)
	defer second.Close()
	assert.Equal(t, first.URL(issuer.V1), second.URL(issuer.V1))
	_, err = verify(t, client, second, issuer.V1, token)
	require.NoError(t, err, "a token from before the restart")

	files, err := os.ReadDir(options.Dir)
	require.NoError(t, err)
	require.Len(t, files, 2, "address and key; no draft is left behind")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

func TestAKeyThatCannotBeReadIsRefusedAndKept(t *testing.T) {
	for _, text := range []string{"x", `{"kty":"RSA","n":"AQAB","e":"AQAB"}`} {
		options, _ := loopbackTLS(t)
		path := filepath.Join(options.Dir, "issuer-key.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := issuer.Start(t.Context(), options)
		require.ErrorContains(t, err, "delete it to get a new one")
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(kept))
	}
}

func TestTheContextStopsEverything(t *testing.T) {
	options, client := loopbackTLS(t)
	ctx, cancel := context.WithCancel(t.Context())
	i, err := issuer.Start(ctx, options)
	require.NoError(t, err)
	environment := environmentOf(t, i)
	cancel()
	for _, url := range []string{i.URL(issuer.V1), environment["MSI_ENDPOINT"]} {
		assert.Eventually(t, func() bool {
			response, err := client.Get(url) //nolint:noctx // ctx is over
			if err == nil {
				_ = response.Body.Close()
			}
			return err != nil
		}, 5*time.Second, 5*time.Millisecond, url)
	}
}
