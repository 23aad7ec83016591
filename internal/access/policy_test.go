package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/access"
)

// pS is the name of project p and stack s.
const pS = "p-s-a4005af5"

func store(edit func(*access.Store)) access.Store {
	s := access.Store{
		Project: "p", Stack: "s", Mount: "kv", Prefix: "p/s", Credentials: []access.Credential{{Name: "a"}}, AuthPath: "jwt", CreateBackend: true,
	}
	if edit != nil {
		edit(&s)
	}
	return s
}

// The lists are what the genuine plugin 6.7.4 was seen to need on Vault 1.21.1, each capability by taking it away. One is
// ours: without reading, the plugin still writes the custom metadata that says whose a secret is.
func TestTheDeployerMayDoWhatThePluginNeedsAndNoMore(t *testing.T) {
	always := []string{
		"sys/policies/acl/" + pS + ": read update delete",
		"sys/auth/jwt: update delete sudo", "sys/mounts/auth/jwt: read", "sys/mounts/auth/jwt/tune: read", "auth/jwt/config: read update",
		"auth/jwt/role/" + pS + ": create read update delete",
		"auth/token/lookup-self: read", "auth/token/create: update",
	}
	secret := []string{"kv/data/p/s/a: create update read delete", "kv/metadata/p/s/a: read update"}
	for _, test := range []struct {
		name string
		edit func(*access.Store)
		want []string
	}{
		{"default", nil, slices.Concat(secret, always)},
		{"createMount", func(a *access.Store) { a.CreateMount = true }, slices.Concat(secret, []string{"sys/mounts/kv: read update"}, always)},
		{"createMount and deleteOnDestroy", func(a *access.Store) { a.CreateMount, a.DeleteOnDestroy = true, true },
			slices.Concat([]string{"kv/data/p/s/a: create update read", "kv/metadata/p/s/a: read update delete", "sys/mounts/kv: read update"}, always)},
		{"disableRead", func(a *access.Store) { a.Credentials[0].DisableRead = true },
			slices.Concat([]string{"kv/data/p/s/a: create update delete", "kv/metadata/p/s/a: update"}, always)},
		{"a backend of others", func(a *access.Store) { a.CreateBackend = false }, slices.Concat(secret, always[:1], always[5:])},
		{"skipChildToken", func(a *access.Store) { a.SkipChildToken = true }, slices.Concat(secret, always[:len(always)-1])},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, grant := range store(test.edit).DeployerGrants() {
				got = append(got, grant.Path+": "+strings.Join(grant.Capabilities, " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestAPolicysTextSaysItsGrantsAndNothingElse(t *testing.T) {
	a := store(func(a *access.Store) { a.CreateMount = true })
	for text, grants := range map[string][]access.Grant{a.DeployerPolicy(): a.DeployerGrants(), a.ReadPolicy(): a.ReadGrants()} {
		if err := saysOnly(text, grants); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if err := saysOnly(a.ReadPolicy()+"path \"kv/*\" {\n  capabilities = [\"read\"]\n}\n", a.ReadGrants()); err == nil {
		t.Error("a rule more was not seen")
	}
}

// saysOnly reads a policy's text by the three lines that each rule has, without a word from the code that wrote it.
func saysOnly(text string, grants []access.Grant) error {
	var rules []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	if len(rules) != 3*len(grants) {
		return fmt.Errorf("%d lines for %d grants", len(rules), len(grants))
	}
	for i, grant := range grants {
		want := []string{
			`path "` + grant.Path + "\" {\n", `  capabilities = ["` + strings.Join(grant.Capabilities, `", "`) + "\"]\n", "}\n",
		}
		if got := rules[3*i : 3*i+3]; !slices.Equal(got, want) {
			return fmt.Errorf("%q is not the rule %q", got, want)
		}
	}
	return nil
}

func TestMergedGrantsHaveEachPathOnceWithAllCapabilities(t *testing.T) {
	was := store(func(a *access.Store) {
		a.Credentials, a.DeleteOnDestroy = []access.Credential{{Name: "a", DisableRead: true}, {Name: "gone"}}, true
	})
	grants := access.Merge(store(nil).DeployerGrants(), was.DeployerGrants())
	got := map[string]string{}
	for _, grant := range grants {
		got[grant.Path] = strings.Join(grant.Capabilities, " ")
	}
	for path, want := range map[string]string{
		"kv/data/p/s/a": "create update read delete", "kv/metadata/p/s/a": "read update delete", "kv/metadata/p/s/gone": "read update delete",
	} {
		if got[path] != want {
			t.Errorf("%s: %q, want %q", path, got[path], want)
		}
	}
	if len(got) != len(grants) {
		t.Errorf("a path has two rules: %v", grants)
	}
}

func TestTheAddressesFingerprintIsShortAndOfOneStack(t *testing.T) {
	id := func(stack, address string) string { return access.Fingerprint("p", stack, address) }
	if a := id("s", "https://a"); len(a) != 8 || a == id("t", "https://a") || a == id("s", "https://b") {
		t.Errorf("the fingerprint is %q", a)
	}
}
