//go:build unix && !linux && !aix && !solaris

package vaultserver

import (
	"errors"
	"syscall"
)

// attributes keep a terminal's Ctrl-C from the server, which must outlive the run that it interrupts.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func limitWrites(int, bool) error { return errors.New("a full disk can be had on Linux only") }
