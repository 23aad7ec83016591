package identity

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// held is what Vault has of everybody: each secret's versions, each policy, auth backend and role, by its API path.
// Deployers' policies are the sandbox's own.
func held(l *lab.Lab) map[string]string {
	l.T.Helper()
	all := map[string]string{}
	logical := l.Vault.Root().Logical()
	list := func(path string) (names []string) {
		listed, err := logical.ListWithContext(l.T.Context(), path)
		require.NoError(l.T, err)
		if listed != nil {
			keys, _ := listed.Data["keys"].([]any)
			for _, key := range keys {
				names = append(names, fmt.Sprint(key))
			}
		}
		return names
	}
	note := func(path string) {
		found, err := logical.ReadWithContext(l.T.Context(), path)
		require.NoError(l.T, err)
		if found != nil {
			text, err := json.Marshal(found.Data)
			require.NoError(l.T, err)
			all[path] = string(text)
		}
	}
	var walk func(mount, folder string)
	walk = func(mount, folder string) {
		for _, name := range list(mount + "metadata/" + folder) {
			if strings.HasSuffix(name, "/") {
				walk(mount, folder+name)
			} else {
				note(mount + "metadata/" + folder + name)
				note(mount + "data/" + folder + name)
			}
		}
	}
	mounts, err := l.Vault.Root().Sys().ListMountsWithContext(l.T.Context())
	require.NoError(l.T, err)
	for path, mount := range mounts {
		all["sys/mounts/"+path] = mount.Accessor
		if mount.Type == "kv" {
			walk(path, "")
		}
	}
	for _, name := range list("sys/policies/acl") {
		if !strings.HasPrefix(name, "deployer") && name != "root" {
			note("sys/policies/acl/" + name)
		}
	}
	backends, err := l.Vault.Root().Sys().ListAuthWithContext(l.T.Context())
	require.NoError(l.T, err)
	for path, backend := range backends {
		all["sys/auth/"+path] = backend.Accessor
		if backend.Type == "jwt" {
			note("auth/" + path + "config")
			for _, role := range list("auth/" + path + "role") {
				note("auth/" + path + "role/" + role)
			}
		}
	}
	return all
}

// The worst case: the names are the same to the last letter, because project and stack are.
func TestTheSameStackFromAnotherStateWritesNothing(t *testing.T) {
	first := lab.New(t)
	ours, _ := first.Up("dev", lab.Sample())
	before := held(first)
	policy, role, secret := 0, 0, 0
	for path := range before {
		policy += strings.Count(path, "sys/policies/acl/mlvault-")
		role += strings.Count(path, "/role/mlvault-")
		secret += strings.Count(path, "secret/data/mlvault/dev/")
	}
	require.Equal(t, []int{1, 1, 2}, []int{policy, role, secret}, "what could be written is there")

	second := lab.New(t).In(first)
	theirs := lab.Payloads{"ml_api_key": {"api_key": "theirs"}, "another": {"key": "theirs"}}
	configured := second.Prepare("dev", theirs)
	_, err := configured.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "path is already in use")
	require.Contains(t, sandbox.Explain(err), "another state")
	require.Equal(t, before, held(first), "after the up that was refused")
	second.Destroy(configured)
	require.Equal(t, before, held(first), "and after its destroy")
	_, read, err := ours.Job(t.Context())
	require.NoError(t, err)
	require.Contains(t, read, "feature_store")
}

// Names that were one and the same in Vault before they ended in a digest of project and stack as they are written.
func TestProjectsAndStacksThatReadAlikeShareNothing(t *testing.T) {
	for name, pair := range map[string][2][2]string{
		"a hyphen": {{"ml", "a-b"}, {"ml-a", "b"}},
		"a case":   {{"mlvault", "Dev"}, {"mlvault", "dev"}},
	} {
		t.Run(name, func(t *testing.T) {
			var labs [2]*lab.Lab
			var stacks [2]*sandbox.Stack
			for i, of := range pair {
				labs[i] = lab.Open(t, sandbox.Options{Root: lab.Project(t, of[0], of[1])})
				if i > 0 {
					labs[i].In(labs[0])
				}
				stacks[i], _ = labs[i].Up(of[1], lab.Payloads{fmt.Sprintf("of_%d", i): {"key": fmt.Sprint(i)}})
			}
			for i := range labs {
				_, read, err := stacks[i].Job(t.Context())
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("of_%d: key", i), read, "each job reads its own")
			}
			labs[1].Destroy(stacks[1])
			requireUntouched(t, labs[0], stacks[0])
		})
	}
}

