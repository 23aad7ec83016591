package credentials

import (
	"fmt"
	"strings"
)

// ReadPolicy is the text of the jobs' policy: read on each path, nothing else, no wildcard.
// Its text is what a diff of the policy compares, so the same paths always give the same text.
func ReadPolicy(args Args) string {
	p := policy{}
	p.comment("Reads the credentials of one mlvault stack, and nothing else.")
	for _, credential := range args.Credentials {
		p.path(args.path("data", credential.Name), "read")
	}
	return p.String()
}

// DeployerPolicy is the text of the least policy for the token that deploys the stack. Each line was found necessary
// by removing it: one of create, update, refresh and destroy fails without.
//
// Whoever may write a policy and a role can give themselves everything in this Vault: the token equals root in effect.
func DeployerPolicy(args Args) string {
	p := policy{}
	p.comment("Deploys one mlvault stack. Whoever holds it can write policies and roles, which equals root in effect.")
	data, metadata := []string{"create", "update", "read", "delete"}, []string{"read", "update"}
	if args.DeleteOnDestroy {
		data, metadata = []string{"create", "update", "read"}, []string{"read", "update", "delete"}
	}
	if args.DisableRead {
		data, metadata = without(data, "read"), without(metadata, "read")
	}
	for _, credential := range args.Credentials {
		p.path(args.path("data", credential.Name), data...)
		p.path(args.path("metadata", credential.Name), metadata...)
	}
	if args.CreateMount {
		p.path("sys/mounts/"+args.Mount, "read", "update", "delete")
	}
	p.path("sys/policies/acl/"+args.AccessName, "read", "update", "delete")
	if auth := args.Login.AuthPath; args.Login.CreateBackend {
		p.comment("Vault asks for sudo wherever an auth method is enabled or disabled.")
		p.path("sys/auth/"+auth, "update", "delete", "sudo")
		p.path("sys/mounts/auth/"+auth, "read")
		p.path("sys/mounts/auth/"+auth+"/tune", "read")
		p.path("auth/"+auth+"/config", "read", "update")
	}
	p.path("auth/"+args.Login.AuthPath+"/role/"+args.AccessName, "create", "read", "update", "delete")
	p.comment("The plugin looks at its token, and works with a child of it unless vault.skipChildToken is set.")
	p.path("auth/token/lookup-self", "read")
	if !args.SkipChildToken {
		p.path("auth/token/create", "update")
	}
	return p.String()
}

// path is an API path of KV v2, which puts data or metadata between the mount and the name.
func (a Args) path(kind, credential string) string {
	return a.Mount + "/" + kind + "/" + a.Prefix + "/" + credential
}

func without(capabilities []string, gone string) []string {
	var kept []string
	for _, capability := range capabilities {
		if capability != gone {
			kept = append(kept, capability)
		}
	}
	return kept
}

// policy writes Vault's HCL. Paths need no escaping: package config refuses everything that HCL or a wildcard would read
// otherwise than it is written.
type policy struct{ strings.Builder }

func (p *policy) comment(text string) { fmt.Fprintf(p, "# %s\n", text) }

func (p *policy) path(path string, capabilities ...string) {
	fmt.Fprintf(p, "path %q {\n  capabilities = [\"%s\"]\n}\n", path, strings.Join(capabilities, `", "`))
}
