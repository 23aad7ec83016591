//go:build unix

package repair

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// alive tells whether the Pulumi CLI with this process id still runs. On Linux that is exact: an id may have gone to
// another program since, and a process that nobody waits for stays in the table after its end. Elsewhere any process of
// that id counts.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat") // 42 (pulumi) S 1 ...
	if err != nil {
		return true
	}
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || end+2 >= len(stat) {
		return true
	}
	state := stat[end+2]
	return bytes.Contains(stat[:end], []byte("pulumi")) && state != 'Z' && state != 'X'
}
