package check

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/settings"
)

// mount is a secrets engine, or below auth/ an auth method. All its fields are empty where there is none.
type mount struct {
	path, kind, version, description string
}

// mountOf is what serves a path of Vault. Vault answers whoever may do anything below the mount, and tells all others
// that there is none, with a 403.
func mountOf(ctx context.Context, vault *api.Client, path string) (mount, error) {
	answer, err := vault.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	if err != nil || answer == nil {
		return mount{}, err
	}
	var m mount
	m.path, _ = answer.Data["path"].(string)
	m.kind, _ = answer.Data["type"].(string)
	m.description, _ = answer.Data["description"].(string)
	options, _ := answer.Data["options"].(map[string]any)
	m.version, _ = options["version"].(string)
	if m.path = strings.Trim(m.path, "/"); strings.HasPrefix(path, "auth/") && !strings.HasPrefix(m.path, "auth/") {
		m.path = "auth/" + m.path
	}
	return m, nil
}

// mounted is what is mounted at a path. It is known to be none only with sight of something below it.
func (c *checker) mounted(ctx context.Context, path string, sight bool) (m mount, known bool) {
	m, err := mountOf(ctx, c.vault.Client, path)
	switch {
	case status(err) == http.StatusForbidden:
		return mount{}, sight
	case err != nil:
		c.unseen("what is mounted at %s: %s", path, c.unreachable(err))
		return mount{}, false
	case m.path != path: // one above it
		return mount{}, m.path != "" || sight
	}
	return m, true
}

// foreign reports something that is in Vault and not in the stack's state. Whatever its labels say, it is somebody
// else's: of a stack of the same name whose state is elsewhere, or of a state that was lost.
func (c *checker) foreign(key, what, look, avoid, kind, name, id string) {
	urn := func(kind, name string) string {
		return fmt.Sprintf("urn:pulumi:%s::%s::%s::%s", c.cfg.Stack, c.cfg.Project, kind, name)
	}
	provider, parent := urn("pulumi:providers:vault", "vault"), urn("mlvault:credentials:Store", "credentials")
	adopt := fmt.Sprintf("`pulumi import %s '%s' '%s' --parent 'credentials=%s' --provider 'vault=%s' --stack %s --protect=false --generate-code=false --yes`",
		kind, name, id, parent, provider, c.cfg.Stack)
	if !c.stack.knows(parent) || !c.stack.knows(provider) {
		adopt = fmt.Sprintf("`pulumi up --target '%s' --target '%s' --stack %s`, and then %s", provider, parent, c.cfg.Stack, adopt)
	}
	c.problem("%s: %s exists, and this stack's state does not have it, so it is somebody else's. Look at it: `%s`. To avoid it, %s. "+
		"If it belongs to this stack, adopt it: %s", key, what, look, avoid, adopt)
}

// rename is what to do about a name that follows from project and stack.
const rename = "rename this stack (`pulumi stack rename`): its names in Vault follow"

// mount looks at the KV engine. It tells whether there may be secrets in it.
func (c *checker) mount(ctx context.Context) bool {
	v := c.cfg.Vault
	m, known := c.mounted(ctx, v.Mount, c.seesBelow(v.Mount+"/"))
	switch {
	case !known:
		c.unseen("mount %s: the token has no right below it that can be seen", v.Mount)
	case m.kind == "" && v.CreateMount:
		c.passed("mount %s: free, `pulumi up` makes it", v.Mount)
	case m.kind == "":
		c.problem("vault.mount: nothing is mounted at %s. Run `vault secrets enable -path=%s -version=2 kv`, name another mount, or set vault.createMount to true", v.Mount, v.Mount)
	case v.CreateMount && !c.stack.Has(TypeMount, v.Mount):
		c.foreign("vault.createMount", "a mount at "+v.Mount, "vault read sys/mounts/"+v.Mount, "set vault.createMount to false, which uses it as it is",
			TypeMount, "credentials-mount", v.Mount)
	case m.kind != "kv" || m.version != "2":
		c.problem("vault.mount: %s is not a KV version 2 engine (it is %s %s), and the plugin would write to wrong paths without an error. "+
			"Name one that is, or upgrade a version 1: `vault kv enable-versioning %s`", v.Mount, m.kind, m.version, v.Mount)
	default:
		c.passed("mount %s: KV version 2", v.Mount)
		c.checkAndSet(ctx)
		return true
	}
	return false
}

