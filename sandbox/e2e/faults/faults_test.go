//go:build unix

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	search "mlvault/sandbox/internal/canary"
	"mlvault/sandbox/internal/sandbox"
)

// fate is what becomes of one request to Vault.
type fate = func(w http.ResponseWriter, r *http.Request, vault http.Handler)

// gate stands before Vault and does to requests what a fault does. The root token, which is the
// test's own, passes.
type gate struct {
	mu     sync.Mutex
	root   string
	writes int // of credentials since fail
	struck strikes
	fate   fate
}

// strikes tells whether a fault strikes a request. writes counts those of credentials that have
// arrived, this one included if it is one.
type strikes = func(r *http.Request, writes int) bool

// fail lets a fault act from now on; nil ends it.
func (g *gate) fail(struck strikes, then fate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.struck = struck
	g.fate = then
	g.writes = 0
}

func (g *gate) wrap(vault http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		then := pass
		g.mu.Lock()
		if g.struck != nil && (g.root == "" || r.Header.Get("X-Vault-Token") != g.root) {
			if isWrite(r) {
				g.writes++
			}
			if g.struck(r, g.writes) {
				then = g.fate
			}
		}
		g.mu.Unlock()
		then(w, r, vault)
	})
}

func isWrite(r *http.Request) bool {
	writes := r.Method == http.MethodPut || r.Method == http.MethodPost
	return writes && strings.HasPrefix(r.URL.Path, "/v1/secret/data/")
}

func pass(w http.ResponseWriter, r *http.Request, vault http.Handler) { vault.ServeHTTP(w, r) }

// status answers as Vault does, without asking it.
func status(code int, message string) fate {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{message}})
	}
}

// reset breaks the connection with a TCP reset before Vault hears of the request.
func reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	hijacker, can := w.(http.Hijacker)
	if !can {
		panic("the client speaks HTTP/2, which this fault does not know")
	}
	connection, _, err := hijacker.Hijack()
	if err != nil {
		return // it is broken already
	}
	raw := connection
	if wrapped, isTLS := connection.(interface{ NetConn() net.Conn }); isTLS {
		raw = wrapped.NetConn()
	}
	if tcp, isTCP := raw.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// loseAnswer lets Vault do what it is asked and breaks the connection instead of answering.
func loseAnswer(w http.ResponseWriter, r *http.Request, vault http.Handler) {
	vault.ServeHTTP(httptest.NewRecorder(), r)
	reset(w, r, vault)
}

// first does something once, before the first request that it meets goes on to then.
func first(do func(), then fate) fate {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, vault http.Handler) {
		once.Do(do)
		then(w, r, vault)
	}
}

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

func newRig(t *testing.T) *rig { t.Helper(); return &rig{lab.New(t)} }

// faulty is a lab with a gate before its Vault.
type faulty struct {
	*rig
	gate *gate

	// Of the run under a fault.
	stack     *sandbox.Stack
	half      int // of the writes
	token     string
	cancel    context.CancelFunc
	restarted chan error
}

func newFaulty(t *testing.T) *faulty { t.Helper(); return openFaulty(t, sandbox.Options{}) }

func openFaulty(t *testing.T, options sandbox.Options) *faulty {
	t.Helper()
	f := &faulty{gate: &gate{}}
	options.Wrap = f.gate.wrap
	f.rig = &rig{lab.Open(t, options)}
	f.gate.root = f.Vault.Root().Token()
	return f
}

// several are n credentials whose values are of one generation.
func several(n int, generation string) lab.Payloads {
	credentials := lab.Payloads{}
	for i := range n {
		name := fmt.Sprintf("key_%02d", i)
		credentials[name] = map[string]any{
			"value": lab.Canary + "-" + generation + "-" + name,
			"user":  "ml",
		}
	}
	return credentials
}

// childCLI is the Pulumi CLI that this test runs, or 0.
func childCLI() int {
	parent := strconv.Itoa(os.Getpid())
	cmd := exec.CommandContext(context.Background(), "pgrep", "-P", parent, "-x", "pulumi")
	said, _ := cmd.Output()
	first, _, _ := bytes.Cut(said, []byte("\n"))
	pid, _ := strconv.Atoi(string(first))
	return pid
}

