package settings

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is a stack's configuration, decrypted, as the CLI has it.
type Source struct {
	Project, Stack string
	// Values are by key with its namespace. An object is JSON.
	Values map[string]string
	// Encrypted tells whether any part of a key is encrypted.
	Encrypted func(key string) bool
	// Settings is the text of the stack's settings file, which tells how each value of a credential
	// is encrypted.
	Settings []byte
	// ProjectFile is the text of Pulumi.yaml, or nil where it is not at hand.
	ProjectFile []byte
	// Trusted says that each of them is encrypted by itself, whatever Settings are.
	Trusted bool
}

// Context is what a running program knows of its configuration; a pulumi.Context is one.
type Context interface {
	// GetConfig takes a key with its namespace. An object is JSON.
	GetConfig(key string) (text string, set bool)
	IsConfigSecret(key string) bool
	Project() string
	Stack() string
}

// Load reads the configuration of the running program. The stack's settings file in dir, if there
// is one, tells which values are encrypted by themselves. The error is a [Problems] and quotes no
// secret.
func Load(ctx Context, dir string) (*Settings, error) {
	src := Source{
		Project:     ctx.Project(),
		Stack:       ctx.Stack(),
		Values:      map[string]string{},
		Encrypted:   ctx.IsConfigSecret,
		Settings:    ReadSettings(dir, ctx.Stack()),
		ProjectFile: ReadProject(dir),
	}
	// The SDK has no list of the keys, but the CLI hands all of them over in one variable. Without
	// it, unknown keys are not seen.
	var all map[string]string
	_ = json.Unmarshal([]byte(environment("PULUMI_CONFIG")), &all)
	keys := append(slices.Collect(maps.Keys(all)), locationKey)
	for _, name := range Keys {
		keys = append(keys, src.Project+":"+name)
	}
	for _, key := range keys {
		if text, set := ctx.GetConfig(key); set {
			src.Values[key] = text
		}
	}
	return From(src)
}

// IsSecretKey tells whether a key, with or without its namespace, is one of [SecretKeys].
func IsSecretKey(key string) bool {
	name := key[strings.LastIndexByte(key, ':')+1:]
	return slices.Contains(SecretKeys, name)
}

// ReadSettings is the text of a stack's settings file in a folder, or nil where there is none.
func ReadSettings(dir, stack string) []byte {
	text, _ := os.ReadFile(filepath.Join(dir, "Pulumi."+stack+".yaml"))
	return text
}

// value is one of the project's own.
func (src Source) value(name string) (text string, given bool) {
	text, given = src.Values[src.Project+":"+name]
	return text, given
}

func (src Source) encrypted(name string) bool {
	return src.Encrypted(src.Project + ":" + name)
}

// refuseUnknownKeys names each key of the configuration that nobody reads although somebody may
// believe so.
func refuseUnknownKeys(r *report, src Source) {
	for key := range src.Values {
		namespace, name, _ := strings.Cut(key, ":")
		if namespace == src.Project {
			refuseUnknownKey(r, name)
			continue
		}
		if isOurs(name) && src.wasOurs(namespace) {
			r.addf(key, "belongs to the project %s, and this one is %s, which does not read it. "+
				"Set %s here and remove it with `pulumi config rm %s`", namespace, src.Project, name, key)
		}
	}
}

func refuseUnknownKey(r *report, name string) {
	switch {
	case slices.Contains(Keys, name):
	case isOurs(name):
		r.addf(name, "is one key with a dot in its name, which nobody reads. "+
			"Remove it with `pulumi config rm '%s'` and set the field: `pulumi config set --path %s ...`",
			name, name)
	default:
		r.addf(name, "is not a setting of this program. It reads %s. "+
			"Remove it with `pulumi config rm '%s'`", strings.Join(Keys, ", "), name)
	}
}

// isOurs tells whether a key is one of the program's, or a path that was meant for one.
func isOurs(name string) bool {
	if end := strings.IndexAny(name, ".["); end >= 0 {
		name = name[:end]
	}
	return slices.Contains(Keys, name)
}

// wasOurs tells whether a namespace is the one of this project under another name. Only
// vaultAddress and vaultToken say so: the other words are those of many. In a configuration that
// projects share, networking:azure is another project's, and gcp:credentials a provider's.
func (src Source) wasOurs(namespace string) bool {
	for _, name := range []string{"vaultAddress", "vaultToken"} {
		if _, has := src.Values[namespace+":"+name]; has {
			return true
		}
	}
	return false
}
