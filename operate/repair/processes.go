package repair

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// alive tells whether the Pulumi CLI with this process id runs on this machine, as far as it can be
// seen.
//
// On Linux that is exact for all processes that /proc shows: an id may have gone to another program
// since, a process that nobody waits for stays in the table after its end, and a container has ids
// of its own, which a lock of it holds. Elsewhere any process of that id counts.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	if len(statuses) > 0 {
		return slices.ContainsFunc(statuses, func(file string) bool {
			content, err := os.ReadFile(file)
			return err == nil && isCLI(content, pid)
		})
	}
	process, err := os.FindProcess(pid) // fails on Windows where there is none
	if err != nil {
		return false
	}
	if runtime.GOOS == "windows" {
		return true
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}

// isCLI tells whether /proc/<id>/status is of a Pulumi CLI that has this id, here or in a
// container.
func isCLI(status []byte, pid int) bool {
	fields := map[string]string{}
	for line := range bytes.Lines(status) {
		name, value, _ := strings.Cut(string(line), ":")
		fields[name] = strings.TrimSpace(value)
	}
	ids := append(strings.Fields(fields["NSpid"]), fields["Pid"])
	if !slices.Contains(ids, strconv.Itoa(pid)) {
		return false
	}
	ended := strings.HasPrefix(fields["State"], "Z") || strings.HasPrefix(fields["State"], "X")
	return strings.Contains(fields["Name"], "pulumi") && !ended
}

// firstNamespace is how Linux names the process namespace of the machine itself, which sees all
// processes.
const firstNamespace = "pid:[4026531836]"

// wouldBeSeen tells whether the process of a lock of this host's name would be seen from here. A
// container may have its host's name, and sees neither the host's processes nor those of another
// container. So a lock counts as this container's own only if it was taken after the container's
// start, by an id that the container has given out.
func wouldBeSeen(lock Lock) bool {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || namespace == firstNamespace {
		return true
	}
	begun, known := beginOfContainer()
	return known && ownOf(lock, begun, lastProcess())
}

func ownOf(lock Lock, begun time.Time, last int) bool {
	return lock.Time.After(begun) && lock.PID <= last
}

// lastProcess is the last process id that was given out here, or 0.
func lastProcess() int {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(content))
	last, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return 0
	}
	return last
}

// ticks is how many of /proc's units of time are a second, on every Linux that Go runs on.
const ticks = 100

// beginOfContainer is when the first process of this container began.
func beginOfContainer() (time.Time, bool) {
	uptime, err := os.ReadFile("/proc/uptime") // seconds since the machine began, and others
	if err != nil {
		return time.Time{}, false
	}
	// 1 (name) S ...: the state is field 3, and the begin field 22.
	stat, err := os.ReadFile("/proc/1/stat")
	if err != nil {
		return time.Time{}, false
	}
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	const begin = 22 - 3
	if len(fields) <= begin {
		return time.Time{}, false
	}
	began, err := strconv.ParseFloat(fields[begin], 64)
	if err != nil {
		return time.Time{}, false
	}
	runs, err := strconv.ParseFloat(strings.Fields(string(uptime))[0], 64)
	if err != nil {
		return time.Time{}, false
	}
	age := time.Duration((runs - began/ticks) * float64(time.Second))
	return time.Now().Add(-age), true
}
