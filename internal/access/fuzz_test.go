package access_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/access"
	"mlvault/internal/config"
	"mlvault/internal/pulumitest"
)

// Whatever names package config accepts, a policy's text says exactly the grants of these names: none is lost, doubled,
// cut off or made into more than one.
func FuzzPolicyText(f *testing.F) {
	f.Add("secret", "mlvault/dev", "jwt", "mlvault", "dev", "ml_api_key feature_store", uint(0))
	f.Add("kv", "a/b", "jwt/x", "P", "S.1", "a a/b a/b/c A", uint(63))
	f.Add("kv\"", "a*", "+", "p\n", "\x00", "a\"b a\\ ${x} # //", uint(31))
	f.Add("kv", "p", "jwt", "p", "s", `a"b ${x} #c`, uint(31))
	f.Add("sys", "..", "jwt-p", "p", "", "  ", uint(5))
	f.Fuzz(func(t *testing.T, mount, prefix, authPath, project, stack, names string, flags uint) {
		cfg, err := config.From(pulumitest.Named(mount, prefix, authPath, project, stack, strings.Split(names, " ")...))
		if err != nil {
			return
		}
		flag := func(bit int) bool { return flags>>bit&1 == 1 }
		cfg.Vault.CreateMount, cfg.Vault.DisableRead, cfg.Vault.DeleteOnDestroy, cfg.Vault.SkipChildToken = flag(0), flag(1), flag(2), flag(3)
		*cfg.Workload.CreateAuthBackend = flag(4)
		a := cfg.Access()
		var want []string
		for _, credential := range cfg.Credentials {
			want = append(want, cfg.Vault.Mount+"/data/"+cfg.Vault.Prefix+"/"+credential.Name)
		}
		reads, deploys := a.ReadGrants(), a.DeployerGrants()
		for text, grants := range map[string][]access.Grant{a.ReadPolicy(): reads, a.DeployerPolicy(): deploys} {
			if err := saysOnly(text, grants); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		}
		var read, all []string
		for _, grant := range reads {
			read = append(read, grant.Path)
			if !slices.Equal(grant.Capabilities, []string{"read"}) {
				t.Errorf("a job may %q at %s", grant.Capabilities, grant.Path)
			}
		}
		if !slices.Equal(read, want) {
			t.Errorf("a job may read %q, and the credentials are at %q", read, want)
		}
		for _, grant := range deploys {
			all = append(all, grant.Path)
			if strings.ContainsAny(grant.Path, "*+ \"\\\n") {
				t.Errorf("%q means more than it says", grant.Path)
			}
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != len(deploys) {
			t.Errorf("a path has two rules, of which Vault takes the union: %q", all)
		}
	})
}

// Names are injective: whatever Pulumi takes as project and stack, two pairs never share a name, and Vault stores each name
// as it is sent. Its rule for a role is GenericNameRegex in vault/sdk/framework/path.go.
func FuzzName(f *testing.F) {
	f.Add("ml", "a-b", "ml-a", "b")
	f.Add("ml", "dev", "ml", "Dev")
	f.Add("ml", "feature-", "ml", "feature.")
	f.Add("-", ".", ".", "-")
	role := regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)
	f.Fuzz(func(t *testing.T, project, stack, otherProject, otherStack string) {
		name, other := access.Name(project, stack), access.Name(otherProject, otherStack)
		for _, n := range []string{name, access.AuthPath(project, stack)} {
			if !role.MatchString(n) || strings.ToLower(n) != n {
				t.Errorf("%q/%q: Vault refuses or changes %q", project, stack, n)
			}
		}
		if (project+"/"+stack != otherProject+"/"+otherStack) && name == other {
			t.Errorf("%q/%q and %q/%q share %q", project, stack, otherProject, otherStack, name)
		}
	})
}
