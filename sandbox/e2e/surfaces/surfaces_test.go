// Package surfaces proves that no secret is seen: it searches the output, event logs, state, files
// and process arguments of whole runs, the failed ones too, for every secret in every encoding.
// docs/proofs.md has the table.
package surfaces

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// tally is what was searched of one kind of surface.
type tally struct {
	pieces  int
	bytes   int
	hits    int
	excused int
}

// look searches one piece of a kind of surface and returns the hits; where names it for the
// failure.
func (p *proof) look(kind, where string, content []byte) []string {
	var hits []string
	excused := 0
	for _, hit := range p.search.Search(content) {
		if hit.Canary == p.allowed[where] || hit.Canary == p.excused {
			excused++
		} else {
			hits = append(hits, where+": "+hit.String())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tally[kind] == nil {
		p.tally[kind] = &tally{}
		p.order = append(p.order, kind)
	}
	p.tally[kind].pieces++
	p.tally[kind].bytes += len(content)
	p.tally[kind].hits += len(hits)
	p.tally[kind].excused += excused
	return hits
}

// files searches every file below a folder, names included.
func (p *proof) files(kind, folder string) (hits []string) {
	p.T.Helper()
	for path, content := range lab.Files(p.T, folder) {
		hits = append(hits, p.look(kind, path, append([]byte(path+"\n"), content...))...)
	}
	return hits
}

// processes searches the arguments of every process that this test starts, and that these start,
// until stop is called, which returns the hits. Arguments of any process are open to every user of
// a machine.
func (p *proof) processes() (stop func() []string) {
	var hits []string
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	seen := map[string]bool{}
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			for _, pid := range descendants(strconv.Itoa(os.Getpid())) {
				arguments, err := os.ReadFile("/proc/" + pid + "/cmdline")
				if err == nil && len(arguments) > 0 && !seen[string(arguments)] {
					seen[string(arguments)] = true
					hits = append(hits, p.look("process arguments", "a process", arguments)...)
				}
			}
		}
	}()
	return func() []string {
		cancel()
		<-done
		require.NotEmpty(p.T, seen)
		return hits
	}
}

// descendants are the processes below one, by PID.
func descendants(pid string) (all []string) {
	threads, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for child := range strings.FieldsSeq(string(children)) {
			all = append(all, child)
			all = append(all, descendants(child)...)
		}
	}
	return all
}

// report is the table for docs/proofs.md.
func (p *proof) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d canaries\n\n", p.search.Canaries())
	b.WriteString("| surface | pieces | bytes | hits | known |\n|---|---|---|---|---|\n")
	all := tally{}
	for _, kind := range append(p.order, "all") {
		t := cmp.Or(p.tally[kind], &all)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", kind, t.pieces, t.bytes, t.hits, t.excused)
		all.pieces += t.pieces
		all.bytes += t.bytes
		all.hits += t.hits
		all.excused += t.excused
	}
	return b.String()
}

// ear listens in on the CLI: it sees the arguments and the output of every command that the
// Automation API runs, and can add arguments and environment that the API has no option for.
type ear struct {
	auto.PulumiCommand

	args  []string // added to up, preview, refresh and destroy
	env   []string
	heard []sound
}

// sound is one command of the CLI.
type sound struct {
	args           []string
	stdout, stderr []byte
	code           int
}

func (s sound) name() string {
	isSetting := func(arg string) bool { return strings.Contains(arg, "=") }
	return strings.Join(slices.DeleteFunc(slices.Clone(s.args), isSetting), " ")
}

// listen makes the lab's later stacks run through an ear.
func listen(l *lab.Lab) *ear {
	e := &ear{}
	l.WrapCommand = func(inner auto.PulumiCommand) auto.PulumiCommand {
		e.PulumiCommand = inner
		return e
	}
	return e
}

// with sets what is added to the next commands.
func (e *ear) with(args []string, env ...string) {
	e.args = args
	e.env = env
}

func (e *ear) Run(
	ctx context.Context, folder string, stdin io.Reader, out, errs []io.Writer,
	env []string, args ...string,
) (string, string, int, error) {
	if slices.Contains([]string{"up", "preview", "refresh", "destroy"}, args[0]) {
		args = slices.Concat(args, e.args)
		env = slices.Concat(env, e.env)
	}
	stdout, stderr, code, err := e.PulumiCommand.Run(ctx, folder, stdin, out, errs, env, args...)
	e.heard = append(e.heard, sound{
		args:   args,
		stdout: []byte(stdout),
		stderr: []byte(stderr),
		code:   code,
	})
	return stdout, stderr, code, err
}

// take returns what was heard since the last time.
func (e *ear) take() []sound {
	defer func() { e.heard = nil }()
	return e.heard
}

// hear searches all that was heard since the last time, and returns the hits. It counts how often
// the plugin's debug line, which holds the whole payload, was in it.
func (p *proof) hear() (hits []string) {
	for _, sound := range p.ear.take() {
		args := []byte(strings.Join(sound.args, "\x00"))
		hits = append(hits, p.look("arguments of the CLI", "arguments of "+sound.name(), args)...)
		// The Automation API asks `stack output` for secrets when a program reads outputs; a person has
		// to.
		if slices.Contains(sound.args, "--show-secrets") {
			continue
		}
		hits = append(hits, p.look("stdout of "+sound.kind(), sound.name(), sound.stdout)...)
		hits = append(hits, p.look("stderr", sound.name(), sound.stderr)...)
		p.debug += len(debugLine.FindAll(sound.stdout, -1))
	}
	return hits
}

var debugLine = regexp.MustCompile(`\[DEBUG\] secret: (?:\\u0026|&)api\.Secret\{`)

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
