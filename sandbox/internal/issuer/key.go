package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"mlvault/sandbox/internal/files"
)

// loadOrCreateKey returns the signing key in dir and creates one on the first run, readable by its
// owner only. It refuses a file that it cannot parse: a new key would invalidate every token
// without a word.
func loadOrCreateKey(dir string) (jose.JSONWebKey, error) {
	path := filepath.Join(dir, "issuer-key.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(dir, path)
	}
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("signing key: %w", err)
	}
	var key jose.JSONWebKey
	if key.UnmarshalJSON(text) != nil || key.IsPublic() {
		return key, fmt.Errorf("%s holds no private key: delete it to get a new one", path)
	}
	return key, nil
}

func createKey(dir, path string) (jose.JSONWebKey, error) {
	private, err := newKey()
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("signing key: %w", err)
	}
	// No alg: Entra's keys have none.
	key := jose.JSONWebKey{Key: private, KeyID: rand.Text(), Use: "sig"}
	text, err := key.MarshalJSON()
	if err != nil {
		return key, fmt.Errorf("signing key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return key, fmt.Errorf("signing key: %w", err)
	}
	if err := files.Replace(path, text); err != nil {
		return key, fmt.Errorf("signing key: %w", err)
	}
	return key, nil
}

func newKey() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, 2048) // as Entra's
}
