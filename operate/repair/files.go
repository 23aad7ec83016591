package repair

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Files are a stack's files in a backend of the kind file://.
type Files struct {
	// Root is the folder that the URL names.
	Root string
	// Project and Stack are the stack's.
	Project string
	Stack   string
	// Alone: the caller holds the folder, so that no run of another container uses it.
	Alone bool
}

// FilesAt are the files of a stack of the backend at a URL, or nil where that is not a folder. A
// relative URL starts at the project's folder, as for the CLI.
func FilesAt(backend, folder, project, stack string) (*Files, error) {
	rest, isFile := strings.CutPrefix(backend, "file://")
	if !isFile {
		return nil, nil //nolint:nilnil // No files, and no error: documented above.
	}
	rest, _, _ = strings.Cut(rest, "?")
	root, err := url.PathUnescape(rest)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", backend, err)
	}
	root = filepath.FromSlash(root)
	below, isHome := strings.CutPrefix(root, "~")
	switch {
	case isHome:
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("backend %s: %w", backend, err)
		}
		root = home + below
	case !filepath.IsAbs(root):
		root = filepath.Join(folder, root)
	}
	return &Files{Root: root, Project: project, Stack: stack}, nil
}

func (f Files) path(parts ...string) string {
	return filepath.Join(append([]string{f.Root, ".pulumi"}, parts...)...)
}

// Mend makes the stack's files readable, and says what it did. An attributes file that is empty
// makes the CLI fail with EOF on every stack of the backend. A state that was cut off is replaced
// by the newest whole one that the engine keeps: the copy beside it, or one of its history. The
// damaged file stays beside it.
func (f Files) Mend() (done []string, err error) {
	done, err = f.removeDamagedAttributes()
	if err != nil {
		return done, err
	}
	state, err := f.state()
	if err != nil || state == "" {
		return done, err
	}
	if _, whole := readCheckpoint(state); whole {
		return done, nil
	}
	good, err := f.newestCopy()
	if err != nil {
		return done, err
	}
	if good == "" {
		return done, fmt.Errorf("the state in %s is damaged, and no whole copy is left beside it or in "+
			"its history. Restore the file from a backup, or take all that exists into a new stack "+
			"(`make adopt`, as docs/operate.md shows)", state)
	}
	if err := restore(state, good); err != nil {
		return done, err
	}
	return append(done, fmt.Sprintf("replaced the damaged %s by %s", state, good)), nil
}

func (f Files) removeDamagedAttributes() (done []string, err error) {
	attributes, err := filepath.Glob(f.path("stacks", f.Project, "*.attrs"))
	if err != nil {
		return nil, err
	}
	for _, file := range attributes {
		content, err := os.ReadFile(file)
		if err != nil || json.Valid(content) {
			continue
		}
		if err := os.Remove(file); err != nil {
			return done, err
		}
		done = append(done, "removed the damaged "+file)
	}
	return done, nil
}

// compressions are the endings of a state's file. PULUMI_DIY_BACKEND_ZSTD and
// PULUMI_DIY_BACKEND_GZIP choose, and a backend may hold files of several.
var compressions = []string{"", ".gz", ".zst"}

// state is the file that the CLI reads: the newest of those that there are. It is empty for a stack
// that was removed, whose history is gone too. A stack with a history and no file has lost it.
func (f Files) state() (string, error) {
	plain := f.path("stacks", f.Project, f.Stack+".json")
	newest := ""
	var changed time.Time
	for _, ending := range compressions {
		info, err := os.Stat(plain + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if newest == "" || !info.ModTime().Before(changed) {
			newest = plain + ending
			changed = info.ModTime()
		}
	}
	if newest != "" {
		return newest, nil
	}
	history, err := f.history()
	if err != nil || len(history) == 0 {
		return "", err
	}
	return plain, nil
}

func (f Files) history() ([]string, error) {
	folder := f.path("history", f.Project, f.Stack)
	return filepath.Glob(filepath.Join(folder, f.Stack+"-*.checkpoint.json*"))
}

// newestCopy is the newest whole checkpoint of those that the engine keeps, or empty. The copy
// beside the state is of the step before, mostly: an update that ended later, and whose checkpoint
// is in the history, is newer.
func (f Files) newestCopy() (string, error) {
	copies, err := f.history()
	if err != nil {
		return "", err
	}
	for _, ending := range compressions {
		copies = append(copies, f.path("stacks", f.Project, f.Stack+".json"+ending+".bak"))
	}
	newest := ""
	var latest time.Time
	for _, file := range copies {
		made, whole := readCheckpoint(file)
		if whole && (newest == "" || made.After(latest)) {
			newest = file
			latest = made
		}
	}
	return newest, nil
}

// restore puts a copy in the place of the damaged state, under the ending that says how it is
// compressed.
func restore(state, good string) error {
	content, err := os.ReadFile(good)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(state), 0o700); err != nil {
		return err
	}
	err = os.Rename(state, state+".damaged")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target := strings.TrimSuffix(strings.TrimSuffix(state, ".gz"), ".zst") + compressionOf(content)
	return os.WriteFile(target, content, 0o600)
}

// The first bytes of what gzip and zstd write.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

func compressionOf(content []byte) string {
	switch {
	case bytes.HasPrefix(content, gzipMagic):
		return ".gz"
	case bytes.HasPrefix(content, zstdMagic):
		return ".zst"
	default:
		return ""
	}
}

// readCheckpoint tells whether a file is a whole checkpoint, and when it was made. One that was cut
// off may begin well.
func readCheckpoint(file string) (made time.Time, whole bool) {
	content, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, false
	}
	content, err = decompress(content)
	if err != nil {
		return time.Time{}, false
	}
	var document struct {
		Checkpoint *struct {
			Latest *struct {
				Manifest struct{ Time time.Time }
			}
		}
	}
	if json.Unmarshal(content, &document) != nil || document.Checkpoint == nil {
		return time.Time{}, false
	}
	if latest := document.Checkpoint.Latest; latest != nil && !latest.Manifest.Time.IsZero() {
		return latest.Manifest.Time, true
	}
	info, err := os.Stat(file) // a stack in which nothing was made yet
	if err != nil {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

func decompress(content []byte) ([]byte, error) {
	switch compressionOf(content) {
	case ".gz":
		reader, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(reader)
	case ".zst":
		reader, err := zstd.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		return io.ReadAll(reader)
	default:
		return content, nil
	}
}
