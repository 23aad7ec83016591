package preflight_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/preflight/check"
	"mlvault/sandbox/e2e/lab"
)

// real is a stack that the real CLI knows, with the command that looks after it.
type real struct {
	*lab.Lab

	t       *testing.T
	cli     check.CLI
	command string
}

func newReal(t *testing.T, l *lab.Lab) *real {
	t.Helper()
	environment, err := l.Environment()
	require.NoError(t, err)
	delete(environment, "PULUMI_RUN_PROGRAM") // the program is in this test's process
	builder := lab.Builder()                  // the CLI loads the language host even where it generates no code
	require.NoError(t, builder.Build(t.Context(), "the language host", builder.Executable("pulumi-language-go"), "-s -w", builder.Module, "./languagehost"))
	r := &real{Lab: l, t: t, command: build(t), cli: check.CLI{Path: lab.Pulumi, Root: l.Path("work"), Environment: []string{
		"PATH=" + strings.Join([]string{filepath.Dir(lab.Pulumi), os.Getenv("PATH"), builder.Bin}, string(os.PathListSeparator)), "ARM_USE_MSI=true", "PULUMI_HOME=" + l.Path("pulumi"), "PULUMI_RUN_PROGRAM=false",
	}}}
	for name, value := range environment {
		if name != "PATH" {
			r.cli.Environment = append(r.cli.Environment, name+"="+value)
		}
	}
	return r
}

// sh runs a line as a person would.
func (r *real) sh(line string, without ...string) (string, error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "sh", "-c", line)
	cmd.Dir = r.cli.Root
	cmd.Env = slices.DeleteFunc(append(os.Environ(), r.cli.Environment...), func(variable string) bool {
		return slices.ContainsFunc(without, func(name string) bool { return strings.HasPrefix(variable, name+"=") })
	})
	out, err := cmd.CombinedOutput()
	require.NotContains(r.t, string(out), lab.Canary)
	return string(out), err
}

func (r *real) preflight(command string, without ...string) (string, error) {
	r.t.Helper()
	return r.sh(r.command+" "+command+" -root . -stack dev", without...)
}

func TestWhatAStateHasLostIsAdoptedByTheCommandThatTheFindingGives(t *testing.T) {
	r := newReal(t, lab.New(t))
	dev, _ := r.Up("dev", lab.Sample())
	r.asks()
	out, err := r.preflight("check")
	require.NoError(t, err, out)
	require.Contains(t, out, "No problem found.")

	for _, lost := range []string{"vault:jwt/authBackendRole:AuthBackendRole::credentials-role", "vault:kv/secretV2:SecretV2::credentials-ml_api_key"} {
		out, err = r.sh("pulumi state delete --yes 'urn:pulumi:dev::mlvault::mlvault:credentials:Store$" + lost + "'")
		require.NoError(t, err, out)
		out, err = r.preflight("check")
		require.Error(t, err, out)
		require.Contains(t, out, "exists, and this stack's state does not have it, so it is somebody else's")
		adopt := regexp.MustCompile("adopt it: `(pulumi import [^`]+)`").FindStringSubmatch(out)
		require.NotNil(t, adopt, out)
		out, err = r.sh(adopt[1])
		require.NoError(t, err, out)
		out, err = r.preflight("check")
		require.NoError(t, err, out)
	}
	// The import has no trigger of a replacement in it, so that the role is written once more.
	require.Subset(t, []string{"same", "update", "replace"}, slices.Collect(maps.Keys(r.Planned(dev))), "the next up makes nothing a second time")

	out, err = r.sh("pulumi config rm --path credentials.feature_store --stack dev")
	require.NoError(t, err, out)
	out, err = r.preflight("policy")
	require.NoError(t, err, out)
	_, leaving, _ := strings.Cut(out, "# These left the configuration.")
	require.Contains(t, leaving, "path \"secret/data/mlvault/dev/feature_store\" {\n  capabilities = [\"delete\"]\n}")
	require.NotContains(t, leaving, "ml_api_key")
}

// Before the first up neither component nor provider is in the state, so that the finding's first command makes these.
func TestASecretOfOthersIsAdoptedBeforeTheFirstUp(t *testing.T) {
	r := newReal(t, lab.New(t))
	dev := r.Prepare("dev", lab.Sample())
	_, err := r.Vault.Root().Logical().WriteWithContext(t.Context(), lab.APIKeyPath, map[string]any{"data": map[string]any{"theirs": "x"}})
	require.NoError(t, err)
	r.asks()
	out, err := r.preflight("check")
	require.Error(t, err, out)
	adopt := regexp.MustCompile("adopt it: `pulumi up --target '([^']+)' --target '([^']+)' --stack dev`, and then `(pulumi import [^`]+)`").FindStringSubmatch(out)
	require.NotNil(t, adopt, out)
	_, err = dev.Up(t.Context(), optup.Target(adopt[1:3]), optup.SuppressProgress())
	require.NoError(t, err)
	out, err = r.sh(adopt[3])
	require.NoError(t, err, out)
	out, err = r.preflight("check")
	require.NoError(t, err, out)
	_, err = dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	_, version := r.Read(lab.APIKeyPath)
	require.Equal(t, 2, version, "their version stays below ours")
}

