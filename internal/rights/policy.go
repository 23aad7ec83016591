// Package rights knows what may be done in Vault for one stack: what its jobs need, and what the
// token needs that deploys it. It is plain Go without Pulumi, so that the program, `make policy`,
// the preflight, the sandbox and the tests all use the same grants.
package rights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// Grant is one rule of a Vault policy: one path, exactly, and what may be done at it.
type Grant struct {
	// Path is an API path without /v1/.
	Path string
	// Capabilities are Vault's words: create, read, update, delete, sudo.
	Capabilities []string
	// Pins are what may be sent there, of all that Vault would take. Without them anything may.
	Pins []Pin
	// Reason stands above the path in the policy's text, unless it is empty.
	Reason string
}

// ReadGrants are what a job needs: read on each credential, update on each that answers to a write,
// to renew leases where it may have one, and to give back its own token.
func ReadGrants(s *settings.Settings) []Grant {
	paths := s.CredentialPaths()
	var grants []Grant
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		capability := "read"
		if s.Vault.Reads[name].IsWrite() {
			capability = "update"
		}
		reason := ""
		if s.Vault.Reads[name].Path != "" {
			reason = "Of others, as vault.reads." + name + " says."
		}
		grants = append(grants, Grant{
			Path:         paths[name],
			Capabilities: []string{capability},
			Reason:       reason,
		})
	}
	if mayHaveLeases(s) {
		grants = append(grants, Grant{
			Path:         "sys/leases/renew",
			Capabilities: []string{"update"},
			Reason: "A job keeps what it was lent. It has to name the lease, and only whoever read the " +
				"value knows the name.",
		})
	}
	grants = append(grants, Grant{
		Path:         "auth/token/revoke-self",
		Capabilities: []string{"update"},
		Reason: "A job gives back its token. A batch token, the default, just ends; an auth mount of " +
			"others may be tuned to service tokens, which would stay.",
	})
	return Merge(grants)
}

// mayHaveLeases tells whether vault.reads names something else than secrets of KV version 2, which
// have no lease.
func mayHaveLeases(s *settings.Settings) bool {
	for _, read := range s.Vault.Reads {
		if !strings.Contains(read.Path, "/data/") {
			return true
		}
	}
	return false
}

// ReadPolicy is the text of the jobs' policy: [ReadGrants], no wildcard. A diff of the policy
// compares this text, so the same paths always give the same one.
func ReadPolicy(s *settings.Settings) string {
	title := "Reads the credentials of mlvault stack " + s.Project + "/" + s.Stack +
		", and nothing else.\n" +
		"Fingerprint of the Vault address: " + s.Fingerprint() +
		". A new address changes it, so the policy is written again."
	if len(s.Vault.Readers) > 0 {
		readers := strings.Join(slices.Sorted(slices.Values(s.Vault.Readers)), ", ")
		title += "\nThe stack lends its credentials to " + readers + " (vault.readers)."
	}
	return PolicyText(title, ReadGrants(s))
}

// DeployerGrants are the least that the token needs which deploys the stack next: [SettingsGrants]
// for what the settings ask for, and below them what the state has elsewhere and a run has to look
// at and to delete.
func DeployerGrants(s *settings.Settings, state State) []Grant {
	grants := Merge(SettingsGrants(s), state.heldGrants())
	return pinIssuer(s, state, grants)
}

// DeployerPolicy is the text of the least policy for the token that deploys the stack next:
// [DeployerGrants].
//
// Whoever may write a policy and a role could give themselves everything in this Vault, so both are
// pinned: to the jobs' policy as it is, and to a role that gives it and nothing else. The price is
// that other credentials need another policy of the deployer first.
func DeployerPolicy(s *settings.Settings, state State) string {
	title := "Deploys mlvault stack " + s.Project + "/" + s.Stack +
		", as its settings and its state are now.\n" +
		"Whoever holds it can read, overwrite and delete the stack's credentials, and can say\n" +
		"which identity reads them and what vault.reads names. It can write and give no other policy.\n" +
		"After a change of the settings write this policy again: `make policy` prints it."
	grants := DeployerGrants(s, state)
	asked := len(SettingsGrants(s)) // Merge keeps the order, and these have each path once
	text := PolicyText(title, grants[:asked])
	if left := grants[asked:]; len(left) > 0 {
		title = "The settings no longer name these, and the state still has them. The next run\n" +
			"reads and deletes them; after it they need no rule."
		text += PolicyText(title, left)
	}
	return text
}

