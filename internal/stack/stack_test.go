package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
	"gopkg.in/yaml.v3"

	"mlvault/internal/pulumitest"
	"mlvault/internal/settings"
)

// The canaries stand where the secrets stand; every test may look for them.
const (
	addressCanary = "https://" + hostCanary
	tokenCanary   = "hvs.token-canary"
	payloadCanary = "payload-canary"
	hostCanary    = "vault-canary.example.com"
)

var secretKeys = []string{"mlvault:vaultAddress", "mlvault:vaultToken", "mlvault:credentials"}

// settingsFiles are the fixtures and examples by their stack. A user's own settings are nothing that a test may expect.
func settingsFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{filepath.Join("testdata", "Pulumi.*.yaml"), filepath.Join("..", "..", "examples", "*", "Pulumi.*.yaml")} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal("no settings found", pattern, err)
		}
		for _, file := range found {
			files[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")] = file
		}
	}
	return files
}

// stackConfig is the plain configuration of a stack, as the CLI would hand it over, with secrets added.
func stackConfig(t *testing.T, stack string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(settingsFiles(t)[stack])
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"mlvault:vaultAddress": addressCanary,
		"mlvault:vaultToken":   tokenCanary,
		"mlvault:credentials":  fmt.Sprintf(`{"ml_api_key":{"api_key":%q},"feature_store":{"user":"ml","password":"x%s"}}`, payloadCanary, payloadCanary),
	}
	for key, value := range file.Config {
		if !strings.Contains(key, ":") {
			key = "mlvault:" + key
		}
		if text, isText := value.(string); isText {
			values[key] = text
			continue
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		values[key] = string(encoded)
	}
	return values
}

func recorder() *pulumitest.Recorder {
	text := resource.NewStringProperty
	return &pulumitest.Recorder{Outputs: map[string]resource.PropertyMap{
		"azure-native:managedidentity/v20230131:UserAssignedIdentity": {
			"clientId":    text("11111111-1111-1111-1111-111111111111"),
			"principalId": text("22222222-2222-2222-2222-222222222222"),
			"tenantId":    text("33333333-3333-3333-3333-333333333333"),
		},
		workspaceType: {"identity": resource.NewObjectProperty(resource.PropertyMap{"principalId": text("44444444-4444-4444-4444-444444444444")})},
	}}
}

// run runs the program with a stack's configuration, changed by edit, and returns what it registered.
func run(t *testing.T, stack string, edit func(map[string]string)) (*pulumitest.Recorder, error) {
	t.Helper()
	values, r := stackConfig(t, stack), recorder()
	if edit != nil {
		edit(values)
	}
	return r, r.Run(In(settingsFolder(t, stack, values)), "mlvault", stack, values, secretKeys...)
}

// scalar is a value of a JSON object.
var scalar = regexp.MustCompile(`:("(?:[^"\\]|\\.)*"|\d+)`)

