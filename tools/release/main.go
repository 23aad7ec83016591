// Command release builds the archives of a version: the compiled program, so that whoever takes it
// compiles nothing, and what belongs to it. `make release` runs it.
//
//	go run ./release -version 0.1.0 [-out ../dist] [-only linux/amd64]     in the tools folder
//
// An archive has the program and the command operate for one system, Pulumi.yaml that runs the
// program as it is, the settings of dev and prod, the job's files, the documentation, and a list of
// what both are made of (CycloneDX). Beside the archives is the SHA-256 sum of each.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bomTool lists the modules that a program links.
const bomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// target is a system that an archive is for.
type target struct {
	goos   string
	goarch string
}

var targets = []target{
	{goos: "linux", goarch: "amd64"},
	{goos: "darwin", goarch: "arm64"},
	{goos: "windows", goarch: "amd64"},
}

func (t target) String() string { return t.goos + "/" + t.goarch }

// executable is a command's file name on the target.
func (t target) executable(name string) string {
	if t.goos == "windows" {
		return name + ".exe"
	}
	return name
}

// release is one version of the repository.
type release struct {
	root    string
	version string
	out     string
	time    time.Time // of the commit, so that the same commit gives the same archive
}

// ofTests are the files that prove the job's client, and what they need.
var ofTests = regexp.MustCompile(`^job/(test_\w+|prove_\w+|stand_ins)\.py$`)

var versions = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	root := flags.String("root", "..", "the repository")
	version := flags.String("version", "", "the version, such as 0.1.0; CHANGELOG.md must have it")
	out := flags.String("out", "../dist", "the folder of the archives")
	only := flags.String("only", "", "one system, such as linux/amd64; empty: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r, err := open(ctx, *root, *version, *out)
	if err != nil {
		return err
	}
	chosen := targets
	if *only != "" {
		isOther := func(t target) bool { return t.String() != *only }
		chosen = slices.DeleteFunc(slices.Clone(targets), isOther)
	}
	if len(chosen) == 0 {
		return fmt.Errorf("-only %s is none of %v", *only, targets)
	}
	var archives []string
	for _, t := range chosen {
		archive, err := r.pack(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		archives = append(archives, archive)
		fmt.Fprintln(os.Stdout, archive)
	}
	return r.writeSums(archives)
}

// open checks what a release needs before anything is compiled.
func open(ctx context.Context, folder, version, out string) (release, error) {
	root, err := filepath.Abs(folder)
	if err != nil {
		return release{}, err
	}
	if !versions.MatchString(version) {
		return release{}, fmt.Errorf("-version %q is not one such as 0.1.0", version)
	}
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return release{}, err
	}
	if !strings.Contains(string(changelog), "\n## ["+version+"]") {
		return release{}, fmt.Errorf("CHANGELOG.md has no section [%s]; write one first", version)
	}
	seconds, err := output(ctx, root, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return release{}, err
	}
	number, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	if err != nil {
		return release{}, fmt.Errorf("the commit's time: %w", err)
	}
	r := release{root: root, version: version, time: time.Unix(number, 0).UTC()}
	if r.out, err = filepath.Abs(out); err != nil {
		return release{}, err
	}
	return r, os.MkdirAll(r.out, 0o755) //nolint:gosec // G301: for all to read.
}

// pack builds the archive of a target and returns its name.
func (r release) pack(ctx context.Context, t target) (string, error) {
	work, err := os.MkdirTemp("", "mlvault-release-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	files, err := r.documents(ctx)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"mlvault", "operate"} {
		built, err := r.build(ctx, t, name, work)
		if err != nil {
			return "", err
		}
		files = append(files, built...)
	}
	folder := fmt.Sprintf("mlvault_%s_%s_%s", r.version, t.goos, t.goarch)
	archive := folder + ".tar.gz"
	write := writeTar
	if t.goos == "windows" {
		archive = folder + ".zip"
		write = writeZip
	}
	return archive, write(filepath.Join(r.out, archive), folder, r.time, files)
}

// documents are the files that every archive has, as the repository tracks them.
func (r release) documents(ctx context.Context) ([]file, error) {
	listed, err := output(ctx, r.root, nil, "git", "ls-files", "--",
		"CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "Pulumi.yaml", "Pulumi.*.yaml",
		"docs", "examples", "job")
	if err != nil {
		return nil, err
	}
	var files []file
	for _, name := range strings.Fields(listed) {
		if ofTests.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		if name == "Pulumi.yaml" {
			if text, err = withBinary(text); err != nil {
				return nil, err
			}
		}
		files = append(files, file{name: name, content: text})
	}
	if len(files) == 0 {
		return nil, errors.New("git tracks none of the files; run this in a clone")
	}
	return files, nil
}

// withBinary is a Pulumi.yaml whose project runs the program beside it and compiles nothing.
func withBinary(text []byte) ([]byte, error) {
	const compiled = "\nruntime: go\n"
	const asItIs = "\nruntime:\n  name: go\n  options:\n    binary: mlvault\n"
	if strings.Count(string(text), compiled) != 1 {
		return nil, fmt.Errorf("no line %q in Pulumi.yaml", strings.TrimSpace(compiled))
	}
	return []byte(strings.Replace(string(text), compiled, asItIs, 1)), nil
}

// modules are the folders of what is compiled.
var modules = map[string]string{"mlvault": ".", "operate": "operate"}

// build compiles a command, and lists what it is made of.
func (r release) build(ctx context.Context, t target, name, work string) ([]file, error) {
	module := filepath.Join(r.root, modules[name])
	environment := append(os.Environ(),
		"GOOS="+t.goos, "GOARCH="+t.goarch, "CGO_ENABLED=0", "GOFLAGS=")
	program := filepath.Join(work, t.executable(name))
	_, err := output(ctx, module, environment, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-w -s", "-o", program, ".")
	if err != nil {
		return nil, err
	}
	bom := filepath.Join(work, name+".cdx.json")
	// What Go wrote into the program is what is linked, whatever it was built for.
	_, err = output(ctx, r.root, append(os.Environ(), "GOFLAGS="), "go", "run", bomTool, "bin",
		"-json", "-noserial", "-version", "v"+r.version, "-output", bom, program)
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(bom)
	if err != nil {
		return nil, err
	}
	return []file{
		{name: t.executable(name), content: binary, executable: true},
		{name: name + ".cdx.json", content: list},
	}, nil
}

// writeSums writes what `sha256sum --check` reads.
func (r release) writeSums(archives []string) error {
	var text strings.Builder
	for _, archive := range archives {
		content, err := os.ReadFile(filepath.Join(r.out, archive))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(content), archive)
	}
	name := fmt.Sprintf("mlvault_%s_checksums.txt", r.version)
	//nolint:gosec // G306: for all to read.
	return os.WriteFile(filepath.Join(r.out, name), []byte(text.String()), 0o644)
}

// output runs a command and returns what it prints. The error holds what it said.
func output(
	ctx context.Context, dir string, env []string, name string, args ...string,
) (string, error) {
	var said strings.Builder
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // G204: git, go and the pinned tool.
	cmd.Dir = dir
	cmd.Env = env
	cmd.Stderr = &said
	printed, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said.String())
	}
	return string(printed), nil
}
