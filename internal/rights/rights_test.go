package rights_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"mlvault/internal/rights"
)

// Names are injective: whatever Pulumi takes as project and stack, two pairs never share a name, and Vault stores each name
// as it is sent. Its rule for a role is GenericNameRegex in vault/sdk/framework/path.go.
func FuzzName(f *testing.F) {
	f.Add("ml", "a-b", "ml-a", "b")
	f.Add("ml", "dev", "ml", "Dev")
	f.Add("ml", "feature-", "ml", "feature.")
	f.Add("-", ".", ".", "-")
	role := regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)
	f.Fuzz(func(t *testing.T, project, stack, otherProject, otherStack string) {
		name, other := rights.Name(project, stack), rights.Name(otherProject, otherStack)
		for _, n := range []string{name, rights.AuthPath(project, stack)} {
			if !role.MatchString(n) || strings.ToLower(n) != n {
				t.Errorf("%q/%q: Vault refuses or changes %q", project, stack, n)
			}
		}
		if (project+"/"+stack != otherProject+"/"+otherStack) && name == other {
			t.Errorf("%q/%q and %q/%q share %q", project, stack, otherProject, otherStack, name)
		}
	})
}

func TestMergedGrantsHaveEachPathOnceWithAllCapabilities(t *testing.T) {
	got := map[string]string{}
	for _, grant := range rights.Merge(
		[]rights.Grant{{Path: "a", Capabilities: []string{"create", "read"}}, {Path: "b", Capabilities: []string{"update"}}},
		[]rights.Grant{{Path: "c", Capabilities: []string{"sudo"}}, {Path: "a", Capabilities: []string{"read", "delete"}}},
	) {
		got[grant.Path] += strings.Join(grant.Capabilities, " ") + ";"
	}
	if want := map[string]string{"a": "create read delete;", "b": "update;", "c": "sudo;"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheAddressesFingerprintIsShortAndOfOneStack(t *testing.T) {
	id := func(stack, address string) string { return rights.Fingerprint("p", stack, address) }
	if a := id("s", "https://a"); len(a) != 8 || a == id("t", "https://a") || a == id("s", "https://b") {
		t.Errorf("the fingerprint is %q", a)
	}
}
