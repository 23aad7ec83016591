package job

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func outputs() map[string]any {
	return map[string]any{
		"resourceGroup": "rg-ml", "workspaceName": "ml-ws", "computeCluster": "ml-cluster",
		"jobIdentityId":       "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/rg-ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ml",
		"jobIdentityClientId": "22222222-2222-2222-2222-222222222222", "vaultAddress": "https://vault.example.com:8200", "vaultNamespace": "",
		"vaultLoginPath": "auth/jwt-mlvault-dev/login", "vaultRole": "mlvault-dev", "vaultAudience": "api://x", "readme": "...",
		"credentialPaths": map[string]any{"ml_api_key": "secret/data/mlvault/dev/ml_api_key", "o'brien": "database/creds/x"},
	}
}

func render(t *testing.T, outputs map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, Render(outputs, "../../job", dir))
	return dir
}

func parse(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(text, &document))
	return document
}

// A kind's keys: those that a definition must have, then the others that it may have. From the reference of the CLI v2's
// YAML (learn.microsoft.com/azure/machine-learning/reference-yaml-...), which describes the published JSON schemas.
var kinds = map[string][2]string{
	"job-command": {"type command code environment", "$schema name display_name experiment_name description tags environment_variables " +
		"distribution compute resources limits inputs outputs queue_settings services identity"},
	"node":              {"type component", "environment_variables compute resources limits inputs outputs identity"},
	"job-pipeline":      {"type jobs", "$schema name display_name experiment_name description tags settings inputs outputs identity"},
	"pipeline settings": {"", "default_datastore default_compute continue_on_step_failure force_rerun"},
	"component-command": {"name command environment", "$schema type version display_name description tags is_deterministic code distribution resources inputs outputs"},
	"schedule":          {"name trigger create_job", "$schema description tags"},
	"cron trigger":      {"type expression", "start_time end_time time_zone"},
	"scheduled job":     {"type job", "experiment_name inputs outputs settings"},
	"endpoint-online":   {"name", "$schema description tags auth_mode identity traffic public_network_access mirror_traffic"},
	"endpoint identity": {"type user_assigned_identities", ""},
	"deployment-managed-online": {"name endpoint_name environment instance_type instance_count", "$schema description tags model model_mount_path code_configuration " +
		"environment_variables app_insights_enabled scale_settings data_collector request_settings liveness_probe readiness_probe egress_public_network_access"},
	"environment": {"image", "description tags conda_file os_type inference_config"},
}

func requireKind(t *testing.T, kind string, document any) map[string]any {
	t.Helper()
	fields, rule := asMap(document), kinds[kind]
	for _, key := range strings.Fields(rule[0]) {
		require.Contains(t, fields, key, kind)
	}
	for key := range fields {
		require.Contains(t, strings.Fields(rule[0]+" "+rule[1]), key, kind)
	}
	return fields
}

// requireReads holds a step to what a reader needs: an identity and the variables, and code with the client in it.
func requireReads(t *testing.T, dir, kind string, document any) {
	t.Helper()
	step := requireKind(t, kind, document)
	require.Equal(t, map[string]any{"type": "managed"}, step["identity"])
	require.Equal(t, variables, step["environment_variables"])
	if kind == "job-command" {
		requireRuns(t, dir, step)
	}
}

