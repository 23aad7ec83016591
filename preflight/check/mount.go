package check

import (
	"context"
	"net/http"
	"strings"
)

// mounted is what stands at a path of Vault: a secrets engine, or with auth/ before it an auth method. Vault lets
// everybody ask who may do anything below it, and answers all others as if there were none: known is false without sight.
func (c *checker) mounted(ctx context.Context, path string, sight bool) (kind, version string, known bool) {
	answer, err := c.vault.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	switch {
	case status(err) == http.StatusForbidden, err == nil && answer == nil:
		return "", "", sight
	case err != nil:
		c.unseen("what is mounted at %s: %s", path, c.unreachable(err))
		return "", "", false
	}
	if at, _ := answer.Data["path"].(string); "auth/"+strings.Trim(at, "/") != path && strings.Trim(at, "/") != path {
		return "", "", true // one above it
	}
	kind, _ = answer.Data["type"].(string)
	options, _ := answer.Data["options"].(map[string]any)
	version, _ = options["version"].(string)
	return kind, version, true
}

// mount looks at the KV engine. It tells whether there may be secrets in it.
func (c *checker) mount(ctx context.Context) bool {
	v := c.cfg.Vault
	kind, version, known := c.mounted(ctx, v.Mount, c.sees(c.cfg.Access().DeployerGrants()[0].Path)) // the first credential
	ours := c.stack.Has(TypeMount, v.Mount)
	switch {
	case !known:
		c.unseen("mount %s: the token has no right that can be seen below it", v.Mount)
	case kind == "" && v.CreateMount:
		c.passed("mount %s: free, the up makes it", v.Mount)
	case kind == "":
		c.problem("vault.mount: nothing is mounted at %s; `vault secrets enable -path=%s -version=2 kv`, name another mount, or set vault.createMount to true", v.Mount, v.Mount)
	case v.CreateMount && !ours:
		c.problem("vault.createMount: there is a mount at %s, and this stack has not made it; set vault.createMount to false, or name another mount", v.Mount)
	case kind != "kv" || version != "2":
		c.problem("vault.mount: %s is not a KV version 2 engine (it is %s %s), and the plugin would write to wrong paths without an error; "+
			"name one that is, or upgrade a version 1 (`vault kv enable-versioning %s`)", v.Mount, kind, version, v.Mount)
	default:
		c.passed("mount %s: KV version 2", v.Mount)
		c.checkAndSet(ctx)
		return true
	}
	return false
}

// checkAndSet looks for the setting with which no write of the plugin passes: it sends no cas where Vault looks for it.
func (c *checker) checkAndSet(ctx context.Context) {
	path := c.cfg.Vault.Mount + "/config"
	if !c.allowed(path, "read") {
		c.unseen("cas_required of the mount: needs read on %s, which the deployer's policy does not have", path)
		return
	}
	answer, err := c.vault.Logical().ReadWithContext(ctx, path)
	if err != nil || answer == nil {
		c.unseen("cas_required of the mount: %s", c.unreachable(err))
		return
	}
	if required, _ := answer.Data["cas_required"].(bool); required {
		c.problem("vault.mount: %s has cas_required, with which no write of the Vault plugin passes; "+
			"`vault write %s cas_required=false`, or name another mount", c.cfg.Vault.Mount, path)
	}
}

// secrets looks for what stands at the credentials' paths and is not the stack's: an up would overwrite it in silence.
func (c *checker) secrets(ctx context.Context) {
	free, blind := 0, 0
	owner := c.cfg.Access().Owner()
	for _, credential := range c.cfg.Credentials {
		at := func(kind string) string {
			return c.cfg.Vault.Mount + "/" + kind + "/" + c.cfg.Vault.Prefix + "/" + credential.Name
		}
		if !c.allowed(at("metadata"), "read") {
			blind++
			continue
		}
		answer, err := c.vault.Logical().ReadWithContext(ctx, at("metadata"))
		if err != nil {
			c.unseen("credentials.%s: %s", credential.Name, c.unreachable(err))
			continue
		}
		if answer == nil {
			free++
			continue
		}
		if required, _ := answer.Data["cas_required"].(bool); required {
			c.problem("credentials.%s: the secret at %s has cas_required, with which no write of the Vault plugin passes; "+
				"`vault kv metadata put -mount=%s -cas-required=false %s/%s`", credential.Name, at("data"), c.cfg.Vault.Mount, c.cfg.Vault.Prefix, credential.Name)
		}
		labels, _ := answer.Data["custom_metadata"].(map[string]any)
		ours := labels["project"] == owner["project"] && labels["stack"] == owner["stack"]
		if !ours && !c.stack.Has(TypeSecret, at("data")) {
			c.problem("credentials.%s: somebody else's secret is at %s, and an up would overwrite it; choose another name or vault.prefix, or give it "+
				"to this stack: `vault kv metadata patch -mount=%s -custom-metadata=project=%s -custom-metadata=stack=%s %s/%s`",
				credential.Name, at("data"), c.cfg.Vault.Mount, c.cfg.Project, c.cfg.Stack, c.cfg.Vault.Prefix, credential.Name)
			continue
		}
		free++
	}
	if blind > 0 {
		c.unseen("whether somebody else's secret is at the paths of %s: needs read on their metadata", count(blind, "credential"))
	}
	if free > 0 {
		c.passed("secrets: %s free or this stack's own", count(free, "path"))
	}
}

// authBackend looks whether the place of the JWT auth backend is free, or taken by the right thing.
func (c *checker) authBackend(ctx context.Context) {
	path := c.cfg.Workload.AuthPath
	role := "auth/" + path + "/role/" + c.cfg.Access().Name()
	kind, _, known := c.mounted(ctx, "auth/"+path, c.sees(role))
	create := *c.cfg.Workload.CreateAuthBackend
	switch {
	case !known:
		c.unseen("auth backend %s: the token has no right that can be seen below it", path)
	case create && kind != "" && !c.stack.Has(TypeBackend, path):
		c.problem("workload.authPath: auth/%s is taken, and not by this stack's state; choose another path, set workload.createAuthBackend to false if it is "+
			"meant to be used, or if a failed up left it behind: `vault auth disable %s`", path, path)
	case !create && kind == "":
		c.problem("workload.authPath: there is no auth backend at auth/%s; have it made, or set workload.createAuthBackend to true", path)
	case !create && kind != "jwt" && kind != "oidc":
		c.problem("workload.authPath: the auth backend at auth/%s is of type %s, and a job logs in by jwt; name another path", path, kind)
	default:
		c.passed("auth backend %s: as it should be", path)
	}
}
