package vaultserver

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheCAIsKeptAndIsGoodForThisMachinesNamesOnly(t *testing.T) {
	dir := t.TempDir()
	authority := func() tls.Certificate {
		t.Helper()
		require.NoError(t, createTLS(dir, "127.0.0.2"))
		pair, err := loadPair(dir, caFile, caKeyFile)
		require.NoError(t, err)
		return pair
	}
	ca := authority()
	verify := func(pair tls.Certificate, err error, name string) error {
		require.NoError(t, err)
		roots := x509.NewCertPool()
		roots.AddCert(ca.Leaf)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		return err
	}
	server, err := loadPair(dir, serverFile, serverKeyFile)
	for _, name := range []string{"127.0.0.1", "127.0.0.2", "localhost", Name} {
		require.NoError(t, verify(server, err, name))
	}
	for name, other := range map[string]*x509.Certificate{
		"vault.example.com": {DNSNames: []string{"vault.example.com"}}, "192.0.2.1": {IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
	} {
		other.NotAfter = time.Now().Add(time.Hour)
		pair, err := createPair(dir, "other.pem", "other-key.pem", other, &ca)
		require.ErrorContains(t, verify(pair, err, name), "not permitted")
	}
	require.Equal(t, ca.Leaf.SerialNumber, authority().Leaf.SerialNumber)
	require.NoError(t, os.WriteFile(filepath.Join(dir, caKeyFile), []byte("torn"), 0o600))
	require.NotEqual(t, ca.Leaf.SerialNumber, authority().Leaf.SerialNumber)
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
