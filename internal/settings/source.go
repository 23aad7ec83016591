package settings

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Source is a stack's configuration, decrypted, as the CLI has it.
type Source struct {
	Project, Stack string
	// Values are by key with its namespace. An object is JSON.
	Values map[string]string
	// Encrypted tells whether any part of a key is encrypted.
	Encrypted func(key string) bool
	// Settings is the text of the stack's settings file, which tells how each value of a credential is encrypted.
	Settings []byte
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

// Load reads the configuration of the running program. The stack's settings file in dir, if there is one, tells which
// values are encrypted by themselves. The error is a [Problems] and quotes no secret.
func Load(ctx Context, dir string) (*Settings, error) {
	src := Source{
		Project: ctx.Project(), Stack: ctx.Stack(), Values: map[string]string{},
		Encrypted: ctx.IsConfigSecret, Settings: ReadSettings(dir, ctx.Stack()),
	}
	// The SDK has no list of the keys, but the CLI hands all of them over in one variable. Without it, unknown keys are not seen.
	var all map[string]string
	_ = json.Unmarshal([]byte(os.Getenv("PULUMI_CONFIG")), &all)
	keys := append(slices.Collect(maps.Keys(all)), "azure-native:location")
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
	return slices.Contains(SecretKeys, key[strings.LastIndexByte(key, ':')+1:])
}

// value is one of the project's own.
func (s Source) value(name string) string { return s.Values[s.Project+":"+name] }

func (s Source) encrypted(name string) bool { return s.Encrypted(s.Project + ":" + name) }

// ReadSettings is the text of a stack's settings file in a folder, or nil where there is none.
func ReadSettings(dir, stack string) []byte {
	text, _ := os.ReadFile(filepath.Join(dir, "Pulumi."+stack+".yaml"))
	return text
}

// kept is how the stack's settings file keeps a value.
type kept int

const (
	// keptElsewhere: no file is at hand, or the value is in a larger encrypted text, or comes from an environment of Pulumi ESC.
	keptElsewhere kept = iota
	keptPlain
	// keptEncrypted: by itself, so that the CLI masks it by itself.
	keptEncrypted
)

// settingsFile is the part of a stack's settings file that the configuration itself does not tell: which values of the
// credentials are encrypted.
type settingsFile struct {
	trusted     bool
	credentials *yaml.Node
}

func openSettings(src Source) settingsFile {
	if src.Trusted {
		return settingsFile{trusted: true}
	}
	var file struct{ Config map[string]yaml.Node }
	if yaml.Unmarshal(src.Settings, &file) != nil {
		return settingsFile{}
	}
	for _, key := range []string{src.Project + ":credentials", "credentials"} {
		if node, has := file.Config[key]; has {
			return settingsFile{credentials: &node}
		}
	}
	return settingsFile{}
}

// keeps tells how the file has a value of the credentials.
func (f settingsFile) keeps(path ...string) kept {
	if f.trusted {
		return keptEncrypted
	}
	node := f.credentials
	for ; node != nil; path = path[1:] {
		switch {
		case member(node, "secure") != nil && len(node.Content) == 2 && len(path) == 0:
			return keptEncrypted
		case member(node, "secure") != nil && len(node.Content) == 2:
			return keptElsewhere
		case node.Kind == yaml.ScalarNode:
			return keptPlain
		case len(path) == 0:
			return keptElsewhere
		}
		node = member(node, path[0])
	}
	return keptElsewhere
}

func member(n *yaml.Node, step string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		i, err := strconv.Atoi(strings.Trim(step, "[]"))
		if err != nil || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i+1]
		}
	}
	return nil
}

// refuseUnknownKeys names each key of the configuration that nobody reads although somebody may believe so.
func refuseUnknownKeys(c *collector, src Source) {
	for key := range src.Values {
		namespace, name, _ := strings.Cut(key, ":")
		switch own := namespace == src.Project; {
		case own && slices.Contains(Keys, name):
		case own && isOurs(name):
			c.addf(name, "is one key with a dot in its name, which nobody reads. Remove it with `pulumi config rm '%s'` and set the field: "+
				"`pulumi config set --path %s ...`", name, name)
		case own:
			c.addf(name, "is not a setting of this program. It reads %s. Remove it with `pulumi config rm '%s'`", strings.Join(Keys, ", "), name)
		case isOurs(name) && (name != "credentials" || src.hasAnotherOfOurs(namespace)):
			c.addf(key, "belongs to the project %s, and this one is %s, which does not read it. Set %s here and remove it with `pulumi config rm %s`",
				namespace, src.Project, name, key)
		}
	}
}

// hasAnotherOfOurs tells whether a namespace has more of the program's keys than credentials: gcp:credentials is a provider's.
func (s Source) hasAnotherOfOurs(namespace string) bool {
	for key := range s.Values {
		if name, same := strings.CutPrefix(key, namespace+":"); same && name != "credentials" && isOurs(name) {
			return true
		}
	}
	return false
}

// isOurs tells whether a key is one of the program's, or a path that was meant for one.
func isOurs(name string) bool {
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	return slices.Contains(Keys, name)
}
