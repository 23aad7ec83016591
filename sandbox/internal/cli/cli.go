// Package cli finds what the sandbox drives, the Pulumi CLI and a Vault server, or builds it.
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
	"io/fs"
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
	Path   string // absolute
	Source string // its version and where it came from, for people
}

// Builder builds Go commands of the sandbox and tells how far it is.
type Builder struct {
	Module string   // folder of the sandbox's go.mod
	Bin    string   // folder for the commands; created when missing
	Log    *os.File // progress: a line that changes on a terminal, else a line now and then
}

// Find returns the CLI on PATH if it is new enough, else the one in Bin, building it first if it is missing or of
// another version than go.mod pins.
func (b Builder) Find(ctx context.Context) (CLI, error) {
	if path, err := exec.LookPath("pulumi"); err == nil {
		if version, err := versionOf(ctx, path); err == nil && semver.Compare(version, Minimum) >= 0 {
			return CLI{Path: path, Source: version + ", " + path}, nil
		}
	}
	pinned, err := b.pinned(ctx)
	if err != nil {
		return CLI{}, err
	}
	path := b.Executable("pulumi")
	built := CLI{Path: path, Source: pinned + ", built here"}
	if version, err := versionOf(ctx, path); err == nil && version == pinned {
		return built, nil
	}
	flags := fmt.Sprintf("-s -w -X %s=%s", versionVariable, pinned)
	return built, b.Build(ctx, "the Pulumi CLI "+pinned, path, flags, b.Module, command)
}

// Vault builds vaultd, unless there is another server or nothing of it has changed.
func (b Builder) Vault(ctx context.Context) error {
	path, source := b.Executable("vaultd"), filepath.Join(b.Module, "vaultd")
	if found, err := FindVault(); !errors.Is(err, errNoVault) && found != path {
		return err
	}
	if built, err := os.Stat(path); err == nil && !changed(source, built.ModTime()) {
		return nil
	}
	return b.Build(ctx, "a Vault server", path, "-s -w", source, ".")
}

func changed(folder string, since time.Time) bool {
	return nil != filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err != nil || info.ModTime().After(since) {
			return errNoVault
		}
		return nil
	})
}

var errNoVault = errors.New("no Vault server: install vault or bao, or build one with `go -C sandbox run ./bootstrap build`")

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
		path := Builder{Bin: filepath.Join(folder, ".sandbox", "bin")}.Executable("vaultd")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if folder == filepath.Dir(folder) {
			break
		}
		folder = filepath.Dir(folder)
	}
	return "", errNoVault
}

// Build compiles a package in a module's folder into an executable. The Go command decides what is stale, so building
// what is built costs a second or two and compiles nothing.
func (b Builder) Build(ctx context.Context, what, output, ldflags, folder, pkg string) error {
	if err := os.MkdirAll(filepath.Dir(output), 0o750); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	p := progress{out: b.Log, what: what, started: time.Now()}
	if _, err := os.Stat(output); err != nil {
		p.total = stale(ctx, folder, pkg)
	}
	//nolint:gosec // G204: every argument is the program's own.
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-ldflags", ldflags, "-o", output, pkg)
	cmd.Dir, cmd.WaitDelay = folder, 5*time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: start the go command: %w", pkg, err)
	}
	var said bytes.Buffer
	p.begin()
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// `go build -v` prints the name of each package when it has compiled it.
		if line := lines.Text(); !strings.ContainsAny(line, " :#") {
			p.add()
		} else if !strings.HasPrefix(line, "go: downloading ") {
			fmt.Fprintln(&said, line)
		}
	}
	p.end()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, &said)
	}
	return nil
}

// stale is how many packages a build would compile.
func stale(ctx context.Context, folder, pkg string) int {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{if .Stale}}.{{end}}", pkg) //nolint:gosec // G204: our own arguments.
	cmd.Dir = folder
	out, _ := cmd.Output() // the build says what is wrong
	return bytes.Count(out, []byte("."))
}

// progress tells how far a build is.
type progress struct {
	out           *os.File
	what          string
	total, done   int // packages; total is 0 when the build is one that only checks
	started, last time.Time
}

// perPackage is what a package costs one core on the average of the packages of these builds.
const perPackage = 250 * time.Millisecond

func (p *progress) begin() {
	if p.total > 20 {
		needs := time.Duration(p.total) * perPackage / time.Duration(min(runtime.NumCPU(), 8))
		fmt.Fprintf(p.out, "Building %s, this first time: %d packages, about %s and %d MB of Go's build cache\n",
			p.what, p.total, needs.Round(10*time.Second), 50+p.total*2/3)
	}
}

func (p *progress) add() {
	p.done++
	now, pause := time.Now(), 10*time.Second
	start, end := "  ", "\n"
	if p.terminal() {
		start, end, pause = "\r  ", "      ", time.Second/2
	}
	if spent := now.Sub(p.started); p.total > 20 && spent > 2*time.Second && now.Sub(p.last) > pause {
		p.last = now
		share, left := float64(p.done)/float64(max(p.total, p.done)), ""
		switch {
		case share > 0.9: // the last packages are the largest, and then the linker runs
			left = ", the longest packages and linking are left"
		case share > 0.05: // before that it is a guess
			left = fmt.Sprintf(", about %s left", time.Duration(float64(spent)*(1/share-1)).Round(time.Second))
		}
		fmt.Fprintf(p.out, "%s%3.0f %%%s%s", start, 100*share, left, end)
	}
}

func (p *progress) end() {
	if !p.last.IsZero() {
		if p.terminal() {
			fmt.Fprintf(p.out, "\r")
		}
		fmt.Fprintf(p.out, "  done after %s            \n", time.Since(p.started).Round(time.Second))
	}
}

func (p *progress) terminal() bool {
	info, err := p.out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
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

// Executable is the path of a command in Bin.
func (b Builder) Executable(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.Bin, name)
}