// checkAndSet looks for the setting that refuses every write of the plugin, which sends no cas.
func (c *checker) checkAndSet(ctx context.Context) {
	path := c.cfg.Vault.Mount + "/config"
	if !c.allowed(path, "read") {
		c.unseen("cas_required of the mount: needs read on %s, which the deployer's policy does not have", path)
		return
	}
	config, _ := c.read(ctx, "cas_required of the mount", path)
	if required, _ := config["cas_required"].(bool); required {
		c.problem("vault.mount: %s has cas_required, with which every write of the Vault plugin fails. "+
			"Run `vault write %s cas_required=false`, or name another mount", c.cfg.Vault.Mount, path)
	}
}

// secrets looks for what is at the credentials' paths and is not the stack's: `pulumi up` would overwrite it in silence.
func (c *checker) secrets(ctx context.Context) {
	own, free, blind := c.access.Project+"/"+c.access.Stack, 0, 0
	for _, credential := range c.access.Credentials {
		name, data := c.access.Prefix+"/"+credential.Name, c.access.Mount+"/data/"+c.access.Prefix+"/"+credential.Name
		metadata := strings.Replace(data, "/data/", "/metadata/", 1)
		if !c.allowed(metadata, "read") {
			blind++
			continue
		}
		found, seen := c.read(ctx, "credentials."+credential.Name, metadata)
		if required, _ := found["cas_required"].(bool); required {
			c.problem("credentials.%s: the secret at %s has cas_required, with which every write of the Vault plugin fails. "+
				"Run `vault kv metadata put -mount=%s -cas-required=false %s`", credential.Name, data, c.access.Mount, name)
		}
		owner := ownerOf(found)
		switch {
		case !seen: // which is said
		case found == nil, c.stack.Has(TypeSecret, data), deleted(found) && owner == own: // the last: by this stack's own destroy
			free++
		default:
			what, avoid := "a secret at "+data, "choose another vault.prefix or another name. An up would overwrite it"
			if owner != "" {
				what += " (labelled " + owner + ")"
			}
			if owner == own {
				avoid += ". Did it leave this stack's configuration, and `vault kv undelete` brought it back? Then it is this stack's"
			}
			c.foreign("credentials."+credential.Name, what, fmt.Sprintf("vault kv metadata get -mount=%s %s", c.access.Mount, name),
				avoid, TypeSecret, "credentials-"+credential.Name, data)
		}
	}
	if blind > 0 {
		c.unseen("whether somebody else's secret is at the paths of %s: needs read on their metadata", count(blind, "credential"))
	}
	if free > 0 {
		c.passed("secrets: %s free or this stack's own", count(free, "path"))
	}
}

// ownerOf is the project and stack in a secret's labels, or empty.
func ownerOf(metadata map[string]any) string {
	labels, _ := metadata["custom_metadata"].(map[string]any)
	project, _ := labels["project"].(string)
	if stack, _ := labels["stack"].(string); project != "" && stack != "" {
		return project + "/" + stack
	}
	return ""
}

// deleted tells whether a secret holds no value now: its newest version is deleted, or it has none.
func deleted(metadata map[string]any) bool {
	versions, _ := metadata["versions"].(map[string]any)
	newest, _ := versions[fmt.Sprint(metadata["current_version"])].(map[string]any)
	at, _ := newest["deletion_time"].(string)
	destroyed, _ := newest["destroyed"].(bool)
	return newest == nil || at != "" || destroyed
}

// parents are the folders whose listing shows a prefix inside another one: each part of the stack's own prefix.
func (c *checker) parents() []string {
	parts, folders := strings.Split(c.access.Prefix, "/"), []string{}
	for i := range parts {
		folders = append(folders, c.access.Mount+"/metadata/"+strings.Join(parts[:i+1], "/")+"/")
	}
	return folders
}

