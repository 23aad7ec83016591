package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// isOfAnother tells whether a label names another stack than this one, under the name of before
// too: after a rename the state has the marks that Vault has. A refresh writes what it finds into
// the state, but for the options.
func (c *checker) isOfAnother(found rights.Label, path string) bool {
	if found.Owner == "" || found.Owner == c.self() {
		return false
	}
	for _, r := range c.made(rights.TypeSecret) {
		options, _ := r.Inputs["options"].(map[string]any)
		isMarked := found.Identity != "" && found.Identity == text(options[settings.LabelIdentity])
		if r.ID == path && isMarked && found.Vault == text(options[settings.LabelVault]) {
			return false
		}
	}
	return true
}

// self is this stack, as labels name it.
func (c *checker) self() string { return c.settings.Project + "/" + c.settings.Stack }

// secrets looks for what is at the credentials' paths and is not the stack's. `pulumi up`
// overwrites that in silence, and deletes in silence what left the configuration.
func (c *checker) secrets(ctx context.Context) {
	right := 0
	if c.hasSecrets {
		for _, credential := range c.settings.Credentials {
			if c.secret(ctx, credential.Name) {
				right++
			}
		}
	}
	if right > 0 {
		c.passed("secrets: %s free or this stack's own", count(right, "path"))
	}
	c.leavingSecrets(ctx)
}

// secret tells whether a credential's path is free or this stack's own.
func (c *checker) secret(ctx context.Context, name string) bool {
	key := "credentials." + name
	data := c.settings.DataPath(name)
	metadata, how := c.lookForOwner(ctx, "the secret at "+data, c.settings.MetadataPath(name))
	if how != seen {
		return false
	}
	if metadata == nil {
		return true
	}
	mount := c.settings.Vault.Mount
	below := c.settings.SecretName(name)
	if required, _ := metadata["cas_required"].(bool); required {
		c.problem("%s: the secret at %s has cas_required, with which every write of the Vault plugin "+
			"fails. "+
			"Run `vault kv metadata put -mount=%s -cas-required=false %s`", key, data, mount, below)
	}
	found := rights.LabelOf(metadata)
	isOwn := found.Owner == c.self()
	switch {
	case c.owns(rights.TypeSecret, data) && c.isOfAnother(found, data):
		c.shared(key, data, found.Owner)
		return false
	case c.owns(rights.TypeSecret, data) && c.isOfAnotherIdentity(data, found) && !deleted(metadata):
		c.report.AnotherVault = true
		c.problem("%s: the secret at %s bears the mark of another %s, whose jobs have another "+
			"identity: a stack of the same name, or the same stack in another state. `pulumi up` "+
			"leaves it alone. Is this the Vault that the state was written against?",
			key, data, found.Owner)
		return false
	case c.owns(rights.TypeSecret, data):
		return true
	case isOwn && deleted(metadata): // by this stack's own destroy
		return true
	case isOwn && c.moved && c.isWrittenAgainst(found.Vault):
		return true
	}
	what := "a secret at " + data
	if found.Owner != "" {
		what += " (labelled " + found.Owner + ")"
	}
	avoid := "choose another vault.prefix or another name"
	if isOwn {
		avoid += ". Did it leave this stack's configuration, and `vault kv undelete` brought it back? " +
			"Then it is this stack's"
	}
	c.foreign(finding{
		Key:        key,
		What:       what,
		Look:       fmt.Sprintf("vault kv metadata get -mount=%s %s", mount, below),
		Avoid:      avoid,
		Overwrites: true,
		Kind:       rights.TypeSecret,
		Name:       "credentials-" + name,
		ID:         data,
	})
	return false
}

// isOfAnotherIdentity compares a secret's mark with what the state keeps of it. A refresh takes the
// marks of whatever Vault into the state, and leaves the options alone.
func (c *checker) isOfAnotherIdentity(id string, found rights.Label) bool {
	for _, r := range c.stack.owned() {
		options, _ := r.Inputs["options"].(map[string]any)
		stated := text(options[settings.LabelIdentity])
		if r.Type == rights.TypeSecret && r.ID == id && stated != "" {
			return found.Identity != "" && found.Identity != stated
		}
	}
	return false
}

// shared reports a path that two stacks write to.
func (c *checker) shared(key, path, owner string) {
	c.report.Overwrites = true
	c.problem("%s: the secret at %s is in this stack's state and bears the mark of %s: two stacks "+
		"write to one path, "+
		"and each overwrites and deletes what is the other's. Give each stack a vault.prefix of its "+
		"own, and take this one "+
		"out of this state: `pulumi state delete <URN>`", key, path, owner)
}

