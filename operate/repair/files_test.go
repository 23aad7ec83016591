package repair

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// kept is one file of a file backend, as the engine keeps it.
type kept struct {
	name    string
	content []byte
}

// backend is a file backend's folder with one stack, which nobody else uses. Each file is a second
// newer than the one before it.
func backend(t *testing.T, files ...kept) Files {
	t.Helper()
	f := Files{Root: t.TempDir(), Project: "mlvault", Stack: "dev", Alone: true}
	for i, each := range files {
		file := f.path(filepath.FromSlash(each.name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, each.content, 0o600))
		at := time.Now().Add(time.Duration(i-100) * time.Second)
		require.NoError(t, os.Chtimes(file, at, at))
	}
	return f
}

// checkpoint is one that the engine wrote in a second of a minute.
func checkpoint(second int) []byte {
	return fmt.Appendf(nil,
		`{"version":3,"checkpoint":{"latest":{"manifest":{"time":"2026-01-01T00:00:%02dZ"}}}}`, second)
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write(content)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return out.Bytes()
}

func zstandard(t *testing.T, content []byte) []byte {
	t.Helper()
	writer, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return writer.EncodeAll(content, nil)
}

func cut(content []byte) []byte { return content[:len(content)/2] }

func TestADamagedStateIsReplacedByTheNewestWholeOne(t *testing.T) {
	const (
		state    = "stacks/mlvault/dev.json"
		bak      = state + ".bak"
		history1 = "history/mlvault/dev/dev-1.checkpoint.json"
		history2 = "history/mlvault/dev/dev-2.checkpoint.json"
	)
	one := checkpoint(1)
	two := checkpoint(2)
	zip := func(content []byte) []byte { return zipped(t, content) }
	zst := func(content []byte) []byte { return zstandard(t, content) }
	for _, row := range []struct {
		name  string
		files []kept
		// want is what the CLI reads afterwards, and in is the file.
		want []byte
		in   string
		said string
	}{
		{name: "a whole one", files: []kept{{bak, one}, {state, two}}, in: state, want: two},
		{name: "cut off", files: []kept{{bak, one}, {state, cut(two)}}, in: state, want: one, said: "dev.json.bak"},
		{
			name:  "empty, and so its copy",
			files: []kept{{history1, one}, {history2, two}, {bak, nil}, {state, nil}},
			in:    state, want: two, said: "dev-2.",
		},
		{
			name:  "a history that is newer than the copy beside it",
			files: []kept{{bak, one}, {history2, two}, {state, cut(two)}},
			in:    state, want: two, said: "dev-2.",
		},
		{
			name:  "a copy beside it that is newer than the history",
			files: []kept{{history1, one}, {bak, two}, {state, cut(two)}},
			in:    state, want: two, said: "dev.json.bak",
		},
		{name: "missing with a history", files: []kept{{history1, one}}, in: state, want: one, said: "dev-1."},
		{name: "removed", files: []kept{{bak, one}}, in: state},
		{
			name:  "empty attributes",
			files: []kept{{state, one}, {"stacks/mlvault/prod.json.attrs", nil}},
			in:    state, want: one, said: "prod.json.attrs",
		},
		{
			name:  "zstandard beside an older plain one",
			files: []kept{{state, cut(one)}, {state + ".zst", zst(two)}},
			in:    state + ".zst", want: zst(two),
		},
		{
			name:  "gzip beside an older plain one",
			files: []kept{{state, one}, {state + ".gz", zip(two)}},
			in:    state + ".gz", want: zip(two),
		},
		{
			name: "zstandard, cut off",
			files: []kept{
				{state, one},
				{state + ".zst.bak", zst(one)},
				{history2 + ".zst", zst(two)},
				{state + ".zst", cut(zst(two))},
			},
			in: state + ".zst", want: zst(two), said: "dev-2.checkpoint.json.zst",
		},
		{
			name:  "gzip, cut off",
			files: []kept{{state + ".gz.bak", zip(two)}, {history1 + ".gz", zip(one)}, {state + ".gz", cut(zip(two))}},
			in:    state + ".gz", want: zip(two), said: "dev.json.gz.bak",
		},
		{
			name:  "zstandard, cut off, with a plain copy",
			files: []kept{{bak, one}, {state + ".zst", cut(zst(two))}},
			in:    state, want: one, said: "dev.json.bak",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := backend(t, row.files...)
			done, err := f.Mend()
			require.NoError(t, err)
			require.Contains(t, strings.Join(done, "\n"), row.said)
			require.Equal(t, row.said == "", len(done) == 0, "%q", done)
			content, err := os.ReadFile(f.path(filepath.FromSlash(row.in)))
			if row.want == nil {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, content)
			read, err := f.state()
			require.NoError(t, err)
			require.Equal(t, f.path(filepath.FromSlash(row.in)), read, "the CLI reads another file")
		})
	}
	_, err := backend(t, kept{state + ".bak", []byte("{")}, kept{state, []byte("{")}).Mend()
	require.ErrorContains(t, err, "is damaged, and no whole copy is left")
}

