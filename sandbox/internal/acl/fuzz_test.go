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
	if token, err = server.Token(ctx, "judged", `path "none" { capabilities = ["deny"] }`, 24*time.Hour); err != nil {
		panic(err)
	}
	return m.Run()
}

// tame replaces every character that config refuses, so that no input of the fuzzer is wasted.
func tame(path string) string {
	const instead = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		kept := strings.Map(func(r rune) rune {
			if strings.ContainsRune(instead+".", r) {
				return r
			}
			return rune(instead[uint32(r)%uint32(len(instead))]) //nolint:gosec // G115: a rune is not negative.
		}, segment)
		for strings.Contains(kept, "..") {
			kept = strings.ReplaceAll(kept, "..", ".")
		}
		if kept = strings.Trim(kept, ".-"); kept != "" && kept != "data" && kept != "metadata" {
			segments = append(segments, kept)
		}
	}
	if len(segments) == 0 {
		return "a"
	}
	return strings.Join(segments, "/")
}

// Whatever names config accepts: by Vault's own judgement the jobs' policy reads exactly the
// credentials' paths, the deployer's does exactly what its grants say, and neither does anything
// anywhere else.
func FuzzPolicyMatchesItsPathsOnly(f *testing.F) {
	f.Add("secret", "mlvault/dev", "jwt", "mlvault", "dev", "ml_api_key", "feature_store", "secret/data/mlvault/dev/ml_api_key2", uint(16))
	f.Add("kv/team", "a", "jwt/x", "P", "S.1", "a", "a/b", "kv/team/data/a/a/", uint(31))
	f.Add("sys*", "+/+", "*", "p\n", "s*", "*", "+", "+/data/+/a", uint(0))
	f.Add("secret", "p\"} path \"*", "jwt", "p", "s", "a\" { capabilities = [\"sudo\"] }", "#", "sys/policies/acl/root", uint(7))
	f.Add("secret", "..", "token", "root", "default", ".", "data/x", "auth/token/create", uint(21))
	f.Fuzz(func(t *testing.T, mount, prefix, authPath, project, stackName, one, other, probe string, flags uint) {
		cfg, err := settings.From(pulumitest.Named(mount, prefix, authPath, project, stackName, one, other))
		if err != nil {
			noSlash := func(name string) string { return strings.ReplaceAll(tame(name), "/", "-") }
			cfg, err = settings.From(pulumitest.Named(tame(mount), tame(prefix), tame(authPath), noSlash(project), noSlash(stackName), tame(one), tame(other)))
		}
		if err != nil {
			t.Skip() // too long, or a mount of Vault's own
		}
		flag := func(bit int) bool { return flags>>bit&1 == 1 }
		cfg.Vault.CreateMount, cfg.Vault.DisableRead, cfg.Vault.DeleteOnDestroy, cfg.Vault.SkipChildToken = flag(0), flag(1), flag(2), flag(3)
		*cfg.Workload.CreateAuthBackend = flag(4)
		var reads []rights.Grant
		for _, credential := range cfg.Credentials {
			reads = append(reads, rights.Grant{Path: cfg.Vault.Mount + "/data/" + cfg.Vault.Prefix + "/" + credential.Name, Capabilities: []string{"read"}})
		}
		if err := grantsExactly(rights.ReadPolicy(cfg), reads, probe); err != nil {
			t.Errorf("read policy: %v", err)
		}
		if err := grantsExactly(rights.DeployerPolicy(cfg, rights.State{}), rights.SettingsGrants(cfg), probe); err != nil {
			t.Errorf("deployer's policy: %v", err)
		}
	})
}

// TestTheJudgeSeesAPolicyThatIsWiderThanItSays plants what the fuzzer looks for.
func TestTheJudgeSeesAPolicyThatIsWiderThanItSays(t *testing.T) {
	grants := []rights.Grant{{Path: "secret/data/p/a", Capabilities: []string{"read"}}}
	good := rights.PolicyText("good", grants)
	if err := grantsExactly(good, grants, "secret/data/p/b"); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a star":          `path "secret/data/p/a*" { capabilities = ["read"] }` + "\n" + good,
		"a plus":          `path "secret/data/+/a" { capabilities = ["read"] }`,
		"another path":    good + `path "secret/data/p/b" { capabilities = ["list"] }`,
		"more rights":     `path "secret/data/p/a" { capabilities = ["read", "update"] }`,
		"sudo":            `path "secret/data/p/a" { capabilities = ["read", "sudo"] }`,
		"no right at all": `path "secret/data/p/a" { capabilities = ["deny"] }`,
		"no policy":       `path "secret/data/p/a" {`,
	} {
		if grantsExactly(bad, grants, "secret/data/p/b") == nil {
			t.Errorf("%s was not seen", name)
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
		last := strings.LastIndex(path, "/")
		probes = append(probes, path, path+"x", path+"/", path+"/x", path+"*", path[:len(path)-1], path[:last], path[:last+1], path[:last]+"/+", "x"+path,
			strings.ToUpper(path), strings.Replace(path, "/data/", "/metadata/", 1), strings.Replace(path, "/data/", "/destroy/", 1), path+"\x00", path+"%2f")
		for i, segments := 0, strings.Split(path, "/"); i < len(segments); i++ {
			was := segments[i]
			segments[i] = "other"
			probes = append(probes, strings.Join(segments, "/"))
			segments[i] = was
		}
	}
	answer, err := vault.Logical().Write("sys/capabilities", map[string]any{"token": token, "paths": probes})
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
