package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlvault/internal/rights"
)

// reads tells of each path of vault.reads whether it exists, and whether its owner lets this stack
// read it. It never asks for a value: of KV version 2 it reads the metadata, and of an engine that
// makes credentials the role, each only where the token may.
func (c *checker) reads(ctx context.Context) {
	reads := c.settings.Vault.Reads
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		c.readPath(ctx, "vault.reads."+name, reads[name].Path)
	}
}

func (c *checker) readPath(ctx context.Context, key, path string) {
	m, err := mountOf(ctx, c.vault.Client, path)
	ask, look := askInstead(path, m)
	isUnasked := err != nil || ask == ""
	switch {
	case err == nil && m.path == "":
		c.problem("%s: no engine is mounted that serves %s. Check the path with its owner", key, path)
		return
	case err == nil && m.isKV2() && !strings.HasPrefix(path, m.path+"/data/"):
		c.problem("%s: %s lacks data/, under which the KV version 2 engine at %s serves its values. "+
			"Write %s/data/%s",
			key, path, m.path, m.path, strings.TrimPrefix(path, m.path+"/"))
		return
	case isUnasked && ask == "":
		c.unseen("%s: %s was not looked at: only a read of the value would show it. Its owner can: "+
			"`%s`", key, path, look)
		return
	}
	found, how := c.look(ctx, ask)
	switch {
	case how == failed:
		return
	case how == forbidden:
		c.unseen("%s: %s was not looked at, since the token may not, and need not. Its owner can: "+
			"`%s`", key, path, look)
	case found == nil, m.kind == "kv" && deleted(found):
		c.problem("%s: there is nothing at %s, so that jobs would fail. Have its owner write it, or "+
			"correct the path",
			key, path)
	default:
		c.consent(key, path, rights.LabelOf(found))
	}
}

// consent looks whether the owner of a secret lets this stack's jobs read it. Whoever may write
// vault.reads and deploy would else give themselves the credentials of another stack.
func (c *checker) consent(key, path string, found rights.Label) {
	switch {
	case found.Owner == "":
		c.passed("%s: %s exists", key, path)
	case found.Owner == c.self():
		c.passed("%s: %s exists, and is this stack's own", key, path)
	case found.LetsRead(c.self()):
		c.passed("%s: %s exists, and %s lets this stack read it", key, path, found.Owner)
	default:
		c.problem("%s: %s is a credential of the stack %s, which does not list this stack as a reader. "+
			"Have its owner set "+
			"it: `pulumi config set --path 'vault.readers[0]' %s`, then `pulumi up`. Or remove the path "+
			"here",
			key, path, found.Owner, c.self())
	}
}

// askInstead is the path that shows whether another path would give something, and the command that
// asks it. Where the mount is not known they follow from the usual form of the path. The first is
// empty where only the value would show it.
func askInstead(path string, m mount) (ask, look string) {
	before, after, hasData := strings.Cut(path, "/data/")
	if hasData && (m.kind == "" || m.isKV2()) {
		ask = before + "/metadata/" + after
		return ask, fmt.Sprintf("vault kv metadata get -mount=%s %s", before, after)
	}
	for _, each := range []struct{ makes, defines string }{
		{makes: "/creds/", defines: "/roles/"},
		{makes: "/static-creds/", defines: "/static-roles/"},
		{makes: "/issue/", defines: "/roles/"},
		{makes: "/sts/", defines: "/roles/"},
	} {
		before, after, isMade := strings.Cut(path, each.makes)
		if isMade && m.kind != "kv" {
			ask = before + each.defines + after
			return ask, "vault read " + ask
		}
	}
	return "", "vault token capabilities " + path
}
