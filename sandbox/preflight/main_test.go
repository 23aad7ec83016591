package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/cli"
	"mlvault/sandbox/internal/vaultserver"
)

const payloadCanary = "payload-canary-91ac"

// pulumi runs the CLI in a folder.
func pulumi(t *testing.T, root string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "pulumi", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestTheCommandSaysWhetherAnUpWouldWork(t *testing.T) {
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	found, err := cli.Builder{Module: filepath.Join(repository, "sandbox"), Bin: filepath.Join(repository, ".sandbox", "bin"), Log: os.Stderr}.Find(t.Context())
	require.NoError(t, err)
	t.Setenv("PATH", filepath.Dir(found.Path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("PULUMI_BACKEND_URL", "file://"+filepath.ToSlash(t.TempDir()))
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "x")
	t.Setenv("PULUMI_HOME", t.TempDir())
	t.Setenv("PULUMI_SKIP_UPDATE_CHECK", "true")
	t.Setenv("ARM_USE_MSI", "true")
	t.Setenv("VAULT_TOKEN", "")

	vault, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = vault.Stop(context.WithoutCancel(t.Context())) })

	root := t.TempDir()
	text, err := os.ReadFile(filepath.Join(repository, "Pulumi.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.yaml"), text, 0o600))
	preflight := func(args ...string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), append([]string{"-root", root, "-stack", "dev"}, args...), &out)
		for _, secret := range []string{vault.Addr(), strings.TrimPrefix(vault.Addr(), "https://"), payloadCanary, vault.Root().Token()} {
			require.NotContains(t, out.String(), secret)
			if err != nil {
				require.NotContains(t, err.Error(), secret)
			}
		}
		return out.String(), err
	}

	_, err = preflight()
	require.ErrorContains(t, err, "no stack named 'dev' found")
	pulumi(t, root, "stack", "init", "dev")
	pulumi(t, root, "config", "set-all", "--path", "--secret", "vaultAddress="+vault.Addr(), "--secret", "credentials.ml_api_key.api_key="+payloadCanary,
		"--plaintext", "vault.caCertFile="+vault.CAFile(), "--plaintext", "workload.audience=api://x", "--plaintext", "azure-native:location=westeurope",
		"--plaintext", "workload.authPath=jwt*")
	_, err = preflight()
	require.ErrorContains(t, err, "workload.authPath: ")
	pulumi(t, root, "config", "set", "--path", "workload.authPath", "jwt-ours")

	policy, err := preflight("-policy")
	require.NoError(t, err)
	require.Contains(t, policy, `path "secret/data/mlvault/dev/ml_api_key" {`)
	token, err := vault.Token(t.Context(), "deployer", policy+`path "sys/capabilities-self" { capabilities = ["update"] }`, time.Hour)
	require.NoError(t, err)

	t.Setenv("VAULT_TOKEN", token)
	out, err := preflight()
	require.NoError(t, err)
	require.Contains(t, out, "ok        rights: all that the deployer's policy names")
	require.Contains(t, out, "An up would work, as far as it can be seen from here.")
	t.Log(out)

	t.Setenv("VAULT_TOKEN", token) // the command has forgotten it
	require.NoError(t, vault.Seal())
	out, err = preflight()
	require.ErrorContains(t, err, "an up would fail: 1 to mend; nothing was changed")
	require.Contains(t, out, "problem   Vault is sealed")
	t.Log(out)
}

// Whoever runs a preflight has no Vault server to compile, and no Pulumi engine.
func TestThePreflightCompilesNoServer(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/hashicorp/vault/api")
	for _, heavy := range []string{"github.com/hashicorp/vault/vault", "github.com/hashicorp/vault/sdk", "github.com/pulumi/pulumi/pkg/v3", "github.com/Azure/azure-sdk-for-go"} {
		for _, name := range packages {
			require.False(t, name == heavy || strings.HasPrefix(name, heavy+"/"), "the preflight compiles %s", name)
		}
	}
	t.Logf("%d packages", len(packages))
}
