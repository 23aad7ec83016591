// Package cli finds what the sandbox drives, the Pulumi CLI, a Vault server and Python, and builds
// the first two where they are missing.
//
// It imports the standard library and a version comparison only. The bootstrap command compiles
// everything else and shows how far it is, so it must itself be there at once.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"
)

// Minimum is the oldest CLI on PATH that is used. Pulumi.yaml requires it too.
const Minimum = "v3.208.0"

const (
	module  = "github.com/pulumi/pulumi/pkg/v3"
	command = module + "/cmd/pulumi"
	// Without a version the Automation API refuses the CLI as too old.
	versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
)

// CLI is a Pulumi command that can be run.
type CLI struct {
	// Path is absolute.
	Path string
	// Source is its version and where it came from, for people.
	Source string
}

// Find returns the CLI on PATH if it is new enough. Otherwise it returns the one in Bin, and first
// builds it if it is missing or of another version than go.mod pins.
func (b Builder) Find(ctx context.Context) (CLI, error) {
	if installed, found := installedCLI(ctx); found {
		return installed, nil
	}
	pinned, err := b.pinned(ctx)
	if err != nil {
		return CLI{}, err
	}
	built := CLI{Path: b.Executable("pulumi"), Source: pinned + ", built here"}
	version, err := versionOf(ctx, built.Path)
	if err == nil && version == pinned {
		return built, nil
	}
	return built, b.Build(ctx, Command{
		What:    "the Pulumi CLI " + pinned,
		Name:    "pulumi",
		Package: command,
		LDFlags: fmt.Sprintf("-s -w -X %s=%s", versionVariable, pinned),
	})
}

// installedCLI is the CLI on PATH, if it is new enough.
func installedCLI(ctx context.Context) (CLI, bool) {
	path, err := exec.LookPath("pulumi")
	if err != nil {
		return CLI{}, false
	}
	version, err := versionOf(ctx, path)
	if err != nil || semver.Compare(version, Minimum) < 0 {
		return CLI{}, false
	}
	return CLI{Path: path, Source: version + ", " + path}, true
}

// pinned is the engine's version in sandbox/go.mod.
func (b Builder) pinned(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
	cmd.Dir = b.Module
	out, err := cmd.Output()
	if err != nil {
		file := filepath.Join(b.Module, "go.mod")
		return "", fmt.Errorf("version of %s in %s: %w", module, file, withStderr(err))
	}
	return strings.TrimSpace(string(out)), nil
}

func versionOf(ctx context.Context, path string) (string, error) {
	//nolint:gosec // G204: the CLI on PATH or the one built here.
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", path, withStderr(err))
	}
	version := strings.TrimSpace(string(out))
	if !semver.IsValid(version) {
		return "", fmt.Errorf("%s version: %q is not a version", path, version)
	}
	return version, nil
}
