package repair

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Files are a stack's files in a backend of the kind file://.
type Files struct {
	Root           string // the folder that the URL names
	Project, Stack string
}

func (f Files) path(parts ...string) string {
	return filepath.Join(append([]string{f.Root, ".pulumi"}, parts...)...)
}

// patience is how long a repair waits for a CLI whose caller was killed. Without its program and its providers, which
// lived in the caller, it ends by itself within a second or so.
const patience = 30 * time.Second

// Unlock calls cancel, which is the CLI's own, if every lock of the stack is of a process that is gone. A lock whose
// process lives, or is of another machine, stays, and the CLI will say whose it is.
func (f Files) Unlock(ctx context.Context, cancel func(context.Context) error) (unlocked bool, err error) {
	for deadline := time.Now().Add(patience); ; {
		held, living, err := f.Locks()
		if err != nil || held == 0 || living > 0 && time.Now().After(deadline) {
			return false, err
		}
		if living == 0 {
			return true, cancel(ctx)
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Locks counts the locks of the stack, and those of them that must be respected.
func (f Files) Locks() (held, living int, err error) {
	folder := f.path("locks", "organization", f.Project, f.Stack)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	host, err := os.Hostname()
	if err != nil {
		return 0, 0, err
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process has just ended
		}
		if err != nil {
			return 0, 0, err
		}
		held++
		var lock struct {
			PID      int    `json:"pid"`
			Hostname string `json:"hostname"`
		}
		// A lock that is cut off was being written when its process, or the machine, died.
		if json.Unmarshal(text, &lock) == nil && (lock.Hostname != host || alive(lock.PID)) {
			living++
		}
	}
	return held, living, nil
}

// alive tells whether the Pulumi CLI with this process id still runs. On Linux that is exact: an id may have gone to
// another program since, and a process that nobody waits for stays in the table after its end. Elsewhere any process of
// that id counts.
func alive(pid int) bool {
	process, err := os.FindProcess(pid) // fails on Windows where there is none
	if pid <= 0 || err != nil {
		return false
	}
	if err := process.Signal(syscall.Signal(0)); runtime.GOOS != "windows" && err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // 42 (pulumi) S 1 ...
	name, rest, complete := strings.Cut(string(stat), ") ")
	return err != nil || !complete || strings.Contains(name, "pulumi") && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// Mend makes the stack's files readable again, and says what it did. An attributes file that is empty makes the CLI fail
// with EOF on every stack of the backend. A state that is cut off is replaced by the newest one that is whole: the copy
// that the engine keeps beside it, or the last of its history. The damaged file stays beside it.
func (f Files) Mend() (done []string, err error) {
	attributes, err := filepath.Glob(f.path("stacks", f.Project, "*.attrs"))
	if err != nil {
		return nil, err
	}
	for _, file := range attributes {
		if text, err := os.ReadFile(file); err == nil && !json.Valid(text) {
			if err := os.Remove(file); err != nil {
				return done, err
			}
			done = append(done, "removed the damaged "+file)
		}
	}
	state := f.path("stacks", f.Project, f.Stack+".json")
	history, err := filepath.Glob(f.path("history", f.Project, f.Stack, f.Stack+"-*.checkpoint.json"))
	if err != nil {
		return done, err
	}
	text, err := os.ReadFile(state)
	switch {
	case whole(text), exists(state + ".gz"), errors.Is(err, fs.ErrNotExist) && len(history) == 0:
		return done, nil // whole, or compressed, or removed: then its history is gone too
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return done, err
	}
	slices.Sort(history) // by time
	slices.Reverse(history)
	for _, copied := range append([]string{state + ".bak"}, history...) {
		good, err := os.ReadFile(copied)
		if err != nil || !whole(good) {
			continue
		}
		if exists(state) {
			if err := os.Rename(state, state+".damaged"); err != nil {
				return done, err
			}
		}
		if err := os.MkdirAll(filepath.Dir(state), 0o700); err != nil {
			return done, err
		}
		if err := os.WriteFile(state, good, 0o600); err != nil {
			return done, err
		}
		return append(done, fmt.Sprintf("replaced the damaged %s by %s", state, copied)), nil
	}
	return done, fmt.Errorf("the state in %s is damaged, and no whole copy is left beside it or in its history. "+
		"Restore the file from a backup, or import the resources into a new stack (`pulumi import`)", state)
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }

// whole tells whether a text is a checkpoint. One that was cut off may begin well.
func whole(text []byte) bool {
	var checkpoint struct{ Checkpoint json.RawMessage }
	return json.Unmarshal(bytes.TrimSpace(text), &checkpoint) == nil && strings.HasPrefix(string(checkpoint.Checkpoint), "{")
}
