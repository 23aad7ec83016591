package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"mlvault/sandbox/internal/files"
)

const (
	keyFile = "issuer-key.pem"
	keyBits = 2048 // as Entra's
)

// loadOrCreateKey returns the signing key in dir and creates one on the first run, readable by its owner only. It refuses
// a file that it cannot parse: a new key would invalidate every token without a word.
func loadOrCreateKey(dir string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("signing key %s is not in PEM form: delete it to get a new one", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, isRSA := parsed.(*rsa.PrivateKey); isRSA {
		return key, nil
	}
	return nil, fmt.Errorf("signing key %s is no RSA key (%v): delete it to get a new one", path, err) //nolint:errorlint // may be nil
}

func createKey(path string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return text, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), files.Replace(path, text))
}

// keyID names a key by its thumbprint (RFC 7638), so the name stays as long as the key does.
func keyID(key *rsa.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("signing key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
