// Package surfaces proves that no secret is seen: it searches the output, event logs, state, files and process
// arguments of whole runs, the failed ones too, for every secret in every encoding. docs/proofs.md has the table.
package surfaces

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	searching "mlvault/sandbox/internal/canary"
)

func TestMain(m *testing.M) { lab.Main(m) }

// surfaces collects what a person, a log or another process can see of the runs of one test, and searches it.
type surfaces struct {
	t       *testing.T
	search  *searching.Searcher
	allowed map[string]string // path of a file -> the one canary that must stand in it
	excused string            // a canary that the documents say is shown in the step that runs

	mu    sync.Mutex
	tally map[string]*tally // by kind of surface
	order []string
}

// tally is what was searched of one kind of surface.
type tally struct {
	pieces, bytes, hits, excused int
}

func newSurfaces(t *testing.T, canaries map[string]string) *surfaces {
	t.Helper()
	search, err := searching.New(canaries)
	require.NoError(t, err)
	return &surfaces{t: t, search: search, allowed: map[string]string{}, tally: map[string]*tally{}}
}

// look searches one piece of a kind of surface and returns the hits; where names it for the failure.
func (s *surfaces) look(kind, where string, content []byte) []string {
	var hits []string
	excused := 0
	for _, hit := range s.search.Search(content) {
		if hit.Canary == s.allowed[where] || hit.Canary == s.excused {
			excused++
		} else {
			hits = append(hits, where+": "+hit.String())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tally[kind] == nil {
		s.tally[kind] = &tally{}
		s.order = append(s.order, kind)
	}
	s.tally[kind].pieces++
	s.tally[kind].bytes += len(content)
	s.tally[kind].hits += len(hits)
	s.tally[kind].excused += excused
	return hits
}

// files searches every file below a folder, names included.
func (s *surfaces) files(kind, folder string) (hits []string) {
	s.t.Helper()
	for path, content := range lab.Files(s.t, folder) {
		hits = append(hits, s.look(kind, path, append([]byte(path+"\n"), content...))...)
	}
	return hits
}

// processes searches the arguments of every process of the machine until stop is called, which returns the hits.
// Arguments of any process are open to every user of a machine.
func (s *surfaces) processes() (stop func() []string) {
	var hits []string
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	seen := map[string]bool{}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, line := range lines {
				arguments, err := os.ReadFile(line)
				if err == nil && len(arguments) > 0 && !seen[string(arguments)] {
					seen[string(arguments)] = true
					hits = append(hits, s.look("process arguments", "a process", arguments)...)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() []string {
		cancel()
		<-done
		if runtime.GOOS == "linux" {
			require.NotEmpty(s.t, seen)
		}
		return hits
	}
}

// report is the table for docs/proofs.md.
func (s *surfaces) report() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d canaries\n\n| surface | pieces | bytes | hits | known |\n|---|---|---|---|---|\n", s.search.Canaries())
	all := tally{}
	for _, kind := range append(s.order, "all") {
		t := cmp.Or(s.tally[kind], &all)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", kind, t.pieces, t.bytes, t.hits, t.excused)
		all = tally{all.pieces + t.pieces, all.bytes + t.bytes, all.hits + t.hits, all.excused + t.excused}
	}
	return b.String()
}

// ear listens in on the CLI: it sees the arguments and the output of every command that the Automation API runs, and can
// add arguments and environment that the API has no option for.
type ear struct {
	inner auto.PulumiCommand

	args []string // added to up, preview, refresh and destroy
	env  []string

	mu    sync.Mutex
	heard []sound
}

// sound is one command of the CLI.
type sound struct {
	args           []string
	stdout, stderr []byte
	code           int
}

func (s sound) name() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(s.args), func(arg string) bool { return strings.Contains(arg, "=") }), " ")
}

// listen makes the lab's later stacks run through an ear.
func listen(l *lab.Lab) *ear {
	e := &ear{}
	l.WrapCommand = func(inner auto.PulumiCommand) auto.PulumiCommand {
		e.inner = inner
		return e
	}
	return e
}

func (e *ear) Run(ctx context.Context, folder string, stdin io.Reader, out, errs []io.Writer, env []string, args ...string) (string, string, int, error) {
	if slices.Contains([]string{"up", "preview", "refresh", "destroy"}, args[0]) {
		args, env = append(slices.Clone(args), e.args...), append(slices.Clone(env), e.env...)
	}
	stdout, stderr, code, err := e.inner.Run(ctx, folder, stdin, out, errs, env, args...)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, sound{args: args, stdout: []byte(stdout), stderr: []byte(stderr), code: code})
	return stdout, stderr, code, err
}

func (e *ear) Version() semver.Version { return e.inner.Version() }

// take returns what was heard since the last time.
func (e *ear) take() []sound {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

// hear searches all that was heard since the last time, and returns the hits and how often the plugin's debug line, which
// holds the whole payload, was in it.
func (s *surfaces) hear(e *ear) (hits []string, debugLines int) {
	for _, sound := range e.take() {
		hits = append(hits, s.look("arguments of the CLI", "arguments of "+sound.name(), []byte(strings.Join(sound.args, "\x00")))...)
		// The Automation API asks `stack output` for secrets when a program reads outputs; a person has to.
		if slices.Contains(sound.args, "--show-secrets") {
			continue
		}
		hits = append(hits, s.look("stdout of "+sound.kind(), sound.name(), sound.stdout)...)
		hits = append(hits, s.look("stderr", sound.name(), sound.stderr)...)
		debugLines += bytes.Count(sound.stdout, []byte("[DEBUG] secret: \\u0026api.Secret{"))
		debugLines += bytes.Count(sound.stdout, []byte("[DEBUG] secret: &api.Secret{"))
	}
	return hits, debugLines
}

func (s sound) kind() string {
	command := s.args[0]
	for _, flag := range []string{"--json", "--diff", "--refresh"} {
		if slices.Contains(s.args, flag) {
			command += " " + flag
		}
	}
	if s.code != 0 {
		command += ", failed"
	}
	return command
}
