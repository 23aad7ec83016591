package sandbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// files are all of a sandbox but the engine's and Vault's own. What Vault holds is told by its
// requests.
func files(t *testing.T, l *lab.Lab) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	entries, err := os.ReadDir(l.Options.Dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if !slices.Contains([]string{"state", "pulumi", "passphrase", "vault"}, entry.Name()) {
			maps.Copy(found, lab.Files(t, l.Path(entry.Name())))
		}
	}
	return found
}

func previewed(t *testing.T, l *lab.Lab, edits ...lab.Edit) map[string]int {
	t.Helper()
	configured, err := l.ConfigurePreview(t.Context(), sandbox.Settings{Stack: "dev", Credentials: lab.Sample().JSON(t), Edits: edits})
	require.NoError(t, err)
	return l.Planned(configured)
}

// login is what the genuine plugin 6.7.4 asks before it compares a path that has changed.
var login = []string{"GET auth/token/lookup-self", "GET sys/seal-status", "POST auth/token/create"}

func TestAPreviewWritesNothing(t *testing.T) {
	l := lab.New(t)
	_, err := l.Select(t.Context(), "dev")
	require.ErrorIs(t, err, sandbox.ErrNoStack)
	_, err = l.Configure(t.Context(), sandbox.Settings{Stack: "dev", Credentials: `{"a*":{"k":"v"}}`})
	_, refused := settings.AsProblems(err)
	require.True(t, refused, "%v", err)
	require.NoFileExists(t, l.Path("passphrase"), "nothing runs of what the program refuses")
	for _, phase := range []string{"before the first up", "after it"} {
		for name, edits := range map[string][]lab.Edit{"as it is": nil, "with other paths": {lab.With(t, "vault.prefix", "elsewhere"), lab.With(t, "workload.authPath", "jwt-elsewhere")}} {
			before, requests := files(t, l), l.ARM.Requests()
			l.Vault.ResetRequests()
			require.NotZero(t, previewed(t, l, edits...)[map[string]string{"before the first up": "create", "after it": "same"}[phase]])
			asked := l.Vault.Requests()
			maps.DeleteFunc(asked, func(request string, _ int) bool { return slices.Contains(login, request) })
			require.Empty(t, asked, "%s, %s: Vault is asked nothing", phase, name)
			require.Equal(t, requests, l.ARM.Requests(), "%s, %s: nor is ARM", phase, name)
			require.Equal(t, before, files(t, l), "%s, %s: no file has changed", phase, name)
		}
		l.Up("dev", lab.Sample())
	}
}

func TestTheDeployersTokenHasThePolicyOfMakePolicyAndNoOther(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	moved := l.Prepare("dev", lab.Sample(), lab.With(t, "vault.prefix", "moved"))

	exported, err := moved.Export(t.Context())
	require.NoError(t, err)
	text, err := json.Marshal(exported)
	require.NoError(t, err)
	state, err := rights.ParseState(text)
	require.NoError(t, err)
	token := lab.ReadFile(t, l.DeployerTokenFile("dev"))
	found, err := l.Vault.Root().Auth().Token().LookupWithContext(t.Context(), token)
	require.NoError(t, err)
	policies, err := found.TokenPolicies()
	require.NoError(t, err)
	require.Len(t, policies, 1)
	policy, err := l.Vault.Root().Sys().GetPolicyWithContext(t.Context(), policies[0])
	require.NoError(t, err)
	require.Equal(t, rights.DeployerPolicy(moved.Config, state), policy)
	require.Contains(t, policy, lab.APIKeyPath, "what the state has at the old prefix")
	require.Contains(t, policy, "secret/data/moved/ml_api_key")
}