// neighbours looks for the secrets of others above and below the stack's prefix, as far as the token may list.
func (c *checker) neighbours(ctx context.Context) {
	own := c.stack.ids(TypeSecret)
	for _, credential := range c.access.Credentials {
		own = append(own, c.access.Mount+"/data/"+c.access.Prefix+"/"+credential.Name)
	}
	var others []string
	for _, folder := range c.parents() {
		if !c.allowed(folder, "list") && !c.allowed(strings.TrimSuffix(folder, "/"), "list") {
			c.unseen("whether the prefix overlaps with somebody else's: needs list on %s, which the deployer's policy does not have", folder)
			return
		}
		answer, err := c.vault.Logical().ListWithContext(ctx, folder)
		if err != nil || answer == nil {
			continue
		}
		above := folder != c.access.Mount+"/metadata/"+c.access.Prefix+"/"
		for _, name := range list(answer.Data["keys"]) {
			if above && strings.HasSuffix(name, "/") {
				continue // a prefix beside the stack's own, or on the way to it
			}
			path := strings.Replace(folder, "/metadata/", "/data/", 1) + strings.TrimSuffix(name, "/")
			if !slices.ContainsFunc(own, func(ours string) bool { return strings.HasPrefix(ours+"/", path+"/") }) {
				others = append(others, path)
			}
		}
	}
	if len(others) > 0 {
		c.warning("vault.prefix: %s overlaps with somebody else's prefix: this stack does not have %s. Choose a prefix that is in no other "+
			"and has no other in it, so that nobody takes one's secrets for the other's", c.access.Prefix, strings.Join(others, ", "))
	}
}

// policy and role are overwritten in silence too.
func (c *checker) policy(ctx context.Context) {
	name := c.access.Name()
	if c.exists(ctx, "policy "+name, c.access.PolicyPath()) && !c.stack.Has(TypePolicy, name) {
		c.foreign("policy "+name, "a policy of this name", "vault policy read "+name, rename, TypePolicy, "credentials-read", name)
	}
}

func (c *checker) role(ctx context.Context) {
	path := c.access.RolePath()
	if c.exists(ctx, "role "+path, path) && !c.stack.Has(TypeRole, path) {
		c.foreign("role "+path, "a role of this name", "vault read "+path, rename, TypeRole, "credentials-role", path)
	}
}

func (c *checker) exists(ctx context.Context, what, path string) bool {
	if !c.allowed(path, "read") {
		c.unseen("%s: needs read on %s", what, path)
		return false
	}
	found, _ := c.read(ctx, what, path)
	return found != nil
}

// read is what Vault has at a path, or nil. It reports where it cannot be seen.
func (c *checker) read(ctx context.Context, what, path string) (found map[string]any, seen bool) {
	answer, err := c.vault.Logical().ReadWithContext(ctx, path)
	if err != nil {
		c.unseen("%s: %s", what, c.unreachable(err))
	}
	if answer != nil {
		found = answer.Data
	}
	return found, err == nil
}

// authBackend looks whether the place of the JWT auth backend is free, or taken by the right thing.
func (c *checker) authBackend(ctx context.Context) {
	path := c.access.AuthPath
	m, known := c.mounted(ctx, "auth/"+path, c.sees(c.access.RolePath()))
	switch {
	case !known:
		c.unseen("auth backend %s: the token has no right below it that can be seen", path)
		return
	case c.access.CreateBackend && m.kind == "":
		c.passed("auth backend %s: free, `pulumi up` makes it", path)
		return
	case c.access.CreateBackend && !c.stack.Has(TypeBackend, path):
		c.foreignBackend(ctx, path)
		return
	case m.kind == "":
		c.problem("workload.authPath: there is no auth backend at auth/%s. Have it made, or set workload.createAuthBackend to true", path)
		return
	case m.kind != "jwt" && m.kind != "oidc":
		c.problem("workload.authPath: the auth backend at auth/%s is of type %s, and a job logs in by jwt. Name another path", path, m.kind)
		return
	}
	c.passed("auth backend %s: as it should be", path)
	c.role(ctx)
}

