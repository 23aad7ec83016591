//go:build unix

package faults

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

// phase is what the run under the fault does: make a new stack, or change every credential of one.
type phase string

const (
	create phase = "create"
	change phase = "change"
)

var both = []phase{create, change}

// outcome is how the run under the fault must end.
type outcome int

const (
	fails outcome = iota
	rides         // it succeeds all the same
	either
)

// fault is a row of the table.
type fault struct {
	name   string
	how    string
	phases []phase // empty: change
	ends   outcome
	cause  string        // in the sentence that explains the failure
	act    string        // what a person does in Vault or Azure before the next up of a real stack
	extra  int           // versions that it may cost for each resource in flight
	token  time.Duration // lifetime of the deployer's token; 0: long
	env    []string      // of the CLI
	where  sandbox.Options

	// asks is what the run under the fault has configured, and next what the next up has. Without them
	// both have what is wanted.
	asks func(before, wanted lab.Payloads) lab.Payloads
	next func(before, wanted lab.Payloads) lab.Payloads

	provoke act
	heal    act // undoes what outlives the run; nil: nothing does
}

// inFlight is how many resources the CLI works on at once in these runs. Its own default grows with
// the machine.
const inFlight = 4

// act is done to a lab, before, during or after the run under the fault.
type act = func(f *faulty)

// from strikes every request from half of the writes on.
func from(then fate) act {
	return func(f *faulty) {
		f.gate.fail(func(_ *http.Request, writes int) bool { return writes >= f.half }, then)
	}
}

// at strikes one write alone, at half of them; retries of it are other writes.
func at(then fate) act {
	return func(f *faulty) {
		f.gate.fail(func(r *http.Request, writes int) bool {
			return isWrite(r) && writes == f.half
		}, then)
	}
}

// during does something when that write arrives.
func during(do act, then fate) act {
	return func(f *faulty) { at(first(func() { do(f) }, then))(f) }
}

// on strikes the requests that match, and their retries.
func on(match func(r *http.Request) bool, then fate) act {
	return func(f *faulty) { f.gate.fail(func(r *http.Request, _ int) bool { return match(r) }, then) }
}

func all(*http.Request) bool { return true }

func enablesBackend(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/v1/sys/auth/jwt-mlvault-dev-ae5143b98a56bf8e"
}

// marks tells of a request that says whose a secret is.
func marks(r *http.Request) bool {
	writes := r.Method == http.MethodPut || r.Method == http.MethodPost
	return writes && strings.HasPrefix(r.URL.Path, "/v1/secret/metadata/")
}

// record is what one run of a fault showed.
type record struct {
	fault    fault
	phase    phase
	err      error
	sentence string
	plain    bool // `pulumi up` alone, without what make up and make repair do first, repairs it too
	v        verdict
}

// struck is a stack after the fault, healed and not repaired.
type struck struct {
	*faulty
	record

	before lab.Payloads // what the fault met
	wanted lab.Payloads // what its run had configured
	next   lab.Payloads // what the next up has
	edits  []lab.Edit
}

// run meets a stack of n credentials with the fault, halfway, and lets the next up alone repair it.
func (x fault) run(t *testing.T, p phase, n int) record {
	t.Helper()
	return x.judge(t, x.strike(t, p, n))
}

// plainUp tells what `pulumi up` without more makes of a copy of what the fault left.
func (s struck) plainUp(t *testing.T) (repairs bool, says []string) {
	t.Helper()
	dir := s.Options.Dir
	s.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	f := openFaulty(t, sandbox.Options{Dir: copied})
	wrap := s.WrapCommand
	f.WrapCommand = wrap
	defer func() {
		f.Close()
		*s.faulty = *openFaulty(t, sandbox.Options{Dir: dir})
		s.WrapCommand = wrap
	}()
	configured := f.Prepare("dev", s.next, s.edits...)
	dead, living, err := f.Files("dev").Locks()
	require.NoError(t, err)
	locks := len(dead) + len(living)
	if locks > 0 {
		require.NoError(t, configured.Cancel(t.Context()))
	}
	if _, err := configured.Stack.Up(t.Context(), optup.SuppressProgress()); err != nil {
		return false, []string{sandbox.Explain(err)}
	}
	says = flaws(history(t, f.Vault.Root()), s.next, s.before, s.wanted, several(len(s.wanted), "new"))
	pending := f.deployment(configured).PendingOperations
	return len(says)+len(pending)+locks == 0, says
}

