package rights

import (
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// Label is what a secret's custom metadata say about whose it is.
type Label struct {
	// Owner is `<project>/<stack>`, or empty where nobody says.
	Owner string
	// Vault is the fingerprint of the Vault that the owner's state was written against.
	Vault string
	// Identity is the object id of the owner's job identity.
	Identity string
	// Readers are the stacks that the owner lets read it.
	Readers []string
}

// LabelOf reads Vault's metadata of a secret.
func LabelOf(metadata map[string]any) Label {
	fields, _ := metadata["custom_metadata"].(map[string]any)
	field := func(name string) string {
		text, _ := fields[name].(string)
		return text
	}
	label := Label{
		Vault:    field(settings.LabelVault),
		Identity: field(settings.LabelIdentity),
	}
	project := field(settings.LabelProject)
	stack := field(settings.LabelStack)
	if project != "" && stack != "" {
		label.Owner = project + "/" + stack
	}
	for reader := range strings.SplitSeq(field("readers"), ",") {
		label.Readers = append(label.Readers, strings.TrimSpace(reader))
	}
	return label
}

// LetsRead tells whether a stack, `<project>/<stack>`, may name the secret in its vault.reads: it
// is its own, or nobody's that says so, or the owner lists it.
func (l Label) LetsRead(stack string) bool {
	return l.Owner == "" || l.Owner == stack || slices.Contains(l.Readers, stack)
}

// OwnerPath is the API path that shows whose the value at another one is, and no value. It is empty
// where no path of KV version 2 is meant.
func OwnerPath(read string) string {
	mount, below, isKV2 := strings.Cut(read, "/data/")
	if !isKV2 {
		return ""
	}
	return mount + "/metadata/" + below
}
