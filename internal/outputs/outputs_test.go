package outputs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func example() map[string]any {
	return map[string]any{
		JobIdentityClientID: "22222222-2222-2222-2222-222222222222",
		VaultAddress:        "https://vault.example.com",
		VaultNamespace:      "",
		VaultLoginPath:      "auth/jwt-ml/login",
		VaultRole:           "ml",
		VaultAudience:       "api://ml",
		CredentialPaths:     map[string]any{"ml_api_key": "secret/data/ml/dev/ml_api_key"},
	}
}

func TestAJobGetsWhatTheClientReads(t *testing.T) {
	got, err := JobEnvironment(example())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"AZURE_CLIENT_ID":   "22222222-2222-2222-2222-222222222222",
		"VAULT_ADDR":        "https://vault.example.com",
		"VAULT_AUDIENCE":    "api://ml",
		"VAULT_CREDENTIALS": `{"ml_api_key":"secret/data/ml/dev/ml_api_key"}`,
		"VAULT_LOGIN_PATH":  "auth/jwt-ml/login",
		"VAULT_ROLE":        "ml",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestANamespaceReachesTheJob(t *testing.T) {
	values := example()
	values[VaultNamespace] = "team/ml"
	got, err := JobEnvironment(values)
	if err != nil {
		t.Fatal(err)
	}
	if got["VAULT_NAMESPACE"] != "team/ml" {
		t.Errorf("VAULT_NAMESPACE is %q", got["VAULT_NAMESPACE"])
	}
}

func TestACertificateReachesTheJobAsAFileBesideItsCode(t *testing.T) {
	values := example()
	values[VaultCA] = "-----BEGIN CERTIFICATE-----\n"
	got, err := JobEnvironment(values)
	if err != nil {
		t.Fatal(err)
	}
	if got["VAULT_CACERT"] != "vault-ca.pem" {
		t.Errorf("VAULT_CACERT is %q", got["VAULT_CACERT"])
	}
}

func TestAPathThatAnswersToAWriteReachesTheJobWithItsParameters(t *testing.T) {
	values := example()
	values[CredentialPaths] = map[string]any{"a": "kv/data/a", "tls": "pki/issue/ml"}
	values[CredentialParameters] = map[string]any{"tls": map[string]any{"common_name": "ml.test"}}
	got, err := JobEnvironment(values)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":"kv/data/a","tls":{"parameters":{"common_name":"ml.test"},"path":"pki/issue/ml"}}`
	if got["VAULT_CREDENTIALS"] != want {
		t.Errorf("got %s, want %s", got["VAULT_CREDENTIALS"], want)
	}
}

// The client names its variables in texts; one that it reads and no output sets would be silence.
func TestEachVariableIsOneThatTheClientReads(t *testing.T) {
	var client []byte
	for _, name := range []string{"settings.py", "identity.py"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "job", "vault_credentials", name))
		if err != nil {
			t.Fatal(err)
		}
		client = append(client, text...)
	}
	for _, variable := range JobVariables {
		inQuotes := regexp.MustCompile(`["']` + variable.Name + `["']`)
		if !inQuotes.Match(client) {
			t.Errorf("the client does not read %s", variable.Name)
		}
	}
	byName := func(a, b Variable) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(JobVariables, byName) {
		t.Error("the variables are not sorted by name")
	}
}
