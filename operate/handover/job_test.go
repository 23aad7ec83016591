package handover

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func exampleOutputs() map[string]any {
	const identity = "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/rg-ml" +
		"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ml"
	return map[string]any{
		"resourceGroup":       "rg-ml",
		"workspaceName":       "ml-ws",
		"computeCluster":      "ml-cluster",
		"computeClusters":     []any{"ml-cluster", "gpu"},
		"jobIdentityId":       identity,
		"jobIdentityClientId": "22222222-2222-2222-2222-222222222222",
		"vaultAddress":        "https://vault.example.com:8200",
		"vaultNamespace":      "",
		"vaultLoginPath":      "auth/jwt-mlvault-dev/login",
		"vaultRole":           "mlvault-dev",
		"vaultAudience":       "api://x",
		"vaultCaCertificate":  aCertificate,
		"readme":              "...",
		"credentialPaths": map[string]any{
			"ml_api_key": "secret/data/mlvault/dev/ml_api_key",
			"o'brien":    "database/creds/x",
		},
	}
}

const aCertificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

func render(t *testing.T, given map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, Render(given, "../../job", dir))
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

// keys are those that a definition must have, and the others that it may have.
type keys struct {
	required string
	optional string
}

// kinds are from the reference of the CLI v2's YAML
// (learn.microsoft.com/azure/machine-learning/reference-yaml-...), which describes the published
// JSON schemas.
var kinds = map[string]keys{
	"job-command": {
		required: "type command code environment",
		optional: "$schema name display_name experiment_name description tags " +
			"environment_variables distribution compute resources limits inputs outputs " +
			"queue_settings services identity",
	},
	"node": {
		required: "type component",
		optional: "environment_variables compute resources limits inputs outputs identity",
	},
	"job-pipeline": {
		required: "type jobs",
		optional: "$schema name display_name experiment_name description tags settings " +
			"inputs outputs identity",
	},
	"pipeline settings": {
		optional: "default_datastore default_compute continue_on_step_failure force_rerun",
	},
	"component-command": {
		required: "name command environment",
		optional: "$schema type version display_name description tags is_deterministic code " +
			"distribution resources inputs outputs",
	},
	"schedule": {
		required: "name trigger create_job",
		optional: "$schema description tags",
	},
	"cron trigger": {
		required: "type expression",
		optional: "start_time end_time time_zone",
	},
	"scheduled job": {
		required: "type job",
		optional: "experiment_name inputs outputs settings",
	},
	"job-parallel": {
		required: "type task input_data",
		optional: "inputs outputs compute mini_batch_size partition_keys " +
			"mini_batch_error_threshold logging_level resources max_concurrency_per_instance " +
			"retry_settings environment_variables",
	},
	"parallel task": {
		required: "type code entry_script environment",
		optional: "program_arguments append_row_to",
	},
	"endpoint-batch": {
		required: "name",
		optional: "$schema description tags auth_mode defaults",
	},
	// Without a type, as the reference describes it: what stands in settings with one stands at the
	// top.
	"deployment-batch": {
		required: "name endpoint_name model compute",
		optional: "$schema description tags code_configuration environment resources " +
			"max_concurrency_per_instance mini_batch_size error_threshold logging_level " +
			"retry_settings output_action output_file_name environment_variables",
	},
	"endpoint-online": {
		required: "name",
		optional: "$schema description tags auth_mode identity traffic public_network_access " +
			"mirror_traffic",
	},
	"endpoint identity": {
		required: "type user_assigned_identities",
	},
	"deployment-managed-online": {
		required: "name endpoint_name environment instance_type instance_count",
		optional: "$schema description tags model model_mount_path code_configuration " +
			"environment_variables app_insights_enabled scale_settings data_collector " +
			"request_settings liveness_probe readiness_probe egress_public_network_access",
	},
	"environment": {
		required: "image",
		optional: "description tags conda_file os_type inference_config",
	},
}

