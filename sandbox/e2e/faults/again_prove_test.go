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
				free := int64(disk.Bfree) * disk.Bsize
				filling := make([]byte, free-int64(room)<<10)
				require.NoError(t, os.WriteFile(ballast, filling, 0o600))
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
		kill{what: "process group, new", command: "up", victim: group, moments: 8},
		kill{what: "process group, change", command: "up", deployed: true, victim: group, moments: 12},
		kill{what: "process group, down", command: "down", deployed: true, victim: group, moments: 6},
		kill{what: "make up alone, change", command: "up", deployed: true, victim: alone, moments: 6},
		kill{what: "CLI alone, new", command: "up", victim: command.killCLI, moments: 5},
		kill{what: "CLI alone, change", command: "up", deployed: true, victim: command.killCLI, moments: 8},
	)
	s.publish(t, "kills", "killed, after which line that it prints")
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
			isCLI := strings.TrimSpace(string(name)) == filepath.Base(lab.Pulumi)
			pid, err := strconv.Atoi(child)
			if err == nil && isCLI {
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
	fmt.Fprintf(&b, "%s\n\n| %s | the run said | the next `make up` |\n", s.means, heading)
	b.WriteString("|---|---|---|\n")
	rest := s.rows
	for len(rest) > 0 {
		first := rest[0]
		isAlike := func(m moment) bool {
			return m.what == first.what && m.said == first.said && m.next == first.next
		}
		alike := 1
		for alike < len(rest) && isAlike(rest[alike]) {
			alike++
		}
		when := first.when
		last := rest[alike-1]
		if last.when != first.when {
			when += " to " + last.when
		}
		said := cmp.Or(first.said, "succeeded")
		fmt.Fprintf(&b, "| %s, %s | %s | %s |\n", first.what, when, said, first.next)
		rest = rest[alike:]
	}
	lab.Publish(t, "faults.md", name, b.String())
}
