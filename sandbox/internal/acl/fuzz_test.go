// Package acl asks Vault whether the policies that the program writes grant what they name and
// nothing beside it.
package acl

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/pulumitest"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/internal/vaultserver"
)

var (
	vault *api.Client
	token string // with the policy under test and no other
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acl")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	server, err := vaultserver.Start(ctx, dir, nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = server.Stop(ctx) }()
	vault = server.Root()
	const nothing = `path "none" { capabilities = ["deny"] }`
	token, err = server.Token(ctx, "judged", nothing, 24*time.Hour)
	if err != nil {
		panic(err)
	}
	return m.Run()
}

// plain are the characters that the settings accept in every name, besides the dot.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// tame replaces every character that the settings refuse, so that no input of the fuzzer is wasted.
func tame(path string) string {
	reserved := []string{"", "data", "metadata"}
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		kept := strings.Map(tameRune, segment)
		for strings.Contains(kept, "..") {
			kept = strings.ReplaceAll(kept, "..", ".")
		}
		kept = strings.Trim(kept, ".-")
		if !slices.Contains(reserved, kept) {
			segments = append(segments, kept)
		}
	}
	if len(segments) == 0 {
		return "a"
	}
	return strings.Join(segments, "/")
}

func tameRune(r rune) rune {
	if strings.ContainsRune(plain+".", r) {
		return r
	}
	position := int(r) % len(plain)
	return rune(plain[position])
}

// Whatever names the settings accept: by Vault's own judgement the jobs' policy reads exactly the
// credentials' paths, the deployer's does exactly what its grants say, and neither does anything
// anywhere else.
func FuzzPolicyMatchesItsPathsOnly(f *testing.F) {
	seed := func(names [8]string, flags uint) {
		f.Add(names[0], names[1], names[2], names[3], names[4], names[5], names[6], names[7], flags)
	}
	seed([8]string{
		"secret", "mlvault/dev", "jwt", "mlvault", "dev",
		"ml_api_key", "feature_store", "secret/data/mlvault/dev/ml_api_key2",
	}, 16)
	seed([8]string{"kv/team", "a", "jwt/x", "P", "S.1", "a", "a/b", "kv/team/data/a/a/"}, 31)
	seed([8]string{"sys*", "+/+", "*", "p\n", "s*", "*", "+", "+/data/+/a"}, 0)
	seed([8]string{
		"secret", `p"} path "*`, "jwt", "p", "s",
		`a" { capabilities = ["sudo"] }`, "#", "sys/policies/acl/root",
	}, 7)
	seed([8]string{"secret", "..", "token", "root", "default", ".", "data/x", "auth/token/create"}, 21)
	f.Fuzz(func(
		t *testing.T, mount, prefix, authPath, project, stack, one, other, probe string, flags uint,
	) {
		names := pulumitest.Names{
			Project:     project,
			Stack:       stack,
			Mount:       mount,
			Prefix:      prefix,
			AuthPath:    authPath,
			Credentials: []string{one, other},
		}
		cfg, err := settings.From(names.Source())
		if err != nil {
			tamed := pulumitest.Names{
				Project:     withoutSlash(project),
				Stack:       withoutSlash(stack),
				Mount:       tame(mount),
				Prefix:      tame(prefix),
				AuthPath:    tame(authPath),
				Credentials: []string{tame(one), tame(other)},
			}
			cfg, err = settings.From(tamed.Source())
		}
		if err != nil {
			t.Skip() // too long, or a mount of Vault's own
		}
		cfg.Vault.CreateMount = flags&1 != 0
		cfg.Vault.DisableRead = flags&2 != 0
		cfg.Vault.DeleteOnDestroy = flags&4 != 0
		cfg.Vault.SkipChildToken = flags&8 != 0
		cfg.Workload.CreateAuthBackend = flags&16 != 0

		var reads []rights.Grant
		for _, credential := range cfg.Credentials {
			path := cfg.Vault.Mount + "/data/" + cfg.Vault.Prefix + "/" + credential.Name
			reads = append(reads, rights.Grant{Path: path, Capabilities: []string{"read"}})
		}
		reads = append(reads, rights.Grant{
			Path:         "auth/token/revoke-self",
			Capabilities: []string{"update"},
		})
		if err := grantsExactly(rights.ReadPolicy(cfg), reads, probe); err != nil {
			t.Errorf("read policy: %v", err)
		}
		policy := rights.DeployerPolicy(cfg, rights.State{})
		if err := grantsExactly(policy, rights.SettingsGrants(cfg), probe); err != nil {
			t.Errorf("deployer's policy: %v", err)
		}
	})
}

