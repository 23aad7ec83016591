package settings

import (
	"encoding/json"
	"maps"
	"slices"
)

// Read is a path of others that the jobs may read.
type Read struct {
	// Path is an API path without /v1/.
	Path string
	// Parameters are written to a path that answers to a write, as pki/issue/... does. They are plain:
	// the jobs' definitions show them. It is nil where the path is read.
	Parameters map[string]any
}

// IsWrite tells whether the path is read by writing to it.
func (read Read) IsWrite() bool { return read.Parameters != nil }

// reads is a setting of paths by names that the user chooses: a text, or an object of path and
// parameters.
func reads(into *map[string]Read) value {
	return readsValue{into: into}
}

type readsValue struct{ into *map[string]Read }

func (v readsValue) decode(r *report, key string, written any) {
	members, isObject := written.(map[string]any)
	if !isObject {
		r.addf(key, "is not an object whose values are paths")
		return
	}
	taken := map[string]Read{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := key + "." + name
		if r.has(at) {
			continue
		}
		read, ok := takeRead(r, at, members[name])
		if ok {
			taken[name] = read
		}
	}
	*v.into = taken
}

func takeRead(r *report, key string, written any) (Read, bool) {
	switch written := written.(type) {
	case string:
		path, ok := anyText.take(r, key, written)
		return Read{Path: path}, ok
	case map[string]any:
		return takeWrite(r, key, written)
	default:
		r.addf(key, "is no path, and no object of path and parameters; set it again with "+
			"`pulumi config set --path --type string %s ...`", key)
		return Read{}, false
	}
}

// takeWrite takes {path, parameters}.
func takeWrite(r *report, key string, written map[string]any) (Read, bool) {
	isGood := true
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if name != "path" && name != "parameters" {
			r.addf(key+"."+name, "is not a known field; %s has parameters, path", key)
			isGood = false
		}
	}
	parameters, isObject := written["parameters"].(map[string]any)
	if !isObject && !r.has(key+".parameters") {
		r.addf(key+".parameters", "is no object of what is written to the path. A path that is only "+
			"read stands by itself: `pulumi config set --path %s <path>`", key)
		isGood = false
	}
	path, ok := anyText.take(r, key+".path", written["path"])
	return Read{Path: path, Parameters: plainNumbers(parameters)}, ok && isGood && isObject
}

// plainNumbers are parameters with Go's own numbers in them, which every encoder knows.
func plainNumbers(parameters map[string]any) map[string]any {
	text, err := json.Marshal(parameters)
	if err != nil {
		return nil // cannot be: they were JSON
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil
	}
	return plain
}

func (v readsValue) describe(into *Setting) {
	into.Kind = KindReads
}

// CredentialParameters are what a job writes to the paths of vault.reads that answer to a write, by
// the name under which it asks.
func (s *Settings) CredentialParameters() map[string]any {
	parameters := map[string]any{}
	for name, read := range s.Vault.Reads {
		if read.IsWrite() {
			parameters[name] = read.Parameters
		}
	}
	return parameters
}
