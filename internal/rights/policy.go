package rights

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Grant is one rule of a Vault policy: one path, exactly, and what may be done at it. The policies' text, the preflight
// and the tests of least privilege all read the same grants.
type Grant struct {
	// Path is an API path without /v1/.
	Path string
	// Capabilities are Vault's words: create, read, update, delete, sudo.
	Capabilities []string

	// why stands above the path in the policy's text, unless it is empty.
	why string
}

// ReadGrants are what a job needs: read on each credential, nothing else.
func (s Store) ReadGrants() []Grant {
	paths := s.Paths()
	var grants []Grant
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		grants = append(grants, Grant{Path: paths[name], Capabilities: []string{"read"}})
	}
	return grants
}

// DeployerGrants are the least that the token needs which deploys the stack, as its settings are. Without any one
// capability of them one of create, update, refresh and destroy fails. [Store.Reads] need none. Where a secret is not read
// back, the plugin still writes the custom metadata that says whose it is.
func (s Store) DeployerGrants() []Grant {
	var grants []Grant
	allow := func(why, path string, capabilities ...string) {
		grants = append(grants, Grant{Path: path, Capabilities: capabilities, why: why})
	}
	for _, credential := range s.Credentials {
		data, metadata := []string{"create", "update", "read", "delete"}, []string{"read", "update"}
		if s.DeleteOnDestroy {
			data, metadata = []string{"create", "update", "read"}, []string{"read", "update", "delete"}
		}
		if credential.DisableRead {
			data, metadata = without(data, "read"), without(metadata, "read")
		}
		allow("", s.path("data", credential.Name), data...)
		allow("", s.path("metadata", credential.Name), metadata...)
	}
	if s.CreateMount {
		allow("", "sys/mounts/"+s.Mount, "read", "update")
	}
	allow("", s.PolicyPath(), "read", "update", "delete")
	if s.CreateBackend {
		allow("Vault asks for sudo wherever an auth method is enabled or disabled.", "sys/auth/"+s.AuthPath, "update", "delete", "sudo")
		allow("", "sys/mounts/auth/"+s.AuthPath, "read")
		allow("", "sys/mounts/auth/"+s.AuthPath+"/tune", "read")
		allow("", "auth/"+s.AuthPath+"/config", "read", "update")
	}
	allow("", s.RolePath(), "create", "read", "update", "delete")
	allow("The plugin looks at its token, and works with a child of it unless vault.skipChildToken is set.", "auth/token/lookup-self", "read")
	if !s.SkipChildToken {
		allow("", "auth/token/create", "update")
	}
	return grants
}

// Merge is the union of grants: each path once, in the order of its first mention. A run whose state holds other paths
// than its configuration asks for needs what both need.
func Merge(lists ...[]Grant) []Grant {
	var union []Grant
	at := map[string]int{}
	for _, grant := range slices.Concat(lists...) {
		i, known := at[grant.Path]
		if !known {
			at[grant.Path] = len(union)
			grant.Capabilities = slices.Clone(grant.Capabilities)
			union = append(union, grant)
			continue
		}
		for _, capability := range grant.Capabilities {
			if !slices.Contains(union[i].Capabilities, capability) {
				union[i].Capabilities = append(union[i].Capabilities, capability)
			}
		}
	}
	return union
}

// ReadPolicy is the text of the jobs' policy: [Store.ReadGrants], no wildcard.
// Its text is what a diff of the policy compares, so the same paths always give the same text.
func (s Store) ReadPolicy() string {
	return PolicyText("Reads the credentials of mlvault stack "+s.Project+"/"+s.Stack+", and nothing else.\n"+
		"Fingerprint of the Vault address: "+s.Fingerprint+". A new address changes it, so the policy is written again.", s.ReadGrants())
}

// DeployerPolicy is the text of the least policy for the token that deploys the stack: [Store.DeployerGrants].
//
// Whoever may write a policy and a role can give themselves everything in this Vault: the token equals root in effect.
func (s Store) DeployerPolicy() string {
	return PolicyText("Deploys mlvault stack "+s.Project+"/"+s.Stack+". Whoever holds it can write policies and roles, which equals root in effect.",
		s.DeployerGrants())
}

// PolicyText is grants in Vault's HCL, below a title of one or more lines. Paths need no escaping: package config refuses
// everything that HCL or a wildcard would read otherwise than it is written.
func PolicyText(title string, grants []Grant) string {
	var p strings.Builder
	fmt.Fprintf(&p, "# %s\n", strings.ReplaceAll(title, "\n", "\n# "))
	for _, grant := range grants {
		if grant.why != "" {
			fmt.Fprintf(&p, "# %s\n", grant.why)
		}
		fmt.Fprintf(&p, "path %q {\n  capabilities = [\"%s\"]\n}\n", grant.Path, strings.Join(grant.Capabilities, `", "`))
	}
	return p.String()
}

func without(capabilities []string, gone string) []string {
	return slices.DeleteFunc(slices.Clone(capabilities), func(capability string) bool { return capability == gone })
}
