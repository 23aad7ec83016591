//go:build unix && !linux && !aix && !solaris

package vaultserver

import "syscall"

// attributes keep a terminal's Ctrl-C from the server, which must outlive the run that it
// interrupts.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
