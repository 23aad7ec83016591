package check

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/rights"
	"mlvault/internal/vaultapi"
)

// mount is a secrets engine, or below auth/ an auth method. All its fields are empty where there is
// none.
type mount struct {
	path        string
	kind        string
	version     string
	description string
}

// is tells whether the mount is of a kind.
func (m mount) is(kinds ...string) bool { return slices.Contains(kinds, m.kind) }

// isKV2 tells whether it is a KV engine of version 2.
func (m mount) isKV2() bool { return m.kind == "kv" && m.version == "2" }

// mountOf is what serves a path of Vault. Vault answers whoever may do anything below the mount,
// and tells all others that there is none, with a 403.
func mountOf(ctx context.Context, vault *api.Client, path string) (mount, error) {
	answer, err := vault.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	if err != nil || answer == nil {
		return mount{}, err
	}
	m := mount{
		path:        strings.Trim(text(answer.Data["path"]), "/"),
		kind:        text(answer.Data["type"]),
		description: text(answer.Data["description"]),
	}
	options, _ := answer.Data["options"].(map[string]any)
	m.version = text(options["version"])
	if strings.HasPrefix(path, "auth/") && !strings.HasPrefix(m.path, "auth/") {
		m.path = "auth/" + m.path
	}
	return m, nil
}

// place is what Vault has at a path where something is to be mounted.
type place struct {
	// at is mounted exactly there.
	at mount
	// above is mounted at a part of the path, so that nothing can be mounted there.
	above mount
	// isKnown is false where the token may not see what is there.
	isKnown bool
}

// placeOf looks at a path. It is known to be free only to a token that may look at something below
// it, which grants are.
func (c *checker) placeOf(ctx context.Context, path string, grants []string) place {
	m, err := mountOf(ctx, c.vault.Client, path)
	switch {
	case vaultapi.Status(err) == http.StatusForbidden:
		return place{isKnown: c.mayLookAt(ctx, grants)}
	case err != nil:
		c.unseen("what is mounted at %s: %s", path, c.unreachable(err))
		return place{}
	case m.path == path:
		return place{at: m, isKnown: true}
	case m.path == "":
		return place{isKnown: c.mayLookAt(ctx, grants)}
	default:
		return place{above: m, isKnown: true}
	}
}

// below are mounts below a path, as far as the token may see them. Vault mounts nothing above
// another mount.
func (c *checker) below(ctx context.Context, path string) []string {
	answer, err := c.vault.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts")
	if err != nil || answer == nil {
		return nil
	}
	kind := "secret"
	folder, isAuth := strings.CutPrefix(path, "auth/")
	if isAuth {
		kind = "auth"
	}
	mounts, _ := answer.Data[kind].(map[string]any)
	var found []string
	for name := range mounts {
		if strings.HasPrefix(name, folder+"/") && strings.Trim(name, "/") != folder {
			found = append(found, strings.Trim(name, "/"))
		}
	}
	slices.Sort(found)
	return found
}

// mount looks at the KV engine.
func (c *checker) mount(ctx context.Context) {
	vault := c.settings.Vault
	found := c.placeOf(ctx, vault.Mount, c.grantsBelow(vault.Mount+"/"))
	switch {
	case !found.isKnown:
		c.unseen("mount %s: the token has no right below it that can be seen", vault.Mount)
		c.hasSecrets = true // so that each path is tried
	case found.at.kind == "" && vault.CreateMount:
		c.mountToMake(ctx, found)
	case found.at.kind == "":
		c.noMount(found)
	case vault.CreateMount && !c.owns(rights.TypeMount, vault.Mount):
		c.foreign(finding{
			Key:   "vault.createMount",
			What:  "a mount at " + vault.Mount,
			Look:  "vault read sys/mounts/" + vault.Mount,
			Avoid: "set vault.createMount to false, which uses it as it is",
			Kind:  rights.TypeMount,
			Name:  "credentials-mount",
			ID:    vault.Mount,
		})
	case !found.at.isKV2():
		c.problem("vault.mount: %s is not a KV version 2 engine (it is %s %s), and the plugin would "+
			"write to wrong paths "+
			"without an error. Name one that is, or upgrade a version 1: `vault kv enable-versioning %s`",
			vault.Mount, found.at.kind, found.at.version, vault.Mount)
	default:
		c.passed("mount %s: KV version 2", vault.Mount)
		c.hasSecrets = true
		c.checkAndSet(ctx)
	}
}

func (c *checker) mountToMake(ctx context.Context, found place) {
	path := c.settings.Vault.Mount
	below := c.below(ctx, path)
	switch {
	case found.above.path != "":
		c.problem("vault.createMount: %s is mounted already, and Vault mounts nothing below it. "+
			"Set vault.createMount to false and vault.mount to %s, or choose a mount beside it",
			found.above.path, found.above.path)
	case len(below) > 0:
		c.problem("vault.createMount: %s is mounted below %s, and Vault mounts nothing above it. "+
			"Choose another vault.mount",
			strings.Join(below, ", "), path)
	default:
		c.passed("mount %s: free, `pulumi up` makes it", path)
	}
}

func (c *checker) noMount(found place) {
	path := c.settings.Vault.Mount
	if found.above.isKV2() {
		c.problem("vault.mount: nothing is mounted at %s, but %s is, a KV version 2 engine. Set "+
			"vault.mount to %s, and put "+
			"the rest in front of vault.prefix", path, found.above.path, found.above.path)
		return
	}
	c.problem("vault.mount: nothing is mounted at %s. Run `vault secrets enable -path=%s -version=2 "+
		"kv`, "+
		"name another mount, or set vault.createMount to true", path, path)
}

// checkAndSet looks for the setting that refuses every write of the plugin, which sends no cas.
func (c *checker) checkAndSet(ctx context.Context) {
	path := c.settings.Vault.Mount + "/config"
	config, sight := c.look(ctx, path)
	if sight != seen {
		c.unseen("cas_required of the mount: needs read on %s, which the deployer's policy does not "+
			"have", path)
		return
	}
	if required, _ := config["cas_required"].(bool); required {
		c.problem("vault.mount: %s has cas_required, with which every write of the Vault plugin fails. "+
			"Run `vault write %s cas_required=false`, or name another mount", c.settings.Vault.Mount, path)
	}
}

func text(v any) string {
	text, _ := v.(string)
	return text
}