func (x fault) judge(t *testing.T, s struck) record {
	t.Helper()
	s.v = s.judge(s.Vault.Root(), s.before, s.next, s.edits, s.wanted)
	if x.next == nil {
		require.LessOrEqual(t, s.v.extra, x.extra*inFlight,
			"versions written beside those of an undisturbed run")
	}
	return s.record
}

// withEnv is the CLI with more in its environment.
type withEnv struct {
	auto.PulumiCommand
	more []string
}

func (c withEnv) Run(
	ctx context.Context, dir string, in io.Reader, out, errs []io.Writer,
	env []string, args ...string,
) (string, string, int, error) {
	env = slices.Concat(env, c.more)
	return c.PulumiCommand.Run(ctx, dir, in, out, errs, env, args...)
}

func (x fault) strike(t *testing.T, p phase, n int) struck {
	t.Helper()
	f := openFaulty(t, x.where)
	f.WrapCommand = func(command auto.PulumiCommand) auto.PulumiCommand {
		return withEnv{PulumiCommand: command, more: x.env}
	}
	s := struck{faulty: f, record: record{fault: x, phase: p}, wanted: several(n, "new")}
	if p == change {
		s.before = several(n, "old")
		f.Up("dev", s.before)
	}
	if x.asks != nil {
		s.wanted = x.asks(s.before, s.wanted)
	}
	s.next = s.wanted
	if x.next != nil {
		s.next = x.next(s.before, s.wanted)
	}
	// So that a change is one in Azure too.
	s.edits = []lab.Edit{lab.With(t, "azure.tags.generation", string(p))}
	settings := sandbox.Settings{Stack: "dev", Credentials: s.wanted.JSON(t), Edits: s.edits}
	configured, err := f.Configure(t.Context(), settings)
	require.NoError(t, err)
	if x.token > 0 {
		f.token = f.deployer(configured, x.token)
		settings.Token = f.token
		configured, err = f.Configure(t.Context(), settings)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.cancel = cancel
	f.stack = configured
	f.half = n / 2
	x.provoke(f)
	_, s.err = configured.Up(ctx, optup.SuppressProgress(), optup.Parallel(inFlight))
	f.gate.fail(nil, nil)
	if x.heal != nil {
		x.heal(f)
	}
	switch x.ends {
	case rides:
		require.NoError(t, s.err)
	case fails:
		require.Error(t, s.err)
	case either:
	}
	if s.err != nil {
		f.requireExplained(s.err, x.cause)
		s.sentence = sandbox.Explain(s.err)
	}
	return s
}

// stopVault ends Vault as a crash does: no request in flight is answered.
func (f *faulty) stopVault() {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_ = f.Vault.Stop(gone)
}

func (f *faulty) restartVault() { require.NoError(f.T, f.StartVault(f.T.Context())) }

// back is the configuration as it was, and half is half of one.
func back(before, _ lab.Payloads) lab.Payloads { return before }

func half(all lab.Payloads) lab.Payloads {
	some := lab.Payloads{}
	for _, name := range slices.Sorted(maps.Keys(all))[:len(all)/2] {
		some[name] = all[name]
	}
	return some
}

func find(t *testing.T, name string) fault {
	t.Helper()
	for _, x := range faults() {
		if x.name == name {
			return x
		}
	}
	t.Fatalf("there is no fault %q", name)
	return fault{}
}

func seal(f *faulty) { _ = f.Vault.Seal() }

// unseal heals every fault that leaves Vault running and sealed.
func unseal(f *faulty) { require.NoError(f.T, f.Vault.Unseal(f.T.Context())) }

func slow(pause time.Duration) fate {
	return func(w http.ResponseWriter, r *http.Request, vault http.Handler) {
		time.Sleep(pause)
		vault.ServeHTTP(w, r)
	}
}

// hang lets Vault do what it is asked and never answers.
func hang(w http.ResponseWriter, r *http.Request, vault http.Handler) {
	vault.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
	<-r.Context().Done()
}

const (
	armWorkspace = "Microsoft.MachineLearningServices/workspaces"
	armStorage   = "Microsoft.Storage/storageAccounts"
)

// faults is the table, in the order of issue and docs.
func faults() []fault {
	azure := func(fault arm.Fault) act { return func(f *faulty) { f.ARM.Inject(fault) } }
	return []fault{
		{
			name:    "Vault down before",
			how:     "Vault stopped before the run",
			ends:    fails,
			cause:   "Vault is not there",
			act:     "start Vault",
			provoke: (*faulty).stopVault,
			heal:    (*faulty).restartVault,
		},
		{
			name:    "Vault down in the middle",
			how:     "Vault stopped at half of the writes, connections cut",
			phases:  both,
			ends:    fails,
			cause:   "Vault is not there",
			act:     "start Vault",
			extra:   1,
			provoke: during((*faulty).stopVault, reset),
			heal:    (*faulty).restartVault,
		},
		{
			name:    "sealed before",
			how:     "sys/seal before the run",
			ends:    fails,
			cause:   "have it unsealed",
			act:     "unseal Vault",
			provoke: seal,
			heal:    unseal,
		},
		{
			name:    "sealed in the middle",
			how:     "sys/seal at half of the writes",
			phases:  both,
			ends:    fails,
			cause:   "have it unsealed",
			act:     "unseal Vault",
			extra:   1,
			provoke: during(seal, pass),
			heal:    unseal,
		},
		{
			name:  "restarted in the middle",
			how:   "Vault stopped at half of the writes and started again at once",
			ends:  either,
			cause: "run `make up` again",
			extra: 1,
			provoke: during(func(f *faulty) {
				f.stopVault()
				f.gate.fail(nil, nil)
				f.restarted = make(chan error, 1)
				go func() { f.restarted <- f.StartVault(context.WithoutCancel(f.T.Context())) }()
			}, reset),
			heal: func(f *faulty) { require.NoError(f.T, <-f.restarted) },
		},
		{
			name: "503 from a standby",
			how: "every request from half of the writes on is answered 503, " +
				"as a standby without an active node is seen through a load balancer",
			ends:  fails,
			cause: "no active Vault",
			act:   "wait for an active Vault",
			extra: 1,
			provoke: from(status(http.StatusServiceUnavailable,
				"local node not active but active cluster node not found")),
		},
		{
			name:    "503 for a moment",
			how:     "one write is answered 503 once",
			ends:    rides,
			provoke: at(status(http.StatusServiceUnavailable, "no healthy upstream")),
		},
		{
			name:    "473 from a performance standby",
			how:     "every request from half of the writes on is answered 473, which nobody sends again",
			ends:    fails,
			cause:   "no active Vault",
			act:     "wait for an active Vault",
			extra:   1,
			provoke: from(status(473, "Vault is in standby")),
		},
		{
			name:    "slow Vault",
			how:     "each request takes half a second more",
			ends:    rides,
			provoke: on(all, slow(500*time.Millisecond)),
		},
		{
			name:    "a write that is never answered",
			how:     "Vault takes one write and does not answer; the client waits a minute",
			ends:    fails,
			cause:   "took too long",
			extra:   1,
			provoke: at(hang),
		},
		{
			name: "connection resets, now and then",
			how:  "each fifth request is reset before Vault hears of it",
			ends: rides,
			provoke: func(f *faulty) {
				count := 0
				on(func(*http.Request) bool { count++; return count%5 == 0 }, reset)(f)
			},
		},
		{
			name:    "connection resets, for good",
			how:     "every request from half of the writes on is reset",
			ends:    fails,
			cause:   "connection to Vault broke",
			act:     "mend the network",
			extra:   1,
			provoke: from(reset),
		},
		{
			name: "one answer lost",
			how: "Vault takes one write, the connection is reset instead of the answer; " +
				"the client sends it again",
			ends:    rides,
			extra:   1,
			provoke: at(loseAnswer),
		},
		{
			name:    "answers lost, for good",
			how:     "from half of the writes on Vault takes every request and no answer arrives",
			phases:  both,
			ends:    fails,
			cause:   "may have been done",
			act:     "mend the network",
			extra:   3,
			provoke: from(loseAnswer),
		},
		{
			name:    "answers lost, then the configuration goes back",
			how:     "as above for every write; the next up has the old values configured",
			phases:  []phase{change},
			ends:    fails,
			cause:   "may have been done",
			act:     "mend the network",
			provoke: on(isWrite, loseAnswer),
			next:    back,
		},
		{
			name:    "answer to enabling the auth backend lost",
			how:     "Vault enables it and no answer arrives",
			phases:  []phase{create},
			ends:    fails,
			cause:   "run `make up` again",
			act:     "disable the backend that `make preflight` names",
			provoke: on(enablesBackend, loseAnswer),
		},
		{
			name:    "full disk",
			how:     "Vault's process may write no file from half of the writes on",
			phases:  both,
			ends:    fails,
			cause:   "disk is full",
			act:     "make room for Vault",
			extra:   1,
			provoke: during(func(f *faulty) { _ = f.Vault.FillDisk(true) }, pass),
			heal:    func(f *faulty) { require.NoError(f.T, f.Vault.FillDisk(false)) },
		},
		{
			name:    "token revoked in the middle",
			how:     "auth/token/revoke at half of the writes",
			ends:    fails,
			cause:   "Set a new one|set it with",
			act:     "set a new token",
			extra:   1,
			token:   time.Hour,
			provoke: during(func(f *faulty) { _ = f.Vault.Root().Auth().Token().RevokeTree(f.token) }, pass),
		},
		{
			name:    "token expires in the middle",
			how:     "a token of 20 s, and a write that waits until it is dead",
			phases:  both,
			ends:    fails,
			cause:   "Set a new one|set it with",
			act:     "set a new token",
			extra:   1,
			token:   20 * time.Second,
			provoke: func(f *faulty) { from(first(f.awaitDeath, pass))(f) },
		},
		{
			name: "ARM 429 with Retry-After",
			how:  "the PUT of the ML workspace is answered 429 three times",
			ends: rides,
			provoke: azure(arm.Fault{
				Type:       armWorkspace,
				Method:     http.MethodPut,
				Times:      3,
				Status:     http.StatusTooManyRequests,
				Code:       "TooManyRequests",
				Message:    "slow down",
				RetryAfter: 100 * time.Millisecond,
			}),
		},
		{
			name:  "ARM 429, for good",
			how:   "each PUT of the ML workspace is answered 429",
			ends:  fails,
			cause: "throttles",
			extra: 1,
			provoke: azure(arm.Fault{
				Type:    armWorkspace,
				Method:  http.MethodPut,
				Times:   4,
				Status:  http.StatusTooManyRequests,
				Code:    "TooManyRequests",
				Message: "slow down",
			}),
		},
		{
			name:   "ARM 409 in the middle",
			how:    "the PUT of the storage account is answered 409",
			phases: both,
			ends:   fails,
			cause:  "another operation",
			extra:  1,
			provoke: azure(arm.Fault{
				Type:    armStorage,
				Method:  http.MethodPut,
				Status:  http.StatusConflict,
				Code:    "StorageAccountOperationInProgress",
				Message: "An operation is in progress on this account",
			}),
		},
		{
			name:   "ARM 500 in the middle",
			how:    "each PUT of the ML workspace is answered 500",
			phases: both,
			ends:   fails,
			cause:  "Azure failed inside",
			extra:  1,
			provoke: azure(arm.Fault{
				Type:    armWorkspace,
				Method:  http.MethodPut,
				Times:   4,
				Status:  http.StatusInternalServerError,
				Code:    "InternalServerError",
				Message: "internal",
			}),
		},
		{
			name:   "ARM 500 after the work was done",
			how:    "the storage account is created, and four times the GET that follows is answered 500",
			phases: []phase{create},
			ends:   fails,
			cause:  "Azure failed inside",
			act:    "delete what is left over in Azure",
			extra:  1,
			provoke: azure(arm.Fault{
				Type:    armStorage,
				Method:  http.MethodGet,
				Skip:    1,
				Times:   4,
				Status:  http.StatusInternalServerError,
				Code:    "InternalServerError",
				Message: "internal",
			}),
		},
		{
			name:    "CLI killed, the write not delivered",
			how:     "SIGKILL when a write arrives at Vault, which never sees it",
			ends:    fails,
			cause:   "was killed",
			extra:   1,
			provoke: during((*faulty).killCLI, reset),
		},
		{
			name:    "CLI killed, the write delivered",
			how:     "SIGKILL when a write arrives at Vault, which does it",
			phases:  both,
			ends:    fails,
			cause:   "was killed",
			extra:   1,
			provoke: during((*faulty).killCLI, pass),
		},
		{
			name:    "CLI killed between a value and its mark",
			how:     "SIGKILL when a secret's metadata arrive at Vault, which never sees any of them",
			phases:  both,
			ends:    fails,
			cause:   "was killed",
			extra:   1,
			provoke: func(f *faulty) { on(marks, first(f.killCLI, reset))(f) },
		},
		{
			name:    "CLI killed while the auth backend is enabled",
			how:     "SIGKILL when the request arrives at Vault, which does it",
			phases:  []phase{create},
			ends:    fails,
			cause:   "was killed",
			extra:   1,
			provoke: func(f *faulty) { on(enablesBackend, first(f.killCLI, pass))(f) },
		},
		{
			name:   "CLI killed while Azure works",
			how:    "SIGKILL while ARM takes seconds for the storage account",
			phases: []phase{create},
			ends:   fails,
			cause:  "was killed",
			extra:  1,
			provoke: func(f *faulty) {
				f.ARM.Inject(arm.Fault{
					Type:    armStorage,
					Method:  http.MethodGet,
					Skip:    1, // so that it is the one after the PUT
					Latency: 5 * time.Second,
				})
				go func() {
					for len(f.ARM.List(armStorage)) == 0 {
						time.Sleep(20 * time.Millisecond)
					}
					f.killCLI()
				}()
			},
		},
		{
			name: "CLI killed, then a credential leaves the configuration",
			how: "SIGKILL when a write arrives at Vault, which does it; " +
				"the next up has half of the credentials",
			phases:  []phase{create},
			ends:    fails,
			cause:   "was killed",
			provoke: during((*faulty).killCLI, pass),
			next:    func(_, wanted lab.Payloads) lab.Payloads { return half(wanted) },
		},
		{
			name: "CLI killed, then the configuration goes back",
			how: "SIGKILL when a write arrives at Vault, which does it; " +
				"the next up has the old values configured",
			ends:    fails,
			cause:   "was killed",
			provoke: during((*faulty).killCLI, pass),
			next:    back,
		},
		{
			name: "answers to deletions lost, then the credentials come back",
			how: "half of the credentials leave the configuration, Vault deletes them and no answer " +
				"arrives; the next up has them all again",
			ends:  fails,
			cause: "may have been done",
			act:   "mend the network",
			asks:  func(before, _ lab.Payloads) lab.Payloads { return half(before) },
			provoke: on(func(r *http.Request) bool {
				return r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/v1/secret/data/")
			}, loseAnswer),
			next: back,
		},
		{
			name: "CLI killed, with a compressed state",
			how: "PULUMI_DIY_BACKEND_ZSTD=true, GOGC=400; " +
				"SIGKILL when a write arrives at Vault, which does it",
			phases:  both,
			ends:    fails,
			cause:   "was killed",
			extra:   1,
			env:     []string{"PULUMI_DIY_BACKEND_ZSTD=true", "GOGC=400"},
			provoke: during((*faulty).killCLI, pass),
		},
		{
			name:    "two ups at once",
			how:     "a second CLI and a second make up start when a write of the first arrives",
			ends:    rides,
			provoke: during(twoUps, pass),
		},
		{
			name:    "Ctrl-C to make up",
			how:     "its context ends at half of the writes, and it interrupts its CLI",
			ends:    fails,
			cause:   "interrupted",
			extra:   1,
			provoke: during(func(f *faulty) { f.cancel() }, pass),
		},
		{
			name:  "Ctrl-C on a terminal",
			how:   "SIGINT to make up and to its CLI, as a terminal sends it to both",
			ends:  fails,
			cause: "interrupted",
			extra: 1,
			provoke: during(func(f *faulty) {
				_ = syscall.Kill(f.cliPID(), syscall.SIGINT)
				f.cancel()
			}, pass),
		},
	}
}

// twoUps starts a second up of the same stack by the CLI, and a second make up, while the first is
// at work.
func twoUps(f *faulty) {
	_, err := sandbox.Open(context.WithoutCancel(f.T.Context()), f.Options)
	var inUse *vaultserver.InUseError
	if !errors.As(err, &inUse) || !strings.Contains(sandbox.Explain(err), "wait for it") {
		f.T.Errorf("a second make up finds the sandbox taken, and says so: %v", err)
	}
	_, err = f.stack.Stack.Up(context.WithoutCancel(f.T.Context()), optup.SuppressProgress())
	if !auto.IsConcurrentUpdateError(err) || !strings.Contains(sandbox.Explain(err), "wait for it") {
		f.T.Errorf("a second CLI finds the stack locked, and says so: %v", err)
	}
	dead, living, err := f.Files("dev").Locks()
	if len(dead) != 0 || len(living) != 1 || err != nil {
		f.T.Errorf("the lock of a living process is none to remove: %v, %v, %v", dead, living, err)
	}
}

// awaitDeath returns when Vault no longer knows the run's token.
func (f *faulty) awaitDeath() {
	for range 600 {
		if _, err := f.Vault.Root().Auth().Token().Lookup(f.token); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
