//go:build unix

package faults

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
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
	name, how string
	phases    []phase // empty: change

	// provoke arms the fault for a run of the configured stack; write is the write of a credential at which it strikes.
	provoke func(f *faulty, configured *sandbox.Stack, write int)
	heal    func(f *faulty)                                // undoes what outlives the run; nil: nothing does
	start   func(f *faulty, c lab.Payloads, write int)     // instead of provoke and a run in this process
	token   time.Duration                                  // lifetime of the deployer's token; 0: long
	asks    func(before, wanted lab.Payloads) lab.Payloads // what the run under the fault has configured; nil: wanted
	next    func(before, wanted lab.Payloads) lab.Payloads // what the next up has configured; nil: the same
	ends    outcome
	cause   string // in the sentence that explains the failure
	extra   int    // versions that it may cost for each resource in flight
}

// inFlight is how many resources the CLI works on at once in these runs. Its own default grows with the machine.
const inFlight = 4

// record is what one run of a fault showed.
type record struct {
	fault    fault
	phase    phase
	err      error
	sentence string
	v        verdict
}

// struck is a stack after the fault, healed and not repaired.
type struck struct {
	*faulty
	record

	before, wanted, next lab.Payloads // what the fault met, what its run had configured, what the next up has
	edits                []lab.Edit
}

// run meets a stack of n credentials with the fault, halfway, and lets the next up alone repair it.
func (x fault) run(t *testing.T, p phase, n int) record {
	t.Helper()
	s := x.strike(t, p, n)
	s.v = s.judge(s.Vault.Root(), s.before, s.next, s.edits, s.wanted)
	if x.next == nil {
		require.LessOrEqual(t, s.v.extra, x.extra*inFlight, "versions written beside those of an undisturbed run")
	}
	return s.record
}

