package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/operate/verify"
)

const (
	canary  = "canary"
	address = "https://vault.example.com:8200"
)

// The shapes are those of Microsoft's documents: nothing here was recorded in a subscription.
//
// az answers a command from a file. A file of the test's own, in its folder, comes first.
const az = `#!/bin/sh
answer() {
  if [ -e "$MINE/$1" ]; then cat "$MINE/$1"; else cat "$SHAPES/$1"; fi
}
case "$*" in
  *"--output json") ;;
  *) echo "ERROR: what is read is JSON" >&2; exit 2 ;;
esac
[ -e "$MINE/refuses" ] && { echo "ERROR: refused, $(cat "$MINE/refuses")" >&2; exit 1; }
case "$*" in
  "version "*) answer version.json ;;
  "account show "*) echo '{}' ;;
  "ml job create "*) answer job-create.json ;;
  "ml job show "*)
    if [ -e "$MINE/asked" ]; then answer job-completed.json; else answer job-running.json; fi
    touch "$MINE/asked" ;;
  "account get-access-token "*) answer token.json ;;
  "rest --method get --url "*"/roleAssignments/"*) answer rest/roleAssignments.json ;;
  "rest --method get --url "*"/computes/"*"api-version=2024-10-01 "*) answer rest/computes.json ;;
  "rest --method get --url "*"/workspaces/"*"api-version=2024-10-01 "*) answer rest/workspaces.json ;;
  "rest --method get --url "*"/vaults/"*"api-version=2026-02-01 "*) answer rest/vaults.json ;;
  "rest --method get --url "*"/storageAccounts/"*) answer rest/storageAccounts.json ;;
  "rest --method get --url "*"/userAssignedIdentities/"*) answer rest/userAssignedIdentities.json ;;
  "rest --method get --url "*"/resourceGroups/"*) answer rest/resourceGroups.json ;;
  *) echo "ERROR: unexpected: $*" >&2; exit 2 ;;
esac
`

// world is what a verification sees.
type world struct {
	*testing.T
	mine    string
	changes []verify.Change
	login   int
	// handed is why there is no hand-over.
	handed error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "az"), []byte(az), 0o700))
	shapes, err := filepath.Abs("testdata/az")
	require.NoError(t, err)
	w := &world{T: t, mine: t.TempDir(), login: 400}
	t.Setenv("PATH", folder+":/usr/bin:/bin")
	t.Setenv("SHAPES", shapes)
	t.Setenv("MINE", w.mine)
	return w
}

// answers makes az answer otherwise.
func (w *world) answers(file, text string) {
	w.Helper()
	path := filepath.Join(w.mine, file)
	require.NoError(w, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(w, os.WriteFile(path, []byte(text), 0o600))
}

// edited makes az answer with a text replaced.
func (w *world) edited(file, before, after string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "az", file))
	require.NoError(w, err)
	require.Contains(w, string(text), before)
	w.answers(file, strings.ReplaceAll(string(text), before, after))
}

func (w *world) Version(context.Context) (string, error) { return "v3.274.1", nil }

func (w *world) Outputs(context.Context) (map[string]any, error) {
	return map[string]any{
		"resourceGroup": "ml-group1a2b3c4d", "workspaceName": "ml-workspace1a2b3c4d",
		"vaultAddress": address, "vaultAudience": "api://x", "vaultRole": "r", "vaultLoginPath": "auth/jwt/login",
	}, nil
}

func (w *world) Resources(context.Context) ([]verify.Resource, error) {
	exported, err := os.ReadFile("testdata/state.json")
	require.NoError(w, err)
	return verify.ParseState(exported)
}

func (w *world) Changes(context.Context) ([]verify.Change, error) { return w.changes, nil }

func (w *world) HandOver(context.Context, map[string]any, string) error { return w.handed }

func (w *world) Login(_ context.Context, _ map[string]any, token string) (verify.Answer, error) {
	require.Contains(w, token, canary, "the token of the Azure CLI")
	return verify.Answer{Status: w.login}, nil
}

// verify returns the report's page.
func (w *world) verify() (page string, wrong []string) {
	w.Helper()
	return w.verifyAs(w)
}

func (w *world) verifyAs(pulumi verify.Pulumi) (page string, wrong []string) {
	w.Helper()
	report, err := verify.Verification{
		Stack: "dev", Azure: verify.AzureCLI{}, Pulumi: pulumi, Vault: w,
		Folder: "job/dev", Patience: 10 * time.Second, Pause: time.Millisecond,
		Today: time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC), Progress: io.Discard,
	}.Run(w.Context())
	require.NoError(w, err)
	var out strings.Builder
	require.NoError(w, report.Write(&out))
	require.NotContains(w, out.String(), canary)
	require.NotContains(w, out.String(), "vault.example.com")
	require.NotRegexp(w, `[0-9a-f]{8}-[0-9a-f]{4}-`, out.String(), "an id")
	return out.String(), report.Wrong()
}

func line(t *testing.T, page, claim string) string {
	t.Helper()
	for text := range strings.Lines(page) {
		if strings.HasPrefix(text, "| "+claim) {
			return text
		}
	}
	t.Fatalf("no line %q in\n%s", claim, page)
	return ""
}

