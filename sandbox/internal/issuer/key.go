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
func loadOrCreateKey(dir string) (key jose.JSONWebKey, err error) {
	path := filepath.Join(dir, "issuer-key.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = jose.JSONWebKey{KeyID: rand.Text(), Use: "sig"} // no alg: Entra's have none
		if key.Key, err = newKey(); err == nil {
			text, err = key.MarshalJSON()
		}
		if err == nil {
			err = errors.Join(os.MkdirAll(dir, 0o700), files.Replace(path, text))
		}
	} else if err == nil && (key.UnmarshalJSON(text) != nil || key.IsPublic()) {
		return key, fmt.Errorf("%s holds no private key: delete it to get a new one", path)
	}
	if err != nil {
		return key, fmt.Errorf("signing key: %w", err)
	}
	return key, nil
}

func newKey() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, 2048) // as Entra's
}