// DriftGrants are the least that the token needs which looks for drift (`pulumi preview
// --refresh`): to read what the deployer reads, and to make the child token that the plugin works
// with.
func DriftGrants(s *settings.Settings, state State) []Grant {
	var grants []Grant
	for _, grant := range DeployerGrants(s, state) {
		switch {
		case strings.HasPrefix(grant.Path, "auth/token/"):
			grants = append(grants, grant)
		case slices.Contains(grant.Capabilities, "read"):
			grant.Capabilities = []string{"read"}
			grant.Pins = nil
			grant.Reason = ""
			grants = append(grants, grant)
		}
	}
	return grants
}

// DriftPolicy is the text of the least policy for the token that looks for drift: [DriftGrants].
//
// It reads every credential, and can write nothing.
func DriftPolicy(s *settings.Settings, state State) string {
	title := "Looks for drift of mlvault stack " + s.Project + "/" + s.Stack +
		". Whoever holds it can read its credentials, and write nothing."
	return PolicyText(title, DriftGrants(s, state))
}

// SettingsGrants are what it takes to make, to change, to look at and to delete what the settings
// ask for. Without any one capability of them one of create, update, refresh and destroy fails, or
// the preflight cannot see whose secret stands at a path. Of vault.reads it sees whose they are,
// and no value.
func SettingsGrants(s *settings.Settings) []Grant {
	var grants []Grant
	for _, credential := range s.Credentials {
		grants = append(grants, credentialGrants(s, credential)...)
	}
	grants = append(grants, ownersOfReads(s)...)
	if s.Vault.CreateMount {
		grants = append(grants, Grant{
			Path:         "sys/mounts/" + s.Vault.Mount,
			Capabilities: []string{"read", "update"},
			Pins: []Pin{
				{Parameter: "type", Values: []string{text("kv")}},
				anythingElse,
			},
		})
	}
	grants = append(grants, policyGrant(s))
	if s.Workload.CreateAuthBackend {
		backend := backendGrants(s.Workload.AuthPath, "update", "delete")
		grants = append(grants, pinBackend(s, backend)...)
	}
	grants = append(grants,
		roleGrant(s),
		Grant{
			Path:         "auth/token/lookup-self",
			Capabilities: []string{"read"},
			Reason: "The plugin looks at its token, and works with a child of it unless " +
				"vault.skipChildToken is set.",
		},
	)
	if !s.Vault.SkipChildToken {
		grants = append(grants, Grant{
			Path:         "auth/token/create",
			Capabilities: []string{"update"},
		})
	}
	return grants
}

// policyGrant are the rights at the jobs' policy.
func policyGrant(s *settings.Settings) Grant {
	if !s.Workload.CreatePolicy {
		return Grant{
			Path:         s.PolicyPath(),
			Capabilities: []string{"read"},
			Reason:       "The jobs' policy, which the Vault team makes. The preflight compares it.",
		}
	}
	return Grant{
		Path:         s.PolicyPath(),
		Capabilities: []string{"read", "update", "delete"},
		Pins:         policyPins(s),
		Reason:       "The jobs' policy, with this text and no other.",
	}
}