// withoutSlash is a name of one segment.
func withoutSlash(name string) string { return strings.ReplaceAll(tame(name), "/", "-") }

// TestTheJudgeSeesAPolicyThatIsWiderThanItSays plants what the fuzzer looks for.
func TestTheJudgeSeesAPolicyThatIsWiderThanItSays(t *testing.T) {
	grants := []rights.Grant{{Path: "secret/data/p/a", Capabilities: []string{"read"}}}
	good := rights.PolicyText("good", grants)
	if err := grantsExactly(good, grants, "secret/data/p/b"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ name, policy string }{
		{name: "a star", policy: `path "secret/data/p/a*" { capabilities = ["read"] }` + "\n" + good},
		{name: "a plus", policy: `path "secret/data/+/a" { capabilities = ["read"] }`},
		{name: "another path", policy: good + `path "secret/data/p/b" { capabilities = ["list"] }`},
		{name: "more rights", policy: `path "secret/data/p/a" { capabilities = ["read", "update"] }`},
		{name: "sudo", policy: `path "secret/data/p/a" { capabilities = ["read", "sudo"] }`},
		{name: "no right at all", policy: `path "secret/data/p/a" { capabilities = ["deny"] }`},
		{name: "no policy", policy: `path "secret/data/p/a" {`},
	} {
		if grantsExactly(bad.policy, grants, "secret/data/p/b") == nil {
			t.Errorf("%s was not seen", bad.name)
		}
	}
}

// grantsExactly asks Vault about every granted path, about the probe, and about what stands near
// each granted path.
func grantsExactly(text string, grants []rights.Grant, probe string) error {
	if err := vault.Sys().PutPolicy("judged", text); err != nil {
		return fmt.Errorf("vault does not take it: %w\n%s", err, text)
	}
	granted := map[string][]string{}
	for _, grant := range grants {
		granted[grant.Path] = slices.Sorted(slices.Values(grant.Capabilities))
	}
	probes := []string{"sys/policies/acl/other", "auth/token/root", "secret/data/other"}
	// Vault trims the spaces of a path that it is asked about, and refuses one that is then empty.
	probe = strings.TrimSpace(strings.ToValidUTF8(probe, "-"))
	if strings.Trim(probe, "/") != "" {
		probes = append(probes, probe)
	}
	for path := range granted {
		probes = append(probes, near(path)...)
	}
	question := map[string]any{"token": token, "paths": probes}
	answer, err := vault.Logical().Write("sys/capabilities", question)
	if err != nil {
		return fmt.Errorf("ask Vault: %w", err)
	}
	for _, path := range probes {
		// Vault judges a listing, which is asked for with or without the slash at its end.
		want, isGranted := granted[strings.TrimSuffix(strings.TrimLeft(path, "/"), "/")]
		if !isGranted {
			want = []string{"deny"}
		}
		got := strings.Fields(strings.Trim(fmt.Sprint(answer.Data[path]), "[]"))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%q: Vault allows %v, want %v\n%s", path, got, want, text)
		}
	}
	return nil
}

// near are a granted path, and those that a policy with a glob, a typo or another case would grant
// with it.
func near(path string) []string {
	parent := path[:strings.LastIndex(path, "/")]
	paths := []string{
		path,
		path + "x",
		path + "/",
		path + "/x",
		path + "*",
		path + "\x00",
		path + "%2f",
		"x" + path,
		path[:len(path)-1],
		parent,
		parent + "/",
		parent + "/+",
		strings.ToUpper(path),
		strings.Replace(path, "/data/", "/metadata/", 1),
		strings.Replace(path, "/data/", "/destroy/", 1),
	}
	segments := strings.Split(path, "/")
	for i := range segments {
		other := slices.Clone(segments)
		other[i] = "other"
		paths = append(paths, strings.Join(other, "/"))
	}
	return paths
}
