package operate_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// real is a shell in the project of a stack that the real CLI knows, with the command that looks
// after it.
type real struct{ *lab.Shell }

func newReal(l *lab.Lab, folder string) real {
	l.T.Helper()
	// The program is in this test's process.
	r := real{l.Shell(folder, "ARM_USE_MSI=true", "PULUMI_RUN_PROGRAM=false", "HOME="+l.T.TempDir())}
	binary := filepath.Join(lab.Repository(), ".operate") // where make builds it
	r.Must("go build -C '"+lab.Repository()+"/operate' -o '"+binary+"' .", "HOME="+os.Getenv("HOME"))
	r.Env = append(r.Env, "OPERATE="+binary)
	return r
}

// says runs a line that has to fail, or to succeed, and returns what it prints.
func (r real) says(succeeds bool, line string, variables ...string) string {
	r.T.Helper()
	out, err := r.Run(line, variables...)
	require.Equal(r.T, succeeds, err == nil, "%s\n%s", line, out)
	for _, secret := range []string{lab.Canary, r.Vault.Root().Token(), strings.TrimPrefix(r.Vault.Addr(), "https://")} {
		require.NotContains(r.T, out, secret)
	}
	return out
}

func (r real) operate(succeeds bool, command string, variables ...string) string {
	r.T.Helper()
	return r.says(succeeds, `"$OPERATE" `+command+" -root . -stack dev", variables...)
}

// asks gives the deployer's token the right to ask for its rights. No up needs it.
func (r real) asks() {
	r.T.Helper()
	policy := "deployer-" + name
	text, err := r.Vault.Root().Sys().GetPolicyWithContext(r.T.Context(), policy)
	require.NoError(r.T, err)
	text += `path "sys/capabilities-self" { capabilities = ["update"] }`
	r.Write("sys/policies/acl/"+policy, map[string]any{"policy": text})
}

func TestTheCommandSaysWhetherAnUpWouldWork(t *testing.T) {
	r := newReal(lab.New(t), lab.Project(t, "mlvault"))
	require.Contains(t, r.operate(false, "check"), "no stack named 'dev' found")
	r.Must(`pulumi stack init dev
		pulumi config set-all --path --secret vaultAddress="$ADDRESS" --secret credentials.ml_api_key.api_key=`+lab.Canary+` \
			--plaintext vault.caCertFile="$CA" --plaintext workload.audience=api://x \
			--plaintext azure-native:location=westeurope \
			--plaintext 'workload.authPath=jwt*'`, "ADDRESS="+r.Vault.Addr(), "CA="+r.Vault.CAFile())
	require.Contains(t, r.operate(false, "check"), "workload.authPath: ")
	r.Must(`pulumi config set --path workload.authPath jwt-ours
		pulumi config set vaultToken "$TOKEN" --plaintext`, "TOKEN="+r.Vault.Root().Token())
	require.Contains(t, r.operate(false, "check"), "vaultToken: is in plain text")
	r.Must("pulumi config rm vaultToken")

	policy := r.operate(true, "policy")
	require.Contains(t, policy, `path "secret/data/mlvault/dev/ml_api_key" {`)
	policy += `path "sys/capabilities-self" { capabilities = ["update"] }`
	token, err := r.Vault.Token(t.Context(), "deployer", policy, time.Hour)
	require.NoError(t, err)
	r.Env = append(r.Env, "VAULT_TOKEN="+token, "VAULT_NAMESPACE=elsewhere")
	out := r.operate(true, "check")
	require.Contains(t, out, "warning   VAULT_NAMESPACE is set in this shell")
	require.Contains(t, out, "ok        rights: all that the deployer's policy names")
	require.Contains(t, out, "No problem found. `pulumi up` should succeed.")
	t.Log(out)

	r.Must("echo dead >~/.vault-token")
	out = r.operate(false, "check")
	require.Contains(t, out, "~/.vault-token", "the genuine plugin prefers the file to the variable")
	r.Must("rm ~/.vault-token")

	require.NoError(t, r.Vault.Seal())
	out = r.operate(false, "check")
	require.Contains(t, out, "error: `pulumi up` would fail. Problems: 1. Nothing was changed")
	require.Contains(t, out, "problem   Vault is sealed")
	t.Log(out)
}

