// Command generate makes the slim SDKs under sdks/ from the schema beside each of them.
//
//	go run ./generate [-check] [-pulumi PATH]     in the sandbox folder
//	go run ./generate -derive                     writes those schemas that an official module's source gives
//
// The files of the checkout are the generator's own, to the byte, so that a reviewer reads the schema and nothing else.
// With -check it writes nothing and fails if a file differs, is missing or is not of the generator.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
)

// modules has a row for each folder of sdks/. The name is also the module's name in the schema's tokens and in the
// official import path: github.com/pulumi/pulumi-azure-native-sdk/NAME/v2.
var modules = []string{
	"containerregistry",
	"keyvault",
	"machinelearningservices",
	"managedidentity",
	"operationalinsights",
	"resources",
	"storage",
}

// handwritten are the files of a module's folder that the generator neither makes nor removes.
var handwritten = []string{"go.mod", "go.sum", "schema.json"}

const (
	sdks         = "../sdks"
	languageHost = "generate/languagehost"
)

// tree is the content of files by slash-separated path.
type tree map[string][]byte

var errStale = errors.New("the SDKs are not what their schemas generate: run make generate")

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file would change")
	deriving := flag.Bool("derive", false, "only write the schemas that are read from official modules, which are downloaded")
	pulumi := flag.String("pulumi", "pulumi", "the Pulumi CLI")
	flag.Parse()
	var err error
	if *deriving {
		err = deriveAll(context.Background())
	} else {
		err = run(context.Background(), *pulumi, *check, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pulumi string, check bool, out io.Writer) (err error) {
	work, err := os.MkdirTemp("", "mlvault-generate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	cli, err := newCLI(ctx, pulumi, work)
	if err != nil {
		return err
	}

	var stale bool
	for _, name := range modules {
		dir := filepath.Join(filepath.FromSlash(sdks), name)
		want, err := cli.generate(ctx, name, filepath.Join(dir, "schema.json"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		have, err := readModule(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, difference := range compare(want, have) {
			stale = true
			if check {
				fmt.Fprintf(out, "sdks/%s/%s\n", name, difference)
			}
		}
		if check {
			continue
		}
		if err := writeModule(dir, want, have); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "sdks/%s: %d files\n", name, len(want))
	}
	if check && stale {
		return errStale
	}
	return nil
}

// compare says, in the order of the paths, how the checkout's files differ from those that the generator makes.
func compare(want, have tree) []string {
	paths := maps.Clone(want)
	maps.Copy(paths, have)
	var differences []string
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		w, wanted := want[p]
		h, had := have[p]
		switch {
		case !had:
			differences = append(differences, p+": missing")
		case !wanted:
			differences = append(differences, p+": not generated from the schema")
		case !bytes.Equal(w, h):
			differences = append(differences, p+": differs")
		}
	}
	return differences
}

type cli struct {
	pulumi string
	work   string
	env    []string
}

// newCLI makes the Pulumi CLI ready to generate: a home of its own, as it must not touch the user's, and our language
// host first on the PATH, as a CLI that was built from source has none.
func newCLI(ctx context.Context, pulumi, work string) (*cli, error) {
	found, err := exec.LookPath(pulumi)
	if err != nil {
		return nil, fmt.Errorf("the Pulumi CLI (name it with -pulumi): %w", err)
	}
	// The CLI runs in the work folder, where a relative path would mean another file.
	if found, err = filepath.Abs(found); err != nil {
		return nil, err
	}
	bin := filepath.Join(work, "bin")
	host := filepath.Join(bin, "pulumi-language-go")
	if runtime.GOOS == "windows" {
		host += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", host, ".") //nolint:gosec // G204: a path of our own making.
	build.Dir = filepath.FromSlash(languageHost)
	// It is a module of its own: a workspace or a flag for ours is not for it.
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", languageHost, err, output)
	}
	return &cli{pulumi: found, work: work, env: append(
		os.Environ(),
		"PULUMI_HOME="+filepath.Join(work, "home"),
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
	)}, nil
}

func (c *cli) generate(ctx context.Context, name, schema string) (tree, error) {
	schema, err := filepath.Abs(schema)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(c.work, name)
	//nolint:gosec // The CLI is the one that the developer named.
	cmd := exec.CommandContext(ctx, c.pulumi, "package", "gen-sdk", schema, "--language", "go", "-o", out)
	cmd.Dir, cmd.Env = c.work, c.env
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pulumi package gen-sdk: %w\n%s", err, output)
	}
	return collect(os.DirFS(filepath.Join(out, "go")), name)
}

// collect takes from the generator's output what belongs to the module. The rest is of the root module,
// pulumi-azure-native-sdk/v2, which comes from the registry.
func collect(output fs.FS, name string) (tree, error) {
	sub, err := fs.Sub(output, name)
	if err != nil {
		return nil, err
	}
	files, err := readTree(sub)
	if err != nil {
		return nil, fmt.Errorf("the schema has nothing of module %s: %w", name, err)
	}
	const plugin = "pulumi-plugin.json"
	files[plugin], err = fs.ReadFile(output, plugin)
	return files, err
}

func readTree(root fs.FS) (tree, error) {
	files := tree{}
	err := fs.WalkDir(root, ".", func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[p], err = fs.ReadFile(root, p)
		return err
	})
	return files, err
}

// readModule reads the generated files of a module's folder.
func readModule(dir string) (tree, error) {
	files, err := readTree(os.DirFS(dir))
	for _, p := range handwritten {
		delete(files, p)
	}
	return files, err
}

// writeModule makes the folder's generated files the wanted ones. The generator's files are for their owner only, which
// a checkout by another user could not build; so the modes are set here, also on a file that is there already.
func writeModule(dir string, want, have tree) error {
	for p := range have {
		if _, wanted := want[p]; wanted {
			continue
		}
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(p))); err != nil {
			return err
		}
		// A folder that still has files stays: its removal fails.
		for parent := path.Dir(p); parent != "."; parent = path.Dir(parent) {
			if os.Remove(filepath.Join(dir, filepath.FromSlash(parent))) != nil {
				break
			}
		}
	}
	for p, content := range want {
		file := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Source, for all to read.
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // Source, for all to read.
			return err
		}
		if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // Source, for all to read.
			return err
		}
	}
	return nil
}
