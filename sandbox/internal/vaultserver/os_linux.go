package vaultserver

import "syscall"

// attributes keep a terminal's Ctrl-C from the server, which must outlive the run that it interrupts, and end the server
// with this process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
