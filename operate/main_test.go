package main

import (
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever runs a preflight has no Vault server to compile, and nothing of Pulumi.
func TestThePreflightCompilesNoServer(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/hashicorp/vault/api")
	for _, heavy := range []string{
		"github.com/hashicorp/vault/vault",
		"github.com/hashicorp/vault/sdk",
		"github.com/pulumi/pulumi",
		"github.com/Azure/azure-sdk-for-go",
	} {
		for _, name := range packages {
			isOfIt := name == heavy || strings.HasPrefix(name, heavy+"/")
			require.False(t, isOfIt, "the preflight compiles %s", name)
		}
	}
	t.Logf("%d packages", len(packages))
}

// The sandbox is a toy that a team may delete: everything that deploys still builds, and names it
// nowhere.
func TestWithoutTheSandboxEverythingThatDeploysStillWorks(t *testing.T) {
	copied := t.TempDir()
	run := func(line string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir, cmd.Env = copied, append(os.Environ(), "GOFLAGS=-trimpath")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", line, out)
		return string(out)
	}
	from, err := filepath.Abs("..")
	require.NoError(t, err)
	run("tar -C '" + from + "' --exclude ./sandbox --exclude ./.sandbox --exclude ./tools --exclude " +
		"./.git -cf - . | tar -xf -")
	run("go build ./... && go -C operate build ./...")
	recipes := run("make -n preflight policy job repair explain build") + run("cat .ci/lib.sh "+
		".ci/preview .ci/due .ci/deploy .ci/drift .ci/logout .ci/*.py")
	require.Contains(t, recipes, "./.operate check")
	require.NotContains(t, recipes, "sandbox")
	require.Contains(t, run("make policy STACK=x 2>&1 || true"), "pulumi", "the command runs, and "+
		"asks for the CLI or the stack")
}

func TestAStacksNameIsNoWayOutOfTheFolderOfJobs(t *testing.T) {
	for _, stack := range []string{"..", ".", "org/..", ".git"} {
		err := run(t.Context(), []string{"job", "-stack", stack}, nil, io.Discard)
		require.ErrorContains(t, err, "is no name of a stack")
	}
	err := run(t.Context(), []string{"job", "-compute", "a\nidentity: none"}, nil, io.Discard)
	require.ErrorContains(t, err, "is not the name of a cluster")
}

func TestAnUnknownCommandIsNamedAndTheKnownOnesAreListed(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), []string{"chek"}, nil, &out)
	require.ErrorContains(t, err, `there is no command "chek"`)
	for _, each := range commands() {
		require.Contains(t, out.String(), "  "+each.name+" ")
	}
	require.ErrorIs(t, run(t.Context(), nil, nil, io.Discard), flag.ErrHelp)
}

func TestALogOnTheStandardInputIsExplained(t *testing.T) {
	var out strings.Builder
	log := strings.NewReader("error: Code: 503. Errors:\n\n* Vault is sealed")
	require.NoError(t, run(t.Context(), []string{"explain"}, log, &out))
	require.Contains(t, out.String(), "Have it unsealed")
	err := run(t.Context(), []string{"explain"}, strings.NewReader("all is well"), io.Discard)
	require.ErrorContains(t, err, "nothing in this log is known")
}
