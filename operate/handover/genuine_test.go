package handover

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// debianPython has Microsoft's azure-ai-ml where python3-azure is installed; .ci/run installs it.
const debianPython = "/usr/bin/python3"

// loadedStep is what Microsoft's code makes of a job or of a step of a pipeline.
type loadedStep struct {
	Kind      string
	Compute   string
	Variables map[string]any `json:"environment_variables"`
	Identity  *struct {
		Kind     string
		ClientID string `json:"client_id"`
	}
}

type loadedPipeline struct {
	DefaultCompute string `json:"default_compute"`
	Steps          map[string]loadedStep
}

type loadedDeployment struct {
	Endpoint  string
	Size      string
	Compute   string
	Script    string
	Variables map[string]any `json:"environment_variables"`
}

// loaded is what testdata/genuine/load.py prints.
type loaded struct {
	Job               *loadedStep
	Pipeline          loadedPipeline
	ComponentPipeline loadedPipeline `json:"component-pipeline"`
	Parallel          loadedPipeline
	Component         string
	Schedule          loadedPipeline
	Endpoint          struct {
		Name                string
		PublicNetworkAccess string `json:"public_network_access"`
		Identities          []string
	}
	Deployment      loadedDeployment
	BatchEndpoint   string           `json:"batch-endpoint"`
	BatchDeployment loadedDeployment `json:"batch-deployment"`
	Uploaded        []string
}

// load hands a stack over and lets Microsoft's own code load the folder.
func load(t *testing.T, given map[string]any, extra ...string) loaded {
	t.Helper()
	if exec.CommandContext(t.Context(), debianPython, "-c", "import azure.ai").Run() != nil {
		t.Skip("azure-ai-ml is not installed: apt-get install python3-azure")
	}
	dir := render(t, given)
	for _, name := range extra {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	}
	//nolint:gosec // G204: our own script, on a folder of this test.
	cmd := exec.CommandContext(t.Context(), debianPython, "testdata/genuine/load.py", dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH=testdata/genuine", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if failure, isExit := err.(*exec.ExitError); isExit { //nolint:errorlint // Output wraps nothing.
		t.Fatalf("azure-ai-ml refuses the folder:\n%s", failure.Stderr)
	}
	require.NoError(t, err)
	var got loaded
	require.NoError(t, json.Unmarshal(out, &got), string(out))
	return got
}

func requireReads(t *testing.T, pipeline loadedPipeline, compute, clientID string) {
	t.Helper()
	require.Equal(t, compute, pipeline.DefaultCompute)
	require.NotEmpty(t, pipeline.Steps)
	for name, step := range pipeline.Steps {
		require.Equal(t, variables, step.Variables, name)
		if step.Kind == "Command" {
			require.Equal(t, "ManagedIdentityConfiguration", step.Identity.Kind, name)
			require.Equal(t, clientID, step.Identity.ClientID, name)
		}
	}
}

func TestMicrosoftsOwnCodeLoadsEachDefinition(t *testing.T) {
	got := load(t, exampleOutputs(), "conf/train.yml", "data/notes.md")
	require.Equal(t, "ml-cluster", got.Job.Compute)
	require.Equal(t, variables, got.Job.Variables)
	require.Equal(t, "ManagedIdentityConfiguration", got.Job.Identity.Kind)
	for _, pipeline := range []loadedPipeline{
		got.Pipeline, got.ComponentPipeline, got.Parallel, got.Schedule,
	} {
		requireReads(t, pipeline, "ml-cluster", "")
	}
	require.Equal(t, "Parallel", got.Parallel.Steps["score"].Kind)
	require.Equal(t, "read_credentials", got.Component)

	require.Equal(t, got.Endpoint.Name, got.Deployment.Endpoint)
	require.Equal(t, []string{word(exampleOutputs()["jobIdentityId"])}, got.Endpoint.Identities)
	require.Equal(t, variables, got.Deployment.Variables)
	require.Equal(t, got.BatchEndpoint, got.BatchDeployment.Endpoint)
	require.Equal(t, "ml-cluster", got.BatchDeployment.Compute)
	require.Equal(t, "batch_score.py", got.BatchDeployment.Script)
	require.Equal(t, variables, got.BatchDeployment.Variables)

	sources, err := clientFiles("../../job")
	require.NoError(t, err)
	want := []string{
		"batch_score.py", "conf/train.yml", "data/notes.md", "model.txt", "score.py", "steps.py",
		"vault-ca.pem",
	}
	for name := range sources {
		want = append(want, filepath.ToSlash(name))
	}
	require.ElementsMatch(t, want, got.Uploaded, "what a job takes along")
}

func TestMicrosoftsOwnCodeLoadsTheDefinitionsOfAClosedServerlessStack(t *testing.T) {
	given := exampleOutputs()
	given["computeCluster"] = serverless
	given["publicNetworkAccess"] = "Disabled"
	got := load(t, given)
	require.Nil(t, got.Job, "azure-ai-ml 1.4 knows no command job without a compute")
	clientID, _ := given["jobIdentityClientId"].(string)
	for _, pipeline := range []loadedPipeline{got.Pipeline, got.ComponentPipeline, got.Schedule} {
		requireReads(t, pipeline, "serverless", clientID)
	}
	require.Equal(t, "disabled", got.Endpoint.PublicNetworkAccess)
}
