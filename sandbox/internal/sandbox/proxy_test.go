package sandbox

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/vaultserver"
)

func TestTheProxyLeadsToVaultAndNowhereElse(t *testing.T) {
	for _, c := range []struct {
		name, method, target string
		want                 int
	}{
		{"Vault, which is not there", http.MethodConnect, vaultserver.Name + ":443", http.StatusBadGateway},
		{"another port", http.MethodConnect, vaultserver.Name + ":8200", http.StatusForbidden},
		{"another host", http.MethodConnect, "example.com:443", http.StatusForbidden},
		{"this machine", http.MethodConnect, "127.0.0.1:443", http.StatusForbidden},
		{"no tunnel", http.MethodGet, "http://example.com", http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			const nobodyListens = "127.0.0.1:1"
			p := &proxy{target: nobodyListens}
			answer := httptest.NewRecorder()
			p.ServeHTTP(answer, httptest.NewRequest(c.method, c.target, nil))
			require.Equal(t, c.want, answer.Code)
		})
	}
}
