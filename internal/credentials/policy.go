package credentials

import (
	"fmt"
	"slices"
	"strings"
)

// Grant is one rule of a Vault policy: one path, exactly, and what may be done at it. The policies' text, the preflight
// and the tests of least privilege all read the same grants.
type Grant struct {
	Path         string   // API path without /v1/
	Capabilities []string // Vault's words: create, read, update, delete, sudo

	why string // stands above the path in the policy's text; empty: nothing does
}

// ReadGrants are what a job needs: read on each credential, nothing else.
func ReadGrants(args Args) []Grant {
	var grants []Grant
	for _, credential := range args.Credentials {
		grants = append(grants, Grant{Path: args.path("data", credential.Name), Capabilities: []string{"read"}})
	}
	return grants
}

// DeployerGrants are the least that the token needs which deploys the stack, as its settings are. Without any one
// capability of them one of create, update, refresh and destroy fails.
func DeployerGrants(args Args) []Grant {
	var grants []Grant
	allow := func(why, path string, capabilities ...string) {
		grants = append(grants, Grant{Path: path, Capabilities: capabilities, why: why})
	}
	for _, credential := range args.Credentials {
		data, metadata := []string{"create", "update", "read", "delete"}, []string{"read", "update"}
		if args.DeleteOnDestroy {
			data, metadata = []string{"create", "update", "read"}, []string{"read", "update", "delete"}
		}
		if credential.DisableRead {
			data, metadata = without(data, "read"), without(metadata, "read")
		}
		allow("", args.path("data", credential.Name), data...)
		allow("", args.path("metadata", credential.Name), metadata...)
	}
	if args.CreateMount {
		mount := []string{"read", "update"}
		if args.DeleteOnDestroy {
			mount = append(mount, "delete") // otherwise the mount stays at a destroy
		}
		allow("", "sys/mounts/"+args.Mount, mount...)
	}
	allow("", "sys/policies/acl/"+args.AccessName, "read", "update", "delete")
	if auth := args.Login.AuthPath; args.Login.CreateBackend {
		allow("Vault asks for sudo wherever an auth method is enabled or disabled.", "sys/auth/"+auth, "update", "delete", "sudo")
		allow("", "sys/mounts/auth/"+auth, "read")
		allow("", "sys/mounts/auth/"+auth+"/tune", "read")
		allow("", "auth/"+auth+"/config", "read", "update")
	}
	allow("", "auth/"+args.Login.AuthPath+"/role/"+args.AccessName, "create", "read", "update", "delete")
	allow("The plugin looks at its token, and works with a child of it unless vault.skipChildToken is set.", "auth/token/lookup-self", "read")
	if !args.SkipChildToken {
		allow("", "auth/token/create", "update")
	}
	return grants
}

// ReadPolicy is the text of the jobs' policy: [ReadGrants], no wildcard.
// Its text is what a diff of the policy compares, so the same paths always give the same text.
func ReadPolicy(args Args) string {
	return PolicyText("Reads the credentials of one mlvault stack, and nothing else.\n"+
		"For Vault "+args.VaultID+": another address is another text, so that it is written there too.", ReadGrants(args))
}

// DeployerPolicy is the text of the least policy for the token that deploys the stack: [DeployerGrants].
//
// Whoever may write a policy and a role can give themselves everything in this Vault: the token equals root in effect.
func DeployerPolicy(args Args) string {
	return PolicyText("Deploys one mlvault stack. Whoever holds it can write policies and roles, which equals root in effect.",
		DeployerGrants(args))
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

// path is an API path of KV v2, which puts data or metadata between the mount and the name.
func (a Args) path(kind, credential string) string {
	return a.Mount + "/" + kind + "/" + a.Prefix + "/" + credential
}

func without(capabilities []string, gone string) []string {
	return slices.DeleteFunc(slices.Clone(capabilities), func(capability string) bool { return capability == gone })
}
