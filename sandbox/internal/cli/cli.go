// Package cli finds the Pulumi CLI that the sandbox drives, or builds it from the version that sandbox/go.mod pins.
//
// It imports the standard library and a version comparison only, because the bootstrap command, which compiles
// everything else and shows how far it is, must itself be there at once.
package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// Minimum is the oldest CLI on PATH that is taken: Pulumi.yaml asks for it too.
const Minimum = "v3.208.0"

const (
	module  = "github.com/pulumi/pulumi/pkg/v3"
	command = module + "/cmd/pulumi"
	// Without a version the Automation API refuses the CLI as too old.
	versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
)

// CLI is a Pulumi command that can be run.
type CLI struct {
	Path    string // absolute
	Version string // with a v, for example v3.250.0
	Source  string // where it came from, for people
}

// Builder builds Go commands of the sandbox module and tells how far it is.
type Builder struct {
	Module string    // folder of the sandbox's go.mod
	Bin    string    // folder for the commands; created when missing
	Log    io.Writer // progress, a line at a time
}

// Find returns the CLI on PATH if it is new enough, else the one in Bin, building it first if it is missing or of
// another version than go.mod pins.
func (b Builder) Find(ctx context.Context) (CLI, error) {
	if path, err := exec.LookPath("pulumi"); err == nil {
		if version, err := versionOf(ctx, path); err == nil && semver.Compare(version, Minimum) >= 0 {
			return CLI{Path: path, Version: version, Source: "on PATH"}, nil
		}
	}
	pinned, err := b.pinned(ctx)
	if err != nil {
		return CLI{}, err
	}
	path := filepath.Join(b.Bin, executable("pulumi"))
	built := CLI{Path: path, Version: pinned, Source: "built from " + module + "@" + pinned}
	if version, err := versionOf(ctx, path); err == nil && version == pinned {
		return built, nil
	}
	flags := fmt.Sprintf("-s -w -X %s=%s", versionVariable, pinned)
	if err := b.Build(ctx, "the Pulumi CLI "+pinned+" (the first time about 3 minutes)", path, flags, command); err != nil {
		return CLI{}, err
	}
	return built, nil
}

// Vault builds vaultd, unless there is another server.
func (b Builder) Vault(ctx context.Context) error {
	path := b.Executable("vaultd")
	if found, err := FindVault(); err == nil && found != path {
		return nil
	}
	b.Module = filepath.Join(b.Module, "vaultd")
	return b.Build(ctx, "a Vault server", path, "-s -w", ".")
}

// FindVault is the server that SANDBOX_VAULT names, the vault or bao on PATH, or the vaultd that was built in the
// repository around the working folder.
func FindVault() (string, error) {
	if named := os.Getenv("SANDBOX_VAULT"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("SANDBOX_VAULT: %w", err)
		}
		return filepath.Abs(path)
	}
	for _, name := range []string{"vault", "bao"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	folder, err := os.Getwd()
	for err == nil {
		if path := filepath.Join(folder, ".sandbox", "bin", executable("vaultd")); exists(path) {
			return path, nil
		}
		if folder == filepath.Dir(folder) {
			break
		}
		folder = filepath.Dir(folder)
	}
	return "", errors.New("no Vault server: install vault or bao, or build one with `go -C sandbox run ./bootstrap build`")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Build compiles a package of the module, or of one that it requires, into an executable. The Go command decides
// what is stale, so building what is built costs a second or two and compiles nothing.
func (b Builder) Build(ctx context.Context, what, output, ldflags, pkg string) error {
	if err := os.MkdirAll(filepath.Dir(output), 0o750); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	//nolint:gosec // G204: every argument is the program's own.
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-ldflags", ldflags, "-o", output, pkg)
	cmd.Dir = b.Module
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: start the go command: %w", pkg, err)
	}
	said := b.follow(stderr, what)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// quiet is how long a build may take without a word: one that only checks that nothing is stale ends sooner.
const quiet = 3 * time.Second

// follow turns the names of packages that `go build -v` prints as it compiles into a progress line every few seconds,
// and returns what else the Go command said.
func (b Builder) follow(stderr io.Reader, what string) string {
	var said bytes.Buffer
	started, last, compiled := time.Now(), time.Time{}, 0
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.ContainsAny(line, " :#") {
			if !strings.HasPrefix(line, "go: downloading ") {
				fmt.Fprintln(&said, line)
			}
		} else {
			compiled++
		}
		if now := time.Now(); now.Sub(started) > quiet && now.Sub(last) > 5*time.Second {
			if last.IsZero() {
				fmt.Fprintf(b.Log, "Building %s\n", what)
			}
			last = now
			fmt.Fprintf(b.Log, "  %4.0f s, %d packages compiled\n", now.Sub(started).Seconds(), compiled)
		}
	}
	if !last.IsZero() {
		fmt.Fprintf(b.Log, "  done after %.0f s\n", time.Since(started).Seconds())
	}
	return said.String()
}

// pinned is the engine's version in sandbox/go.mod.
func (b Builder) pinned(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
	cmd.Dir = b.Module
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("version of %s in %s: %w", module, filepath.Join(b.Module, "go.mod"), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func versionOf(ctx context.Context, path string) (string, error) {
	cmd := exec.CommandContext(ctx, path, "version") //nolint:gosec // G204: the CLI on PATH or the one built here.
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", path, err)
	}
	version := strings.TrimSpace(string(out))
	if !semver.IsValid(version) {
		return "", fmt.Errorf("%s version: %q is not a version", path, version)
	}
	return version, nil
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// Executable is the path of a command in Bin.
func (b Builder) Executable(name string) string { return filepath.Join(b.Bin, executable(name)) }