func requireRuns(t *testing.T, dir string, step map[string]any) {
	t.Helper()
	words := strings.Fields(word(step["command"]))
	require.FileExists(t, filepath.Join(dir, word(step["code"]), "vault_credentials.py"))
	require.FileExists(t, filepath.Join(dir, words[1]))
	require.Regexp(t, `^mcr\.microsoft\.com/`, requireKind(t, "environment", step["environment"])["image"])
	for _, word := range words[2:] { // ${{inputs.data}}
		if list, name, isBound := strings.Cut(strings.Trim(word, "${}"), "."); isBound {
			require.Contains(t, asMap(step[list]), name)
		}
	}
	for _, output := range asMap(step["outputs"]) {
		require.Equal(t, map[string]any{"type": "uri_folder"}, output)
	}
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
func word(v any) string          { s, _ := v.(string); return s }

var variables = map[string]any{
	"AZURE_CLIENT_ID": "22222222-2222-2222-2222-222222222222", "VAULT_ADDR": "https://vault.example.com:8200", "VAULT_AUDIENCE": "api://x",
	"VAULT_LOGIN_PATH": "auth/jwt-mlvault-dev/login", "VAULT_ROLE": "mlvault-dev",
	"VAULT_CREDENTIALS": `{"ml_api_key":"secret/data/mlvault/dev/ml_api_key","o'brien":"database/creds/x"}`,
}

func TestEachDefinitionHasTheKeysOfItsKindAndWhatAReaderNeeds(t *testing.T) {
	dir := render(t, outputs())
	file := func(name string) map[string]any { return parse(t, filepath.Join(dir, name)) }

	requireReads(t, dir, "job-command", file("job.yml"))
	require.Equal(t, "azureml:ml-cluster", file("job.yml")["compute"])
	pipeline := requireKind(t, "job-pipeline", file("pipeline.yml"))
	requireKind(t, "pipeline settings", pipeline["settings"])
	steps := asMap(pipeline["jobs"])
	require.Equal(t, []string{"prepare", "register", "train"}, slices.Sorted(maps.Keys(steps)))
	for _, step := range steps {
		requireReads(t, dir, "job-command", step)
		for name, input := range asMap(asMap(step)["inputs"]) {
			parts := strings.Split(strings.Trim(word(input), "${}"), ".") // parent.jobs.<step>.outputs.<name>
			require.Contains(t, asMap(asMap(steps[parts[2]])["outputs"]), parts[4], name)
		}
	}
	requireRuns(t, dir, requireKind(t, "component-command", file("component.yml")))
	require.Regexp(t, `^[a-z][a-z0-9_]*$`, file("component.yml")["name"])
	nodes := requireKind(t, "job-pipeline", file("component-pipeline.yml"))
	requireReads(t, dir, "node", asMap(nodes["jobs"])["prepare"])
	require.FileExists(t, filepath.Join(dir, word(asMap(asMap(nodes["jobs"])["prepare"])["component"])))

	schedule := requireKind(t, "schedule", file("schedule.yml"))
	requireKind(t, "cron trigger", schedule["trigger"])
	require.FileExists(t, filepath.Join(dir, word(requireKind(t, "scheduled job", schedule["create_job"])["job"])))

	endpoint := requireKind(t, "endpoint-online", file("endpoint.yml"))
	require.Regexp(t, `^[a-z][a-z0-9-]{2,31}$`, endpoint["name"])
	identity := requireKind(t, "endpoint identity", endpoint["identity"])
	require.Equal(t, []any{map[string]any{"resource_id": outputs()["jobIdentityId"]}}, identity["user_assigned_identities"])
	deployment := requireKind(t, "deployment-managed-online", file("deployment.yml"))
	require.Equal(t, endpoint["name"], deployment["endpoint_name"])
	require.Equal(t, variables, deployment["environment_variables"])
	require.FileExists(t, filepath.Join(dir, word(asMap(deployment["code_configuration"])["scoring_script"])))
	require.FileExists(t, filepath.Join(dir, word(asMap(deployment["model"])["path"])))
	for _, each := range []string{"job", "pipeline", "schedule", "endpoint"} {
		require.Regexp(t, `^https://azuremlschemas\.azureedge\.net/latest/\w+\.schema\.json$`, file(each + ".yml")["$schema"])
	}
}

func TestAnotherRunKeepsScriptsThatSomebodyChanged(t *testing.T) {
	dir := render(t, outputs())
	for _, name := range []string{"steps.py", "job.yml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600))
	}
	require.NoError(t, Render(outputs(), "../../job", dir))
	text, err := os.ReadFile(filepath.Join(dir, "steps.py"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(text))
	parse(t, filepath.Join(dir, "job.yml"))
}

func TestAStackWithoutAClusterOrWithANamespaceIsHandedOverToo(t *testing.T) {
	given := outputs()
	delete(given, "computeCluster")
	given["vaultNamespace"] = "team"
	dir := render(t, given)
	job := parse(t, filepath.Join(dir, "job.yml"))
	require.Equal(t, "azureml:"+noCluster, job["compute"])
	require.Equal(t, "team", asMap(job["environment_variables"])["VAULT_NAMESPACE"])
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "COMPUTE=<name>")
}

func TestOutputsThatAreNotEnoughAreRefused(t *testing.T) {
	for name, want := range map[string]string{"vaultAddress": "workload.publishAddress", "vaultRole": "no output vaultRole. Run `pulumi up`"} {
		given := outputs()
		given[name] = map[string]any{"vaultAddress": Hidden}[name]
		dir := t.TempDir()
		require.ErrorContains(t, Render(given, "../../job", dir), want)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// A shell reads job.env as it is meant, quotes included, and Python the samples.
func TestTheEnvironmentFileAndTheSamplesAreReadAsTheyAreMeant(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `set -a; . ./job.env; printf %s "$VAULT_CREDENTIALS"; python3 -m py_compile steps.py score.py`)
	cmd.Dir = render(t, outputs())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, variables["VAULT_CREDENTIALS"], string(out))
}