// cliPID is the process of the CLI that holds the stack, from its lock where that is a file.
func (l *rig) cliPID() int {
	if strings.HasPrefix(l.Options.Backend, "azblob:") {
		return childCLI()
	}
	locks := l.Path("state/.pulumi/locks/organization/*/dev/*.json")
	found, err := filepath.Glob(locks)
	if err != nil || len(found) != 1 {
		return 0
	}
	text, err := os.ReadFile(found[0])
	var held struct {
		PID int `json:"pid"`
	}
	if err != nil || json.Unmarshal(text, &held) != nil {
		return 0
	}
	return held.PID
}

func (l *rig) killCLI() {
	if pid := l.cliPID(); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// history is what Vault holds: for each credential below the stack's prefix, the data of each
// version, nil where deleted.
func history(t *testing.T, vault *api.Client) map[string][]map[string]any {
	t.Helper()
	found := map[string][]map[string]any{}
	list, err := vault.Logical().ListWithContext(t.Context(), "secret/metadata/mlvault/dev")
	require.NoError(t, err)
	if list == nil {
		return found
	}
	names, isList := list.Data["keys"].([]any)
	require.True(t, isList)
	kv := vault.KVv2("secret")
	for _, name := range names {
		path := fmt.Sprint("mlvault/dev/", name)
		versions, err := kv.GetVersionsAsList(t.Context(), path)
		require.NoError(t, err)
		for _, version := range versions {
			secret, err := kv.GetVersion(t.Context(), path, version.Version)
			require.NoError(t, err)
			found[fmt.Sprint(name)] = append(found[fmt.Sprint(name)], secret.Data)
		}
	}
	return found
}

// verdict is what a fault cost.
type verdict struct {
	changes  map[string]int // of the up that repaired
	extra    int            // versions more than an undisturbed run writes
	leftover int            // documents in Azure that the state does not know
}

// judge runs up, and nothing else, and holds what it left against the configuration. before is what
// the fault met, nil for a new stack; other are payloads that a version may have besides.
func (l *rig) judge(
	vault *api.Client, before, wanted lab.Payloads, edits []lab.Edit, other ...lab.Payloads,
) verdict {
	t := l.T
	t.Helper()
	repaired, changes := l.Up("dev", wanted, edits...)
	v := verdict{changes: changes}

	held := history(t, vault)
	require.Empty(t, flaws(held, wanted, append([]lab.Payloads{before, wanted}, other...)...))
	for name := range wanted {
		undisturbed := 1
		if was, existed := before[name]; existed && asJSON(was) != asJSON(wanted[name]) {
			undisturbed = 2
		}
		v.extra += len(held[name]) - undisturbed
	}

	again, err := repaired.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	kinds := slices.Collect(maps.Keys(*again.Summary.ResourceChanges))
	require.Equal(t, []string{"same"}, kinds, "a further up has nothing to do")
	state := l.deployment(repaired)
	require.Empty(t, state.PendingOperations, "the state has no operation in flight")
	azureMLs := l.ARM.List("Microsoft.ContainerRegistry/registries") // it makes them itself
	v.leftover = len(l.ARM.List("")) - len(azureMLs)
	for _, r := range state.Resources {
		if strings.HasPrefix(string(r.Type), "azure-native:") {
			v.leftover--
		}
	}
	read, err := repaired.Job(t.Context())
	require.NoError(t, err, "a job reads")
	require.Len(t, strings.Split(read, "\n"), len(wanted), "all its credentials")
	return v
}

func (l *rig) deployment(stack *sandbox.Stack) apitype.DeploymentV3 {
	l.T.Helper()
	exported, err := stack.Export(l.T.Context())
	require.NoError(l.T, err)
	var deployment apitype.DeploymentV3
	require.NoError(l.T, json.Unmarshal(exported.Deployment, &deployment))
	return deployment
}

// flaws holds what Vault has against the configuration: each credential's newest version is what is
// wanted, to the byte; every version that ever was is whole, which is to say what one of the
// generations says; and nothing else lives.
func flaws(
	held map[string][]map[string]any, wanted lab.Payloads, generations ...lab.Payloads,
) (found []string) {
	for name := range wanted {
		if len(held[name]) == 0 {
			found = append(found, name+" is lost")
		}
	}
	for name, versions := range held {
		newest := versions[len(versions)-1]
		want, configured := wanted[name]
		switch {
		case configured && asJSON(newest) != asJSON(want):
			found = append(found, name+" is not what the configuration says")
		case !configured && newest != nil:
			found = append(found, name+" is no longer configured, and lives")
		}
		for i, data := range versions {
			whole := data == nil // deleted
			for _, generation := range generations {
				whole = whole || (generation[name] != nil && asJSON(generation[name]) == asJSON(data))
			}
			if !whole {
				found = append(found,
					fmt.Sprintf("version %d of %s is neither the old value nor the new one", i+1, name))
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestTheJudgeSeesWhatIsLostHalfWrittenOrLeftOver(t *testing.T) {
	type versions = map[string][]map[string]any
	before := several(2, "old")
	wanted := several(2, "new")
	sound := func() versions {
		return versions{
			"key_00": {before["key_00"], wanted["key_00"], wanted["key_00"]},
			"key_01": {before["key_01"], nil, wanted["key_01"]},
			"gone":   {{"value": "was"}, nil},
		}
	}
	gone := lab.Payloads{"gone": {"value": "was"}}
	require.Empty(t, flaws(sound(), wanted, before, wanted, gone))
	for _, test := range []struct {
		plant func(held versions)
		seen  string
	}{
		{
			plant: func(held versions) { delete(held, "key_00") },
			seen:  "key_00 is lost",
		},
		{
			plant: func(held versions) { held["key_00"] = append(held["key_00"], before["key_00"]) },
			seen:  "key_00 is not what the configuration says",
		},
		{
			plant: func(held versions) { held["key_01"] = append(held["key_01"], nil) },
			seen:  "key_01 is not what the configuration says",
		},
		{
			plant: func(held versions) { held["key_00"][0] = map[string]any{"value": "half"} },
			seen:  "version 1 of key_00 is neither the old value nor the new one",
		},
		{
			plant: func(held versions) { held["gone"] = held["gone"][:1] },
			seen:  "gone is no longer configured, and lives",
		},
	} {
		held := sound()
		test.plant(held)
		require.Equal(t, []string{test.seen}, flaws(held, wanted, before, wanted, gone))
	}
}

func asJSON(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err) // payloads and specs of these tests are plain
	}
	return string(encoded)
}

// requireExplained holds a failed run's output against what it must and must not say.
func (l *rig) requireExplained(err error, cause string) {
	l.T.Helper()
	require.Error(l.T, err)
	token, readErr := os.ReadFile(l.DeployerTokenFile("dev"))
	require.NoError(l.T, readErr)
	searcher, searchErr := search.New(map[string]string{"payload": lab.Canary, "token": string(token)})
	require.NoError(l.T, searchErr)
	require.Empty(l.T, searcher.Search([]byte(err.Error())), "the output of the failed run")
	require.Regexp(l.T, "(?i)"+cause, sandbox.Explain(err), "the run's output was:\n%v", err)
}

// TestProveEveryFaultIsRepairedByTheNextUpAlone has the other rows.
func TestAFaultIsRepairedByTheNextUpAlone(t *testing.T) {
	for name, p := range map[string]phase{
		"sealed in the middle":                           change,
		"answers lost, then the configuration goes back": change,
		"CLI killed, the write delivered":                create,
		"CLI killed between a value and its mark":        create,
		"CLI killed, with a compressed state":            create, // docs/benchmarks.md recommends it
		"two ups at once":                                create,
	} {
		t.Run(name, func(t *testing.T) { find(t, name).run(t, p, 4) })
	}
}

// Of a state in a bucket only the CLI can tell who holds it. Files at which nothing but the CLI looks
// stand for a bucket here. TestOnAzurite has a real one.
func TestAStateThatOnlyTheCLISeesIsRepairedByTheNextUpAlone(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	require.NoError(t, os.Mkdir(state, 0o700))
	x := find(t, "CLI killed, the write delivered")
	x.where = sandbox.Options{Dir: dir, Backend: "file://" + state + "?metadata=skip"}
	x.run(t, create, 4)
}