func (x fault) strike(t *testing.T, p phase, n int) struck {
	t.Helper()
	f := newFaulty(t)
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
	s.edits = []lab.Edit{lab.With(t, "azure.tags.generation", string(p))} // so that a change is one in Azure too
	if x.start != nil {
		dir := f.Options.Dir
		f.Close()
		x.start(f, s.wanted, n/2)
		s.faulty = openFaulty(t, dir)
		s.sentence = "the process is gone, and said nothing"
		return s
	}

	settings := sandbox.Settings{Stack: "dev", Credentials: s.wanted.JSON(t), Edit: s.edits[0]}
	configured, err := f.Configure(t.Context(), settings)
	require.NoError(t, err)
	if x.token > 0 {
		settings.Token = f.shortToken(x.token)
		configured, err = f.Configure(t.Context(), settings)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.cancel = cancel
	x.provoke(f, configured, n/2)
	_, s.err = configured.Up(ctx, optup.SuppressProgress(), optup.Parallel(inFlight))
	f.gate.fail(nil)
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

// shortToken is a deployer's token with its policy that lives for a moment.
func (f *faulty) shortToken(life time.Duration) string {
	f.T.Helper()
	policy, err := f.Vault.Root().Sys().GetPolicyWithContext(f.T.Context(), "deployer-mlvault-dev-ae5143b9")
	require.NoError(f.T, err)
	token, err := f.Vault.Token(f.T.Context(), "deployer-mlvault-dev-ae5143b9", policy, life)
	require.NoError(f.T, err)
	f.token = token
	return token
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
	vault.ServeHTTP(discard{http.Header{}}, r.WithContext(context.WithoutCancel(r.Context())))
	<-r.Context().Done()
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

const (
	authMount    = "/v1/sys/auth/jwt-mlvault-dev-ae5143b9"
	armWorkspace = "Microsoft.MachineLearningServices/workspaces"
	armStorage   = "Microsoft.Storage/storageAccounts"
)

// faults is the table, in the order of issue and docs.
func faults() []fault {
	gated := func(rule func(write int) rule) func(*faulty, *sandbox.Stack, int) {
		return func(f *faulty, _ *sandbox.Stack, write int) { f.gate.fail(rule(write)) }
	}
	azure := func(faults ...arm.Fault) func(*faulty, *sandbox.Stack, int) {
		return func(f *faulty, _ *sandbox.Stack, _ int) {
			for _, one := range faults {
				f.ARM.Inject(one)
			}
		}
	}
	killed := func(then fate) func(*faulty, *sandbox.Stack, int) {
		return func(f *faulty, _ *sandbox.Stack, write int) { f.gate.fail(at(write, first(f.killCLI, then))) }
	}
	child := func(delivered, group bool) func(*faulty, lab.Payloads, int) {
		return func(f *faulty, c lab.Payloads, write int) {
			started := startChild(f.T, "up", childUp{Dir: f.Options.Dir, Credentials: c, KillAt: write, Delivered: delivered, Group: group})
			require.Error(f.T, started.Wait())
		}
	}
	list := []fault{
		{name: "Vault down before", how: "Vault stopped before the run", ends: fails, cause: "Vault is not there",
			provoke: func(f *faulty, _ *sandbox.Stack, _ int) { f.stopVault() }, heal: (*faulty).restartVault},
		{name: "Vault down in the middle", phases: both, how: "Vault stopped at half of the writes, connections cut", ends: fails, cause: "Vault is not there", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) { f.gate.fail(at(write, first(f.stopVault, reset))) }, heal: (*faulty).restartVault},
		{name: "sealed before", how: "sys/seal before the run", ends: fails, cause: "have it unsealed",
			provoke: func(f *faulty, _ *sandbox.Stack, _ int) { require.NoError(f.T, f.Vault.Seal()) }, heal: unseal},
		{name: "sealed in the middle", phases: both, how: "sys/seal at half of the writes", ends: fails, cause: "have it unsealed", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(at(write, first(func() { _ = f.Vault.Seal() }, pass)))
			}, heal: unseal},
		{name: "restarted in the middle", how: "Vault stopped at half of the writes and started again at once", ends: either, cause: "run up again", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.restarted = make(chan error, 1)
				f.gate.fail(at(write, first(func() {
					f.stopVault()
					f.gate.fail(nil)
					go func() { f.restarted <- f.StartVault(context.WithoutCancel(f.T.Context())) }()
				}, reset)))
			}, heal: func(f *faulty) { require.NoError(f.T, <-f.restarted) }},
		{name: "503 from a standby", how: "every request from half of the writes on is answered 503, as a standby without an active node is seen through a load balancer", ends: fails, cause: "no active Vault",
			extra: 1, provoke: gated(func(write int) rule {
				return from(write, status(http.StatusServiceUnavailable, "local node not active but active cluster node not found"))
			})},
		{name: "503 for a moment", how: "one write is answered 503 once", ends: rides,
			provoke: gated(func(write int) rule { return at(write, status(http.StatusServiceUnavailable, "no healthy upstream")) })},
		{name: "473 from a performance standby", how: "every request from half of the writes on is answered 473, which nobody sends again", ends: fails, cause: "no active Vault", extra: 1,
			provoke: gated(func(write int) rule { return from(write, status(473, "Vault is in standby")) })},
		{name: "slow Vault", how: "each request takes half a second more", ends: rides,
			provoke: gated(func(int) rule { return from(0, slow(500*time.Millisecond)) })},
		{name: "a write that is never answered", how: "Vault takes one write and does not answer; the client waits a minute", ends: fails, cause: "took too long", extra: 1,
			provoke: gated(func(write int) rule { return at(write, hang) })},
		{name: "connection resets, now and then", how: "each fifth request is reset before Vault hears of it", ends: rides,
			provoke: func(f *faulty, _ *sandbox.Stack, _ int) {
				count := 0
				f.gate.fail(func(*http.Request, int, bool) fate {
					if count++; count%5 == 0 {
						return reset
					}
					return nil
				})
			}},
		{name: "connection resets, for good", how: "every request from half of the writes on is reset", ends: fails, cause: "connection to Vault broke", extra: 1,
			provoke: gated(func(write int) rule { return from(write, reset) })},
		{name: "one answer lost", how: "Vault takes one write, the connection is reset instead of the answer; the client sends it again", ends: rides, extra: 1,
			provoke: gated(func(write int) rule { return at(write, loseAnswer) })},
		{name: "answers lost, for good", phases: both, how: "from half of the writes on Vault takes every request and no answer arrives", ends: fails, cause: "may have been done", extra: 3,
			provoke: gated(func(write int) rule { return from(write, loseAnswer) })},
		{name: "answers lost, then the configuration goes back", how: "as above for every write; the next up has the old values configured", phases: []phase{change}, ends: fails, cause: "may have been done",
			provoke: gated(func(int) rule {
				return func(_ *http.Request, _ int, isWrite bool) fate {
					if isWrite {
						return loseAnswer
					}
					return nil
				}
			}),
			next: back},
		{name: "answer to enabling the auth backend lost", how: "Vault enables it and no answer arrives", phases: []phase{create}, ends: fails, cause: "run up again|docs/operations",
			provoke: gated(func(int) rule { return on(http.MethodPost, authMount, loseAnswer) })},
		{name: "full disk", phases: both, how: "Vault's process may write no file from half of the writes on", ends: fails, cause: "disk is full", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(at(write, first(func() { _ = f.Vault.FillDisk(true) }, pass)))
			}, heal: func(f *faulty) { require.NoError(f.T, f.Vault.FillDisk(false)) }},
		{name: "token revoked in the middle", how: "auth/token/revoke at half of the writes", ends: fails, cause: "Set a new one|set it with", token: time.Hour, extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(at(write, first(func() { _ = f.Vault.Root().Auth().Token().RevokeTree(f.token) }, pass)))
			}},
		{name: "token expires in the middle", phases: both, how: "a token of 20 s, and a write that waits until it is dead", ends: fails, cause: "Set a new one|set it with", token: 20 * time.Second, extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(from(write, first(func() { f.awaitDeath() }, pass)))
			}},
		{name: "ARM 429 with Retry-After", how: "the PUT of the ML workspace is answered 429 three times", ends: rides,
			provoke: azure(arm.Fault{Type: armWorkspace, Method: "PUT", Times: 3, Status: 429, Code: "TooManyRequests", Message: "slow down", RetryAfter: 100 * time.Millisecond})},
		{name: "ARM 429, for good", how: "each PUT of the ML workspace is answered 429", ends: fails, cause: "throttles", extra: 1,
			provoke: azure(arm.Fault{Type: armWorkspace, Method: "PUT", Times: 4, Status: 429, Code: "TooManyRequests", Message: "slow down"})},
		{name: "ARM 409 in the middle", phases: both, how: "the PUT of the storage account is answered 409", ends: fails, cause: "another operation", extra: 1,
			provoke: azure(arm.Fault{Type: armStorage, Method: "PUT", Status: 409, Code: "StorageAccountOperationInProgress", Message: "An operation is in progress on this account"})},
		{name: "ARM 500 in the middle", phases: both, how: "each PUT of the ML workspace is answered 500", ends: fails, cause: "Azure failed inside", extra: 1,
			provoke: azure(arm.Fault{Type: armWorkspace, Method: "PUT", Times: 4, Status: 500, Code: "InternalServerError", Message: "internal"})},
		{name: "ARM 500 after the work was done", how: "the storage account is created, and four times the GET that follows is answered 500", phases: []phase{create}, ends: fails, cause: "Azure failed inside", extra: 1,
			provoke: azure(arm.Fault{Type: armStorage, Method: "GET", Skip: 1, Times: 4, Status: 500, Code: "InternalServerError", Message: "internal"})},
		{name: "CLI killed, the write not delivered", how: "SIGKILL when a write arrives at Vault, which never sees it", ends: fails, cause: "was killed", extra: 1,
			provoke: killed(reset)},
		{name: "CLI killed, the write delivered", phases: both, how: "SIGKILL when a write arrives at Vault, which does it", ends: fails, cause: "was killed", extra: 1,
			provoke: killed(pass)},
		{name: "CLI killed while the auth backend is enabled", how: "SIGKILL when the request arrives at Vault, which does it", phases: []phase{create}, ends: fails, cause: "was killed", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, _ int) {
				f.gate.fail(on(http.MethodPost, authMount, first(f.killCLI, pass)))
			}},
		{name: "CLI killed while Azure works", how: "SIGKILL while ARM takes seconds for the storage account", phases: []phase{create}, ends: fails, cause: "was killed", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, _ int) {
				f.ARM.Inject(arm.Fault{Type: armStorage, Method: "GET", Skip: 1, Latency: 5 * time.Second}) // the one after the PUT
				go func() {
					for len(f.ARM.List(armStorage)) == 0 {
						time.Sleep(20 * time.Millisecond)
					}
					f.killCLI()
				}()
			}},
		{name: "CLI killed, then a credential leaves the configuration", how: "SIGKILL when a write arrives at Vault, which does it; the next up has half of the credentials", phases: []phase{create}, ends: fails, cause: "was killed",
			provoke: killed(pass),
			next:    func(_, wanted lab.Payloads) lab.Payloads { return half(wanted) }},
		{name: "CLI killed, then the configuration goes back", how: "SIGKILL when a write arrives at Vault, which does it; the next up has the old values configured", ends: fails, cause: "was killed",
			provoke: killed(pass), next: back},
		{name: "answers to deletions lost, then the credentials come back", how: "half of the credentials leave the configuration, Vault deletes them and no answer arrives; the next up has them all again", ends: fails, cause: "may have been done",
			asks: func(before, _ lab.Payloads) lab.Payloads { return half(before) },
			provoke: gated(func(int) rule {
				return func(r *http.Request, _ int, _ bool) fate {
					if r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/v1/secret/data/") {
						return loseAnswer
					}
					return nil
				}
			}),
			next: back},
		{name: "make up killed, its CLI left over", phases: []phase{create}, how: "SIGKILL to the process with program, plugin and Vault when a write has been done", start: child(true, false), extra: 1},
		{name: "make up and CLI killed", phases: []phase{create}, how: "SIGKILL to the process group when a write has been done", start: child(true, true), extra: 1},
		{name: "two ups at once", how: "a second CLI and a second make up start when a write of the first arrives", ends: rides, provoke: twoUps},
		{name: "Ctrl-C to make up", how: "its context ends at half of the writes, and it interrupts its CLI", ends: fails, cause: "interrupted", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) { f.gate.fail(at(write, first(f.cancel, pass))) }},
		{name: "Ctrl-C on a terminal", how: "SIGINT to make up and to its CLI, as a terminal sends it to both", ends: fails, cause: "interrupted", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(at(write, first(func() {
					_ = syscall.Kill(f.cliPID(), syscall.SIGINT)
					f.cancel()
				}, pass)))
			}},
	}
	// At random, and the same each time.
	random := rand.New(rand.NewPCG(8, 2026))
	for i := range 3 {
		share := random.Float64()
		list = append(list, fault{name: "CLI killed at random, " + []string{"first", "second", "third"}[i] + " time", how: "SIGKILL at a write from a seeded random number",
			ends: fails, cause: "was killed", extra: 1,
			provoke: func(f *faulty, _ *sandbox.Stack, write int) {
				f.gate.fail(at(1+int(share*float64(2*write-1)), first(f.killCLI, pass)))
			}})
	}
	return list
}

// twoUps starts a second up of the same stack by the CLI, and a second make up, while the first is at work.
func twoUps(f *faulty, configured *sandbox.Stack, write int) {
	f.gate.fail(at(write, first(func() {
		_, err := sandbox.Open(context.WithoutCancel(f.T.Context()), f.Options)
		var inUse *vaultserver.InUseError
		if !errors.As(err, &inUse) || !strings.Contains(sandbox.Explain(err), "wait for it") {
			f.T.Errorf("a second make up finds the sandbox taken, and says so: %v", err)
		}
		_, err = configured.Stack.Up(context.WithoutCancel(f.T.Context()), optup.SuppressProgress())
		if !auto.IsConcurrentUpdateError(err) || !strings.Contains(sandbox.Explain(err), "wait for it") {
			f.T.Errorf("a second CLI finds the stack locked, and says so: %v", err)
		}
		held, living, err := f.Files("dev").Locks()
		if held != 1 || living != 1 || err != nil {
			f.T.Errorf("the lock of a living process is none to remove: %d, %d, %v", held, living, err)
		}
	}, pass)))
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
