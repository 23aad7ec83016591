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

// ofOthers are the folders of the engine and of Vault in a sandbox, and the engine's passphrase.
var ofOthers = []string{"state", "pulumi", "passphrase", "vault"}

// files are all of a sandbox but those. What Vault holds is told by its requests.
func files(t *testing.T, l *lab.Lab) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	entries, err := os.ReadDir(l.Options.Dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if !slices.Contains(ofOthers, entry.Name()) {
			maps.Copy(found, lab.Files(t, l.Path(entry.Name())))
		}
	}
	return found
}

// previewed is what a preview of dev would change.
func previewed(t *testing.T, l *lab.Lab, edits ...lab.Edit) map[string]int {
	t.Helper()
	configured, err := l.ConfigurePreview(t.Context(), sandbox.Settings{
		Stack:       "dev",
		Credentials: lab.Sample().JSON(t),
		Edits:       edits,
	})
	require.NoError(t, err)
	return l.Planned(configured)
}

// requireWritesNothing previews dev, which must find changes of a kind and write none.
func requireWritesNothing(t *testing.T, l *lab.Lab, kind string, edits ...lab.Edit) {
	t.Helper()
	before := files(t, l)
	requests := l.ARM.Requests()
	l.Vault.ResetRequests()
	require.NotZero(t, previewed(t, l, edits...)[kind])
	asked := l.Vault.Requests()
	for _, request := range login {
		delete(asked, request)
	}
	require.Empty(t, asked, "Vault is asked nothing")
	require.Equal(t, requests, l.ARM.Requests(), "nor is ARM")
	require.Equal(t, before, files(t, l), "no file has changed")
}

// login is what the genuine plugin 6.7.4 asks before it compares a path that has changed.
var login = []string{
	"GET auth/token/lookup-self",
	"GET sys/seal-status",
	"POST auth/token/create",
}

func TestAPreviewWritesNothing(t *testing.T) {
	l := lab.New(t)
	_, err := l.Select(t.Context(), "dev")
	require.ErrorIs(t, err, sandbox.ErrNoStack)
	const refusedName = `{"a*":{"k":"v"}}`
	_, err = l.Configure(t.Context(), sandbox.Settings{Stack: "dev", Credentials: refusedName})
	_, refused := settings.AsProblems(err)
	require.True(t, refused, "%v", err)
	require.NoFileExists(t, l.Path("passphrase"), "nothing runs of what the program refuses")

	otherPaths := []lab.Edit{
		lab.With(t, "vault.prefix", "elsewhere"),
		lab.With(t, "workload.authPath", "jwt-elsewhere"),
	}
	requireWritesNothing(t, l, "create")
	requireWritesNothing(t, l, "create", otherPaths...)
	l.Up("dev", lab.Sample())
	requireWritesNothing(t, l, "same")
	requireWritesNothing(t, l, "same", otherPaths...)
}

func TestTheDeployersTokenHasThePolicyOfMakePolicyAndNoOther(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	moved := l.Prepare("dev", lab.Sample(), lab.With(t, "vault.prefix", "moved"))

	state, err := moved.State(t.Context())
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

// The second preview and up are allowed what their own settings need, and still what the state needs.
func TestTheDeployersRightsCoverTheStateAndTheConfiguration(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	previewed(t, l,
		lab.With(t, "vault.prefix", "previewed"),
		lab.With(t, "workload.authPath", "jwt-previewed"))
	third := []lab.Edit{
		lab.With(t, "vault.prefix", "third"),
		lab.With(t, "workload.authPath", "jwt-third"),
		lab.With(t, "vault.deleteOnDestroy", "true"),
	}
	moved := lab.Payloads{"moved": {"key": lab.Canary}}
	l.Up("dev", moved, third...)
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "nothing is left at the old path")

	l.ARM.Inject(arm.Fault{
		Type:    "Microsoft.Storage/storageAccounts",
		Method:  "PUT",
		Times:   4,
		Status:  500,
		Code:    "InternalServerError",
		Message: "internal",
	})
	fourth := slices.Concat(third, []lab.Edit{
		lab.With(t, "azure.tags.generation", "two"),
		lab.With(t, "vault.prefix", "fourth"),
	})
	failing := l.Prepare("dev", lab.Sample(), fourth...)
	_, err := failing.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	selected, err := l.Select(t.Context(), "dev")
	require.NoError(t, err)
	l.Destroy(selected)
	require.Empty(t, l.ARM.List(""), "a down after a failed up leaves nothing")
	for _, folder := range []string{"third", "fourth"} {
		path := "secret/metadata/" + folder
		listed, err := l.Vault.Root().Logical().ListWithContext(t.Context(), path)
		require.NoError(t, err)
		require.Nil(t, listed, folder)
	}
}

