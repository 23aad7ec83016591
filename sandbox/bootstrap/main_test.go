package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A failed build and a failed sandbox both end with an exec.ExitError. Only the sandbox has said
// why.
func TestOnlyTheSandboxsOwnFailureIsNotPrintedAgain(t *testing.T) {
	failed := exec.Command("sh", "-c", "exit 1").Run()
	var stderr strings.Builder
	build := fmt.Errorf("build the sandbox: %w\nmain.go:3: undefined", failed)
	require.Equal(t, 1, exitCode(build, &stderr))
	require.Equal(t, "\nerror: "+build.Error()+"\n", stderr.String())

	stderr.Reset()
	require.Equal(t, 3, exitCode(runSandbox("sh", []string{"-c", "exit 3"}), &stderr))
	require.Empty(t, stderr.String())

	require.Equal(t, 1, exitCode(runSandbox("sh", []string{"-c", "kill -9 $$"}), &stderr))
	require.Equal(t, "\nerror: run the sandbox: signal: killed\n", stderr.String())

	require.Zero(t, exitCode(nil, &stderr))
}
