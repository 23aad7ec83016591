package cli

import (
	"context"
	"fmt"
	"os/exec"
)

// FindPython is the Python that runs the client of a job, which needs 3.9 or newer.
func FindPython(ctx context.Context) (string, error) {
	const advice = "a job reads its credentials with Python 3.9 or newer: install it as `python3`"
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("%s: %w", advice, err)
	}
	const check = "import sys; sys.exit(sys.version_info < (3, 9))"
	//nolint:gosec // G204: the Python on PATH.
	cmd := exec.CommandContext(ctx, path, "-c", check)
	if _, err := cmd.Output(); err != nil {
		return "", fmt.Errorf("%s: %s is older or does not run: %w", advice, path, withStderr(err))
	}
	return path, nil
}
