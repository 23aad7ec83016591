package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Lock is a lock of the stack that a repair must not remove.
type Lock struct {
	File     string    `json:"-"`
	PID      int       `json:"pid"`
	Username string    `json:"username"`
	Hostname string    `json:"hostname"`
	Time     time.Time `json:"timestamp"`
	// Why says what is known of its process.
	Why string `json:"-"`
}

// LockedError says that the stack is held by a run that lives, or that cannot be seen from here.
type LockedError struct{ Locks []Lock }

func (e *LockedError) Error() string {
	var locks []string
	for _, lock := range e.Locks {
		locks = append(locks, fmt.Sprintf("process %d of %s on %s since %s (%s)",
			lock.PID, lock.Username, lock.Hostname, lock.Time.Format(time.DateTime), lock.Why))
	}
	return "the stack is locked by " + strings.Join(locks, ", ") + ". If the run lives, wait for " +
		"it. If you know that " +
		"it is gone, run `pulumi cancel`, then repeat the command"
}

// patience is how long a repair waits for a CLI whose caller was killed. Without its program and
// its providers, which lived in the caller, it ends by itself within a second or so.
const patience = 30 * time.Second

// Unlock removes the locks of processes that are gone. Each other one is in a [LockedError].
//
// It removes exactly the files that it has looked at, and not by `pulumi cancel`, which would also
// take away the lock of a run that began in between.
func (f Files) Unlock(ctx context.Context) (removed int, err error) {
	deadline := time.Now().Add(patience)
	for {
		dead, others, err := f.Locks()
		if err != nil {
			return removed, err
		}
		for _, lock := range dead {
			if err := removeLock(lock.File); err != nil {
				return removed, err
			}
			removed++
		}
		if len(others) == 0 {
			return removed, nil
		}
		mayEnd := false
		for _, lock := range others {
			mayEnd = mayEnd || lock.Why == processLives
		}
		if !mayEnd || time.Now().After(deadline) {
			return removed, &LockedError{Locks: others}
		}
		select {
		case <-ctx.Done():
			return removed, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// attributes ends the name of the second file that the backend keeps for each one, unless its URL
// has metadata=skip.
const attributes = ".attrs"

func removeLock(file string) error {
	for _, each := range []string{file, file + attributes} {
		err := os.Remove(each)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("lock: %w", err)
		}
	}
	return nil
}

// What is known of a lock's process, in a sentence for people.
const (
	processLives   = "it runs on this machine"
	otherMachine   = "another machine"
	otherNamespace = "no such process is in this container; it may run in another, or outside"
	hiddenUser     = "processes of other users are hidden here"
)

// Locks are the stack's, apart by whether their process is gone for sure.
func (f Files) Locks() (dead, others []Lock, err error) {
	folder := f.path("locks", "organization", f.Project, f.Stack)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("locks: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("locks: %w", err)
	}
	here := f.view()
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), attributes) {
			continue
		}
		lock := Lock{File: filepath.Join(folder, entry.Name())}
		content, err := os.ReadFile(lock.File)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process has just ended
		}
		if err != nil {
			return nil, nil, fmt.Errorf("locks: %w", err)
		}
		if json.Unmarshal(content, &lock) != nil {
			dead = append(dead, lock) // it was being written when its process, or the machine, died
			continue
		}
		lock.Why = judge(lock, host, here)
		if lock.Why == "" {
			dead = append(dead, lock)
		} else {
			others = append(others, lock)
		}
	}
	return dead, others, nil
}

// view is what can be seen of the processes that may hold a lock. Where nobody else uses the stack,
// none lives outside of what is seen.
func (f Files) view() view {
	if f.Alone {
		return view{}
	}
	return viewFromHere()
}

// judge is empty for a lock whose process is gone for sure, and else what is known of it.
func judge(lock Lock, host string, here view) string {
	switch {
	case lock.Hostname != host:
		return otherMachine
	case alive(lock.PID):
		return processLives
	default:
		return here.blind(lock)
	}
}