func TestWhatAStateHasLostIsAdoptedByTheCommandThatTheFindingGives(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	r := newReal(l, l.Path("work"))
	r.asks()
	require.Contains(t, r.operate(true, "check"), "No problem found.")

	for _, lost := range []string{
		"vault:jwt/authBackendRole:AuthBackendRole::credentials-role",
		"vault:kv/secretV2:SecretV2::credentials-ml_api_key",
	} {
		// What job definitions name is kept in the state alone, and goes with the role.
		r.says(true, "pulumi state delete --yes --target-dependents "+
			"'urn:pulumi:dev::mlvault::mlvault:credentials:Store$"+lost+"'")
		out := r.operate(false, "check")
		require.Contains(t, out, "exists, and this stack's state does not have it, so it is somebody "+
			"else's")
		adopt := regexp.MustCompile("adopt it: `(pulumi import [^`]+)`").FindStringSubmatch(out)
		require.NotNil(t, adopt, out)
		r.says(true, adopt[1])
		r.operate(true, "check")
	}
	// The import has no trigger of a replacement in it, so that the role is written once more.
	planned := r.Planned(dev)
	require.Equal(t, 1, planned["create"], "what job definitions name")
	delete(planned, "create")
	require.Subset(t, []string{"same", "update", "replace"}, slices.Collect(maps.Keys(planned)),
		"the next up makes nothing in Vault a second time")

	r.says(true, "pulumi config rm --path credentials.feature_store --stack dev")
	_, leaving, _ := strings.Cut(r.operate(true, "policy"), "# The settings no longer name these")
	require.Contains(t, leaving, "path \"secret/data/mlvault/dev/feature_store\" {\n  capabilities "+
		"= [\"delete\"]\n}")
	require.NotContains(t, leaving, "ml_api_key")
}

// Before the first up neither component nor provider is in the state, so that the finding's first
// command makes these.
func TestASecretOfOthersIsAdoptedBeforeTheFirstUp(t *testing.T) {
	l := lab.New(t)
	dev := l.Prepare("dev", lab.Sample())
	r := newReal(l, l.Path("work"))
	r.Write(lab.APIKeyPath, map[string]any{"data": map[string]any{"theirs": "x"}})
	r.asks()
	out := r.operate(false, "check")
	adopt := regexp.MustCompile("adopt it: `pulumi up --target '([^']+)' --target '([^']+)' --stack " +
		"dev`, and then `(pulumi import [^`]+)`").FindStringSubmatch(out)
	require.NotNil(t, adopt, out)
	_, err := dev.Up(t.Context(), optup.Target(adopt[1:3]), optup.SuppressProgress())
	require.NoError(t, err)
	r.says(true, adopt[3])
	r.operate(true, "check")
	l.Up("dev", lab.Sample())
	_, version := r.Read(lab.APIKeyPath)
	require.Equal(t, 2, version, "their version stays below ours")
}

func TestTheHandOverNeedsTheKeyOnlyForASecretAddress(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	r := newReal(l, l.Path("work"))
	require.NoError(t, os.CopyFS(filepath.Join(r.Dir, "job"), os.DirFS(filepath.Join(lab.Repository(), "job"))))
	const withoutKey = `unset PULUMI_CONFIG_PASSPHRASE; "$OPERATE" job -root . -stack dev`
	handOver := func() string {
		t.Helper()
		text := lab.ReadFile(t, filepath.Join(r.Dir, "job", "dev", "job.yml"))
		require.NoError(t, os.RemoveAll(filepath.Join(r.Dir, "job", "dev")))
		return text
	}
	require.Contains(t, r.says(false, withoutKey), "set workload.publishAddress to true")
	r.operate(true, "job")
	require.Contains(t, handOver(), r.Vault.Addr())
	l.Up("dev", lab.Sample(), lab.With(t, "workload.publishAddress", "true"))
	r.says(true, withoutKey)
	require.Contains(t, handOver(), r.Vault.Addr())
}

