package vaultserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// InUseError says that another process, or another Server of this one, runs on
// the directory. Vault's file storage has no locking of its own: two cores on
// it would overwrite each other's index.
type InUseError struct {
	Dir string
	PID int // of the holder; 0 if the platform does not let it be read
}

// Error names the directory, the holder if known, and the way out.
func (e *InUseError) Error() string {
	holder := "another process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("vault server: %s is in use by %s: stop it, or use another directory", e.Dir, holder)
}

// errLocked is what tryLock returns when somebody else holds the file.
var errLocked = errors.New("locked")

// lockDir takes dir's lock, which closing the file frees. The lock is the
// operating system's and on the open file, which the server's process has too:
// it ends with both, however they end. The file that stays behind means nothing.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := tryLock(path)
	for range 20 {
		// A server whose parent was killed ends a moment after it.
		if !errors.Is(err, errLocked) {
			break
		}
		time.Sleep(50 * time.Millisecond)
		f, err = tryLock(path)
	}
	if errors.Is(err, errLocked) {
		holder, _ := os.ReadFile(path) // the PID only improves the message
		pid, _ := strconv.Atoi(strings.TrimSpace(string(holder)))
		return nil, &InUseError{Dir: dir, PID: pid}
	}
	if err != nil {
		return nil, fmt.Errorf("vault server: lock %s: %w", dir, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vault server: lock %s: %w", dir, err), f.Close())
	}
	return f, nil
}
