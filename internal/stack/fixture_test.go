package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"

	"mlvault/internal/pulumitest"
)

// The canaries stand where the secrets stand; every test may look for them.
const (
	addressCanary = "https://" + hostCanary
	tokenCanary   = "hvs.token-canary"
	payloadCanary = "payload-canary"
	hostCanary    = "vault-canary.example.com"
)

const credentialsCanary = `{
	"ml_api_key": {"api_key": "` + payloadCanary + `"},
	"feature_store": {"user": "ml", "password": "x` + payloadCanary + `"}
}`

var secretKeys = []string{"mlvault:vaultAddress", "mlvault:vaultToken", "mlvault:credentials"}

// settingsFiles are the fixtures and examples by their stack. A user's own settings are nothing
// that a test may expect.
func settingsFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{
		filepath.Join("testdata", "Pulumi.*.yaml"),
		filepath.Join("..", "..", "examples", "*", "Pulumi.*.yaml"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal("no settings found", pattern, err)
		}
		for _, file := range found {
			name := strings.TrimPrefix(filepath.Base(file), "Pulumi.")
			files[strings.TrimSuffix(name, ".yaml")] = file
		}
	}
	return files
}

// stackConfig is the plain configuration of a stack, as the CLI would hand it over, with secrets
// added.
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
		"mlvault:credentials":  credentialsCanary,
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

// edit changes a configuration.
type edit = func(map[string]string)

// set is the change of one key.
func set(key, value string) edit {
	return func(values map[string]string) { values[key] = value }
}

func recorder() *pulumitest.Recorder {
	text := resource.NewStringProperty
	ofWorkspace := resource.PropertyMap{
		"principalId": text("44444444-4444-4444-4444-444444444444"),
	}
	return &pulumitest.Recorder{Outputs: map[string]resource.PropertyMap{
		"azure-native:managedidentity/v20230131:UserAssignedIdentity": {
			"clientId":    text("11111111-1111-1111-1111-111111111111"),
			"principalId": text("22222222-2222-2222-2222-222222222222"),
			"tenantId":    text("33333333-3333-3333-3333-333333333333"),
		},
		workspaceType: {
			"identity":            resource.NewObjectProperty(ofWorkspace),
			"location":            text("northeurope"),
			"publicNetworkAccess": text("Enabled"),
		},
	}}
}

// run runs the program with a stack's configuration, changed by edits, and returns what it
// registered.
func run(t *testing.T, stack string, edits ...edit) (*pulumitest.Recorder, error) {
	t.Helper()
	values := stackConfig(t, stack)
	for _, edit := range edits {
		edit(values)
	}
	r := recorder()
	program := Program{Dir: settingsFolder(t, stack, values)}
	return r, r.Run(program.Run, "mlvault", stack, values, secretKeys...)
}

func mustRun(t *testing.T, stack string, edits ...edit) *pulumitest.Recorder {
	t.Helper()
	r, err := run(t, stack, edits...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// scalar is a value of a JSON object.
var scalar = regexp.MustCompile(`:\s*("(?:[^"\\]|\\.)*"|\d+)`)

// settingsFolder has the stack's settings file as `pulumi config set --path --secret` leaves it:
// each value by itself.
func settingsFolder(t *testing.T, stack string, values map[string]string) string {
	t.Helper()
	encrypted := scalar.ReplaceAllString(values["mlvault:credentials"], `:{"secure":"v1:x"}`)
	text := fmt.Sprintf(`{"config":{"mlvault:credentials":%s}}`, encrypted)
	dir := t.TempDir()
	file := filepath.Join(dir, "Pulumi."+stack+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
