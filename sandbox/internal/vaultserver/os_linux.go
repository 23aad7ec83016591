package vaultserver

import "syscall"

// attributes keep a terminal's Ctrl-C from the server, which must outlive the run that it
// interrupts, and ask the server to end with this process. To kill it in the middle of a write
// would leave a temporary file in Vault's file storage, which counts as a key there, so that no
// list of the secrets beside it works any more.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
