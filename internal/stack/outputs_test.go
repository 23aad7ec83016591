package stack

import (
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"mlvault/internal/outputs"
	"mlvault/internal/settings"
)

// stackOutputsOf runs the program and returns the stack's outputs, and the names of the secret
// ones.
func stackOutputsOf(t *testing.T, edits ...edit) (values map[string]any, secretOnes []string) {
	t.Helper()
	config := stackConfig(t, "dev")
	for _, edit := range edits {
		edit(config)
	}
	program := func(ctx *pulumi.Context) error {
		s, err := settings.Load(ctx, ".")
		if err != nil {
			return err
		}
		guard, err := Program{}.newGuard(ctx, s)
		if err != nil {
			return err
		}
		out, err := deploy(ctx, s, guard)
		if err != nil {
			return err
		}
		values = make(map[string]any, len(out))
		for name, value := range out {
			// ApplyT does not tell whether a value is secret.
			result, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(value))
			if err != nil {
				return err
			}
			values[name] = result.Value
			if result.Secret {
				secretOnes = append(secretOnes, name)
			}
		}
		return nil
	}
	if err := recorder().Run(program, "mlvault", "dev", config, secretKeys...); err != nil {
		t.Fatal(err)
	}
	return values, secretOnes
}

func readmeOf(t *testing.T, edits ...edit) string {
	t.Helper()
	values, _ := stackOutputsOf(t, edits...)
	return fmt.Sprint(values[outputs.Readme])
}

func requireLines(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(page+"\n", line+"\n") {
			t.Errorf("the page lacks %q:\n%s", line, page)
		}
	}
}

func TestOutputsAreCompleteAndPlain(t *testing.T) {
	got, secretOnes := stackOutputsOf(t)
	want := map[string]any{
		outputs.ResourceGroup:       "ml-group",
		outputs.WorkspaceName:       "ml-workspace",
		outputs.WorkspaceID:         "Workspace/ml-workspace",
		outputs.JobIdentityID:       "UserAssignedIdentity/ml-identity",
		outputs.JobIdentityClientID: "11111111-1111-1111-1111-111111111111",
		outputs.ComputeCluster:      "ml-cluster",
		outputs.ComputeClusters:     []string{"ml-cluster"},
		outputs.PublicNetworkAccess: "Enabled",
		outputs.ServerlessIdentity:  false,
		outputs.Endpoints:           false,
		outputs.VaultAddress:        addressCanary,
		outputs.VaultNamespace:      "",
		outputs.VaultLoginPath:      "auth/jwt-mlvault-dev-ae5143b98a56bf8e/login",
		outputs.VaultRole:           "mlvault-dev-ae5143b98a56bf8e",
		outputs.VaultAudience:       "api://mlvault-dev",
		outputs.VaultPolicy:         "mlvault-dev-ae5143b98a56bf8e",
		outputs.CredentialPaths: map[string]string{
			"feature_store": "secret/data/mlvault/dev/feature_store",
			"ml_api_key":    "secret/data/mlvault/dev/ml_api_key",
		},
	}
	requireOutputsInTheReference(t, slices.Collect(maps.Keys(want))...)
	delete(got, outputs.Readme)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outputs are\n%v\nwant\n%v", got, want)
	}
	if !slices.Equal(secretOnes, []string{outputs.VaultAddress}) {
		t.Errorf("secret outputs are %v, want the address alone", secretOnes)
	}
}

// requireOutputsInTheReference wants a row for each output of every stack, with its secrecy, for the
// readme, and for the output that only some stacks have.
func requireOutputsInTheReference(t *testing.T, want ...string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "## Outputs")
	want = append(want, outputs.Readme, outputs.CredentialParameters, outputs.ExistingComputeClusters,
		outputs.ExistingWorkspace, outputs.VaultCA)
	for _, name := range want {
		secrecy := "no"
		if name == outputs.VaultAddress {
			secrecy = "yes"
		}
		row := fmt.Sprintf("| `%s` | %s |", name, secrecy)
		if strings.Count(list, row) != 1 {
			t.Errorf("docs/configuration.md does not have %q once", row)
		}
	}
	if rows := strings.Count(list, "\n| `"); rows != len(want) {
		t.Errorf("docs/configuration.md has %d outputs, want %d", rows, len(want))
	}
}