func requireKind(t *testing.T, kind string, document any) map[string]any {
	t.Helper()
	fields := asMap(document)
	known := kinds[kind]
	for _, key := range strings.Fields(known.required) {
		require.Contains(t, fields, key, kind)
	}
	for key := range fields {
		require.Contains(t, strings.Fields(known.required+" "+known.optional), key, kind)
	}
	return fields
}

func asMap(v any) map[string]any {
	fields, _ := v.(map[string]any)
	return fields
}

func word(v any) string {
	text, _ := v.(string)
	return text
}

var variables = map[string]any{
	"AZURE_CLIENT_ID":   "22222222-2222-2222-2222-222222222222",
	"VAULT_ADDR":        "https://vault.example.com:8200",
	"VAULT_AUDIENCE":    "api://x",
	"VAULT_CACERT":      "vault-ca.pem",
	"VAULT_LOGIN_PATH":  "auth/jwt-mlvault-dev/login",
	"VAULT_ROLE":        "mlvault-dev",
	"VAULT_CREDENTIALS": `{"ml_api_key":"secret/data/mlvault/dev/ml_api_key","o'brien":"database/creds/x"}`,
}

// Where the code is, the client is, and beside it the file that the variable names.
func TestACAOfOnesOwnIsAFileBesideTheClient(t *testing.T) {
	dir := render(t, exampleOutputs())
	text, err := os.ReadFile(filepath.Join(dir, "vault-ca.pem"))
	require.NoError(t, err)
	require.Equal(t, aCertificate, string(text))
	require.FileExists(t, filepath.Join(dir, "vault_credentials", "client.py"))

	given := exampleOutputs()
	delete(given, "vaultCaCertificate")
	without := render(t, given)
	require.NoFileExists(t, filepath.Join(without, "vault-ca.pem"))
	files, err := filepath.Glob(filepath.Join(without, "*"))
	require.NoError(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NotContains(t, string(text), "VAULT_CACERT", file)
		}
	}
}

// The sandbox runs what a command job, a pipeline, a component and a schedule name:
// TestTheHandOverRunsAsAzureMLRunsIt.
func TestEachDefinitionHasTheKeysOfItsKindAndAnEndpointRunsAsTheJobIdentity(t *testing.T) {
	dir := render(t, exampleOutputs())
	file := func(name, kind string) map[string]any {
		return requireKind(t, kind, parse(t, filepath.Join(dir, name)))
	}
	runs := func(fields map[string]any) {
		require.FileExists(t, filepath.Join(dir, word(fields["code"]), "vault_credentials", "client.py"))
		requireKind(t, "environment", fields["environment"])
	}
	job := file("job.yml", "job-command")
	runs(job)
	require.Equal(t, variables, job["environment_variables"])
	pipeline := file("pipeline.yml", "job-pipeline")
	requireKind(t, "pipeline settings", pipeline["settings"])
	for _, step := range asMap(pipeline["jobs"]) {
		runs(requireKind(t, "job-command", step))
	}
	component := file("component.yml", "component-command")
	runs(component)
	require.Regexp(t, `^[a-z][a-z0-9_]*$`, component["name"])
	requireKind(t, "node", asMap(file("component-pipeline.yml", "job-pipeline")["jobs"])["prepare"])
	schedule := file("schedule.yml", "schedule")
	requireKind(t, "cron trigger", schedule["trigger"])
	requireKind(t, "scheduled job", schedule["create_job"])

	endpoint := file("endpoint.yml", "endpoint-online")
	require.Regexp(t, `^[a-z][a-z0-9-]{2,31}$`, endpoint["name"])
	identity := requireKind(t, "endpoint identity", endpoint["identity"])
	identities := []any{map[string]any{"resource_id": exampleOutputs()["jobIdentityId"]}}
	require.Equal(t, identities, identity["user_assigned_identities"])
	deployment := file("deployment.yml", "deployment-managed-online")
	require.Equal(t, endpoint["name"], deployment["endpoint_name"])
	require.Equal(t, variables, deployment["environment_variables"])
	require.FileExists(t, filepath.Join(dir, word(asMap(deployment["code_configuration"])["scoring_script"])))
	require.FileExists(t, filepath.Join(dir, word(asMap(deployment["model"])["path"])))
	require.NotContains(t, endpoint, "public_network_access", "the workspace is open")

	parallel := file("parallel.yml", "job-pipeline")
	score := requireKind(t, "job-parallel", asMap(parallel["jobs"])["score"])
	require.Equal(t, variables, score["environment_variables"])
	task := requireKind(t, "parallel task", score["task"])
	require.FileExists(t, filepath.Join(dir, word(task["entry_script"])))
	batchEndpoint := file("batch-endpoint.yml", "endpoint-batch")
	batch := file("batch-deployment.yml", "deployment-batch")
	require.Regexp(t, `^[a-z][a-z0-9-]{2,31}$`, batchEndpoint["name"])
	require.Equal(t, batchEndpoint["name"], batch["endpoint_name"])
	require.Equal(t, "azureml:ml-cluster", batch["compute"])
	require.Equal(t, variables, batch["environment_variables"])
	for _, each := range []map[string]any{job, pipeline, schedule, endpoint, parallel, batchEndpoint, batch} {
		require.Regexp(t, `^https://azuremlschemas\.azureedge\.net/latest/\w+\.schema\.json$`, each["$schema"])
	}
}

