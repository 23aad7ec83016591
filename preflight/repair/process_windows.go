package repair

import "syscall"

// alive tells whether a process with this id still runs.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	const queryLimitedInformation, stillActive = 0x1000, 259
	process, err := syscall.OpenProcess(queryLimitedInformation, false, uint32(pid)) //nolint:gosec // G115: a process id.
	if err != nil {
		return false
	}
	defer func() { _ = syscall.CloseHandle(process) }()
	var code uint32
	return syscall.GetExitCodeProcess(process, &code) != nil || code == stillActive
}
