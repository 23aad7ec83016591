package arm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"sync"

	"mlvault/sandbox/internal/files"
)

// Document is a resource as ARM's JSON has it: id, name, type, location, tags, properties and so on. A stored document
// is never changed, only replaced, so that a reader needs no lock.
type Document map[string]any

// at returns the value at a dotted path, or nil.
func (d Document) at(path string) any {
	var value any = map[string]any(d)
	for step := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[step]
	}
	return value
}

// text returns the string at a dotted path, or "".
func (d Document) text(path string) string {
	text, _ := d.at(path).(string)
	return text
}

// set puts a value at a dotted path and makes the objects on the way.
func (d Document) set(path string, value any) {
	object := map[string]any(d)
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		next, ok := object[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[step] = next
		}
		object = next
	}
	object[steps[len(steps)-1]] = value
}

// clone is a deep copy.
func (d Document) clone() Document {
	if d == nil {
		return nil
	}
	copied := make(Document, len(d))
	for k, v := range d {
		copied[k] = cloneValue(v)
	}
	return copied
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return map[string]any(Document(value).clone())
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = cloneValue(v)
		}
		return list
	}
	return value
}

// storeFormat is the version of the file. A store of another version is refused, not migrated: it is a sandbox.
const storeFormat = 1

// state is everything that the sandbox knows, by [key]. Deleted holds what was soft-deleted.
type state struct {
	Format    int                 `json:"format"`
	Resources map[string]Document `json:"resources"`
	Deleted   map[string]Document `json:"deleted"`
	Respelled bool                `json:"respelled,omitempty"` // answers have the other casing of ids
}

// store keeps the state in memory and in a file.
type store struct {
	path string

	mu      sync.Mutex // serialises changes, and guards current
	current *state
}

func openStore(path string) (*store, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		empty := &state{Format: storeFormat, Resources: map[string]Document{}, Deleted: map[string]Document{}}
		return &store{path: path, current: empty}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox ARM store: %w", err)
	}
	var loaded state
	if err := json.Unmarshal(content, &loaded); err != nil {
		return nil, fmt.Errorf("sandbox ARM store %s: %w", path, err)
	}
	if loaded.Format != storeFormat || loaded.Resources == nil || loaded.Deleted == nil {
		return nil, fmt.Errorf("sandbox ARM store %s: not a store of format %d; delete it to start anew", path, storeFormat)
	}
	return &store{path: path, current: &loaded}, nil
}

// read returns the state as of now. It must not be changed.
func (s *store) read() *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// change applies edit to a copy of the state, saves the copy and makes it current: all of it, or, on an error, nothing.
func (s *store) change(edit func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &state{
		Format:    s.current.Format,
		Resources: maps.Clone(s.current.Resources),
		Deleted:   maps.Clone(s.current.Deleted),
		Respelled: s.current.Respelled,
	}
	if err := edit(next); err != nil {
		return err
	}
	if err := s.save(next); err != nil {
		return fmt.Errorf("sandbox ARM store: %w", err)
	}
	s.current = next
	return nil
}

// save writes a new file and renames it over the old one, so that a crash leaves one or the other.
func (s *store) save(next *state) error {
	content, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	return files.Replace(s.path, append(content, '\n'))
}
