//go:build prove && linux

package faults

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// TestProveAFullDiskIsRepairedByTheNextUp has the whole of .sandbox on a file system of its own
// with so many KiB of room.
func TestProveAFullDiskIsRepairedByTheNextUp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	require.NoError(t, syscall.Mount("mlvault", s.folder(), "tmpfs", 0, "size=128m"),
		"this proof mounts a small file system: run make prove as root")
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(s.folder(), syscall.MNT_DETACH)) })
	ballast := filepath.Join(s.folder(), "ballast")
	for _, what := range []string{"new", "change"} {
		for room := 0; room <= 64; room += 4 {
			t.Run(fmt.Sprintf("%s, %d KiB", what, room), func(t *testing.T) {
				wanted := s.prepare(t, what == "new" || room%16 == 0, what == "change")
				var disk syscall.Statfs_t
				require.NoError(t, syscall.Statfs(s.folder(), &disk))
				require.NoError(t, os.WriteFile(ballast, make([]byte, int64(disk.Bfree)*disk.Bsize-int64(room)<<10), 0o600))
				run := s.start(t, "up", wanted)
				said := s.said(t, run)
				require.NoError(t, os.Remove(ballast))
				s.record(t, what, fmt.Sprintf("%d KiB", room), said, wanted)
			})
		}
	}
	s.publish(t, "disk", "room")
}

func TestProveAKillIsRepairedByTheNextUp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.kill(t,
		kill{"process group, new", "up", false, group, 8},
		kill{"process group, change", "up", true, group, 12},
		kill{"process group, down", "down", true, group, 6},
		kill{"make up alone, change", "up", true, alone, 6},
		kill{"CLI alone, new", "up", false, command.killCLI, 5},
		kill{"CLI alone, change", "up", true, command.killCLI, 8})
	s.publish(t, "kills", "killed, after which share of the run")
}

// killCLI kills the CLI that the run has started, or the next one that it starts.
func (c command) killCLI() {
	for range 3000 {
		var children []byte
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", c.Process.Pid))
		for _, thread := range threads {
			more, _ := os.ReadFile(thread)
			children = append(children, more...)
		}
		for _, child := range strings.Fields(string(children)) {
			name, _ := os.ReadFile("/proc/" + child + "/comm")
			if pid, err := strconv.Atoi(child); err == nil && strings.TrimSpace(string(name)) == filepath.Base(lab.Pulumi) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *shell) publish(t *testing.T, name, heading string) {
	t.Helper()
	if t.Failed() {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| %s | the run said | the next `make up` |\n|---|---|---|\n", s.means, heading)
	for i := 0; i < len(s.rows); {
		first, last := s.rows[i], s.rows[i]
		for n := 0; i < len(s.rows) && s.rows[i].what == first.what && s.rows[i].said == first.said && s.rows[i].next == first.next; n++ {
			last = s.rows[i]
			i++
		}
		when := first.when
		if last.when != first.when {
			when += " to " + last.when
		}
		fmt.Fprintf(&b, "| %s, %s | %s | %s |\n", first.what, when, cmp.Or(first.said, "succeeded"), first.next)
	}
	lab.Publish(t, "faults.md", name, b.String())
}
