package settings

import (
	"regexp"
	"strings"
	"testing"
)

func TestNamesInVaultDropNothingAndEndInSixteenDigits(t *testing.T) {
	const want = "ml.team_a-dev-1-"
	name := NameInVault("ML.team_a", "Dev-1")
	digits := strings.TrimPrefix(name, want)
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(digits) {
		t.Errorf("the name is %s, want %s and sixteen digits", name, want)
	}
}

// Two pairs never share a name, and Vault stores each name as it is sent. Vault's rule for a role
// is GenericNameRegex in vault/sdk/framework/path.go.
func FuzzName(f *testing.F) {
	f.Add("ml", "a-b", "ml-a", "b")
	f.Add("ml", "dev", "ml", "Dev")
	f.Add("ml", "feature-", "ml", "feature.")
	f.Add("ml", "a.b", "ml", "a-b")
	f.Add("_", "_", "__", "_")
	role := regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)
	f.Fuzz(func(t *testing.T, project, stack, otherProject, otherStack string) {
		if !hasNamesInVault(project, stack) || !hasNamesInVault(otherProject, otherStack) {
			t.Skip("settings refuse these")
		}
		name := NameInVault(project, stack)
		other := NameInVault(otherProject, otherStack)
		for _, n := range []string{name, DefaultAuthPath(project, stack)} {
			isStored := role.MatchString(n) && strings.ToLower(n) == n && !strings.Contains(n, "..")
			if !isStored {
				t.Errorf("%q/%q: Vault refuses or changes %q", project, stack, n)
			}
		}
		same := project == otherProject && stack == otherStack
		if name == other && !same {
			t.Errorf("%q/%q and %q/%q share %q", project, stack, otherProject, otherStack, name)
		}
	})
}

func TestAProjectOrStackThatGivesNoNamesInVaultIsRefused(t *testing.T) {
	tests := []struct {
		project, stack string
		refused        bool
	}{
		{"mlvault", "a*", true},
		{"mlvault", "a/b", true},
		{"mlvault", "+", true},
		{"mlvault", "a b", true},
		{"mlvault", "a\n", true},
		{"mlvault", "", true},
		{"mlvault", "a..b", true},
		{"mlvault", "-dev", true},
		{"mlvault", ".dev", true},
		{"-ml", "dev", true},
		{".ml", "dev", true},
		{"mlvault", "a.", false},
		{"mlvault", "feature-", false},
		{"_ml", "_dev", false},
	}
	for _, test := range tests {
		// The default prefix and path would be refused for some of these too.
		ownPath := set("workload", `{"audience":"a","authPath":"jwt"}`)
		values := with(set("vault", `{"prefix":"p"}`), ownPath)
		src := Source{
			Project:   test.project,
			Stack:     test.stack,
			Values:    map[string]string{},
			Encrypted: IsSecretKey,
			Trusted:   true,
		}
		for key, value := range values {
			src.Values[strings.Replace(key, "mlvault:", test.project+":", 1)] = value
		}
		if test.refused {
			requireRefused(t, src, "- stack: ")
			continue
		}
		if _, err := From(src); err != nil {
			t.Errorf("%s/%s: %v", test.project, test.stack, err)
		}
	}
}

func TestTheAddressesFingerprintIsShortAndOfOnePolicy(t *testing.T) {
	first := AddressFingerprint("p", "https://a")
	if len(first) != 8 {
		t.Errorf("the fingerprint is %q", first)
	}
	for _, other := range []string{
		AddressFingerprint("p", "https://b"),
		AddressFingerprint("q", "https://a"),
	} {
		if other == first {
			t.Errorf("two fingerprints are %q", first)
		}
	}
}

func TestANamespaceIsAVaultOfItsOwn(t *testing.T) {
	s := Settings{
		Project: "mlvault",
		Stack:   "dev",
		Address: NewSecret("https://vault.example.com"),
	}
	root := s.Fingerprint()
	s.Vault.Namespace = "team-a"
	teamA := s.Fingerprint()
	s.Vault.Namespace = "team-b"
	if root == teamA || teamA == s.Fingerprint() {
		t.Error("two namespaces have one fingerprint")
	}
}

func TestTheLabelsOfASecretNameItsReadersInOneOrder(t *testing.T) {
	s := Settings{Project: "mlvault", Stack: "prod"}
	if _, has := s.OwnerLabels()["readers"]; has {
		t.Error("without readers there is no label")
	}
	s.Vault.Readers = []string{"mlvault/qa", "mlvault/dev"}
	if got := s.OwnerLabels()["readers"]; got != "mlvault/dev,mlvault/qa" {
		t.Error(got)
	}
}
