package vaultserver

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheCAIsKeptUntilItNearsItsEnd(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ca := func(at time.Time) string {
		t.Helper()
		require.NoError(t, createTLS(dir, "127.0.0.2", at))
		text, err := os.ReadFile(filepath.Join(dir, caFile))
		require.NoError(t, err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		server, err := loadPair(dir, serverFile, serverKeyFile)
		require.NoError(t, err)
		for _, name := range []string{"127.0.0.1", "127.0.0.2", "localhost", Name} {
			_, err = server.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
			require.NoError(t, err, name)
		}
		issuer, err := loadPair(dir, caFile, caKeyFile)
		require.NoError(t, err)
		return issuer.Leaf.SerialNumber.String()
	}
	first := ca(now)
	require.Equal(t, first, ca(now.Add(caLifetime-serverLifetime-time.Hour)))
	second := ca(now.Add(caLifetime - serverLifetime + time.Hour))
	require.NotEqual(t, first, second)
	require.NoError(t, os.WriteFile(filepath.Join(dir, caKeyFile), []byte("torn"), 0o600))
	require.NotEqual(t, second, ca(now))
}

func TestPathClasses(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/secret/data/ml/key":           "*/data/*",
		"/v1/secret/metadata/data/key":     "*/metadata/*",
		"/v1/team/kv/data/metadata/key":    "*/data/*",
		"/v1/secret/config":                "*/config",
		"/v1/auth/token/lookup-self":       "auth/token/lookup-self",
		"/v1/auth/team/jwt/config":         "auth/*/config",
		"/v1/auth/jwt/role/ml":             "auth/*/role/*",
		"/v1/auth/jwt/login":               "auth/*/login",
		"/v1/sys/mounts":                   "sys/mounts",
		"/v1/sys/mounts/team/kv":           "sys/mounts/*",
		"/v1/sys/mounts/team/kv/tune":      "sys/mounts/*/tune",
		"/v1/sys/mounts/auth/jwt":          "sys/mounts/auth/*",
		"/v1/sys/mounts/auth/jwt/tune":     "sys/mounts/auth/*/tune",
		"/v1/sys/policies/acl/ml-dev-read": "sys/policies/acl/*",
		"/v1/sys/auth/jwt":                 "sys/auth/*",
		"/v1/sys/seal-status":              "sys/seal-status",
		"/ui/":                             "other",
	} {
		require.Equal(t, want, classify(path), path)
	}
}
