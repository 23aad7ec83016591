package settings

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// kept is how the stack's settings file keeps a value.
type kept int

const (
	// keptElsewhere: no file is at hand, or the value is in a larger encrypted text, or comes from an
	// environment of Pulumi ESC.
	keptElsewhere kept = iota
	keptPlain
	// keptEncrypted: by itself, so that the CLI masks it by itself.
	keptEncrypted
)

// settingsFile is the part of a stack's settings file that the configuration itself does not tell:
// which values of the credentials are encrypted.
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
	return keptAt(f.credentials, path)
}

// keptAt tells how a node of the file has what is at a path below it.
func keptAt(node *yaml.Node, path []string) kept {
	switch {
	case node == nil:
		return keptElsewhere
	case isSecure(node) && len(path) == 0:
		return keptEncrypted
	case isSecure(node): // a part of an encrypted text
		return keptElsewhere
	case node.Kind == yaml.ScalarNode:
		return keptPlain
	case len(path) == 0:
		return keptElsewhere
	default:
		return keptAt(member(node, path[0]), path[1:])
	}
}

// isSecure tells whether a node is an encrypted text, which the CLI writes as {secure: ...}. A
// value of a credential may be called secure too, and then stands beside others or is no text.
func isSecure(node *yaml.Node) bool {
	const pair = 2 // a mapping has its keys and values in turn
	return member(node, "secure") != nil && len(node.Content) == pair
}

func member(node *yaml.Node, step string) *yaml.Node {
	if node.Kind == yaml.SequenceNode {
		index, err := strconv.Atoi(strings.Trim(step, "[]"))
		if err != nil || index >= len(node.Content) {
			return nil
		}
		return node.Content[index]
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == step {
			return node.Content[i+1]
		}
	}
	return nil
}
