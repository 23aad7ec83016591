package sandbox

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProxyLeadsToVaultAndNowhereElse(t *testing.T) {
	proxy, err := startProxy(t.Context(), "127.0.0.1:1") // nobody listens there
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.server.Close() })
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy.url)}}
	for address, says := range map[string]string{
		NamedAddress:            "Bad Gateway", // it is asked for Vault, and would lead there
		NamedAddress + ":8200":  "Forbidden",
		"https://example.com":   "Forbidden",
		"https://127.0.0.1:443": "Forbidden",
	} {
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
		}
		require.ErrorContains(t, err, says, address)
	}
	response, err := client.Get("http://example.com")
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Equal(t, http.StatusForbidden, response.StatusCode, "nor without a tunnel")
}
