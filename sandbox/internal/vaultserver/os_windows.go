package vaultserver

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// errorSharingViolation is ERROR_SHARING_VIOLATION, which package syscall lacks.
const errorSharingViolation = syscall.Errno(32)

// tryLock opens the file for nobody else to open: Windows keeps that promise until the handle is
// closed, by us or by the process's end.
func tryLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const (
		readAndWrite    = syscall.GENERIC_READ | syscall.GENERIC_WRITE
		shareWithNobody = 0
	)
	handle, err := syscall.CreateFile(name, readAndWrite, shareWithNobody,
		nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func passLock(*exec.Cmd, *os.File) {}

func interrupt(process *os.Process) { _ = process.Kill() }