func TestAnotherRunKeepsScriptsThatSomebodyChanged(t *testing.T) {
	dir := render(t, exampleOutputs())
	for _, name := range []string{"steps.py", "job.yml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600))
	}
	require.NoError(t, Render(exampleOutputs(), "../../job", dir))
	text, err := os.ReadFile(filepath.Join(dir, "steps.py"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(text))
	parse(t, filepath.Join(dir, "job.yml"))
}

// A sample that nobody changed would only fail when the credential is gone that it asks for.
func TestASampleIsWrittenAnewOnlyIfNobodyChangedItAndItsCredentialIsGone(t *testing.T) {
	const asks = `CREDENTIALS = ["ml_api_key"]`
	sample, err := os.ReadFile(filepath.Join(render(t, exampleOutputs()), "steps.py"))
	require.NoError(t, err)
	text := string(sample)
	require.Contains(t, text, asks)
	asking := func(names string) string {
		return strings.Replace(text, asks, "CREDENTIALS = ["+names+"]", 1)
	}
	for _, row := range []struct {
		name, before, after string
	}{
		{name: "its credential is gone", before: asking(`"gone"`), after: text},
		{name: "its credential is another of the stack", before: asking(`"o'brien"`)},
		{name: "it asks for two", before: asking(`"gone", "ml_api_key"`)},
		{name: "it has work of somebody's", before: asking(`"gone"`) + "work()\n"},
		{name: "it is of an earlier version", before: "credentials = read_credentials()\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			script := filepath.Join(dir, "steps.py")
			require.NoError(t, os.WriteFile(script, []byte(row.before), 0o600))
			require.NoError(t, Render(exampleOutputs(), "../../job", dir))
			after, err := os.ReadFile(script)
			require.NoError(t, err)
			require.Equal(t, cmp.Or(row.after, row.before), string(after))
		})
	}
}

func TestAStackWithoutAClusterOrWithANamespaceIsHandedOverToo(t *testing.T) {
	given := exampleOutputs()
	delete(given, "computeCluster")
	delete(given, "computeClusters")
	given["vaultNamespace"] = "team"
	dir := render(t, given)
	job := parse(t, filepath.Join(dir, "job.yml"))
	require.Equal(t, "azureml:"+noCluster, job["compute"])
	require.Equal(t, "team", asMap(job["environment_variables"])["VAULT_NAMESPACE"])
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "COMPUTE=<name>")
}

