package preflight_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/config"
	"mlvault/preflight/check"
	"mlvault/sandbox/e2e/lab"
)

const (
	addressCanary = "https://vault-canary-4b1d.example.com:8200"
	tokenCanary   = "hvs.token-canary-4b1d"
)

// project is this repository's, in a folder of its own, with a backend in files and the real CLI.
func project(t *testing.T) check.CLI {
	t.Helper()
	root, state := t.TempDir(), t.TempDir()
	text, err := os.ReadFile("../../../Pulumi.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.yaml"), text, 0o600))
	return check.CLI{Path: lab.Pulumi, Root: root, Environment: []string{
		"PULUMI_BACKEND_URL=file://" + filepath.ToSlash(state), "PULUMI_CONFIG_PASSPHRASE=x", "PULUMI_HOME=" + t.TempDir(),
	}}
}

func must(t *testing.T, c check.CLI, args ...string) []byte {
	t.Helper()
	out, err := c.Run(t.Context(), nil, args...)
	require.NoError(t, err)
	return out
}

func TestARealStackIsReadAsTheProgramReadsIt(t *testing.T) {
	c := project(t)
	_, err := c.Load(t.Context(), "dev")
	require.ErrorContains(t, err, "no stack named 'dev' found")

	must(t, c, "stack", "init", "dev")
	_, err = c.Load(t.Context(), "dev")
	var problems config.Problems
	require.True(t, errors.As(err, &problems), "%v", err)
	require.ErrorContains(t, err, "credentials: is empty")

	must(t, c, "config", "set-all", "--stack", "dev", "--path", "--secret", "vaultAddress="+addressCanary, "--secret", "vaultToken="+tokenCanary,
		"--secret", "credentials.ml_api_key.api_key="+payloadCanary, "--secret", `credentials.store={"port":5432,"password":"`+payloadCanary+`"}`,
		"--plaintext", "workload.audience=api://x", "--plaintext", "azure-native:location=westeurope", "--plaintext", "vault.mount=kv")
	s, err := c.Load(t.Context(), "dev")
	require.NoError(t, err)
	require.Equal(t, addressCanary, s.Config.Address.Reveal())
	require.Equal(t, tokenCanary, s.Token.Reveal())
	require.Equal(t, "vaultToken", s.TokenFrom)
	require.Equal(t, `{"password":"`+payloadCanary+`","port":5432}`, s.Config.Credentials[1].Payload.Reveal())
	require.Equal(t, "kv", s.Config.Vault.Mount)
	require.Greater(t, s.Size, 300)
	require.Less(t, s.Size, 900)
	require.Empty(t, s.Environment)
	require.NotContains(t, s.Policy(), "canary")
	require.Contains(t, s.Policy(), `path "kv/data/mlvault/dev/ml_api_key" {`)

	must(t, c, "config", "rm", "--stack", "dev", "vaultToken")
	t.Setenv("VAULT_TOKEN", tokenCanary+"-of-the-shell")
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	s, err = c.Load(t.Context(), "dev")
	require.NoError(t, err)
	require.Equal(t, tokenCanary+"-of-the-shell", s.Token.Reveal())
	require.Equal(t, "VAULT_TOKEN", s.TokenFrom)
	require.Equal(t, []string{"VAULT_NAMESPACE"}, s.Environment)

	must(t, c, "config", "set", "--stack", "dev", "vaultToken", tokenCanary, "--plaintext")
	_, err = c.Load(t.Context(), "dev")
	require.ErrorContains(t, err, "vaultToken: is in plain text")
	require.NotContains(t, err.Error(), "canary")
}

func TestWhatTheStateSaysIsTheStacksOwnAndWhatLeavesItNeedsARight(t *testing.T) {
	c := project(t)
	must(t, c, "stack", "init", "dev")
	must(t, c, "config", "set-all", "--stack", "dev", "--path", "--secret", "vaultAddress="+addressCanary, "--secret", "credentials.stays.k=v",
		"--plaintext", "workload.audience=api://x", "--plaintext", "azure-native:location=westeurope")
	var state map[string]any
	require.NoError(t, c.JSON(t.Context(), &state, "stack", "export", "--stack", "dev"))
	secret := func(name string, purges bool) map[string]any {
		return map[string]any{
			"urn": "urn:pulumi:dev::mlvault::vault:kv/secretV2:SecretV2::" + name, "type": check.TypeSecret, "custom": true, "id": "secret/data/mlvault/dev/" + name,
			"outputs": map[string]any{"deleteAllVersions": purges},
		}
	}
	deployment, isMap := state["deployment"].(map[string]any)
	require.True(t, isMap)
	deployment["resources"] = []any{secret("stays", false), secret("gone", false), secret("purged", true)}
	edited, err := json.Marshal(state)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(file, edited, 0o600))
	must(t, c, "stack", "import", "--stack", "dev", "--file", file)

	s, err := c.Load(t.Context(), "dev")
	require.NoError(t, err)
	require.True(t, s.Has(check.TypeSecret, "secret/data/mlvault/dev/stays"))
	require.False(t, s.Has(check.TypeSecret, "secret/data/mlvault/dev/other"))
	_, leaving, found := strings.Cut(s.Policy(), "# These left the configuration.")
	require.True(t, found)
	require.Contains(t, leaving, "path \"secret/data/mlvault/dev/gone\" {\n  capabilities = [\"delete\"]\n}")
	require.Contains(t, leaving, "path \"secret/metadata/mlvault/dev/purged\" {\n  capabilities = [\"delete\"]\n}")
	require.NotContains(t, leaving, "stays")
}
