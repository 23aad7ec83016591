// Command sdkgen makes the slim SDKs under sdks/ from the schema beside each of them.
//
//	go run ./sdkgen [-check]     in the tools folder
//
// Every Go file there is the generator's own, byte for byte, so a reviewer reads the schema only.
// With -check it writes nothing and fails if a file differs, is missing or is not generated.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const sdks = "../sdks"

// tree is the content of files by slash-separated path.
type tree map[string][]byte

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file would change")
	flag.Parse()
	if err := run(sdks, *check, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sdkgen:", err)
		os.Exit(1)
	}
}

// run generates each folder of root that has a schema.
func run(root string, check bool, out io.Writer) error {
	schemas, err := filepath.Glob(filepath.Join(root, "*", "schema.json"))
	if err != nil || len(schemas) == 0 {
		err = errors.Join(err, fs.ErrNotExist)
		return fmt.Errorf("%s has no folder with a schema.json: %w", root, err)
	}
	stale := false
	for _, file := range schemas {
		dir := filepath.Dir(file)
		name := filepath.Base(dir)
		want, err := generate(name, file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		have, err := readTree(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		paths := maps.Clone(want)
		maps.Copy(paths, have)
		for _, p := range slices.Sorted(maps.Keys(paths)) {
			if bytes.Equal(want[p], have[p]) {
				continue
			}
			stale = true
			fmt.Fprintf(out, "sdks/%s/%s differs from what the schema gives\n", name, p)
			if !check {
				err = errors.Join(err, put(filepath.Join(dir, filepath.FromSlash(p)), want[p]))
			}
		}
		if err != nil {
			return err
		}
	}
	if check && stale {
		return errors.New("the SDKs differ from their schemas: run make generate")
	}
	return nil
}

// put writes a file. Without a content it removes the file, and the folder if that was its last.
func put(file string, content []byte) error {
	if content != nil {
		//nolint:gosec // A folder of source, for all to read.
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, content, 0o644) //nolint:gosec // Source, for all to read.
	}
	err := os.Remove(file)
	_ = os.Remove(filepath.Dir(file)) // fails while the folder has other files
	return err
}

// generate returns the files of one module. The rest of the generator's output belongs to the root
// module, pulumi-azure-native-sdk/v2, which comes from the registry.
func generate(name, file string) (tree, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	pkg, diags, err := schema.BindSpec(spec, schema.NewNullLoader(), schema.ValidationOptions{})
	if err == nil && diags.HasErrors() {
		err = diags
	}
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	files, err := gogen.GeneratePackage("pulumi-language-go", pkg, nil)
	if err != nil {
		return nil, err
	}
	const plugin = "pulumi-plugin.json"
	module := tree{}
	for p, content := range files {
		if rest, found := strings.CutPrefix(path.Clean(p), name+"/"); found {
			module[rest] = content
		} else if path.Base(p) == plugin {
			module[plugin] = content
		}
	}
	if len(module) < 2 {
		return nil, fmt.Errorf("the schema has nothing of module %s", name)
	}
	return module, nil
}

// readTree returns the files of an SDK's folder that the generator owns.
func readTree(dir string) (tree, error) {
	files := tree{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(p string, entry fs.DirEntry, err error) error {
		isOurs := p == "go.mod" || p == "schema.json"
		if err != nil || entry.IsDir() || isOurs {
			return err
		}
		files[p], err = fs.ReadFile(root, p)
		return err
	})
	return files, err
}
