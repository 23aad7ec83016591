package vaultserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	serverFile    = "server.pem"
	serverKeyFile = "server-key.pem"

	// Name is a DNS name of the server besides localhost. It is below localhost, for which alone the CA is good.
	Name = "vault.localhost"

	caLifetime     = 10 * 365 * 24 * time.Hour
	serverLifetime = 365 * 24 * time.Hour
	// renewBefore is how much life a certificate must have left at start. A
	// sandbox that runs longer than this without a restart is not expected.
	renewBefore = 30 * 24 * time.Hour
)

// loadOrCreateTLS returns the server's certificate from dir. What is missing,
// unreadable, or within renewBefore of its end at now is made anew: the
// certificate alone if the CA still serves, else both. It is good for host
// besides the two names that every sandbox is reached by.
func loadOrCreateTLS(dir, host string, now time.Time) (tls.Certificate, error) {
	ca, err := loadPair(dir, caFile, caKeyFile)
	if err != nil || now.Add(renewBefore).After(ca.Leaf.NotAfter) {
		if ca, err = createCA(dir, now); err != nil {
			return tls.Certificate{}, err
		}
	}
	server, err := loadPair(dir, serverFile, serverKeyFile)
	if err != nil || !serves(server.Leaf, ca.Leaf, host, now.Add(renewBefore)) {
		return createServerCertificate(dir, host, ca, now)
	}
	return server, nil
}

// serves reports whether a client that trusts ca would accept leaf at t, under
// host and each name that every sandbox is reached by.
func serves(leaf, ca *x509.Certificate, host string, t time.Time) bool {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range []string{"127.0.0.1", "localhost", Name, host} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: t}); err != nil {
			return false
		}
	}
	return true
}

func createCA(dir string, now time.Time) (tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "mlvault sandbox CA"},
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		// Somebody may put this CA in a trust store. Its key lies in a plain
		// file, so it must not be good for any name but this machine's own.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	return createPair(dir, caFile, caKeyFile, template, nil, now)
}

func createServerCertificate(dir, host string, ca tls.Certificate, now time.Time) (tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "mlvault sandbox Vault"},
		NotAfter:    now.Add(serverLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", Name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	return createPair(dir, serverFile, serverKeyFile, template, &ca, now)
}

// createPair makes a key, has parent (nil: itself) sign template for it, writes
// both as PEM and returns them.
func createPair(dir, certName, keyName string, template *x509.Certificate, parent *tls.Certificate, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.NotBefore = now.Add(-time.Minute) // a container's clock may be a little behind
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	issuer, signer := template, any(key)
	if parent != nil {
		issuer, signer = parent.Leaf, parent.PrivateKey
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := writePEM(filepath.Join(dir, keyName), "PRIVATE KEY", keyDER); err != nil {
		return tls.Certificate{}, err
	}
	if err := writePEM(filepath.Join(dir, certName), "CERTIFICATE", certDER); err != nil {
		return tls.Certificate{}, err
	}
	return loadPair(dir, certName, keyName)
}

func loadPair(dir, certName, keyName string) (tls.Certificate, error) {
	// The result carries its parsed Leaf; LoadX509KeyPair also refuses a key
	// that is not the certificate's, as an interrupted renewal leaves them.
	return tls.LoadX509KeyPair(filepath.Join(dir, certName), filepath.Join(dir, keyName))
}

func writePEM(path, kind string, der []byte) error {
	return writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func readCAPool(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}