// pulumi is a living process of that name.
func pulumi(t *testing.T, before ...string) *exec.Cmd {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "pulumi")
	require.NoError(t, os.Symlink(sleep, name))
	command := append(slices.Clone(before), name, "60")
	cli := exec.CommandContext(t.Context(), command[0], command[1:]...)
	require.NoError(t, cli.Start())
	t.Cleanup(func() {
		_ = cli.Process.Kill()
		_ = cli.Wait()
	})
	return cli
}

// ended is the id of a process that has just ended.
func ended(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "true")
	require.NoError(t, cmd.Run())
	return cmd.Process.Pid
}

const (
	lockFile      = "locks/organization/mlvault/dev/a.json"
	otherLockFile = "locks/organization/mlvault/dev/b.json"
)

func lockOf(pid int, host string) []byte { return lockAt(pid, host, time.Now()) }

func lockAt(pid int, host string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"pid":%d,"username":"me","hostname":%q,"timestamp":%q}`,
		pid, host, at.Format(time.RFC3339Nano))
}

func TestOnlyLocksOfProcessesThatAreGoneAreRemoved(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	for _, row := range []struct {
		name   string
		locks  []kept
		dead   int
		living int
	}{
		{name: "none"},
		{name: "gone", locks: []kept{{lockFile, lockOf(ended(t), host)}}, dead: 1},
		{
			name:  "gone, with attributes",
			locks: []kept{{lockFile, lockOf(ended(t), host)}, {lockFile + ".attrs", []byte(`{"user.x":"y"}`)}},
			dead:  1,
		},
		{name: "cut off", locks: []kept{{lockFile, []byte(`{"pi`)}}, dead: 1},
		{name: "living", locks: []kept{{lockFile, lockOf(pulumi(t).Process.Pid, host)}}, living: 1},
		{name: "another machine", locks: []kept{{lockFile, lockOf(1, "another")}}, living: 1},
		{
			name:  "one of each",
			locks: []kept{{lockFile, lockOf(ended(t), host)}, {otherLockFile, lockOf(1, "another")}},
			dead:  1, living: 1,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := backend(t, row.locks...)
			dead, others, err := f.Locks()
			require.NoError(t, err)
			require.Len(t, dead, row.dead)
			require.Len(t, others, row.living)
			if row.name == "living" {
				return // Unlock would wait half a minute for it
			}
			removed, err := f.Unlock(t.Context())
			require.Equal(t, row.dead, removed)
			left, _ := filepath.Glob(f.path("locks/organization/mlvault/dev/*"))
			require.Len(t, left, row.living, "a lock without its process, or its attributes, is left")
			if row.living == 0 {
				require.NoError(t, err)
				return
			}
			var locked *LockedError
			require.True(t, errors.As(err, &locked))
			require.ErrorContains(t, err, "process 1 of me on another since ")
			require.ErrorContains(t, err, "pulumi cancel")
		})
	}
}

// inNamespace begins a command that runs in a process namespace of its own, as in a container.
func inNamespace() []string {
	return []string{"unshare", "--user", "--pid", "--fork", "--mount-proc"}
}

func requireNamespaces(t *testing.T) {
	t.Helper()
	allowed := append(inNamespace(), "true")
	if err := exec.CommandContext(t.Context(), allowed[0], allowed[1:]...).Run(); err != nil {
		t.Skip("this system lets nobody make a process namespace. What remains are " +
			"TestAProcessIsKnownByItsIDInAContainerToo and TestALockIsDeadOnlyWhereItsProcessWouldBeSeen")
	}
}