func TestAStackThatIsAsAssumedHasEachLineConfirmed(t *testing.T) {
	page, wrong := newWorld(t).verify()
	require.Empty(t, wrong)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile("testdata/dev.md", []byte(untimed(page)), 0o600))
	}
	golden, err := os.ReadFile("testdata/dev.md")
	require.NoError(t, err)
	require.Equal(t, string(golden), untimed(page))
}

// untimed takes out how long the jobs of the test took.
func untimed(page string) string { return strings.ReplaceAll(page, "after 0s", "after 9m0s") }

func TestAJobThatFailsIsWrongAndSaysWhereToLook(t *testing.T) {
	w := newWorld(t)
	w.edited("job-completed.json", "Completed", "Failed")
	page, wrong := w.verify()
	require.Len(t, wrong, 2)
	require.Contains(t, line(t, page, "A job logs in"),
		"wrong | the job ended as Failed. `az ml job stream --name sharp_pear_1`")
}

func TestAHandOverThatCannotBeWrittenIsNoVerdict(t *testing.T) {
	w := newWorld(t)
	w.handed = errors.New("the stack has no output vaultRole")
	page, wrong := w.verify()
	require.Empty(t, wrong)
	require.Contains(t, line(t, page, "A job logs in"), "not reached | the hand-over: the stack has no output vaultRole")
}

func TestAStrangerWhoIsLetInIsWrong(t *testing.T) {
	for status, want := range map[int]string{200: "wrong", 400: "confirmed", 403: "confirmed", 503: "not reached"} {
		w := newWorld(t)
		w.login = status
		page, _ := w.verify()
		require.Contains(t, line(t, page, "Vault refuses"), fmt.Sprintf("| %s |", want), status)
	}
}

// What somebody changed, added or spelled otherwise is named by its property, and its value is not
// shown.
func TestWhatDiffersIsNamedAndNeverQuoted(t *testing.T) {
	w := newWorld(t)
	w.edited("rest/storageAccounts.json", `"TLS1_2"`, `"`+canary+`"`)
	w.edited("rest/vaults.json", `"project": "mlvault"`, `"project": "mlvault", "CostCenter": "`+canary+`"`)
	page, wrong := w.verify()
	require.Len(t, wrong, 2)
	require.Contains(t, line(t, page, "ARM answers"), "mlstorage.minimumtlsversion")
	require.Contains(t, line(t, page, "Nobody adds a tag"), "ml-kv.CostCenter")
	require.Contains(t, line(t, page, "Ids in an answer"), "ml-workspace.keyvault")
}

func TestAClusterWithAnotherIdentityIsWrong(t *testing.T) {
	w := newWorld(t)
	w.edited("rest/computes.json", "ml-identity1a2b3c4d", "somebody-elses")
	page, _ := w.verify()
	require.Contains(t, line(t, page, "The cluster carries"), "| wrong |")
}

// brought is a world whose workspace is somebody else's.
type brought struct{ *world }

func (brought) Resources(context.Context) ([]verify.Resource, error) {
	return verify.ParseState([]byte(`{"deployment": {"resources": [{
		"urn": "urn:pulumi:dev::mlvault::azure-native:machinelearningservices/v20241001:Workspace::ml-workspace",
		"type": "azure-native:machinelearningservices/v20241001:Workspace",
		"id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mine",
		"external": true
	}]}}`))
}

func TestWhatIsSomebodyElsesIsThereAndNotCompared(t *testing.T) {
	w := newWorld(t)
	page, wrong := w.verifyAs(brought{w})
	require.Empty(t, wrong)
	require.Contains(t, line(t, page, "Each resource"), "| confirmed | 1 resources |")
	require.Contains(t, line(t, page, "ARM answers with what was sent"), "not reached")
}

func TestAResourceThatAzureHasNotIsNamed(t *testing.T) {
	w := newWorld(t)
	w.answers("rest/vaults.json", "no JSON")
	page, _ := w.verify()
	require.Contains(t, line(t, page, "Each resource"), "| wrong | ml-kv |")
	require.Contains(t, line(t, page, "The key vault is served"), "not reached")
}

func TestAChangeAfterARefreshIsNamedByItsProperties(t *testing.T) {
	previewed, err := os.ReadFile("testdata/preview.json")
	require.NoError(t, err)
	w := newWorld(t)
	w.changes, err = verify.ParsePreview(previewed)
	require.NoError(t, err)
	page, wrong := w.verify()
	require.Len(t, wrong, 1)
	require.Contains(t, line(t, page, "A refresh finds"),
		"update of ml-workspace (managedNetwork, managedNetwork.outboundRules")
}

func TestWithoutAzureNothingIsConfirmedAndNothingWrong(t *testing.T) {
	w := newWorld(t)
	w.answers("refuses", "please run az login for "+address)
	page, wrong := w.verify()
	require.Empty(t, wrong)
	require.Contains(t, line(t, page, "Each resource"), "not reached | `az account show` failed: refused")
	require.Contains(t, page, "Azure CLI not known")
	require.Contains(t, page, "[hidden]")
}