func TestJobsAreHandedOverForTheFirstClusterOrTheOneThatIsChosen(t *testing.T) {
	given := exampleOutputs()
	dir := render(t, given)
	require.Equal(t, "azureml:ml-cluster", parse(t, filepath.Join(dir, "job.yml"))["compute"])
	require.Contains(t, page(t, dir), "**Other clusters of the stack**: gpu.")

	require.NoError(t, Choose(given, "gpu"))
	dir = render(t, given)
	require.Equal(t, "azureml:gpu", parse(t, filepath.Join(dir, "job.yml"))["compute"])
	require.Contains(t, page(t, dir), "**Cluster**: gpu. It carries the job identity.")

	require.ErrorContains(t, Choose(given, "cpu"), "is no cluster of the stack, which has ml-cluster, gpu")
	require.NoError(t, Choose(given, serverless))
	delete(given, "computeClusters")
	require.NoError(t, Choose(given, "cpu"), "a stack without a cluster takes any")
}

func TestThePageSaysHowAClusterThatExistsGetsTheIdentity(t *testing.T) {
	given := exampleOutputs()
	given["existingComputeClusters"] = []any{"gpu"}
	require.NotContains(t, page(t, render(t, given)), "az ml compute update")
	require.NoError(t, Choose(given, "gpu"))
	dir := render(t, given)
	require.Contains(t, page(t, dir), "`az ml compute update --name gpu --identity-type user_assigned\n"+
		"  --user-assigned-identities "+word(given["jobIdentityId"])+"`")
	require.NotContains(t, page(t, dir), "It carries the job identity.")
}

// Sizes that Azure takes for online endpoints, of reference-managed-online-endpoints-vm-sku-list.md
// (October 2023): those for CPUs up to four cores. Ddsv5, which clusters here have, is in no family.
const endpointSizes = "Standard_D2as_v4 Standard_D4as_v4 Standard_D2a_v4 Standard_D4a_v4 Standard_DS2_v2 " +
	"Standard_DS3_v2 Standard_E2s_v3 Standard_E4s_v3 Standard_F2s_v2 Standard_F4s_v2"

func TestTheEndpointHasASizeThatAzureTakesForEndpoints(t *testing.T) {
	deployment := parse(t, filepath.Join(render(t, exampleOutputs()), "deployment.yml"))
	require.Contains(t, strings.Fields(endpointSizes), deployment["instance_type"])
}

func TestAnEndpointIsAsClosedAsItsWorkspace(t *testing.T) {
	given := exampleOutputs()
	given["publicNetworkAccess"] = "Disabled"
	dir := render(t, given)
	require.Equal(t, "disabled", parse(t, filepath.Join(dir, "endpoint.yml"))["public_network_access"])
	require.Contains(t, page(t, dir), "The workspace is closed")
}

func TestThePageSaysWhetherTheStackHasPreparedEndpoints(t *testing.T) {
	given := exampleOutputs()
	require.Contains(t, page(t, render(t, given)), "Set `workload.endpoints` to true")
	given["endpoints"] = true
	require.NotContains(t, page(t, render(t, given)), "workload.endpoints")
}

// Of a workspace of others the stack prepares nothing, and no setting of it would.
func TestThePageOfAWorkspaceOfOthersSaysWhatItsOwnerDoes(t *testing.T) {
	given := exampleOutputs()
	given["existingWorkspace"] = true
	text := page(t, render(t, given))
	require.NotContains(t, text, "workload.endpoints")
	require.Contains(t, text, "Its owner gives the job identity *AcrPull* on the registry")
	require.NoError(t, Choose(given, serverless))
	text = page(t, render(t, given))
	require.NotContains(t, text, "this stack has not attached it")
	require.Contains(t, text, "its owner attaches it")
}