func TestAPathThatAnswersToAWriteIsInTheOutputsWithItsParameters(t *testing.T) {
	write := set("mlvault:vault", `{"reads":{"tls":{"path":"pki/issue/ml","parameters":{"ttl":"1h"}}}}`)
	got, _ := stackOutputsOf(t, write)
	parameters := fmt.Sprint(got[outputs.CredentialParameters])
	if parameters != "map[tls:map[ttl:1h]]" {
		t.Errorf("jobs write %s", parameters)
	}
	want := `"tls":{"parameters":{"ttl":"1h"},"path":"pki/issue/ml"}}`
	if page := readmeOf(t, write); !strings.Contains(page, want) {
		t.Errorf("the page lacks %q:\n%s", want, page)
	}
}

func TestTheReadmeSaysHowAJobReads(t *testing.T) {
	page := readmeOf(t)
	requireLines(t, page,
		"compute: azureml:ml-cluster",
		"| AZURE_CLIENT_ID | 11111111-1111-1111-1111-111111111111 |",
		"| VAULT_LOGIN_PATH | auth/jwt-mlvault-dev-ae5143b98a56bf8e/login |",
		`| VAULT_CREDENTIALS | {"feature_store":"secret/data/mlvault/dev/feature_store",`+
			`"ml_api_key":"secret/data/mlvault/dev/ml_api_key"} |`,
		`credentials = read_credentials("feature_store")`)
	for _, canary := range []string{addressCanary, tokenCanary, payloadCanary} {
		if strings.Contains(page, canary) {
			t.Errorf("the readme holds %s", canary)
		}
	}
	if strings.Contains(page, "VAULT_NAMESPACE") {
		t.Error("the readme names a namespace, and there is none")
	}
	if lines := strings.Count(page, "\n"); lines > 50 {
		t.Errorf("the readme has %d lines", lines)
	}
}

func TestTheReadmeHasAnAddressThatIsPublishedAndANamespace(t *testing.T) {
	page := readmeOf(t,
		set("mlvault:workload", `{"audience":"api://mlvault-dev","publishAddress":true}`),
		set("mlvault:vault", `{"namespace":"team/ml"}`))
	requireLines(t, page,
		"| VAULT_ADDR | "+addressCanary+" |",
		"| VAULT_NAMESPACE | team/ml |")
}

func TestACAOfOnesOwnIsInTheOutputsForTheJobs(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	values, _ := stackOutputsOf(t, set("mlvault:vault", `{"caCertFile":"`+filepath.ToSlash(file)+`"}`))
	if values[outputs.VaultCA] != string(certificate) {
		t.Errorf("the jobs get %v", values[outputs.VaultCA])
	}
	requireLines(t, fmt.Sprint(values[outputs.Readme]), "| VAULT_CACERT | vault-ca.pem, a file beside "+
		"your script: `pulumi stack output vaultCaCertificate > vault-ca.pem` |")
}

func TestWithoutAClusterTheReadmeAttachesTheIdentityToAnExistingOne(t *testing.T) {
	noCluster := func(values map[string]string) { delete(values, "mlvault:compute") }
	values, _ := stackOutputsOf(t, noCluster)
	if _, has := values[outputs.ComputeCluster]; has {
		t.Error("there is an output for a cluster that nobody asked for")
	}
	requireLines(t, fmt.Sprint(values[outputs.Readme]),
		"az ml compute update --name <cluster> --resource-group ml-group --workspace-name ml-workspace "+
			"--identity-type user_assigned --user-assigned-identities UserAssignedIdentity/ml-identity")
}
