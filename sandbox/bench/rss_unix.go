//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakRSS is the largest of a finished process and those that it waited for.
func peakRSS(state *os.ProcessState) int64 {
	used, known := state.SysUsage().(*syscall.Rusage)
	if !known {
		return 0
	}
	peak := int64(used.Maxrss) //nolint:unconvert // 32 bits on some systems.
	if runtime.GOOS != "darwin" {
		peak *= 1024
	}
	return peak
}
