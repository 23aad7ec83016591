//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	root, command string
	past          []lab.Payloads // what was ever configured since the sandbox is new
	rows          []moment
	means         string
}

// moment is what was seen after one kill, or with so much room.
type moment struct{ what, when, said, next string }

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{root: lab.Project(t, "mlvault", "dev"), command: filepath.Join(t.TempDir(), "mlvault-sandbox")}
	said, err := exec.Command("go", "-C", filepath.Join(lab.Repository(), "sandbox"), "build", "-ldflags", "-s -w", "-o", s.command, ".").CombinedOutput()
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
	require.NoError(t, os.WriteFile(filepath.Join(s.folder(), "plugin-tried"), nil, 0o600)) // none of these runs installs it
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
	printed *bytes.Buffer
}

func (s *shell) start(t *testing.T, name string, credentials lab.Payloads) command {
	t.Helper()
	file := filepath.Join(s.root, "credentials.json")
	require.NoError(t, os.WriteFile(file, []byte(credentials.JSON(t)), 0o600))
	c := command{exec.Command(s.command, "-root", s.root, "-pulumi", lab.Pulumi, name, "-stack", "dev", "-credentials", file), &bytes.Buffer{}}
	c.Stdout, c.Stderr, c.WaitDelay = c.printed, c.printed, 10*time.Second
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
	printed := c.printed.String()
	at := strings.LastIndex(printed, "\nerror: ")
	switch {
	case err == nil:
		return ""
	case at < 0 && strings.Contains(err.Error(), "signal: killed"):
		return "nothing, it was killed"
	}
	require.GreaterOrEqual(t, at, 0, printed)
	sentence := strings.TrimSpace(strings.ReplaceAll(printed[at+len("\nerror: "):], s.folder(), ".sandbox"))
	require.NotContains(t, sentence, "\n", "one sentence")
	require.Regexp(t, "run `make [a-z]+` again|`make [a-z]+`", sentence, printed)
	return sentence
}

// again is the next make up, which must succeed, or name in one sentence the one command that mends
// what is damaged.
func (s *shell) again(t *testing.T, wanted lab.Payloads) (how string) {
	t.Helper()
	how = "succeeds"
	if said := s.said(t, s.start(t, "up", wanted)); said != "" {
		require.Contains(t, said, "`make clean`", "what cannot be mended is forgotten")
		s.clean(t)
		require.Empty(t, s.said(t, s.start(t, "up", wanted)))
		how = said
	}
	l := &rig{lab.Open(t, sandbox.Options{Root: s.root, Dir: s.folder()})}
	defer l.Close()
	require.Empty(t, flaws(history(t, l.Vault.Root()), wanted, s.past...))
	dev, changes := l.Up("dev", wanted)
	// Where another process took Vault's port meanwhile, the address is an update, and the role is
	// replaced.
	require.Zero(t, changes["create"]+changes["delete"], "a further up has nothing to make: %v", changes)
	require.Empty(t, l.deployment(dev).PendingOperations)
	s.means = l.Means()
	return how
}

// kill is a way to kill a run, and moments is how often, spread over it.
type kill struct {
	what, command string
	deployed      bool
	victim        func(command)
	moments       int
}

func group(c command) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

func alone(c command) { _ = c.Process.Kill() }

func (s *shell) kill(t *testing.T, kills ...kill) {
	t.Helper()
	for _, x := range kills {
		wanted, before := s.prepare(t, true, x.deployed), time.Now()
		require.Empty(t, s.said(t, s.start(t, x.command, wanted)))
		whole := time.Since(before)
		for i := range x.moments {
			share := float64(i+1) / float64(x.moments+1)
			t.Run(fmt.Sprintf("%s, %.0f %%", x.what, 100*share), func(t *testing.T) {
				wanted := s.prepare(t, !x.deployed || i%4 == 0, x.deployed)
				run := s.start(t, x.command, wanted)
				time.Sleep(time.Duration(float64(whole) * share))
				x.victim(run)
				s.record(t, x.what, fmt.Sprintf("%.0f %%", 100*share), s.said(t, run), wanted)
			})
		}
	}
}

func (s *shell) record(t *testing.T, what, when, said string, wanted lab.Payloads) {
	t.Helper()
	t.Logf("%s: %s", when, said)
	s.rows = append(s.rows, moment{what, when, said, s.again(t, wanted)})
}

func TestARunThatIsKilledIsRepairedByTheNextUp(t *testing.T) {
	newShell(t).kill(t, kill{"process group, change", "up", true, group, 1}, kill{"make up alone, change", "up", true, alone, 1})
}
