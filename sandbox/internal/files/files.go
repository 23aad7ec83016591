// Package files replaces private files.
package files

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes path anew, mode 0600, so that a reader or a crash sees the old content or the new,
// and nobody else sees either.
func Replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // made 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