// odd are texts that a stack's file, a path of `pulumi config set` or a shell reads otherwise than
// they are.
var odd = slices.Concat(
	[]string{"", " ", "\t", "\n", "\r\n", "a\nb\n", "a", "secure", "null", "true", "on", "~"},
	[]string{"-", "0", "1e3", "0x1f", "2001-01-01"},
	[]string{"a.b", "a[0]", `a["b"]`, `\`, `\n`, "${x}", "$HOME", "%s", "#", `"`, "'", "<&>"},
	[]string{"=", "<<", "a: b", "- a", "&a", "*a", "!!str", "|", ">", "{", "]"},
	[]string{"é漢字😀", "\u00a0", "\u200b", "\u2028", "\ufeff", "\ufffd", "\u0085"},
	[]string{"\u0000", "\u001b[31m", "\u007f"},
)

// numbers are at the limits of what a payload may hold.
var numbers = []json.Number{
	"0", "-0", "0.1", "-1.5", "1E5", "1e+2",
	"9007199254740991", "-9007199254740991",
	"2.2250738585072014e-308", "5e-324",
}

// random makes values for payloads.
type random struct{ *rand.Rand }

func (r random) text() string {
	var text strings.Builder
	for range r.IntN(4) {
		text.WriteString(odd[r.IntN(len(odd))])
	}
	return text.String()
}

// deepest bounds how deep values are nested.
const deepest = 4

func (r random) value(depth int) any {
	kinds := 8
	if depth > deepest {
		kinds = 6 // no list and no object
	}
	switch r.IntN(kinds) {
	case 0, 1:
		return r.text()
	case 2:
		return numbers[r.IntN(len(numbers))]
	case 3:
		return r.Int64N(1<<53) - 1<<52
	case 4:
		return r.NormFloat64()
	case 5:
		return r.IntN(2) == 0
	case 6:
		return r.list(depth)
	default:
		onlyTexts := r.IntN(2) == 0
		return r.object(depth+1, r.IntN(4), onlyTexts)
	}
}

// list is now and then longer than ten, where a path of `pulumi config set` fails.
func (r random) list(depth int) []any {
	sizes := []int{0, 1, 2, 30}
	size := sizes[r.IntN(len(sizes))] >> depth
	list := []any{}
	for range size {
		list = append(list, r.value(depth+1))
	}
	return list
}

func (r random) object(depth, size int, onlyTexts bool) map[string]any {
	object := map[string]any{}
	for range size {
		key := r.text()
		if onlyTexts {
			object[key] = r.text()
		} else {
			object[key] = r.value(depth)
		}
	}
	return object
}

// randomCredentials are of texts alone, each second one. The others have more payloads within them.
func randomCredentials(seed uint64) lab.Payloads {
	r := random{rand.New(rand.NewPCG(seed, 2026))}
	all := lab.Payloads{}
	for i := range each {
		onlyTexts := i%2 == 0
		credential := r.object(0, 1+r.IntN(4), onlyTexts)
		if !onlyTexts {
			for j := range within {
				credential[fmt.Sprintf("p%d", j)] = r.object(0, 1+r.IntN(4), false)
			}
		}
		all[fmt.Sprintf("c%d", i)] = credential
	}
	return all
}

// The settings of the sandbox are one way on which a payload could change, the engine and the plugin
// are the others. These go all the way.
func TestVaultHoldsWhatTheCredentialsFileSays(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	bytes := 0
	for seed := range uint64(runs) {
		text := randomCredentials(seed).JSON(t)
		bytes += len(text)
		configured := l.Configured(sandbox.Settings{Stack: "dev", Credentials: text})
		_, err := configured.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err)
		requireHeld(t, l, seed, text)
	}
	if runs == 1 {
		return
	}
	payloads := runs * each * (2 + within) / 2
	lab.Publish(t, "proofs.md", "payloads", fmt.Sprintf("%s\n\n"+
		"%d runs of %d credentials held %d random payloads in %d bytes of JSON. "+
		"Vault held each as the file said it.\n", l.Means(), runs, each, payloads, bytes))
}

// requireHeld wants each credential of a file in Vault as the file has it.
func requireHeld(t *testing.T, l *lab.Lab, seed uint64, text string) {
	t.Helper()
	var file map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &file))
	for name, want := range file {
		held, _ := l.Read("secret/data/mlvault/dev/" + name)
		got, err := json.Marshal(held)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got), "seed %d: %s", seed, name)
	}
}
