package vaultserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"mlvault/sandbox/internal/files"
)

const (
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	serverFile    = "server.pem"
	serverKeyFile = "server-key.pem"

	// Name is a DNS name of the server besides localhost. It is below localhost, for which alone the
	// CA is good.
	Name = "vault.localhost"

	year = 365 * 24 * time.Hour
)

// createTLS makes the server's certificate anew, for host and the names that every sandbox is
// reached by. The CA that clients trust is kept.
func createTLS(dir, host string) error {
	ca, err := loadPair(dir, caFile, caKeyFile)
	if err != nil {
		ca, err = createPair(dir, caFile, caKeyFile, authority(), nil)
	}
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "mlvault sandbox Vault"},
		NotAfter:    time.Now().Add(year),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", Name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	_, err = createPair(dir, serverFile, serverKeyFile, template, &ca)
	return err
}

// authority is the CA's own certificate. Somebody may put it in a trust store. Its key lies in a
// plain file, so it must not be good for any name but this machine's own.
func authority() *x509.Certificate {
	return &x509.Certificate{
		Subject:                     pkix.Name{CommonName: "mlvault sandbox CA"},
		NotAfter:                    time.Now().Add(10 * year),
		KeyUsage:                    x509.KeyUsageCertSign,
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
}

// createPair makes a key, has parent (nil: itself) sign template for it, writes both as PEM and
// returns them.
func createPair(
	dir, certName, keyName string, template *x509.Certificate, parent *tls.Certificate,
) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.NotBefore = time.Now().Add(-time.Minute) // a container's clock may be a little behind
	largest := new(big.Int).Lsh(big.NewInt(1), 127)
	template.SerialNumber, err = rand.Int(rand.Reader, largest)
	if err != nil {
		return tls.Certificate{}, err
	}
	issuer := template
	var signer crypto.PrivateKey = key
	if parent != nil {
		issuer = parent.Leaf
		signer = parent.PrivateKey
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := files.Replace(filepath.Join(dir, keyName), keyPEM); err != nil {
		return tls.Certificate{}, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	if err := files.Replace(filepath.Join(dir, certName), certPEM); err != nil {
		return tls.Certificate{}, err
	}
	return loadPair(dir, certName, keyName)
}

// loadPair refuses a key that is not the certificate's, as an interrupted run leaves them.
func loadPair(dir, certName, keyName string) (tls.Certificate, error) {
	return tls.LoadX509KeyPair(filepath.Join(dir, certName), filepath.Join(dir, keyName))
}