// A container that shares its host's name has process ids of its own, and its locks hold these.
func TestALockOfALivingProcessInAnotherNamespaceStays(t *testing.T) {
	requireNamespaces(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	pulumi(t, inNamespace()...)
	// In its namespace it is process 1, which here is another program.
	f := backend(t, kept{lockFile, lockOf(1, host)})
	require.Eventually(t, func() bool {
		dead, others, err := f.Locks()
		return err == nil && len(dead) == 0 && len(others) == 1 && others[0].Why == processLives
	}, 10*time.Second, 50*time.Millisecond)
}

func TestAProcessIsKnownByItsIDInAContainerToo(t *testing.T) {
	const status = "Name:\t%s\nUmask:\t0022\nState:\t%s\nTgid:\t4711\nPid:\t4711\nPPid:\t1\n" +
		"NSpid:\t4711\t7\n"
	for _, row := range []struct {
		name, program, state string
		pid                  int
		want                 bool
	}{
		{name: "its id here", program: "pulumi", state: "S (sleeping)", pid: 4711, want: true},
		{name: "its id in the container", program: "pulumi", state: "R (running)", pid: 7, want: true},
		{name: "another id", program: "pulumi", state: "S (sleeping)", pid: 1},
		{name: "another program", program: "sleep", state: "S (sleeping)", pid: 4711},
		{name: "ended", program: "pulumi", state: "Z (zombie)", pid: 4711},
	} {
		content := fmt.Appendf(nil, status, row.program, row.state)
		require.Equal(t, row.want, isCLI(content, row.pid), row.name)
	}
}

func TestALockIsDeadOnlyWhereItsProcessWouldBeSeen(t *testing.T) {
	lock := Lock{PID: ended(t), Hostname: "here", Username: "me"}
	for _, row := range []struct {
		name string
		here view
		why  string
	}{
		{name: "the machine itself", here: view{user: "me"}},
		{name: "a container", here: view{isContainer: true, user: "me"}, why: otherNamespace},
		{name: "a machine that hides others, and one's own", here: view{hidesOthers: true, user: "me"}},
		{name: "a machine that hides others", here: view{hidesOthers: true, user: "you"}, why: hiddenUser},
		{name: "a machine that hides others, to nobody", here: view{hidesOthers: true}, why: hiddenUser},
	} {
		require.Equal(t, row.why, judge(lock, "here", row.here), row.name)
	}
}

// Two containers may have one name, and each its own process 1, of which a lock does not tell whose
// it is.
func TestAContainerDoesNotRemoveTheLockOfAnotherOneOfItsName(t *testing.T) {
	const asked = "MLVAULT_TEST_JUDGES_LOCKS_OF"
	if root := os.Getenv(asked); root != "" {
		_, others, err := Files{Root: root, Project: "mlvault", Stack: "dev"}.Locks()
		require.NoError(t, err)
		require.Len(t, others, 1)
		require.Equal(t, otherNamespace, others[0].Why)
		dead, _, err := Files{Root: root, Project: "mlvault", Stack: "dev", Alone: true}.Locks()
		require.NoError(t, err)
		require.Len(t, dead, 1, "of a folder that nobody else uses")
		return
	}
	requireNamespaces(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	pulumi(t, inNamespace()...)
	f := backend(t, kept{lockFile, lockAt(1, host, time.Now().Add(time.Second))})
	judging := append(inNamespace(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd := exec.CommandContext(t.Context(), judging[0], judging[1:]...)
	cmd.Env = append(os.Environ(), asked+"="+f.Root)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	require.NotContains(t, string(said), "no tests to run")
}

func TestTheFolderOfABackendIsFoundAsTheCLIFindsIt(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, row := range []struct{ url, root string }{
		{url: "file:///var/state?metadata=skip", root: "/var/state"},
		{url: "file:///var/a%20folder", root: "/var/a folder"},
		{url: "file://~", root: home},
		{url: "file://~/state", root: filepath.Join(home, "state")},
		{url: "file://state", root: "/project/state"},
	} {
		files, err := FilesAt(row.url, "/project", "mlvault", "dev")
		require.NoError(t, err)
		require.Equal(t, &Files{Root: row.root, Project: "mlvault", Stack: "dev"}, files)
	}
	files, err := FilesAt("azblob://state?storage_account=x", "/project", "mlvault", "dev")
	require.NoError(t, err)
	require.Nil(t, files)
}
