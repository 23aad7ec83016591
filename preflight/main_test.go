package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