func TestAStackWhoseRunWasKilledIsRepaired(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	r := newReal(l, l.Path("work"))
	folder := filepath.Join(r.Path("state"), ".pulumi")
	file := filepath.Join(folder, "stacks", "mlvault", "dev.json") // `pulumi stack import` drops what is pending
	var state struct {
		Version    int                  `json:"version"`
		Checkpoint apitype.CheckpointV3 `json:"checkpoint"`
	}
	require.NoError(t, json.Unmarshal([]byte(lab.ReadFile(t, file)), &state))
	latest := state.Checkpoint.Latest
	latest.Resources = slices.DeleteFunc(latest.Resources, func(r apitype.ResourceV3) bool {
		lost := r.Type == rights.TypeSecret || r.Type == "azure-native:machinelearningservices/v20241001:Compute"
		if lost { // as if it had been made, and the answer lost
			r.ID, r.Outputs = "", nil
			pending := apitype.OperationV2{Resource: r, Type: apitype.OperationTypeCreating}
			latest.PendingOperations = append(latest.PendingOperations, pending)
		}
		return lost
	})
	require.Len(t, latest.PendingOperations, 3)
	edited, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, edited, 0o600))
	require.NoError(t, os.WriteFile(file+".attrs", nil, 0o600))
	r.Must(`mkdir -p "$LOCKS"; printf '{"pid":4194304,"hostname":"%s"}' "$(hostname)" >"$LOCKS/dead.json"`,
		"LOCKS="+filepath.Join(folder, "locks", "organization", "mlvault", "dev"))

	out := r.operate(true, "repair")
	require.Contains(t, out, "removed the damaged ")
	require.Contains(t, out, "removed the lock of a run that is gone")
	require.Equal(t, 3, strings.Count(out, "was being created, is looked for: "), out)
	require.Subset(t, []string{"same", "update"}, slices.Collect(maps.Keys(r.Planned(dev))), "the "+
		"next up makes nothing a second time")
	t.Log(out)
}

// The token that looks for drift has the printed policy and nothing else, not even the default one.
func TestDriftIsFoundWithTheReadingPolicyAndNothingIsWritten(t *testing.T) {
	l := lab.New(t)
	dev, _ := l.Up("dev", lab.Sample())
	r := newReal(l, l.Path("work"))
	policy := r.operate(true, "policy -for drift")
	require.NotRegexp(t, `"(create|delete|sudo)"`, policy)

	look := func(policy string) (map[string]int, error) {
		t.Helper()
		token, err := l.Vault.Token(t.Context(), "drift", policy, time.Hour)
		require.NoError(t, err)
		looking := l.Configured(sandbox.Settings{Stack: "dev", Credentials: lab.Sample().JSON(t), Token: token})
		result, err := looking.Preview(t.Context(), optpreview.Refresh(), optpreview.SuppressProgress())
		changes := map[string]int{}
		for operation, count := range result.ChangeSummary {
			changes[string(operation)] = count
		}
		return changes, err
	}
	changes, err := look(policy)
	require.NoError(t, err)
	require.LessOrEqual(t, changes["update"], 1, "the provider has another token: %v", changes)

	l.Write(lab.APIKeyPath, map[string]any{"data": map[string]any{"api_key": "drifted"}})
	drifted, err := look(policy)
	require.NoError(t, err)
	require.Greater(t, drifted["update"], changes["update"], "the secret that somebody changed")

	withoutChild, _, _ := strings.Cut(policy, `path "auth/token/create"`)
	_, err = look(withoutChild)
	require.ErrorContains(t, err, "403", "the plugin works with a child token")
	require.NotNil(t, dev)
}

