package preflight_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/preflight/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/vaultserver"
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

// build compiles the command as `make preflight` does.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "preflight")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../../preflight", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)
	return binary
}

func TestTheCommandSaysWhetherAnUpWouldWork(t *testing.T) {
	c := project(t)
	t.Setenv("PATH", filepath.Dir(c.Path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	binary := build(t)
	t.Setenv("ARM_USE_MSI", "true")
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("HOME", t.TempDir())

	vault, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = vault.Stop(context.WithoutCancel(t.Context())) })

	preflight := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, append(args, "-root", c.Root, "-stack", "dev")...)
		cmd.Env = append(os.Environ(), c.Environment...)
		said, err := cmd.CombinedOutput()
		out := string(said)
		for _, secret := range []string{vault.Addr(), strings.TrimPrefix(vault.Addr(), "https://"), payloadCanary, vault.Root().Token()} {
			require.NotContains(t, out, secret)
		}
		return out, err
	}

	out, err := preflight("check")
	require.Error(t, err)
	require.Contains(t, out, "no stack named 'dev' found")
	must(t, c, "stack", "init", "dev")
	must(t, c, "config", "set-all", "--path", "--secret", "vaultAddress="+vault.Addr(), "--secret", "credentials.ml_api_key.api_key="+payloadCanary,
		"--plaintext", "vault.caCertFile="+vault.CAFile(), "--plaintext", "workload.audience=api://x", "--plaintext", "azure-native:location=westeurope",
		"--plaintext", "workload.authPath=jwt*")
	out, err = preflight("check")
	require.Error(t, err)
	require.Contains(t, out, "workload.authPath: ")
	must(t, c, "config", "set", "--path", "workload.authPath", "jwt-ours")
	must(t, c, "config", "set", "vaultToken", vault.Root().Token(), "--plaintext")
	out, err = preflight("check")
	require.Error(t, err)
	require.Contains(t, out, "vaultToken: is in plain text")
	must(t, c, "config", "rm", "vaultToken")

	policy, err := preflight("policy")
	require.NoError(t, err)
	require.Contains(t, policy, `path "secret/data/mlvault/dev/ml_api_key" {`)
	token, err := vault.Token(t.Context(), "deployer", policy+`path "sys/capabilities-self" { capabilities = ["update"] }`, time.Hour)
	require.NoError(t, err)

	t.Setenv("VAULT_TOKEN", token)
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	out, err = preflight("check")
	require.NoError(t, err)
	require.Contains(t, out, "warning   VAULT_NAMESPACE is set in this shell")
	require.Contains(t, out, "ok        rights: all that the deployer's policy names")
	require.Contains(t, out, "No problem found. `pulumi up` should succeed.")
	t.Log(out)

	file := filepath.Join(os.Getenv("HOME"), ".vault-token")
	require.NoError(t, os.WriteFile(file, []byte("dead\n"), 0o600))
	out, err = preflight("check")
	require.Error(t, err, "the genuine plugin prefers the file to the variable")
	require.Contains(t, out, "~/.vault-token")
	require.NoError(t, os.Remove(file))

	require.NoError(t, vault.Seal())
	out, err = preflight("check")
	require.Error(t, err)
	require.Contains(t, out, "error: `pulumi up` would fail. Problems: 1. Nothing was changed")
	require.Contains(t, out, "problem   Vault is sealed")
	t.Log(out)
}
