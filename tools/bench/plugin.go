package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// vaultPlugin is the name of the genuine plugin's process, as far as Linux keeps it.
const vaultPlugin = "pulumi-resource"

// watchPlugin looks, until done is closed, how much memory the genuine plugin took at its peak that
// a process has started. It sends the bytes, or 0 where there was none or the system does not tell.
func watchPlugin(parent int, done <-chan struct{}) <-chan int64 {
	peak := make(chan int64, 1)
	go func() {
		var highest int64
		for {
			select {
			case <-done:
				peak <- highest
				return
			case <-time.After(10 * time.Millisecond):
				highest = max(highest, peakOfPlugin(parent))
			}
		}
	}()
	return peak
}

// peakOfPlugin reads Linux's own count of the peak, so that nothing between two looks is missed but
// what the last moments added.
func peakOfPlugin(parent int) int64 {
	children := fmt.Sprintf("/proc/%d/task/*/children", parent)
	files, err := filepath.Glob(children)
	if err != nil {
		return 0
	}
	var highest int64
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // G304: of the kernel.
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(text)) {
			highest = max(highest, peakIn(filepath.Join("/proc", pid, "status")))
		}
	}
	return highest
}

// peakIn is what the status of a process says if it is the plugin's, in bytes.
func peakIn(status string) int64 {
	text, err := os.ReadFile(status) //nolint:gosec // G304: of the kernel.
	if err != nil {
		return 0
	}
	var peak int64
	isPlugin := false
	for line := range strings.Lines(string(text)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch field {
		case "Name":
			isPlugin = strings.HasPrefix(value, vaultPlugin)
		case "VmHWM":
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(value, " kB"), 10, 64)
			if err == nil {
				peak = kilobytes << 10
			}
		}
	}
	if !isPlugin {
		return 0
	}
	return peak
}
