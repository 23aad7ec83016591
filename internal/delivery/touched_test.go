package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a git repository of a test's own.
type repository struct {
	t   *testing.T
	dir string
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes a file, or removes it where there is no text, and returns the commit.
func (r repository) commit(file, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, file)
	if text == "" {
		if err := os.Remove(path); err != nil {
			r.t.Fatal(err)
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("commit", "-qm", file)
	return r.git("rev-parse", "HEAD")
}

// touched runs the script of the workflows and returns what the next job gets.
func (r repository) touched(base, head string) string {
	r.t.Helper()
	script, err := filepath.Abs("../../.ci/touched-stacks")
	if err != nil {
		r.t.Fatal(err)
	}
	output := filepath.Join(r.t.TempDir(), "output")
	cmd := exec.Command("bash", script, base, head)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GITHUB_OUTPUT="+output)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(read(r.t, output))
}

func TestAChangeTouchesTheStacksThatItCanChange(t *testing.T) {
	r := repository{t: t, dir: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	r.commit("Pulumi.yaml", "name: x")
	r.commit("internal/stack/stack.go", "package stack")
	r.commit("Pulumi.prod.yaml", "config: {}")
	before := r.commit("Pulumi.dev.yaml", "config: {}")

	const all, none = `stacks=["dev","prod"]`, `stacks=[]`
	for _, c := range []struct{ name, file, text, want string }{
		{"its settings", "Pulumi.prod.yaml", "config: {a: b}", `stacks=["prod"]`},
		{"the program", "internal/stack/stack.go", "package stack // x", all},
		{"an SDK", "sdks/x/y.go", "package y", all},
		{"a module", "go.sum", "x", all},
		{"the project", "Pulumi.yaml", "name: y", all},
		{"a test", "internal/stack/stack_test.go", "package stack", none},
		{"a golden file", "internal/stack/testdata/dev.json", "{}", none},
		{"the documentation", "README.md", "x", none},
		{"the sandbox", "sandbox/main.go", "package main", none},
		{"the job", "job/train.py", "x", none},
		{"a name that needs quoting", "internal/ä b.go", "package b", all},
		{"a stack that goes", "Pulumi.prod.yaml", "", none},
		{"a stack that is new", "Pulumi.staging.yaml", "config: {}", `stacks=["staging"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r
			r.t = t
			r.git("checkout", "-q", "--detach", before)
			if got := r.touched(before, r.commit(c.file, c.text)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}

	r.git("checkout", "-q", "main")
	if got := r.touched("0000000000000000000000000000000000000000", "HEAD"); got != all {
		t.Errorf("a first push: %s", got)
	}
	r.git("checkout", "-q", "-b", "branch", before)
	branch := r.commit("README.md", "x")
	r.git("checkout", "-q", "main")
	if got := r.touched(r.commit("main.go", "package main"), branch); got != none {
		t.Errorf("what main got meanwhile is no change of the branch: %s", got)
	}
}