// asks gives the deployer's token the right to ask for its rights. No up needs it.
func (r *real) asks() {
	r.t.Helper()
	policy := "deployer-" + name
	text, err := r.Vault.Root().Sys().GetPolicyWithContext(r.t.Context(), policy)
	require.NoError(r.t, err)
	require.NoError(r.t, r.Vault.Root().Sys().PutPolicyWithContext(r.t.Context(), policy, text+`path "sys/capabilities-self" { capabilities = ["update"] }`))
}

func TestTheHandOverNeedsTheKeyOnlyForASecretAddress(t *testing.T) {
	r := newReal(t, lab.New(t))
	r.Up("dev", lab.Sample())
	require.NoError(t, os.MkdirAll(filepath.Join(r.cli.Root, "job"), 0o700))
	client, err := os.ReadFile("../../../job/vault_credentials.py")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.cli.Root, "job", "vault_credentials.py"), client, 0o600))
	out, err := r.preflight("job", "PULUMI_CONFIG_PASSPHRASE")
	require.Error(t, err)
	require.Contains(t, out, "set workload.publishAddress to true")
	out, err = r.preflight("job")
	require.NoError(t, err, out)
	text, err := os.ReadFile(filepath.Join(r.cli.Root, "job", "dev", "job.yml"))
	require.NoError(t, err)
	require.Contains(t, string(text), r.Vault.Addr())

	published := newReal(t, lab.New(t))
	published.Up("dev", lab.Sample(), lab.With(t, "workload.publishAddress", "true"))
	require.NoError(t, os.CopyFS(filepath.Join(published.cli.Root, "job"), os.DirFS(filepath.Join(r.cli.Root, "job"))))
	out, err = published.preflight("job", "PULUMI_CONFIG_PASSPHRASE")
	require.NoError(t, err, out)
	text, err = os.ReadFile(filepath.Join(published.cli.Root, "job", "dev", "job.yml"))
	require.NoError(t, err)
	require.Contains(t, string(text), published.Vault.Addr())
}

func TestAStackWhoseRunWasKilledIsRepaired(t *testing.T) {
	r := newReal(t, lab.New(t))
	dev, _ := r.Up("dev", lab.Sample())
	folder := filepath.Join(r.Path("state"), ".pulumi")
	file := filepath.Join(folder, "stacks", "mlvault", "dev.json") // `pulumi stack import` drops what is pending
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var state struct {
		Version    int `json:"version"`
		Checkpoint struct {
			Stack  string         `json:"stack"`
			Latest map[string]any `json:"latest"`
		} `json:"checkpoint"`
	}
	require.NoError(t, json.Unmarshal(text, &state))
	var kept, pending []any
	resources, _ := state.Checkpoint.Latest["resources"].([]any)
	for _, each := range resources { // as if each had been made, and the answer lost
		r, _ := each.(map[string]any)
		if r["type"] == check.TypeSecret || r["type"] == "azure-native:machinelearningservices/v20241001:Compute" {
			delete(r, "outputs")
			delete(r, "id")
			pending = append(pending, map[string]any{"type": "creating", "resource": r})
			continue
		}
		kept = append(kept, r)
	}
	require.Len(t, pending, 3)
	state.Checkpoint.Latest["resources"], state.Checkpoint.Latest["pending_operations"] = kept, pending
	edited, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, edited, 0o600))
	host, err := os.Hostname()
	require.NoError(t, err)
	locks := filepath.Join(folder, "locks", "organization", "mlvault", "dev")
	require.NoError(t, os.MkdirAll(locks, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(locks, "dead.json"), []byte(`{"pid":4194304,"hostname":"`+host+`"}`), 0o600))
	require.NoError(t, os.WriteFile(file+".attrs", nil, 0o600))

	out, err := r.preflight("repair")
	require.NoError(t, err, out)
	require.Contains(t, out, "removed the damaged ")
	require.Contains(t, out, "removed the lock of a run that is gone")
	require.Equal(t, 3, strings.Count(out, "was being created, is looked for: "), out)
	require.Subset(t, []string{"same", "update"}, slices.Collect(maps.Keys(r.Planned(dev))), "the next up makes nothing a second time")
	t.Log(out)
}
