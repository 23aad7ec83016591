//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	search "mlvault/sandbox/internal/canary"
	"mlvault/sandbox/internal/sandbox"
)

// shell is a checkout in which a test types what a person types: the sandbox's own command, as make
// runs it.
type shell struct {
	root    string
	command string
	past    []lab.Payloads // what was ever configured since the sandbox is new
	rows    []moment
	means   string
}

// moment is what was seen after one kill, or with so much room.
type moment struct {
	what string
	when string
	said string
	next string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{
		root:    lab.Project(t, "mlvault", "dev"),
		command: filepath.Join(t.TempDir(), "mlvault-sandbox"),
	}
	module := filepath.Join(lab.Repository(), "sandbox")
	build := exec.Command("go", "-C", module, "build", "-ldflags", "-s -w", "-o", s.command, ".")
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.NoError(t, os.Mkdir(s.folder(), 0o700))
	return s
}

func (s *shell) folder() string { return filepath.Join(s.root, ".sandbox") }

// clean is make clean, except that the folder stays: a file system may be mounted there.
func (s *shell) clean(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(s.folder())
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.RemoveAll(filepath.Join(s.folder(), entry.Name())))
	}
	// None of these runs installs the plugin.
	require.NoError(t, os.WriteFile(filepath.Join(s.folder(), "plugin-tried"), nil, 0o600))
}

// prepare leaves a new stack, or one that is up, and returns what is to be configured next.
func (s *shell) prepare(t *testing.T, anew, deployed bool) lab.Payloads {
	t.Helper()
	if anew {
		s.clean(t)
		s.past = nil
		if deployed {
			require.Empty(t, s.said(t, s.start(t, "up", s.generation())))
		}
	}
	return s.generation()
}

func (s *shell) generation() lab.Payloads {
	s.past = append(s.past, several(6, fmt.Sprint("generation-", len(s.past))))
	return s.past[len(s.past)-1]
}

// command is one run of the sandbox's command.
type command struct {
	*exec.Cmd
	printed *lines
}

// lines are what a run has printed so far. A moment of a run is told by them, and not by the clock,
// which goes faster on another machine.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	came *sync.Cond
}

func newLines() *lines {
	l := &lines{}
	l.came = sync.NewCond(&l.mu)
	return l
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.came.Broadcast()
	return l.text.Write(text)
}

func (l *lines) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}

func (l *lines) count() int { return bytes.Count(l.Bytes(), []byte("\n")) }

// await returns when so many lines have come, or after a time that no run takes.
func (l *lines) await(count int) {
	deadline := time.Now().Add(5 * time.Minute)
	late := time.AfterFunc(5*time.Minute, l.came.Broadcast)
	defer late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for bytes.Count(l.text.Bytes(), []byte("\n")) < count && time.Now().Before(deadline) {
		l.came.Wait()
	}
}

func (s *shell) start(t *testing.T, name string, credentials lab.Payloads) command {
	t.Helper()
	file := filepath.Join(s.root, "credentials.json")
	require.NoError(t, os.WriteFile(file, []byte(credentials.JSON(t)), 0o600))
	c := command{
		Cmd: exec.Command(s.command, "-root", s.root, "-pulumi", lab.Pulumi,
			name, "-stack", "dev", "-credentials", file),
		printed: newLines(),
	}
	c.Stdout = c.printed
	c.Stderr = c.printed
	c.WaitDelay = 10 * time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, c.Start())
	return c
}

// said is a failed run's closing sentence, and nothing for one that succeeded.
func (s *shell) said(t *testing.T, c command) string {
	t.Helper()
	err := c.Wait()
	searcher, searchErr := search.New(map[string]string{"payload": lab.Canary})
	require.NoError(t, searchErr)
	require.Empty(t, searcher.Search(c.printed.Bytes()), "no run prints a credential")
	printed := string(c.printed.Bytes())
	at := strings.LastIndex(printed, "\nerror: ")
	switch {
	case err == nil:
		return ""
	case at < 0 && strings.Contains(err.Error(), "signal: killed"):
		return "nothing, it was killed"
	}
	require.GreaterOrEqual(t, at, 0, printed)
	rest := printed[at+len("\nerror: "):]
	sentence := strings.TrimSpace(strings.ReplaceAll(rest, s.folder(), ".sandbox"))
	require.NotContains(t, sentence, "\n", "one sentence")
	require.Regexp(t, "run `make [a-z]+` again|`make [a-z]+`", sentence, printed)
	return sentence
}

// again is the next make up, which must succeed, or name in one sentence the one command that mends
// what is damaged.
func (s *shell) again(t *testing.T, wanted lab.Payloads) (how string) {
	t.Helper()
	how = "succeeds"
	said := s.said(t, s.start(t, "up", wanted))
	if said != "" {
		require.Contains(t, said, "`make clean`", "what cannot be mended is forgotten")
		s.clean(t)
		require.Empty(t, s.said(t, s.start(t, "up", wanted)))
		how = said
	}
	l := &rig{Lab: lab.Open(t, sandbox.Options{Root: s.root, Dir: s.folder()})}
	defer l.Close()
	require.Empty(t, flaws(history(t, l.Vault.Root()), wanted, s.past...))
	dev, changes := l.Up("dev", wanted)
	// Where another process took Vault's port meanwhile, the address is an update, and the role is
	// replaced.
	made := changes["create"] + changes["delete"]
	require.Zero(t, made, "a further up has nothing to make: %v", changes)
	require.Empty(t, l.deployment(dev).PendingOperations)
	s.means = l.Means()
	return how
}

// kill is a way to kill a run, and moments is how often, spread over what it prints.
type kill struct {
	what     string
	command  string
	deployed bool
	victim   func(command)
	moments  int
}

func group(c command) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

func alone(c command) { _ = c.Process.Kill() }

func (s *shell) kill(t *testing.T, kills ...kill) {
	t.Helper()
	for _, x := range kills {
		wanted := s.prepare(t, true, x.deployed)
		undisturbed := s.start(t, x.command, wanted)
		require.Empty(t, s.said(t, undisturbed))
		whole := undisturbed.printed.count()
		for i := range x.moments {
			line := whole * (i + 1) / (x.moments + 1)
			when := fmt.Sprintf("line %d of %d", line, whole)
			t.Run(x.what+", "+when, func(t *testing.T) {
				wanted := s.prepare(t, !x.deployed || i%4 == 0, x.deployed)
				run := s.start(t, x.command, wanted)
				run.printed.await(line)
				x.victim(run)
				s.record(t, x.what, when, s.said(t, run), wanted)
			})
		}
	}
}

func (s *shell) record(t *testing.T, what, when, said string, wanted lab.Payloads) {
	t.Helper()
	t.Logf("%s: %s", when, said)
	s.rows = append(s.rows, moment{what: what, when: when, said: said, next: s.again(t, wanted)})
}

func TestARunThatIsKilledIsRepairedByTheNextUp(t *testing.T) {
	newShell(t).kill(t,
		kill{what: "process group, change", command: "up", deployed: true, victim: group, moments: 1},
		kill{what: "make up alone, change", command: "up", deployed: true, victim: alone, moments: 1})
}