// foreignBackend tells what a failed up left behind from what others log in with. It never advises to disable a backend
// that may have a role in it.
func (c *checker) foreignBackend(ctx context.Context, path string) {
	half, err := HalfMade(ctx, c.vault.Client, c.access)
	switch {
	case err != nil:
		c.unseen("whose the auth backend %s is: %s", path, c.unreachable(err))
	case half:
		c.problem("workload.authPath: a failed `pulumi up` of this stack left auth/%s half-made. It has no role, so that nobody can log in by it. "+
			"Remove it: `vault auth disable %s`. Then check that Vault can reach the issuer", path, path)
		return
	}
	avoid := "set workload.createAuthBackend to false if its owner lets this stack use it, or " + rename
	if path != settings.DefaultAuthPath(c.access.Project, c.access.Stack) {
		avoid = "set workload.createAuthBackend to false if its owner lets this stack use it, or use this stack's own path: `pulumi config rm --path workload.authPath`"
	}
	c.foreign("workload.authPath", "an auth backend at auth/"+path, "vault read sys/mounts/auth/"+path, avoid+
		". Do not disable it: whoever logs in by it would lose their access", TypeBackend, "credentials-jwt", path)
}

// HalfMade tells whether a stack's auth backend is what a failed up leaves: enabled under the stack's description, and
// without a role. Nobody can log in by it, so it may be removed. Who may not list roles, as the deployer, looks at the
// stack's own, and at the configuration, without which another role lets nobody in.
func HalfMade(ctx context.Context, vault *api.Client, store settings.Store) (bool, error) {
	m, err := mountOf(ctx, vault, "auth/"+store.AuthPath)
	if status(err) == http.StatusForbidden {
		return false, nil // there is none
	}
	if err != nil || m.path != "auth/"+store.AuthPath || m.description != store.Description() {
		return false, err
	}
	roles, err := vault.Logical().ListWithContext(ctx, m.path+"/role")
	if status(err) != http.StatusForbidden {
		return err == nil && roles == nil, err
	}
	config, err := vault.Logical().ReadWithContext(ctx, m.path+"/config")
	if err != nil {
		return false, err
	}
	if config != nil {
		for _, field := range []string{"bound_issuer", "oidc_discovery_url", "jwks_url"} {
			if text, _ := config.Data[field].(string); text != "" {
				return false, nil
			}
		}
	}
	role, err := vault.Logical().ReadWithContext(ctx, store.RolePath())
	return err == nil && role == nil, err
}

// reads tells of each path of vault.reads whether it exists. It never asks for a value: of KV version 2 it reads the
// metadata, and of an engine that makes credentials the role, each only where the token may.
func (c *checker) reads(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(c.access.Reads)) {
		path := c.access.Reads[name]
		m, err := mountOf(ctx, c.vault.Client, path)
		ask, look := readsAsk(path, m)
		switch {
		case err == nil && m.path == "":
			c.problem("vault.reads.%s: no engine is mounted that serves %s. Check the path with its owner", name, path)
			continue
		case err != nil || ask == "" || !c.allowed(ask, "read"):
			c.unseen("vault.reads.%s: %s was not looked at, since the token may not, and need not. Its owner can: `%s`", name, path, look)
			continue
		}
		switch found, seen := c.read(ctx, "vault.reads."+name, ask); {
		case !seen: // which is said
		case found == nil, m.kind == "kv" && deleted(found):
			c.problem("vault.reads.%s: there is nothing at %s, so that jobs would fail. Have its owner write it, or correct the path", name, path)
		default:
			c.passed("vault.reads.%s: %s exists", name, path)
		}
	}
}

// readsAsk is the path that shows whether another path would give something, and the command that asks it. Without a
// mount they follow from the usual form of the path.
func readsAsk(path string, m mount) (ask, look string) {
	if before, after, isKV := strings.Cut(path, "/data/"); isKV && (m.kind == "" || m.kind == "kv") {
		return before + "/metadata/" + after, "vault kv metadata get -mount=" + before + " " + after
	}
	for _, word := range [][2]string{{"/creds/", "/roles/"}, {"/static-creds/", "/static-roles/"}} {
		if before, after, makes := strings.Cut(path, word[0]); makes {
			ask = before + word[1] + after
			return ask, "vault read " + ask
		}
	}
	return "", "vault token capabilities " + path
}
