package vaultserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	keysFile = "keys.json"
	// begunFile is there while a Vault is being initialised, until its keys are kept.
	begunFile = "initialising"
)

const startAnew = "`make clean` forgets it, then `make up` starts anew"

// keys are what opens the storage beside them. They are never printed.
type keys struct {
	UnsealKey string `json:"unsealKey"` // base64
	RootToken string `json:"rootToken"`
}

func readKeys(dir string) (keys, error) {
	var k keys
	// The errors are dropped: the decoder's own message may quote the file.
	data, _ := os.ReadFile(filepath.Join(dir, keysFile))
	_ = json.Unmarshal(data, &k)
	if k.UnsealKey == "" || k.RootToken == "" {
		return k, fmt.Errorf("vault server: %s holds an initialised Vault, and its %s is gone or "+
			"damaged. Nothing mends that: %s", dir, keysFile, startAnew)
	}
	return k, nil
}

// InUseError says that another process, or another Server of this one, runs on the directory.
// Vault's file storage has no locking of its own: two servers on it would overwrite each other's
// index.
type InUseError struct {
	Dir string
	PID int // of the holder; 0 if the platform does not let it be read
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("vault server: %s is in use by process %d: stop it, or use another directory",
		e.Dir, e.PID)
}

// errLocked is what tryLock returns when somebody else holds the file.
var errLocked = errors.New("locked")

// lockDir takes dir's lock, which closing the file frees. The lock is the operating system's and on
// the open file, which the server's process has too: it ends with both, however they end. The file
// that stays behind means nothing.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := tryLock(path)
	for try := 0; try < 20 && errors.Is(err, errLocked); try++ {
		// A server whose parent was killed ends a moment after it.
		time.Sleep(50 * time.Millisecond)
		f, err = tryLock(path)
	}
	if errors.Is(err, errLocked) {
		holder, _ := os.ReadFile(path) // the PID only improves the message
		pid, _ := strconv.Atoi(strings.TrimSpace(string(holder)))
		return nil, &InUseError{Dir: dir, PID: pid}
	}
	if err == nil {
		err = signLock(f)
	}
	if err != nil {
		return nil, fmt.Errorf("vault server: lock %s: %w", dir, err)
	}
	return f, nil
}

// signLock writes this process's PID into the lock's file.
func signLock(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
