package identity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// held is what Vault has of everybody: each secret's versions, each policy, auth backend and role,
// by its API path. Deployers' policies are the sandbox's own.
func held(l *lab.Lab) map[string]string {
	l.T.Helper()
	all := map[string]string{}
	logical := l.Vault.Root().Logical()
	note := func(path string) {
		found, err := logical.ReadWithContext(l.T.Context(), path)
		require.NoError(l.T, err)
		if found != nil {
			for _, field := range []string{"modified", "version"} {
				delete(found.Data, field) // of a policy on OpenBao: the same text was written again
			}
			text, err := json.Marshal(found.Data)
			require.NoError(l.T, err)
			all[path] = string(text)
		}
	}
	// below are the names in a folder, and in its folders.
	var below func(folder string) []string
	below = func(folder string) (names []string) {
		listed, err := logical.ListWithContext(l.T.Context(), folder)
		require.NoError(l.T, err)
		if listed == nil {
			return nil
		}
		keys, _ := listed.Data["keys"].([]any)
		for _, key := range keys {
			name := fmt.Sprint(key)
			if !strings.HasSuffix(name, "/") {
				names = append(names, name)
				continue
			}
			for _, inner := range below(folder + name) {
				names = append(names, name+inner)
			}
		}
		return names
	}
	for _, name := range below("sys/policies/acl/") {
		if !strings.HasPrefix(name, "deployer") {
			note("sys/policies/acl/" + name)
		}
	}
	mounts, err := l.Vault.Root().Sys().ListMountsWithContext(l.T.Context())
	require.NoError(l.T, err)
	for path, mount := range mounts {
		all["sys/mounts/"+path] = mount.Accessor
		if mount.Type == "kv" {
			for _, name := range below(path + "metadata/") {
				note(path + "metadata/" + name)
				note(path + "data/" + name)
			}
		}
	}
	backends, err := l.Vault.Root().Sys().ListAuthWithContext(l.T.Context())
	require.NoError(l.T, err)
	for path, backend := range backends {
		all["sys/auth/"+path] = backend.Accessor
		if backend.Type == "jwt" {
			note("auth/" + path + "config")
			for _, name := range below("auth/" + path + "role/") {
				note("auth/" + path + "role/" + name)
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
	for _, path := range []string{
		ours.Config.PolicyPath(),
		ours.Config.RolePath(),
		lab.APIKeyPath,
		lab.StorePath,
	} {
		require.Contains(t, before, path, "what could be written is there")
	}

	second := lab.New(t).In(first)
	theirs := lab.Payloads{"ml_api_key": {"api_key": "theirs"}, "another": {"key": "theirs"}}
	configured := second.Prepare("dev", theirs)
	_, err := configured.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, leftAlone)
	require.Contains(t, sandbox.Explain(err), "another state")
	require.Equal(t, before, held(first), "after the up that was refused")
	second.Destroy(configured)
	require.Equal(t, before, held(first), "and after its destroy")
	read, err := ours.Job(t.Context())
	require.NoError(t, err)
	require.Contains(t, read, "feature_store")
}

// Names that were one and the same in Vault before they ended in a digest of project and stack as
// they are written.
func TestProjectsAndStacksThatReadAlikeShareNothing(t *testing.T) {
	type named struct{ project, stack string }
	for _, test := range []struct {
		name string
		pair []named
	}{
		{name: "a hyphen", pair: []named{
			{project: "ml", stack: "a-b"},
			{project: "ml-a", stack: "b"},
		}},
		{name: "a case", pair: []named{
			{project: "mlvault", stack: "Dev"},
			{project: "mlvault", stack: "dev"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var labs [2]*lab.Lab
			var stacks [2]*sandbox.Stack
			for i, of := range test.pair {
				labs[i] = lab.Open(t, sandbox.Options{Root: lab.Project(t, of.project, of.stack)})
				if i > 0 {
					labs[i].In(labs[0])
				}
				own := lab.Payloads{fmt.Sprintf("of_%d", i): {"key": fmt.Sprint(i)}}
				stacks[i], _ = labs[i].Up(of.stack, own)
			}
			for i := range labs {
				read, err := stacks[i].Job(t.Context())
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("of_%d: key", i), read, "each job reads its own")
			}
			labs[1].Destroy(stacks[1])
			requireUntouched(t, stacks[0])
		})
	}
}

func requireUntouched(t *testing.T, stack *sandbox.Stack) {
	t.Helper()
	result, err := stack.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, []string{"same"}, slices.Collect(maps.Keys(*result.Summary.ResourceChanges)))
	_, err = stack.Job(t.Context())
	require.NoError(t, err)
}

func TestADestroyLeavesEveryOtherStackAsItIs(t *testing.T) {
	all := lab.Open(t, sandbox.Options{Root: lab.Project(t, "mlvault", "dev", "prod")})
	all.SharedBackend("jwt-shared")
	type given = map[string]string
	shared := given{
		"workload.authPath":          "jwt-shared",
		"workload.createAuthBackend": "false",
	}
	for _, test := range []struct {
		name string
		dev  given
		prod given
	}{
		{name: "own backends, the mount and the names of credentials shared"},
		{
			name: "a mount that one of them made",
			dev:  given{"vault.mount": "made", "vault.createMount": "true"},
			prod: given{"vault.mount": "made"},
		},
		{name: "a backend of somebody else's", dev: shared, prod: shared},
		{
			name: "a prefix around the other's",
			dev:  given{"vault.prefix": "team/ml_api_key"},
			prod: given{"vault.prefix": "team"},
		},
		{
			name: "purged, inside the other's prefix",
			dev:  given{"vault.prefix": "team/x", "vault.deleteOnDestroy": "true"},
			prod: given{"vault.prefix": "team"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := all.For(t)
			dev, _ := l.Up("dev", lab.Sample(), lab.Settings(t, test.dev))
			prod, _ := l.Up("prod", lab.Sample(), lab.Settings(t, test.prod))
			before := held(l)
			l.Destroy(dev)
			requireUntouched(t, prod)
			after := held(l)
			for path, was := range before {
				isMount := strings.HasPrefix(path, "sys/mounts/")
				if isMount || strings.HasPrefix(path, "sys/auth/jwt-shared") {
					require.Equal(t, was, after[path], "%s is nobody's to delete", path)
				}
			}
			l.Destroy(prod)
		})
	}
}

// Secrets wait for the backend, and the engine takes what waits along when a backend is replaced.
// They must not go with it.
func TestAChangedBackendTouchesNoSecret(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	secrets := func() map[string]string {
		all := held(l)
		maps.DeleteFunc(all, func(path, _ string) bool {
			return !strings.HasPrefix(path, "secret/")
		})
		return all
	}
	before := secrets()
	require.Len(t, before, 4)
	ca := lab.ReadFile(t, l.IssuerCA)
	for _, test := range []struct {
		name     string
		prepared map[string]string
		// set is what is set after Prepare, as a person does it: Prepare sets the sandbox's own issuer
		// and CA.
		set map[string]string
	}{
		{
			name: "another issuer",
			set: map[string]string{
				"workload.audience": vaultGUID,
				"workload.issuer":   l.Issuer.URL(issuer.V2),
			},
		},
		{
			name: "another CA",
			set:  map[string]string{"workload.issuerCaPem": ca + ca},
		},
		{
			name:     "another path",
			prepared: map[string]string{"workload.authPath": "jwt-moved"},
		},
	} {
		changed := l.Prepare("dev", lab.Sample(), lab.Settings(t, test.prepared))
		for key, value := range test.set {
			setConfig(t, changed, key, value)
		}
		if len(test.set) > 0 {
			workload := changed.Config.Workload
			workload.Audience = cmp.Or(test.set["workload.audience"], workload.Audience)
			workload.Issuer = cmp.Or(test.set["workload.issuer"], workload.Issuer)
			workload.IssuerCAPEM = cmp.Or(test.set["workload.issuerCaPem"], workload.IssuerCAPEM)
			grantAnew(l, changed, workload)
		}
		result, err := changed.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err, test.name)
		changes := *result.Summary.ResourceChanges
		require.Greater(t, len(changes), 1, test.name)
		require.Equal(t, before, secrets(), "%s: %v", test.name, changes)
	}
}