// leavingSecrets are those that the state has and the configuration no longer names. The next up
// deletes them.
func (c *checker) leavingSecrets(ctx context.Context) {
	stays := map[string]bool{}
	for _, credential := range c.settings.Credentials {
		stays[c.settings.DataPath(credential.Name)] = true
	}
	for _, r := range c.stack.State.Resources {
		mount, name, isPath := strings.Cut(r.ID, "/data/")
		if r.Type != rights.TypeSecret || !isPath || stays[r.ID] {
			continue
		}
		metadata, how := c.look(ctx, mount+"/metadata/"+name)
		if how != seen {
			c.unseen("whose the secret at %s is, which the next up deletes: needs read on its "+
				"metadata", r.ID)
			c.report.OwnersUnseen = true
			continue
		}
		if found := rights.LabelOf(metadata); c.isOfAnother(found, r.ID) {
			c.shared("state", r.ID, found.Owner)
		}
	}
}

// deleted tells whether a secret holds no value now: its newest version is deleted, or it has none.
func deleted(metadata map[string]any) bool {
	versions, _ := metadata["versions"].(map[string]any)
	newest, _ := versions[fmt.Sprint(metadata["current_version"])].(map[string]any)
	if newest == nil {
		return true
	}
	isDestroyed, _ := newest["destroyed"].(bool)
	return isDestroyed || text(newest["deletion_time"]) != ""
}

// parents are the folders whose listing shows a prefix inside another one: each part of the stack's
// own prefix.
func (c *checker) parents() []string {
	folder := c.settings.Vault.Mount + "/metadata/"
	var folders []string
	for part := range strings.SplitSeq(c.settings.Vault.Prefix, "/") {
		folder += part + "/"
		folders = append(folders, folder)
	}
	return folders
}

// neighbours looks for the secrets of others above and below the stack's prefix, as far as the
// token may list.
func (c *checker) neighbours(ctx context.Context) {
	if !c.hasSecrets || len(c.settings.Credentials) == 0 {
		return
	}
	own := c.stack.State.IDs(rights.TypeSecret)
	for _, credential := range c.settings.Credentials {
		own = append(own, c.settings.DataPath(credential.Name))
	}
	var others, owners []string
	for _, folder := range c.parents() {
		names, mayList := c.list(ctx, folder)
		if !mayList {
			c.unseen("whether the prefix overlaps with somebody else's: needs list on %s, which the "+
				"deployer's policy "+
				"does not have", folder)
			return
		}
		isAbove := folder != c.settings.Vault.Mount+"/metadata/"+c.settings.Vault.Prefix+"/"
		for _, name := range names {
			if isAbove && strings.HasSuffix(name, "/") {
				continue // a prefix beside the stack's own, or on the way to it
			}
			path := strings.Replace(folder, "/metadata/", "/data/", 1) + strings.TrimSuffix(name, "/")
			if isBelow(path, own) {
				continue
			}
			others = append(others, path)
			metadata, _ := c.look(ctx, folder+name)
			if owner := rights.LabelOf(metadata).Owner; owner != "" && owner != c.self() {
				owners = append(owners, owner)
			}
		}
	}
	c.overlap(others, owners)
}

// isBelow tells whether one of some paths is this one, or below it.
func isBelow(path string, paths []string) bool {
	return slices.ContainsFunc(paths, func(each string) bool {
		return strings.HasPrefix(each+"/", path+"/")
	})
}

func (c *checker) overlap(others, owners []string) {
	const advice = "Choose a prefix that is in no other and has no other in it"
	prefix := c.settings.Vault.Prefix
	found := strings.Join(others, ", ")
	slices.Sort(owners)
	owners = slices.Compact(owners)
	switch {
	case len(owners) > 0:
		c.report.Overwrites = true
		c.problem("vault.prefix: %s is used by %s too, whose are %s. Two stacks with one prefix "+
			"overwrite and delete each "+
			"other's secrets as soon as two names are the same. "+
			"%s", prefix, strings.Join(owners, ", "), found, advice)
	case len(others) > 0:
		c.warning("vault.prefix: %s overlaps with somebody else's prefix: this stack does not have %s. "+
			"%s, so that nobody "+
			"takes one's secrets for the other's", prefix, found, advice)
	}
}

// list are the names in a folder of metadata. It is false where the token may not list them.
func (c *checker) list(ctx context.Context, folder string) ([]string, bool) {
	answer, err := c.vault.Logical().ListWithContext(ctx, folder)
	if err != nil {
		return nil, false
	}
	if answer == nil {
		return nil, true
	}
	return texts(answer.Data["keys"]), true
}
