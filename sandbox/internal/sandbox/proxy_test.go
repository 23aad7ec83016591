package sandbox

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/vaultserver"
)

func TestTheProxyLeadsToVaultAndNowhereElse(t *testing.T) {
	for request, status := range map[string]int{
		"CONNECT " + vaultserver.Name + ":443":  502, // it is asked for Vault, and would lead there
		"CONNECT " + vaultserver.Name + ":8200": 403,
		"CONNECT example.com:443":               403,
		"CONNECT 127.0.0.1:443":                 403,
		"GET http://example.com":                403, // nor without a tunnel
	} {
		method, target, _ := strings.Cut(request, " ")
		answer := httptest.NewRecorder()
		(&proxy{target: "127.0.0.1:1"}).ServeHTTP(answer, httptest.NewRequest(method, target, nil)) // nobody listens there
		require.Equal(t, status, answer.Code, request)
	}
}
