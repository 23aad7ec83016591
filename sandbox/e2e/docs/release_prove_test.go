//go:build prove

package docs

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// A team takes a version and compiles nothing: it unpacks the archive, sets its settings, looks
// with operate, goes up with the program of the archive, and gets its jobs' files.
func TestProveAReleaseIsUnpackedAndDeployed(t *testing.T) {
	dir := t.TempDir()
	shell := lab.New(t).Shell(dir)
	shell.Must(`go -C "$REPOSITORY/tools" run ./release -version 0.1.0 -only linux/amd64 -out "$PWD"
		sha256sum --check mlvault_0.1.0_checksums.txt
		tar -xzf mlvault_0.1.0_linux_amd64.tar.gz`, "REPOSITORY="+lab.Repository())
	shell.Close()

	unpacked := filepath.Join(dir, "mlvault_0.1.0_linux_amd64")
	list := lab.ReadFile(t, filepath.Join(unpacked, "mlvault.cdx.json"))
	require.Contains(t, list, "pkg:golang/github.com/pulumi/pulumi/sdk/v3@")
	require.Empty(t, shell.Must(`find "$UNPACKED" -name '*.go' -o -name go.mod`, "UNPACKED="+unpacked),
		"there is nothing to compile")

	term := openTerminal(t, unpacked, t.TempDir())
	term.adapt()
	printed := term.Must(`
		pulumi stack init dev
		pulumi config set --secret vaultAddress "$ADDRESS"
		pulumi config set --secret vaultToken "$TOKEN"
		pulumi config set --path --secret credentials.ml_api_key.api_key `+lab.Canary+`
		./operate check -stack dev
		pulumi up
		pulumi preview --expect-no-changes
		./operate job -stack dev`,
		"ADDRESS="+term.Vault.Addr(), "TOKEN="+term.deployer("dev", oneKey))
	require.NotContains(t, printed, lab.Canary)
	data, _ := term.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary, data["api_key"])
	require.FileExists(t, filepath.Join(unpacked, "job", "dev", "job.yml"))
}