// The second preview and up are allowed what their own settings need, and still what the state
// needs.
func TestTheDeployersRightsCoverTheStateAndTheConfiguration(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	previewed(t, l, lab.With(t, "vault.prefix", "previewed"), lab.With(t, "workload.authPath", "jwt-previewed"))
	third := []lab.Edit{lab.With(t, "vault.prefix", "third"), lab.With(t, "workload.authPath", "jwt-third"), lab.With(t, "vault.deleteOnDestroy", "true")}
	moved := lab.Payloads{"moved": {"key": lab.Canary}}
	l.Up("dev", moved, third...)
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "the old path is left")

	l.ARM.Inject(arm.Fault{Type: "Microsoft.Storage/storageAccounts", Method: "PUT", Times: 4, Status: 500, Code: "InternalServerError", Message: "internal"})
	_, err := l.Prepare("dev", lab.Sample(), append(third, lab.With(t, "azure.tags.generation", "two"), lab.With(t, "vault.prefix", "fourth"))...).Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	selected, err := l.Select(t.Context(), "dev")
	require.NoError(t, err)
	l.Destroy(selected)
	require.Empty(t, l.ARM.List(""), "a down after a failed up leaves nothing")
	for _, folder := range []string{"third", "fourth"} {
		listed, err := l.Vault.Root().Logical().ListWithContext(t.Context(), "secret/metadata/"+folder)
		require.NoError(t, err)
		require.Nil(t, listed, folder)
	}
}

// odd are texts that a stack's file, a path of `pulumi config set` or a shell reads otherwise than
// they are.
var odd = []string{
	"", " ", "a", "secure", "null", "true", "~", "=", "<<", "-", "0", "1e3", "0x1f", "2001-01-01", "on", "a.b", "a[0]", `a["b"]`, `\`, `\n`, "\t", "\n", "\r\n", "a\nb\n",
	"é漢字😀", "\u00a0", "\u200b", "\u2028", "\ufeff", "\u0000", "\u001b[31m", "\u007f", "\u0085", "\ufffd", "${x}", "$HOME", "%s", "#", "a: b", "- a", "&a", "*a", "!!str", "|", ">", `"`, "'", "<&>", "{", "]",
}

func anyText(r *rand.Rand) string {
	var text strings.Builder
	for range r.IntN(4) {
		text.WriteString(odd[r.IntN(len(odd))])
	}
	return text.String()
}

var numbers = []json.Number{"0", "-0", "1E5", "1e+2", "9007199254740991", "-9007199254740991", "2.2250738585072014e-308", "5e-324", "0.1", "-1.5"}

func anyValue(r *rand.Rand, depth int) any {
	kinds := 8
	if depth > 4 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0, 1:
		return anyText(r)
	case 2:
		return numbers[r.IntN(len(numbers))]
	case 3:
		return r.Int64N(1<<53) - 1<<52
	case 4:
		return r.NormFloat64()
	case 5:
		return r.IntN(2) == 0
	case 6:
		list := []any{}
		for range []int{0, 1, 2, 30}[r.IntN(4)] >> depth {
			list = append(list, anyValue(r, depth+1))
		}
		return list
	default:
		return anyObject(r, depth+1, r.IntN(4), r.IntN(2) == 0)
	}
}

func anyObject(r *rand.Rand, depth, size int, texts bool) map[string]any {
	object := map[string]any{}
	for range size {
		if key := anyText(r); texts {
			object[key] = anyText(r)
		} else {
			object[key] = anyValue(r, depth)
		}
	}
	return object
}

// randomCredentials are half of them of texts alone. The others have more payloads within them.
func randomCredentials(seed uint64) lab.Payloads {
	r, all := rand.New(rand.NewPCG(seed, 2026)), lab.Payloads{}
	for i := range each {
		credential := anyObject(r, 0, 1+r.IntN(4), i%2 == 0)
		for j := range within * (i % 2) {
			credential[fmt.Sprintf("p%d", j)] = anyObject(r, 0, 1+r.IntN(4), false)
		}
		all[fmt.Sprintf("c%d", i)] = credential
	}
	return all
}

// The settings of the sandbox are one way on which a payload could change, the engine and the
// plugin are the others: these go all the way.
func TestVaultHoldsWhatTheCredentialsFileSays(t *testing.T) {
	t.Parallel()
	l, bytes := lab.New(t), 0
	for seed := range uint64(runs) {
		text := randomCredentials(seed).JSON(t)
		bytes += len(text)
		_, err := l.Configured(sandbox.Settings{Stack: "dev", Credentials: text}).Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err)
		var file map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &file))
		for name, want := range file {
			held, _ := l.Read("secret/data/mlvault/dev/" + name)
			got, err := json.Marshal(held)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(got), "seed %d: %s", seed, name)
		}
	}
	if runs > 1 {
		lab.Publish(t, "proofs.md", "payloads", fmt.Sprintf("%s\n\n%d runs of %d credentials held %d random payloads in %d bytes of JSON. Vault held each as the file said it.\n",
			l.Means(), runs, each, runs*each*(2+within)/2, bytes))
	}
}
