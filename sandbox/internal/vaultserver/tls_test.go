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
	currentCA := func() tls.Certificate {
		t.Helper()
		require.NoError(t, createTLS(dir, "127.0.0.2"))
		pair, err := loadPair(dir, caFile, caKeyFile)
		require.NoError(t, err)
		return pair
	}
	ca := currentCA()
	verify := func(pair tls.Certificate, name string) error {
		roots := x509.NewCertPool()
		roots.AddCert(ca.Leaf)
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		return err
	}
	server, err := loadPair(dir, serverFile, serverKeyFile)
	require.NoError(t, err)
	for _, name := range []string{"127.0.0.1", "127.0.0.2", "localhost", Name} {
		require.NoError(t, verify(server, name))
	}

	year := time.Now().Add(year)
	elsewhere := net.IPv4(192, 0, 2, 1)
	for _, other := range []*x509.Certificate{
		{NotAfter: year, DNSNames: []string{"vault.example.com"}},
		{NotAfter: year, IPAddresses: []net.IP{elsewhere}},
	} {
		pair, err := createPair(dir, "other.pem", "other-key.pem", other, &ca)
		require.NoError(t, err)
		name := elsewhere.String()
		if len(other.DNSNames) > 0 {
			name = other.DNSNames[0]
		}
		require.ErrorContains(t, verify(pair, name), "not permitted")
	}

	require.Equal(t, ca.Leaf.SerialNumber, currentCA().Leaf.SerialNumber)
	require.NoError(t, os.WriteFile(filepath.Join(dir, caKeyFile), []byte("torn"), 0o600))
	require.NotEqual(t, ca.Leaf.SerialNumber, currentCA().Leaf.SerialNumber)
}