// roleGrant are the rights at the jobs' role.
func roleGrant(s *settings.Settings) Grant {
	if !s.Workload.CreateRole {
		return Grant{
			Path:         s.RolePath(),
			Capabilities: []string{"read"},
			Reason:       "The jobs' role, which the Vault team makes. The preflight compares it.",
		}
	}
	return Grant{
		Path:         s.RolePath(),
		Capabilities: []string{"create", "read", "update", "delete"},
		Pins:         rolePins(s),
		Reason:       "The jobs' role. It gives that policy and nothing else, in batch tokens.",
	}
}

// ownersOfReads are the rights to see whose the secrets of vault.reads are, and whether their owner
// lets this stack read them. Program and preflight refuse any other.
func ownersOfReads(s *settings.Settings) []Grant {
	var grants []Grant
	for _, name := range slices.Sorted(maps.Keys(s.Vault.Reads)) {
		path := OwnerPath(s.Vault.Reads[name].Path)
		if path != "" {
			grants = append(grants, Grant{
				Path:         path,
				Capabilities: []string{"read"},
				Reason:       "Whose it is that vault.reads names. It shows no value.",
			})
		}
	}
	return grants
}

// credentialGrants are the rights at one credential. Where its value is not read back, its metadata
// is all the same: they say whose secret stands there, and no value.
func credentialGrants(s *settings.Settings, credential settings.Credential) []Grant {
	data := []string{"create", "update"}
	metadata := []string{"read", "update"}
	if !s.WritesOnly(credential) {
		data = append(data, "read")
	}
	if s.Vault.DeleteOnDestroy {
		metadata = append(metadata, "delete")
	} else {
		data = append(data, "delete")
	}
	return []Grant{
		{Path: s.DataPath(credential.Name), Capabilities: data},
		{Path: s.MetadataPath(credential.Name), Capabilities: metadata},
	}
}

// backendGrants are the rights at an auth backend: to look at it, and what may be done to it. Who
// may update it may configure it.
func backendGrants(path string, acts ...string) []Grant {
	if path == "" {
		return nil
	}
	config := []string{"read"}
	if slices.Contains(acts, "update") {
		config = append(config, "update")
	}
	return []Grant{
		{
			Path:         "sys/auth/" + path,
			Capabilities: append(slices.Clone(acts), "sudo"),
			Reason:       "Vault asks for sudo wherever an auth method is enabled or disabled.",
		},
		{Path: settings.AuthMounts + path, Capabilities: []string{"read"}},
		{Path: settings.AuthMounts + path + "/tune", Capabilities: []string{"read"}},
		{Path: "auth/" + path + "/config", Capabilities: config},
	}
}

// Merge is the union of grants: each path once, in the order of its first mention.
func Merge(lists ...[]Grant) []Grant {
	var union []Grant
	position := map[string]int{}
	for _, grant := range slices.Concat(lists...) {
		at, known := position[grant.Path]
		if !known {
			position[grant.Path] = len(union)
			grant.Capabilities = slices.Clone(grant.Capabilities)
			union = append(union, grant)
			continue
		}
		for _, capability := range grant.Capabilities {
			if !slices.Contains(union[at].Capabilities, capability) {
				union[at].Capabilities = append(union[at].Capabilities, capability)
			}
		}
	}
	return union
}

// PolicyText is grants in Vault's HCL, below a title of one or more lines. Paths need no escaping:
// package settings refuses everything that HCL or a wildcard would read otherwise than it is
// written.
func PolicyText(title string, grants []Grant) string {
	var text strings.Builder
	writeComment(&text, title)
	for _, grant := range grants {
		if grant.Reason != "" {
			writeComment(&text, grant.Reason)
		}
		capabilities := strings.Join(grant.Capabilities, `", "`)
		fmt.Fprintf(&text, "path %q {\n  capabilities = [\"%s\"]\n", grant.Path, capabilities)
		writePins(&text, grant.Pins)
		text.WriteString("}\n")
	}
	return text.String()
}

func writeComment(text *strings.Builder, comment string) {
	for line := range strings.SplitSeq(comment, "\n") {
		text.WriteString("# " + line + "\n")
	}
}
