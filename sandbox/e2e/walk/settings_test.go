package walk

import (
	"fmt"
	"maps"

	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"mlvault/sandbox/e2e/lab"
)

// choices are the settings that a walk changes.
type choices struct {
	// Credentials has the generation of each credential's value, by name.
	Credentials map[string]int
	// Texts are the settings that are written, by path.
	Texts map[string]string
}

// firstDay is what every walk begins with.
func firstDay() choices {
	return choices{
		Credentials: map[string]int{"ml_api_key": 1, "feature_store": 1},
		Texts:       map[string]string{},
	}
}

func (c choices) clone() choices {
	return choices{Credentials: maps.Clone(c.Credentials), Texts: maps.Clone(c.Texts)}
}

// payloads are the credentials. The second one has a number, so that it is never read back.
func (c choices) payloads() lab.Payloads {
	all := lab.Payloads{}
	for name, generation := range c.Credentials {
		all[name] = map[string]any{"value": fmt.Sprintf("%s-%s-%d", lab.Canary, name, generation)}
	}
	if generation := c.Credentials["feature_store"]; generation > 0 {
		all["feature_store"]["port"] = 5000 + generation
	}
	return all
}

// edit writes the settings into a stack's file.
func (c choices) edit(project string) lab.Edit {
	return func(m pulumiconfig.Map) {
		if c.isBrought() {
			dropFromFile(m, project)
		}
		for path, text := range c.Texts {
			key := pulumiconfig.MustMakeKey(project, path)
			if err := m.Set(key, pulumiconfig.NewValue(text), true); err != nil {
				panic(fmt.Sprintf("%s: %v", path, err)) // the paths are this package's own
			}
		}
	}
}

// change is one edit of a stack's file.
type change struct {
	name  string
	apply func(choices)
}

// set writes settings, and unset takes them out again.
func set(name string, texts map[string]string) change {
	return change{name: name, apply: func(c choices) { maps.Copy(c.Texts, texts) }}
}

func unset(name string, paths ...string) change {
	return change{name: name, apply: func(c choices) {
		for _, path := range paths {
			delete(c.Texts, path)
		}
	}}
}

// Names of what others have in the walk's Vault.
const (
	sharedBackend = "jwt-shared"
	sharedMount   = "team-kv"
	teamsRole     = "team-ml"
	teamsPolicy   = "team-ml-read"
)

// ownRole takes a role of the Vault team's out of the settings: it is in a backend of theirs.
func ownRole(c choices) {
	if c.Texts["workload.createRole"] == "false" {
		delete(c.Texts, "workload.createRole")
		delete(c.Texts, "workload.role")
	}
}

// withOwnRole is a change of a login that takes a role of the Vault team's out first.
func withOwnRole(login change) change {
	return change{name: login.name, apply: func(c choices) {
		ownRole(c)
		login.apply(c)
	}}
}

// changes are all that a walk may do to its settings. A managed network is only ever tightened:
// Azure refuses to loosen one, and no settings can mend that.
var changes = []change{
	{name: "add a credential", apply: func(c choices) { c.Credentials["registry"] = 1 }},
	{name: "remove a credential", apply: func(c choices) { delete(c.Credentials, "ml_api_key") }},
	{name: "bring a credential back", apply: func(c choices) { c.Credentials["ml_api_key"] = 1 }},
	{name: "rename a credential", apply: func(c choices) {
		delete(c.Credentials, "feature_store")
		c.Credentials["features"] = 1
	}},
	{name: "a value back", apply: func(c choices) {
		for name := range c.Credentials {
			c.Credentials[name] = 1
		}
	}},
	{name: "rotate", apply: func(c choices) {
		for name := range c.Credentials {
			c.Credentials[name]++
		}
	}},

	set("another prefix", map[string]string{"vault.prefix": "teams/ml"}),
	unset("the prefix back", "vault.prefix"),
	set("another mount", map[string]string{"vault.mount": sharedMount}),
	unset("the mount back", "vault.mount"),
	set("purge on destroy", map[string]string{"vault.deleteOnDestroy": "true"}),
	unset("keep on destroy", "vault.deleteOnDestroy"),
	set("nothing read back", map[string]string{"vault.disableRead": "true"}),
	unset("read back again", "vault.disableRead"),

	withOwnRole(set("another auth path", map[string]string{
		"workload.authPath":          "jwt-moved",
		"workload.createAuthBackend": "true",
	})),
	set("somebody else's backend", map[string]string{
		"workload.authPath":          sharedBackend,
		"workload.createAuthBackend": "false",
	}),
	withOwnRole(unset("the backend back", "workload.authPath", "workload.createAuthBackend")),
	set("another role and policy", map[string]string{
		"workload.role":         "walked-jobs",
		"workload.createRole":   "true",
		"workload.policy":       "walked-jobs-read",
		"workload.createPolicy": "true",
	}),
	set("role and policy to the Vault team", map[string]string{
		"workload.authPath":          sharedBackend,
		"workload.createAuthBackend": "false",
		"workload.role":              teamsRole,
		"workload.createRole":        "false",
		"workload.policy":            teamsPolicy,
		"workload.createPolicy":      "false",
	}),
	unset("role and policy back", "workload.role", "workload.createRole", "workload.policy",
		"workload.createPolicy"),
	set("another audience", map[string]string{"workload.audience": "api://mlvault-moved"}),
	set("another audience beside the old one", map[string]string{
		"workload.audience":         "api://mlvault-moved",
		"workload.previousAudience": "api://mlvault-dev",
	}),
	unset("the old audience gone", "workload.previousAudience"),
	unset("the audience back", "workload.audience", "workload.previousAudience"),
	set("shorter tokens", map[string]string{"workload.tokenTtlSeconds": "600"}),
	unset("longer tokens", "workload.tokenTtlSeconds"),

	set("another size", map[string]string{"compute[0].vmSize": "Standard_D8ds_v5"}),
	unset("the size back", "compute[0].vmSize"),
	set("more nodes", map[string]string{"compute[0].maxNodes": "3"}),
	unset("the nodes back", "compute[0].maxNodes"),
	set("another cluster name", map[string]string{"compute[0].name": "cluster-two"}),
	unset("the cluster name back", "compute[0].name"),
	set("one more cluster", map[string]string{"compute[1].name": "cluster-more"}),
	unset("one cluster less", "compute[1].name"),
	set("a managed network", map[string]string{"azure.managedNetwork.mode": "AllowInternetOutbound"}),
	// A closed storage account is reached from the workspace's own network only.
	set("no public access", map[string]string{
		"azure.publicNetworkAccess": "Disabled",
		"azure.managedNetwork.mode": "AllowInternetOutbound",
	}),
	unset("public access back", "azure.publicNetworkAccess"),
	set("a tag", map[string]string{"azure.tags.team": "ml"}),
	unset("no tag", "azure.tags.team"),
	set("a lock", map[string]string{"azure.lock": "CanNotDelete"}),
	unset("no lock", "azure.lock"),
	set("protect", map[string]string{"azure.protect": "true"}),
	unset("no protection", "azure.protect"),
}