// Azure ML takes a job without a compute as serverless, and runs it as an identity of the workspace
// that the job names by its client id (how-to-use-serverless-compute.md).
func TestAServerlessJobNamesTheIdentityAndNoCluster(t *testing.T) {
	given := exampleOutputs()
	given["computeCluster"] = serverless
	dir := render(t, given)
	managed := map[string]any{"type": "managed", "client_id": "22222222-2222-2222-2222-222222222222"}
	job := parse(t, filepath.Join(dir, "job.yml"))
	require.NotContains(t, job, "compute")
	require.Equal(t, managed, job["identity"])
	for _, name := range []string{"pipeline.yml", "component-pipeline.yml"} {
		pipeline := parse(t, filepath.Join(dir, name))
		require.Equal(t, "azureml:serverless", asMap(pipeline["settings"])["default_compute"])
		for _, step := range asMap(pipeline["jobs"]) {
			require.Equal(t, managed, asMap(step)["identity"])
		}
	}
	batch := parse(t, filepath.Join(dir, "batch-deployment.yml"))
	require.Equal(t, "azureml:"+noCluster, batch["compute"], "a batch job needs a cluster")
	require.Contains(t, page(t, dir), "this stack has not attached it")
	given["serverlessIdentity"] = true
	require.NotContains(t, page(t, render(t, given)), "has not attached")
}

// A job takes along what somebody puts into the folder, whatever it is called.
func TestOnlyTheFilesOfTheHandOverItselfStayBehind(t *testing.T) {
	dir := render(t, exampleOutputs())
	text, err := os.ReadFile(filepath.Join(dir, ".amlignore"))
	require.NoError(t, err)
	ignored := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		require.Regexp(t, `^/[\w.-]+/?$`, line, "from the top of the folder, and no pattern")
		ignored[strings.Trim(line, "/")] = true
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		isSource := filepath.Ext(entry.Name()) == ".py" || entry.Name() == client
		isCode := isSource || slices.Contains([]string{"model.txt", "vault-ca.pem"}, entry.Name())
		require.Equal(t, !isCode, ignored[entry.Name()], entry.Name())
	}
}

// The same holds for the folder of the client, which a job of its own may name as its code.
func TestOnlyTheTestsOfTheClientStayBehind(t *testing.T) {
	const job = "../../job"
	text, err := os.ReadFile(filepath.Join(job, ".amlignore"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			require.Regexp(t, `^/[\w.-]+/?$`, strings.TrimSpace(line))
		}
	}
	tests, err := filepath.Glob(filepath.Join(job, "test_*.py"))
	require.NoError(t, err)
	require.NotEmpty(t, tests)
	for _, test := range tests {
		require.Contains(t, string(text), "\n/"+filepath.Base(test)+"\n")
	}
}

func page(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	return string(text)
}

