//go:build prove

package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// Of a closed stack that its state has lost, all is adopted: roles, endpoints, zones and their
// links, locks, diagnostic settings. Nothing is replaced, and the next up is followed by none.
func TestWhatHangsOnAWorkspaceIsAdoptedToo(t *testing.T) {
	term := newTerminal(t)
	example := filepath.Join(lab.Repository(), "examples", "closed-network", "Pulumi.closed.yaml")
	file := filepath.Join(term.Dir, "Pulumi.dev.yaml")
	require.NoError(t, os.WriteFile(file, []byte(lab.ReadFile(t, example)), 0o600))
	_, err := term.Lend(t.Context(), term.Prepare("dev", lab.Sample()))
	require.NoError(t, err)
	dev, _ := term.Up("dev", lab.Sample())
	settings := lab.ReadFile(t, filepath.Join(term.Path("work"), "Pulumi.dev.yaml"))
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	// The first is for a key vault that the stack makes, the other needs options of the project.
	term.Must(`pulumi stack select dev
		pulumi config rm --path azure.keyVaultPurgeProtection
		pulumi config rm --path azure.ignoreTags`)

	exported, err := dev.Export(t.Context())
	require.NoError(t, err)
	var deployment apitype.DeploymentV3
	require.NoError(t, json.Unmarshal(exported.Deployment, &deployment))
	existing := map[string]string{}
	urns := map[string]string{}
	var kept []apitype.ResourceV3
	for _, r := range deployment.Resources {
		kind := string(r.Type)
		isInVault := strings.HasPrefix(kind, "vault:") || strings.HasSuffix(kind, ":vault")
		if isInVault || !r.Custom {
			r.Dependencies = nil // on what is lost
			r.PropertyDependencies = nil
			kept = append(kept, r)
		}
		if r.External || !strings.HasPrefix(kind, "azure-native:") {
			continue
		}
		// Pulumi cannot import the key vault, and what hangs on it is its owner's then.
		isOfKeyVault := r.URN.Name() != "ml-kv" && strings.Contains(string(r.ID), "/Microsoft.KeyVault/")
		if !isOfKeyVault {
			existing[r.URN.Name()] = string(r.ID)
			urns[r.URN.Name()] = string(r.URN)
		}
	}
	for _, name := range []string{
		"ml-vault-endpoint", "ml-vault-endpoint-reader", "ml-vault-dns",
		"ml-privatelink.vaultcore.azure.net", "ml-privatelink.vaultcore.azure.net-link",
	} {
		delete(existing, name)
	}
	deployment.Resources = kept
	exported.Deployment, err = json.Marshal(deployment)
	require.NoError(t, err)
	require.NoError(t, dev.Import(t.Context(), exported))
	before := len(term.ARM.List(""))
	text, err := json.Marshal(existing)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(term.Dir, "existing.json"), text, 0o600))

	printed := term.Must("make adopt STACK=dev FROM=existing.json")
	require.Contains(t, printed, "all that exists stays", printed)
	printed = term.Must("pulumi up && pulumi preview --refresh --run-program --expect-no-changes")
	require.Len(t, term.ARM.List(""), before, printed)

	// One assignment that the state alone has lost fails each up, and what make explain says mends it.
	const assignment = "ml-data-scientist-00000000-0000-0000-0000-00000000000a"
	exported, err = dev.Export(t.Context())
	require.NoError(t, err)
	exported.Deployment = without(t, exported.Deployment, urns[assignment])
	require.NoError(t, dev.Import(t.Context(), exported))
	printed = term.Must(`
		pulumi up > up.log 2>&1 && exit 1
		make explain < up.log`)
	require.Contains(t, printed, "make adopt", printed)
	printed = term.Must(`echo "{\"$NAME\": \"$ROLE_ASSIGNMENT_ID\"}" > one.json
		make adopt STACK=dev FROM=one.json
		pulumi up && pulumi preview --refresh --run-program --expect-no-changes`,
		"NAME="+assignment, "ROLE_ASSIGNMENT_ID="+existing[assignment])
	require.Len(t, term.ARM.List(""), before, printed)
}

// without is a deployment that has lost one resource.
func without(t *testing.T, deployment json.RawMessage, urn string) json.RawMessage {
	t.Helper()
	var lost apitype.DeploymentV3
	require.NoError(t, json.Unmarshal(deployment, &lost))
	isLost := func(other resource.URN) bool { return string(other) == urn }
	count := len(lost.Resources)
	lost.Resources = slices.DeleteFunc(lost.Resources, func(r apitype.ResourceV3) bool {
		return isLost(r.URN)
	})
	require.Len(t, lost.Resources, count-1)
	for i := range lost.Resources {
		r := &lost.Resources[i]
		r.Dependencies = slices.DeleteFunc(r.Dependencies, isLost)
		for property, needed := range r.PropertyDependencies {
			r.PropertyDependencies[property] = slices.DeleteFunc(needed, isLost)
		}
	}
	edited, err := json.Marshal(lost)
	require.NoError(t, err)
	return edited
}
