package vaultserver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCertificatesAreKeptUntilTheyNearTheirEnd(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	serial := func(at time.Time) (server, ca string) {
		t.Helper()
		pair, err := loadOrCreateTLS(dir, "127.0.0.2", at)
		require.NoError(t, err)
		issuer, err := loadPair(dir, caFile, caKeyFile)
		require.NoError(t, err)
		require.True(t, serves(pair.Leaf, issuer.Leaf, "127.0.0.2", at), "what is returned must serve")
		return pair.Leaf.SerialNumber.String(), issuer.Leaf.SerialNumber.String()
	}

	server1, ca1 := serial(now)
	server2, ca2 := serial(now.Add(time.Hour))
	require.Equal(t, server1, server2)
	require.Equal(t, ca1, ca2)

	server3, ca3 := serial(now.Add(serverLifetime - renewBefore + time.Hour))
	require.NotEqual(t, server1, server3, "a certificate near its end is renewed")
	require.Equal(t, ca1, ca3, "under the CA that clients trust already")

	_, ca4 := serial(now.Add(caLifetime))
	require.NotEqual(t, ca1, ca4, "an expired CA is renewed with all under it")

	require.NoError(t, os.WriteFile(filepath.Join(dir, serverKeyFile), []byte("torn"), 0o600))
	serial(now.Add(caLifetime))
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