// What `make policy` prints is enough for the next up, whatever has changed since the last one.
func TestTheTokenOfThePrintedPolicyCarriesThroughAChangedPlace(t *testing.T) {
	for _, row := range []struct {
		name  string
		edits []lab.Edit
	}{
		{name: "another auth path", edits: []lab.Edit{lab.With(t, "workload.authPath", "jwt-moved")}},
		{name: "another prefix", edits: []lab.Edit{lab.With(t, "vault.prefix", "moved")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := lab.New(t)
			l.Up("dev", lab.Sample())
			l.Prepare("dev", lab.Sample(), row.edits...)
			r := newReal(l, l.Path("work"))
			policy := r.operate(true, "policy")
			token, err := l.Vault.Token(t.Context(), "printed", policy, time.Hour)
			require.NoError(t, err)
			moved := l.Configured(sandbox.Settings{
				Stack: "dev", Credentials: lab.Sample().JSON(t), Token: token, Edits: row.edits,
			})
			r.says(true, `"$OPERATE" check -root . -stack dev`)
			_, err = moved.Up(t.Context(), optup.SuppressProgress())
			require.NoError(t, err)
			l.Destroy(moved)
		})
	}
}

// docs/operate.md, "Rename a stack". The names in Vault follow from project and stack; prefix and auth
// path can be pinned before.
func TestARenamedStackIsWholeAfterTheNextUp(t *testing.T) {
	for _, row := range []struct {
		name string
		pins map[string]string
		// moves and replaces say what the next up does to the secrets, and to anything at all.
		moves    bool
		replaces bool
	}{
		{name: "as it is", moves: true, replaces: true},
		{name: "with prefix and auth path pinned", replaces: true, pins: map[string]string{
			"vault.prefix":      "mlvault/dev",
			"workload.authPath": settings.DefaultAuthPath("mlvault", "dev"),
		}},
		{name: "with all names pinned", pins: map[string]string{
			"vault.prefix":      "mlvault/dev",
			"workload.authPath": settings.DefaultAuthPath("mlvault", "dev"),
			"workload.role":     settings.NameInVault("mlvault", "dev"),
			"workload.policy":   settings.NameInVault("mlvault", "dev"),
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := lab.Open(t, sandbox.Options{Settings: lab.Project(t, "mlvault", "dev", "qa")})
			pins := lab.Settings(t, row.pins)
			l.Up("dev", lab.Sample())
			dev, pinned := l.Up("dev", lab.Sample(), pins)
			require.Equal(t, []string{"same"}, slices.Collect(maps.Keys(pinned)), "to pin changes nothing")
			before := definition(t, dev)
			r := newReal(l, l.Path("work"))
			r.Must("pulumi stack rename qa --stack dev")
			l.Prepare("qa", lab.Sample(), pins)
			report := r.says(true, `"$OPERATE" check -root . -stack qa`)
			require.NotContains(t, report, "another Vault", "the address is the same")
			qa, changes := l.Up("qa", lab.Sample(), pins)
			t.Log(changes)
			data, _ := l.Read(lab.APIKeyPath)
			if row.moves {
				require.Nil(t, data, "the old path is deleted")
			} else {
				require.NotNil(t, data)
			}
			if !row.replaces {
				require.Subset(t, []string{"same", "update"}, slices.Collect(maps.Keys(changes)))
				require.NotContains(t, report, "job definitions")
				require.Equal(t, before, definition(t, qa), "what is out stays right")
			}
			read, err := qa.Job(t.Context())
			require.NoError(t, err)
			require.Equal(t, "feature_store: password, port, user\nml_api_key: api_key", read)
			require.Subset(t, []string{"same"}, slices.Collect(maps.Keys(r.Planned(qa))))
			l.Destroy(qa)
		})
	}
}

// definition are the variables of a job's definition.
func definition(t *testing.T, stack *sandbox.Stack) map[string]string {
	t.Helper()
	_, environment, err := stack.JobEnvironment(t.Context())
	require.NoError(t, err)
	variables := map[string]string{}
	for _, variable := range outputs.JobVariables {
		variables[variable.Name] = environment[variable.Name]
	}
	return variables
}
