package stack

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// requireGolden compares with a file that is reviewed, and writes it where UPDATE_GOLDEN is set.
func requireGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs. A changed type or name deletes a resource and creates another. "+
			"If that is what you want: UPDATE_GOLDEN=1 go test ./internal/stack, and let the diff be "+
			"reviewed.\ngot:\n%s", file, got)
	}
}

func golden(t *testing.T, stack string) []byte {
	t.Helper()
	text, err := mustRun(t, stack).Golden()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEveryRegistrationIsAsReviewed(t *testing.T) {
	for stack := range settingsFiles(t) {
		t.Run(stack, func(t *testing.T) {
			requireGolden(t, filepath.Join("testdata", stack+".json"), golden(t, stack))
		})
	}
}

// The page shows what `make policy` prints for the dev stack with the names of the sample
// credentials.
func TestTheDeployersPolicyOfTheDocsIsTheProgramsOwn(t *testing.T) {
	s, err := settings.From(settings.Source{
		Project:   "mlvault",
		Stack:     "dev",
		Values:    stackConfig(t, "dev"),
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join("..", "..", "docs", "vault-deployer.hcl")
	requireGolden(t, page, []byte(rights.DeployerPolicy(s, rights.State{})))
}

func TestTheProviderTakesNothingFromTheDeployersEnvironment(t *testing.T) {
	want := golden(t, "dev")
	for name, value := range map[string]string{
		"VAULT_SKIP_VERIFY":       "true",
		"VAULT_MAX_RETRIES":       "9",
		"TERRAFORM_VAULT_MAX_TTL": "77",
		"VAULT_ADDR":              "https://elsewhere",
		"VAULT_TOKEN":             "other",
		"VAULT_NAMESPACE":         "other",
	} {
		t.Setenv(name, value)
	}
	if got := golden(t, "dev"); !bytes.Equal(got, want) {
		t.Errorf("the environment changed the registrations:\n%s", got)
	}
}