// settingsFolder has the stack's settings file as `pulumi config set --path --secret` leaves it: each value by itself.
func settingsFolder(t *testing.T, stack string, values map[string]string) string {
	t.Helper()
	dir, encrypted := t.TempDir(), scalar.ReplaceAllString(values["mlvault:credentials"], `:{"secure":"v1:x"}`)
	if err := os.WriteFile(filepath.Join(dir, "Pulumi."+stack+".yaml"), []byte(`{"config":{"mlvault:credentials":`+encrypted+`}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustRun(t *testing.T, stack string, edit func(map[string]string)) *pulumitest.Recorder {
	t.Helper()
	r, err := run(t, stack, edit)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// requireGolden compares with a file that is reviewed, and writes it where UPDATE_GOLDEN is set.
func requireGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v). A changed type or name deletes a resource and creates another. If that is what you want: "+
			"UPDATE_GOLDEN=1 go test ./internal/stack, and let the diff be reviewed.\ngot:\n%s", file, err, got)
	}
}

func golden(t *testing.T, stack string) []byte {
	t.Helper()
	text, err := mustRun(t, stack, nil).Golden()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEveryRegistrationIsAsReviewed(t *testing.T) {
	for stack := range settingsFiles(t) {
		t.Run(stack, func(t *testing.T) { requireGolden(t, filepath.Join("testdata", stack+".json"), golden(t, stack)) })
	}
}

// The page shows what `make policy` prints for the dev stack with the names of the sample credentials.
func TestTheDeployersPolicyOfTheDocsIsTheProgramsOwn(t *testing.T) {
	cfg, err := settings.From(settings.Source{
		Project: "mlvault", Stack: "dev", Values: stackConfig(t, "dev"), Encrypted: settings.IsSecretKey, Trusted: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	requireGolden(t, filepath.Join("..", "..", "docs", "vault-deployer.hcl"), []byte(cfg.Access().DeployerPolicy()))
}

// inSecret is a secret text of a golden file.
var inSecret = regexp.MustCompile(`\{"secret":"(?:[^"\\]|\\.)*"\}`)

func TestSecretsStandWhereTheyBelongAndNowhereElse(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(map[string]string)
		wants map[string][]string
	}{
		"dev": {nil, map[string][]string{
			addressCanary: {"vault.address"},
			tokenCanary:   {"vault.token"},
			payloadCanary: {"credentials-feature_store.dataJson", "credentials-ml_api_key.dataJson"},
		}},
		"a network that lets only Vault's host out": {
			func(values map[string]string) {
				values["mlvault:azure"] = `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound"}}`
			},
			map[string][]string{hostCanary: {"ml-workspace.managedNetwork", "vault.address"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := mustRun(t, "dev", c.edit)
			for canary, want := range c.wants {
				var got []string
				for _, registration := range r.Registrations() {
					for key, value := range registration.Inputs {
						text, err := json.Marshal(value)
						if err != nil || !bytes.Contains(text, []byte(canary)) {
							continue
						}
						got = append(got, registration.Name+"."+key)
						if bytes.Contains(inSecret.ReplaceAll(text, nil), []byte(canary)) {
							t.Errorf("%s.%s of %s holds %s outside a secret", registration.Name, key, registration.Type, canary)
						}
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s stands in %v, want %v", canary, got, want)
				}
			}
			// ARM answers with the host, and the engine masks only what it is told to.
			if workspace, _ := r.Find(workspaceType, "ml-workspace"); c.edit != nil && !slices.Equal(workspace.SecretOutputs, []string{"managedNetwork"}) {
				t.Errorf("secret outputs are %v", workspace.SecretOutputs)
			}
		})
	}
}

func TestAnEmptyTokenIsLeftToTheEnvironment(t *testing.T) {
	r := mustRun(t, "dev", func(values map[string]string) { delete(values, "mlvault:vaultToken") })
	provider, found := r.Find("pulumi:providers:vault", "vault")
	token := provider.Inputs["token"]
	if !found || fmt.Sprint(token) != "map[secret:]" {
		t.Errorf("the provider's token is %v, want a secret empty text: the plugin then reads VAULT_TOKEN", token)
	}
}

func TestTheProviderTakesNothingFromTheDeployersEnvironment(t *testing.T) {
	want := golden(t, "dev")
	for name, value := range map[string]string{
		"VAULT_SKIP_VERIFY": "true", "VAULT_MAX_RETRIES": "9", "TERRAFORM_VAULT_MAX_TTL": "77",
		"VAULT_ADDR": "https://elsewhere", "VAULT_TOKEN": "other", "VAULT_NAMESPACE": "other",
	} {
		t.Setenv(name, value)
	}
	if got := golden(t, "dev"); !bytes.Equal(got, want) {
		t.Errorf("the environment changed the registrations:\n%s", got)
	}
}

// The SDK tells single keys only; what the CLI handed over has all of them.
func TestTheRunningProgramRefusesAKeyThatNobodyReads(t *testing.T) {
	t.Setenv("PULUMI_CONFIG", `{"mlvault:azure.protect":"true"}`)
	_, err := run(t, "dev", func(values map[string]string) { values["mlvault:azure.protect"] = "true" })
	if err == nil || !strings.Contains(err.Error(), "azure.protect: is one key with a dot in its name") {
		t.Errorf("got %v", err)
	}
}

func TestARefusedConfigurationRegistersNothing(t *testing.T) {
	r, err := run(t, "dev", func(values map[string]string) {
		values["mlvault:credentials"] = `{"bad*name":{"api_key":"` + payloadCanary + `"}}`
		values["mlvault:vault"] = `{"mount":"kv/data/x"}`
	})
	if err == nil {
		t.Fatal("the configuration was accepted")
	}
	if got := r.Registrations(); len(got) != 0 {
		t.Errorf("registered before the refusal: %v", got)
	}
	problems, ok := settings.AsProblems(err)
	if !ok || len(problems) != 2 {
		t.Errorf("want two problems in one error, got: %v", err)
	}
	if strings.Contains(err.Error(), payloadCanary) {
		t.Errorf("the error quotes the payload: %v", err)
	}
}

// outputsOf runs the program and returns the stack's outputs, and the names of those that are secret.
func outputsOf(t *testing.T, edit func(map[string]string)) (got map[string]any, secretOnes []string) {
	t.Helper()
	values := stackConfig(t, "dev")
	if edit != nil {
		edit(values)
	}
	program := func(ctx *pulumi.Context) error {
		cfg, err := settings.Load(ctx, ".")
		if err != nil {
			return err
		}
		out, err := deploy(ctx, cfg)
		got = make(map[string]any, len(out))
		for name, value := range out {
			// ApplyT does not tell whether a value is secret.
			result, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(value))
			if err != nil {
				return err
			}
			got[name] = result.Value
			if result.Secret {
				secretOnes = append(secretOnes, name)
			}
		}
		return err
	}
	if err := recorder().Run(program, "mlvault", "dev", values, secretKeys...); err != nil {
		t.Fatal(err)
	}
	return got, secretOnes
}

func TestOutputsAreCompleteAndPlain(t *testing.T) {
	got, secretOnes := outputsOf(t, nil)
	want := map[string]any{
		OutputResourceGroup:       "ml-group",
		OutputWorkspaceName:       "ml-workspace",
		OutputWorkspaceID:         "Workspace/ml-workspace",
		OutputJobIdentityID:       "UserAssignedIdentity/ml-identity",
		OutputJobIdentityClientID: "11111111-1111-1111-1111-111111111111",
		OutputComputeCluster:      "ml-cluster",
		OutputVaultAddress:        addressCanary,
		OutputVaultNamespace:      "",
		OutputVaultLoginPath:      "auth/jwt-mlvault-dev-ae5143b9/login",
		OutputVaultRole:           "mlvault-dev-ae5143b9",
		OutputVaultAudience:       "api://mlvault-dev",
		OutputVaultPolicy:         "mlvault-dev-ae5143b9",
		OutputCredentialPaths: map[string]string{
			"feature_store": "secret/data/mlvault/dev/feature_store",
			"ml_api_key":    "secret/data/mlvault/dev/ml_api_key",
		},
	}
	readme := fmt.Sprint(got[OutputReadme])
	delete(got, OutputReadme)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outputs are\n%v\nwant\n%v", got, want)
	}
	if !slices.Equal(secretOnes, []string{OutputVaultAddress}) {
		t.Errorf("secret outputs are %v, want the address alone", secretOnes)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "## Outputs")
	for name := range maps.Keys(want) {
		if row := map[bool]string{false: "| no |", true: "| yes |"}[name == OutputVaultAddress]; strings.Count(list, "| `"+name+"` "+row) != 1 {
			t.Errorf("docs/configuration.md does not have the output %s once, with its secrecy", name)
		}
	}
	if rows := strings.Count(list, "\n| `"); rows != len(want)+1 {
		t.Errorf("docs/configuration.md has %d outputs, and there are %d and the readme", rows, len(want))
	}
	for name, text := range map[string]string{
		"workspace": "**ml-workspace**", "cluster": "azureml:ml-cluster", "login path": "auth/jwt-mlvault-dev-ae5143b9/login",
		"credential": `credentials["ml_api_key"]`, "client id": "11111111-1111-1111-1111-111111111111",
	} {
		if !strings.Contains(readme, text) {
			t.Errorf("the readme lacks the %s (%s):\n%s", name, text, readme)
		}
	}
	for _, canary := range []string{addressCanary, tokenCanary, payloadCanary} {
		if strings.Contains(readme, canary) {
			t.Errorf("the readme holds %s", canary)
		}
	}
}

func TestWithoutAClusterTheReadmeAttachesTheIdentityToAnExistingOne(t *testing.T) {
	got, _ := outputsOf(t, func(values map[string]string) { delete(values, "mlvault:compute") })
	if _, has := got[OutputComputeCluster]; has {
		t.Error("there is an output for a cluster that nobody asked for")
	}
	if want, readme := "az ml compute update --name <cluster> --resource-group ml-group --workspace-name ml-workspace "+
		"--identity-type user_assigned --user-assigned-identities UserAssignedIdentity/ml-identity", fmt.Sprint(got[OutputReadme]); !strings.Contains(readme, want) {
		t.Errorf("the readme lacks %q:\n%s", want, readme)
	}
}

func TestWhatCannotBeMaskedIsNotReadBack(t *testing.T) {
	r := mustRun(t, "dev", func(values map[string]string) {
		values["mlvault:credentials"] = `{"as_text":"{\"k\":\"a-secret\"}","by_value":{"k":"another-one"},"number":{"port":54321}}`
	})
	for name, want := range map[string]bool{"as_text": true, "by_value": false, "number": true} {
		secret, found := r.Find("vault:kv/secretV2:SecretV2", "credentials-"+name)
		if got := secret.Inputs["disableRead"]; !found || got != want {
			t.Errorf("%s: disableRead is %v, want %t", name, got, want)
		}
	}
}
