package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// teamStack is as much of an operator's Stack as its agent reads.
type teamStack struct {
	Spec struct {
		Stack      string
		Branch     string
		Config     map[string]any
		SecretsRef map[string]struct{ Secret struct{ Key string } }
	}
}

// renderFleet is what examples/fleet gives to kubectl.
func renderFleet(t *testing.T, term *terminal) []teamStack {
	t.Helper()
	var list struct{ Items []teamStack }
	printed := term.Must("python3 examples/fleet/render.py examples/fleet/teams.json")
	require.NoError(t, json.Unmarshal([]byte(printed), &list))
	return list.Items
}

// settings are the stack's own, and what only the sandbox needs: its Vault's CA and its issuer.
func (s teamStack) settings(t *testing.T, term *terminal) map[string]any {
	t.Helper()
	ca, err := os.ReadFile(term.IssuerCA)
	require.NoError(t, err)
	all := maps.Clone(s.Spec.Config)
	all["vault"] = map[string]any{"caCertFile": term.Vault.CAFile()}
	workload, isObject := all["workload"].(map[string]any)
	require.True(t, isObject)
	workload["issuer"] = term.Issuer.URL(issuer.V1)
	workload["issuerCaPem"] = string(ca)
	return all
}

// key is a setting's full name: without a namespace it is the project's.
func key(name string) string {
	if name == "azure-native:location" {
		return name
	}
	return "mlvault:" + name
}

// asDocument sets the configuration as the operator's agent does where a value is structured: one
// JSON document.
func asDocument(t *testing.T, settings map[string]any, secrets map[string]string) []string {
	t.Helper()
	document := map[string]map[string]any{}
	for name, value := range settings {
		text, isText := value.(string)
		entry := map[string]any{"secret": false}
		if !isText {
			encoded, err := json.Marshal(value)
			require.NoError(t, err)
			text = string(encoded)
			entry["objectValue"] = value
		}
		entry["value"] = text
		document[key(name)] = entry
	}
	for name, value := range secrets {
		document[key(name)] = map[string]any{"secret": true, "value": value}
	}
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return []string{"--json", string(text)}
}

// asPaths sets it as the agent does where all values are texts: a path for each.
func asPaths(t *testing.T, settings map[string]any, secrets map[string]string) []string {
	t.Helper()
	var credentials map[string]map[string]string
	require.NoError(t, json.Unmarshal([]byte(secrets["credentials"]), &credentials))
	arguments := []string{"--path"}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		for path, text := range leaves(key(name), settings[name]) {
			arguments = append(arguments, "--plaintext", path+"="+text)
		}
	}
	for name, values := range credentials {
		for field, value := range values {
			arguments = append(arguments, "--secret", key("credentials."+name+"."+field)+"="+value)
		}
	}
	return append(arguments, "--secret", key("vaultAddress")+"="+secrets["vaultAddress"])
}

// leaves are the texts below a value by their paths.
func leaves(path string, value any) map[string]string {
	found := map[string]string{}
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			maps.Copy(found, leaves(path+"."+name, field))
		}
	case []any:
		for i, member := range value {
			maps.Copy(found, leaves(fmt.Sprintf("%s[%d]", path, i), member))
		}
	default:
		found[path] = fmt.Sprint(value)
	}
	return found
}

// The operator's agent clones a tag, makes the stack, sets its configuration at once and goes up.
// No cluster is here, so this test runs the same commands of the same CLI, one stack a ring.
func TestThreeStacksOfTheFleetAreDeployedAsTheOperatorsAgentDoes(t *testing.T) {
	term := newTerminal(t)
	for _, variable := range []string{"GIT_AUTHOR", "GIT_COMMITTER"} {
		term.Env = append(term.Env, variable+"_NAME=t", variable+"_EMAIL=t@example.com")
	}
	stacks := renderFleet(t, term)
	tag := filepath.Base(stacks[0].Spec.Branch)
	clone := filepath.Join(t.TempDir(), "clone")
	term.Must(`git init -q && git add -A && git commit -qm release && git tag "$TAG"
		git clone -q --depth 1 --branch "$TAG" "file://$PWD" "$CLONE"`, "TAG="+tag, "CLONE="+clone)
	agent := term.Shell
	agent.Dir = clone

	credentials := `{"ml_api_key":{"api_key":"` + lab.Canary + `"}}`
	for team, arguments := range map[string]func(*testing.T, map[string]any, map[string]string) []string{
		"platform":    asDocument,
		"forecasting": asDocument,
		"search":      asPaths,
	} {
		at := slices.IndexFunc(stacks, func(s teamStack) bool { return s.Spec.Stack == team })
		stack := stacks[at]
		secrets := map[string]string{"vaultAddress": term.Vault.Addr(), "credentials": credentials}
		require.Len(t, stack.Spec.SecretsRef, len(secrets), "the cluster has every secret setting")
		for name := range stack.Spec.SecretsRef {
			require.Contains(t, secrets, name)
		}
		file := filepath.Join(t.TempDir(), "arguments")
		list := arguments(t, stack.settings(t, term), secrets)
		require.NoError(t, os.WriteFile(file, nulSeparated(list), 0o600))

		// The plugin is in this process, and the program in the agent's.
		workload, isObject := stack.Spec.Config["workload"].(map[string]any)
		require.True(t, isObject)
		audience, isText := workload["audience"].(string)
		require.True(t, isText)
		token := term.deployer(team, credentials, lab.With(t, "workload.audience", audience))
		t.Setenv("VAULT_TOKEN", token)
		printed := agent.Must(`
			pulumi stack init "$TEAM"
			xargs --null pulumi config set-all --stack "$TEAM" <"$ARGUMENTS"
			pulumi preview --stack "$TEAM" --diff
			pulumi up --stack "$TEAM" --diff
			pulumi preview --stack "$TEAM" --json
			pulumi preview --stack "$TEAM" --refresh --run-program --expect-no-changes
			pulumi stack export --stack "$TEAM"`, "TEAM="+team, "ARGUMENTS="+file, "VAULT_TOKEN="+token)
		require.NotContains(t, printed, lab.Canary, team)
		settings := lab.ReadFile(t, filepath.Join(clone, "Pulumi."+team+".yaml"))
		require.NotContains(t, settings, lab.Canary, team)
		require.NotContains(t, settings, term.Vault.Addr(), team)

		data, _ := term.Read("secret/data/mlvault/" + team + "/ml_api_key")
		require.Equal(t, lab.Canary, data["api_key"], team)
	}
}

func nulSeparated(arguments []string) []byte {
	var text []byte
	for _, argument := range arguments {
		text = append(text, argument...)
		text = append(text, 0)
	}
	return text
}