func TestOutputsThatAreNotEnoughAreRefused(t *testing.T) {
	for _, c := range []struct {
		output string
		value  any
		want   string
	}{
		{output: "vaultAddress", value: Hidden, want: "workload.publishAddress"},
		{output: "vaultRole", want: "no output vaultRole. Run `pulumi up`"},
	} {
		given := exampleOutputs()
		given[c.output] = c.value
		dir := t.TempDir()
		require.ErrorContains(t, Render(given, "../../job", dir), c.want)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// A shell reads job.env as it is meant, quotes included, and Python the samples.
func TestTheEnvironmentFileAndTheSamplesAreReadAsTheyAreMeant(t *testing.T) {
	const script = `set -a; . ./job.env; printf %s "$VAULT_CREDENTIALS"
python3 -m py_compile steps.py score.py batch_score.py`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = render(t, exampleOutputs())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, variables["VAULT_CREDENTIALS"], string(out))
}

// A script that asks for all fails when any of them is removed, whatever it needs itself.
func TestEachScriptAsksByNameForWhatTheStackHas(t *testing.T) {
	const recorder = `
asked = []

def read_credentials(*names):
    asked.append(names)
    return {name: {"key": ""} for name in names}

class VaultCredentials:
    def read(self, *names):
        return read_credentials(*names)
`
	const run = `
import json, sys, vault_credentials
sys.argv = ["steps.py", "prepare", "data"]
import batch_score, score, steps
batch_score.init()
score.init()
print(json.dumps(vault_credentials.asked))`
	for _, name := range []string{"ml_api_key", "o'brien"} {
		given := exampleOutputs()
		given["credentialPaths"] = map[string]any{name: "secret/data/x", "z": "secret/data/z"}
		dir := render(t, given)
		file := filepath.Join(dir, client, "__init__.py")
		require.NoError(t, os.WriteFile(file, []byte(recorder), 0o600))
		cmd := exec.CommandContext(t.Context(), "python3", "-c", run)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		want := fmt.Sprintf("[[%[1]q], [%[1]q], [%[1]q]]", name)
		require.Equal(t, want, lines[len(lines)-1])
	}
}

// A resource group may have parentheses, which a shell reads otherwise.
func TestTheCommandsOfThePageRunWithTheGroupAsItIsCalled(t *testing.T) {
	given := exampleOutputs()
	given["resourceGroup"] = "rg(prod)"
	dir := render(t, given)
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	_, command, found := strings.Cut(string(page), "az configure --defaults ")
	require.True(t, found)
	command, _, _ = strings.Cut(command, "\n")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s|' "+command).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "group=rg(prod)|workspace=ml-ws|", string(out))
	require.Equal(t, `'it'\''s'`, quoted("it's"))
}

func TestAClustersNameIsOneAndNothingMore(t *testing.T) {
	for _, name := range []string{"gpu-cluster", "serverless", strings.Repeat("a", 32)} {
		require.NoError(t, Compute(name))
	}
	for _, name := range []string{"a\nidentity: none", "", "-", "a b", "1st", strings.Repeat("a", 33)} {
		require.ErrorContains(t, Compute(name), "is not the name of a cluster")
	}
}

// A stack may be called like the client, and job/<stack> is then the folder that is handed over.
func TestTheClientsOwnFolderIsNotWrittenInto(t *testing.T) {
	jobs := t.TempDir()
	folder := filepath.Join(jobs, client)
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("../../job", client))))
	before, err := os.ReadDir(folder)
	require.NoError(t, err)
	err = Render(exampleOutputs(), jobs, folder)
	require.ErrorContains(t, err, "is the client's own folder. Nothing was written")
	after, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, after, len(before))
	require.NoError(t, Render(exampleOutputs(), jobs, filepath.Join(jobs, "dev")))
}

func TestNothingIsWrittenThroughASymbolicLink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "Pulumi.dev.yaml")
	require.NoError(t, os.WriteFile(outside, []byte("mine"), 0o600))
	for _, row := range []struct{ name, link, to string }{
		{name: "a definition", link: "dev/job.yml", to: outside},
		{name: "a script", link: "dev/steps.py", to: outside},
		{name: "the folder", link: "dev", to: filepath.Dir(outside)},
	} {
		t.Run(row.name, func(t *testing.T) {
			jobs := t.TempDir()
			link := filepath.Join(jobs, row.link)
			require.NoError(t, os.MkdirAll(filepath.Dir(link), 0o700))
			require.NoError(t, os.Symlink(row.to, link))
			err := Render(exampleOutputs(), "../../job", filepath.Join(jobs, "dev"))
			require.ErrorContains(t, err, "is a symbolic link. Nothing was written")
			text, err := os.ReadFile(outside)
			require.NoError(t, err)
			require.Equal(t, "mine", string(text))
			entries, err := os.ReadDir(filepath.Dir(outside))
			require.NoError(t, err)
			require.Len(t, entries, 1)
		})
	}
}
