package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The plugin is a child of the CLI, here of a shell. Another one's child is not counted.
func TestTheMemoryOfThePluginIsThatOfTheChildOfItsName(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "pulumi-resource-vault")
	if err := os.Symlink(sleep, plugin); err != nil {
		t.Fatal(err)
	}
	cli := exec.CommandContext(t.Context(), "sh", "-c", plugin+" 1; true")
	other := exec.CommandContext(t.Context(), "sh", "-c", sleep+" 1; true")
	for _, cmd := range []*exec.Cmd{cli, other} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	ofCLI := watchPlugin(cli.Process.Pid, done)
	ofOther := watchPlugin(other.Process.Pid, done)
	time.Sleep(500 * time.Millisecond)
	close(done)
	if peak := <-ofCLI; peak == 0 {
		t.Error("the plugin was not seen")
	}
	if peak := <-ofOther; peak != 0 {
		t.Errorf("another process was taken for the plugin: %d bytes", peak)
	}
	for _, cmd := range []*exec.Cmd{cli, other} {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
