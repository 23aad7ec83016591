package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

// Source is where a configuration comes from: a [pulumi.Context], or what stands for one outside an update.
type Source interface {
	// GetConfig takes a key with its namespace. Objects come as JSON.
	GetConfig(key string) (text string, set bool)
	// IsConfigSecret tells whether any part of a key is encrypted.
	IsConfigSecret(key string) bool
	Project() string
	Stack() string
}

// Whole is a [Source] that knows more than single keys. One that is not is trusted: it has the program's keys alone, and
// encrypts each value of a credential by itself.
type Whole interface {
	Source
	// Keys are all keys of the configuration, with their namespaces.
	Keys() []string
	// Settings is the text of the stack's settings file; nil where it is not at hand.
	Settings() []byte
}

// program is the configuration of a running program.
type program struct {
	*pulumi.Context
	dir string
}

// Settings implements [Whole].
func (p program) Settings() []byte { return ReadSettings(p.dir, p.Stack()) }

// Keys implements [Whole]. The SDK has no list of the keys, but the CLI hands the whole configuration over in one variable.
func (program) Keys() []string {
	var values map[string]string
	if json.Unmarshal([]byte(os.Getenv("PULUMI_CONFIG")), &values) != nil {
		return nil
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	return keys
}

// ReadSettings is the text of a stack's settings file in a folder, or nil where there is none.
func ReadSettings(dir, stack string) []byte {
	text, err := os.ReadFile(filepath.Join(dir, settingsName(stack)))
	if err != nil {
		return nil
	}
	return text
}

func settingsName(stack string) string { return "Pulumi." + stack + ".yaml" }

// kept is how the stack's settings file keeps a value.
type kept int

const (
	// keptElsewhere: no file is at hand, or it does not have the value, which then comes from an environment of Pulumi ESC.
	keptElsewhere kept = iota
	keptPlain
	// keptEncrypted: by itself, so that the CLI masks it by itself.
	keptEncrypted
	// keptEnclosed: in a larger encrypted text.
	keptEnclosed
)

// settingsFile is the part of a stack's settings file that the configuration itself does not tell: which values of the
// credentials are encrypted.
type settingsFile struct {
	trusted     bool
	credentials *yaml.Node
}

func openSettings(src Source) settingsFile {
	whole, isWhole := src.(Whole)
	if !isWhole {
		return settingsFile{trusted: true}
	}
	var file struct{ Config map[string]yaml.Node }
	if yaml.Unmarshal(whole.Settings(), &file) != nil {
		return settingsFile{}
	}
	for _, key := range []string{src.Project() + ":credentials", "credentials"} {
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
		case member(node, "secure") != nil && len(node.Content) == 2:
			if len(path) == 0 {
				return keptEncrypted
			}
			return keptEnclosed
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
	whole, isWhole := src.(Whole)
	if !isWhole {
		return
	}
	all := whole.Keys()
	for _, key := range all {
		namespace, name, _ := strings.Cut(key, ":")
		ours := isOurs(name)
		if namespace != src.Project() {
			// gcp:credentials is a provider's. Only beside another of our keys is it ours.
			left := ours && (name != "credentials" || slices.ContainsFunc(all, func(other string) bool {
				rest, same := strings.CutPrefix(other, namespace+":")
				return same && rest != name && isOurs(rest)
			}))
			if left {
				c.addf(key, "belongs to the project %s, and this one is %s, which does not read it. Set %s here and remove it with `pulumi config rm %s`",
					namespace, src.Project(), name, key)
			}
			continue
		}
		switch {
		case slices.Contains(keys, name):
		case ours:
			c.addf(name, "is one key with a dot in its name, which nobody reads. Remove it with `pulumi config rm '%s'` and set the field: "+
				"`pulumi config set --path %s ...`", name, name)
		default:
			c.addf(name, "is not a setting of this program. It reads %s. Remove it with `pulumi config rm '%s'`", strings.Join(keys, ", "), name)
		}
	}
}

// isOurs tells whether a key is one of the program's, or a path that was meant for one.
func isOurs(name string) bool {
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	return slices.Contains(keys, name)
}
