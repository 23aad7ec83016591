package vaultserver

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes keep a terminal's Ctrl-C from the server, which must outlive the run that it interrupts, and end the server
// with this process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limitWrites lets a process write no file any more, or any again.
func limitWrites(pid int, on bool) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return err
	}
	if limit.Cur = limit.Max; on {
		limit.Cur = 0
	}
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
}
