package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// history is a git repository in which main's last commit is before.
const history = `
git init -q -b main
mkdir -p internal/stack
echo 'name: x' >Pulumi.yaml
echo 'config: {}' | tee Pulumi.dev.yaml Pulumi.prod.yaml >internal/stack/stack.go
git add -A && git commit -qm before && git tag before`

func TestAChangeTouchesTheStacksThatItCanChange(t *testing.T) {
	dir := t.TempDir()
	script, err := filepath.Abs("../../.ci/touched-stacks")
	if err != nil {
		t.Fatal(err)
	}
	sh := func(t *testing.T, commands, file string) string {
		t.Helper()
		cmd := exec.Command("bash", "-euc", commands)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TOUCHED="+script, "FILE="+file, "GITHUB_OUTPUT=", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	sh(t, history, "")
	const all, none = `stacks=["dev","prod"]`, `stacks=[]`
	for _, c := range []struct{ name, file, want string }{
		{"its settings", "Pulumi.prod.yaml", `stacks=["prod"]`},
		{"a stack that is new", "Pulumi.staging.yaml", `stacks=["staging"]`},
		{"a stack with a dot that is new", "Pulumi.dev.eu.yaml", `stacks=["dev.eu"]`},
		{"the project", "Pulumi.yaml", all},
		{"the program", "internal/stack/stack.go", all},
		{"the preflight", "operate/main.go", all},
		{"a package that is new", "network/network.go", all},
		{"a name that needs quoting", "internal/ä b.go", all},
		{"a workspace", "go.work", all},
		{"what is vendored", "vendor/x/docs/y_test.go", all},
		{"a test", "internal/stack/stack_test.go", none},
		{"a golden file", "internal/stack/testdata/dev.json", none},
		{"the documentation", "README.md", none},
		{"the sandbox", "sandbox/main.go", none},
		{"an example", "examples/x/Pulumi.dev.yaml", none},
		{"the job", "job/vault_credentials.py", none},
		{"a workflow", ".github/workflows/x.yml", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			const change = `git checkout -q --detach before; mkdir -p "$(dirname "$FILE")"; echo '# x' >>"$FILE"; git add -A; git commit -qm x; bash "$TOUCHED" before HEAD`
			if got := sh(t, change, c.file); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	for _, c := range []struct{ name, commands, want string }{
		{"a stack that goes", `git checkout -q --detach before; git rm -q Pulumi.prod.yaml; git commit -qm x; bash "$TOUCHED" before HEAD`, none},
		{"a first push", `bash "$TOUCHED" 0000000000000000000000000000000000000000 before`, all},
		{"what main got meanwhile", `git checkout -q main; echo >main.go; git add -A; git commit -qm x; bash "$TOUCHED" main before`, none},
		{"what the next job gets", `out=$(mktemp); GITHUB_OUTPUT=$out bash "$TOUCHED" none before >/dev/null; cat "$out"; rm "$out"`, all},
	} {
		if got := sh(t, c.commands, ""); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
