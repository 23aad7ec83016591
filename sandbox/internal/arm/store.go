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

// Document is a resource as ARM's JSON has it: id, name, type, location, tags, properties and so
// on. A stored document is never changed, only replaced, so that a reader needs no lock.
type Document map[string]any

// at returns the value at a dotted path, or nil.
func (d Document) at(path string) any {
	var value any = map[string]any(d)
	for step := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[step]
	}
	return value
}

// text returns the string at a dotted path, or "".
func (d Document) text(path string) string {
	text, _ := d.at(path).(string)
	return text
}

// object returns the object at a dotted path, or nil.
func (d Document) object(path string) Document {
	object, _ := d.at(path).(map[string]any)
	return object
}

// objects returns the objects of the list at a dotted path.
func (d Document) objects(path string) []Document {
	list, _ := d.at(path).([]any)
	objects := make([]Document, len(list))
	for i, item := range list {
		objects[i], _ = item.(map[string]any)
	}
	return objects
}

// set puts a value at a dotted path and makes the objects on the way.
func (d Document) set(path string, value any) {
	above, last, nested := strings.Cut(path, ".")
	if !nested {
		d[path] = value
		return
	}
	object := d.object(above)
	if object == nil {
		object = Document{}
		d[above] = map[string]any(object)
	}
	object.set(last, value)
}

// json is the document's text. It holds what came as JSON or is plain text and numbers, so that
// nothing can go wrong.
func (d Document) json() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func parseDocument(text string) Document {
	var doc Document
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	return doc
}

// clone is a deep copy.
func (d Document) clone() Document { return parseDocument(d.json()) }

// storeFormat is the version of the file. A store of another version is refused, not migrated: it
// is a sandbox.
const storeFormat = 1

// state is everything that the sandbox knows, by [key]. Deleted holds what was soft-deleted.
type state struct {
	Format    int                 `json:"format"`
	Resources map[string]Document `json:"resources"`
	Deleted   map[string]Document `json:"deleted"`
	Respelled bool                `json:"respelled,omitempty"` // answers have the other casing of ids
}

// get returns the document with this id, or nil.
func (s *state) get(id string) Document { return s.Resources[key(id)] }

// store keeps the state in memory and in a file.
type store struct {
	path string

	mu      sync.Mutex // serialises changes, and guards current
	current *state
}

func openStore(path string) (*store, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		empty := &state{
			Format:    storeFormat,
			Resources: map[string]Document{},
			Deleted:   map[string]Document{},
		}
		return &store{path: path, current: empty}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox ARM store %s: %w", path, err)
	}
	loaded := &state{}
	if err := json.Unmarshal(content, loaded); err != nil {
		return nil, fmt.Errorf("sandbox ARM store %s: %w", path, err)
	}
	if loaded.Format != storeFormat || loaded.Resources == nil || loaded.Deleted == nil {
		return nil, fmt.Errorf("sandbox ARM store %s: not a store of format %d; delete it to start anew",
			path, storeFormat)
	}
	return &store{path: path, current: loaded}, nil
}

// read returns the state as of now. It must not be changed.
func (s *store) read() *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// change applies edit to a copy of the state, saves the copy and makes it current: all of it, or,
// on an error, nothing.
func (s *store) change(edit func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.current
	next.Resources = maps.Clone(next.Resources)
	next.Deleted = maps.Clone(next.Deleted)
	if err := edit(&next); err != nil {
		return err
	}
	content, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("sandbox ARM store: %w", err)
	}
	content = append(content, '\n')
	if err := files.Replace(s.path, content); err != nil { // whole or not at all
		return fmt.Errorf("sandbox ARM store: %w", err)
	}
	s.current = &next
	return nil
}
