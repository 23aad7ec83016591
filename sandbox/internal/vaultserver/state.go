package vaultserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const keysFile = "keys.json"

// keys are what opens the storage beside them. They are never printed.
type keys struct {
	UnsealKey string `json:"unsealKey"` // base64
	RootToken string `json:"rootToken"`
}

func writeKeys(dir string, k keys) error {
	data, err := json.Marshal(k)
	if err == nil {
		err = writePrivate(filepath.Join(dir, keysFile), data)
	}
	if err != nil {
		return fmt.Errorf("vault server: keep the unseal key: %w", err)
	}
	return nil
}

func readKeys(dir string) (keys, error) {
	path := filepath.Join(dir, keysFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keys{}, fmt.Errorf("vault server: %s holds an initialised Vault and its %s is gone: delete the directory to start afresh", dir, keysFile)
	}
	if err != nil {
		return keys{}, fmt.Errorf("vault server: unseal key: %w", err)
	}
	var k keys
	if json.Unmarshal(data, &k) != nil || k.UnsealKey == "" || k.RootToken == "" {
		// The decoder's own message may quote the file.
		return keys{}, fmt.Errorf("vault server: %s is damaged: delete the directory to start afresh", path)
	}
	return k, nil
}

// writePrivate replaces path with data, mode 0600, so that a reader or a crash
// sees the old content or the new, and nobody else sees either.
func writePrivate(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // made 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
