package repair

import (
	"bytes"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
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

// view is which processes of this machine this one cannot see.
type view struct {
	// isContainer: none but those of its own process namespace.
	isContainer bool
	// hidesOthers: none of other users, since /proc is mounted with hidepid.
	hidesOthers bool
	// user is this process's own.
	user string
}

// viewFromHere is what this process can see.
func viewFromHere() view {
	if runtime.GOOS != "linux" {
		return view{}
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || namespace != firstNamespace {
		return view{isContainer: true}
	}
	// Who may look at the first process, which has all rights, may look at each.
	_, err = os.ReadFile("/proc/1/status")
	me, unknown := user.Current()
	if unknown != nil {
		return view{hidesOthers: err != nil}
	}
	return view{hidesOthers: err != nil, user: me.Username}
}

// blind says why the process of a lock of this host's name may live unseen; empty: it would be
// seen.
//
// A container may have the name of its host or of another container, and a lock does not tell whose
// namespace its process id is of. Neither its time nor a small id tells: both fit a process of
// another container as well.
func (v view) blind(lock Lock) string {
	switch {
	case v.isContainer:
		return otherNamespace
	case v.hidesOthers && (v.user == "" || lock.Username != v.user):
		return hiddenUser
	default:
		return ""
	}
}