func requireUntouched(t *testing.T, l *lab.Lab, stack *sandbox.Stack) {
	t.Helper()
	result, err := stack.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err)
	changes := maps.Clone(*result.Summary.ResourceChanges)
	delete(changes, "same")
	require.Empty(t, changes)
	_, _, err = stack.Job(t.Context())
	require.NoError(t, err)
}

func TestADestroyLeavesEveryOtherStackAsItIs(t *testing.T) {
	for name, c := range map[string]struct{ dev, prod map[string]string }{
		"own backends, the mount and the names of credentials shared": {},
		"a mount that one of them made":                               {dev: map[string]string{"vault.mount": "made", "vault.createMount": "true"}, prod: map[string]string{"vault.mount": "made"}},
		"a backend of somebody else's": {
			dev:  map[string]string{"workload.authPath": "jwt-shared", "workload.createAuthBackend": "false"},
			prod: map[string]string{"workload.authPath": "jwt-shared", "workload.createAuthBackend": "false"},
		},
		"a prefix around the other's":       {dev: map[string]string{"vault.prefix": "team/ml_api_key"}, prod: map[string]string{"vault.prefix": "team"}},
		"purged, inside the other's prefix": {dev: map[string]string{"vault.prefix": "team/x", "vault.deleteOnDestroy": "true"}, prod: map[string]string{"vault.prefix": "team"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &rig{lab.Open(t, sandbox.Options{Root: lab.Project(t, "mlvault", "dev", "prod")})}
			if c.dev["workload.authPath"] != "" {
				l.SharedBackend(c.dev["workload.authPath"])
			}
			edits := func(settings map[string]string) (edits []lab.Edit) {
				for key, value := range settings {
					edits = append(edits, lab.With(t, key, value))
				}
				return edits
			}
			dev, _ := l.Up("dev", lab.Sample(), edits(c.dev)...)
			prod, _ := l.Up("prod", lab.Sample(), edits(c.prod)...)
			before := held(l.Lab)
			l.Destroy(dev)
			requireUntouched(t, l.Lab, prod)
			after := held(l.Lab)
			for path, was := range before {
				if strings.HasPrefix(path, "sys/mounts/") || c.dev["workload.createAuthBackend"] == "false" && strings.HasPrefix(path, "sys/auth/") {
					require.Equal(t, was, after[path], "%s is nobody's to delete", path)
				}
			}
		})
	}
}

// Secrets wait for the backend, and the engine takes what waits along when a backend is replaced. They must not go with it.
func TestAChangedBackendTouchesNoSecret(t *testing.T) {
	l := &rig{lab.New(t)}
	dev, _ := l.Up("dev", lab.Sample())
	secrets := func() map[string]string {
		all := held(l.Lab)
		maps.DeleteFunc(all, func(path, _ string) bool { return !strings.HasPrefix(path, "secret/") })
		return all
	}
	before := secrets()
	require.Len(t, before, 4)
	// As a person does it: Configure would set the sandbox's own issuer and CA again.
	change := func(stack *sandbox.Stack, key, value string) {
		require.NoError(t, stack.SetConfigWithOptions(t.Context(), "mlvault:"+key, auto.ConfigValue{Value: value}, &auto.ConfigOptions{Path: true}))
	}
	for _, c := range []struct {
		name  string
		apply func() *sandbox.Stack
	}{
		{"another issuer", func() *sandbox.Stack {
			change(dev, "workload.audience", vaultGUID)
			change(dev, "workload.issuer", l.Issuer.URL(issuer.V2))
			return dev
		}},
		{"another CA", func() *sandbox.Stack {
			// The issuer's certificate is still signed by one of the two.
			change(dev, "workload.issuerCaPem", lab.ReadFile(t, l.IssuerCA)+lab.ReadFile(t, lab.New(t).Vault.CAFile()))
			return dev
		}},
		{"another path", func() *sandbox.Stack {
			return l.Prepare("dev", lab.Sample(), lab.With(t, "workload.authPath", "jwt-moved"))
		}},
	} {
		changed := c.apply()
		result, err := changed.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err, c.name)
		require.Greater(t, len(*result.Summary.ResourceChanges), 1, c.name)
		require.Equal(t, before, secrets(), "%s: %v", c.name, *result.Summary.ResourceChanges)
	}
}
