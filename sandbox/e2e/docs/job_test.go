package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"mlvault/internal/stack"
	"mlvault/preflight/job"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// `make job` fills the definition with the stack's outputs. Here its own command runs with its own variables, beside what a node of Azure ML adds.
func TestTheJobDefinitionRunsWithTheStacksOutputsInIt(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	outputs, err := dev.Outputs(t.Context())
	require.NoError(t, err)

	folder, given := t.TempDir(), map[string]any{}
	for name, output := range outputs {
		given[name] = output.Value
	}
	require.NoError(t, job.Render(given, filepath.Join(lab.Repository(), "job"), folder))
	definition, err := os.ReadFile(filepath.Join(folder, "job.yml"))
	require.NoError(t, err)
	var submitted struct {
		Command   string            `yaml:"command"`
		Compute   string            `yaml:"compute"`
		Identity  map[string]string `yaml:"identity"`
		Variables map[string]string `yaml:"environment_variables"`
	}
	require.NoError(t, yaml.Unmarshal(definition, &submitted))
	require.Equal(t, map[string]string{"type": "managed"}, submitted.Identity)
	require.Equal(t, "azureml:"+sandbox.Text(outputs, stack.OutputComputeCluster), submitted.Compute)

	node, err := dev.JobEnvironment(t.Context(), outputs)
	require.NoError(t, err)
	python, err := sandbox.FindPython()
	require.NoError(t, err, "the job's own language is needed to run it")
	words := strings.Fields(submitted.Command)
	cmd := exec.CommandContext(t.Context(), python, words[1:]...)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
	for _, name := range []string{"MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID", "VAULT_CACERT"} {
		cmd.Env = append(cmd.Env, name+"="+node[name])
	}
	for name, value := range submitted.Variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	require.Contains(t, string(printed), "ml_api_key")
	require.NotContains(t, string(printed), lab.Canary, "the job's log holds no value")
}

func TestTheJobEnvironmentFileIsPrivateAndHoldsNoCredential(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	file, err := dev.WriteJobEnvironment(t.Context())
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(content), lab.Canary)

	script := ". '" + file + "' && python3 job/vault_credentials.py --check"
	cmd := exec.CommandContext(t.Context(), "sh", "-ac", script)
	cmd.Dir = lab.Repository()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	require.Contains(t, string(printed), "ml_api_key: api_key")
}
