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
