package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStackIsDueUnlessItIsDeployedAsThisCommitMakesIt(t *testing.T) {
	const head = `"git.head": "HEAD"`
	update := func(result, environment string) string {
		return `[{"kind": "update", "result": "` + result + `", "endTime": "2026-11-30T10:00:00.000Z",
			"environment": {` + environment + `}}]`
	}
	clean := head + `, "git.dirty": "false"`
	for _, c := range []struct{ name, history, change, stack, want string }{
		{"deployed", update("succeeded", clean), "", "dev", "false"},
		{"never deployed", "[]", "", "dev", "true"},
		{"failed", update("failed", clean), "", "dev", "true"},
		{"failed, then only docs changed", update("failed", clean), "echo >>docs/guide.md", "dev", "true"},
		{"destroyed", strings.Replace(update("succeeded", clean), `"update"`, `"destroy"`, 1), "", "dev", "true"},
		{"uncommitted files", update("succeeded", head+`, "git.dirty": "true"`), "", "dev", "true"},
		{"no word about them", update("succeeded", head), "", "dev", "true"},
		{"a commit that is gone", update("succeeded", `"git.head": "`+strings.Repeat("1", 40)+`", "git.dirty": "false"`), "", "dev", "true"},
		{"its settings", update("succeeded", clean), "echo '# x' >>Pulumi.dev.yaml", "dev", "true"},
		{"another's settings", update("succeeded", clean), "echo '# x' >>settings/prod.yaml", "dev", "false"},
		{"settings behind a link", update("succeeded", clean), "echo '# x' >>settings/prod.yaml", "prod", "true"},
		{"the project", update("succeeded", clean), "echo '# x' >>Pulumi.yaml", "dev", "true"},
		{"the program", update("succeeded", clean), "echo '// x' >>main.go", "dev", "true"},
		{"a package below docs", update("succeeded", clean), "echo '// x' >>docs/net/net.go", "dev", "true"},
		{"a page that the program embeds", update("succeeded", clean), "echo x >>docs/net/page.md", "dev", "true"},
		{"another version of a module", update("succeeded", clean), "echo '// x' >>go.mod", "dev", "true"},
		{"a workspace", update("succeeded", clean), "printf 'go 1.26\nuse .\n' >go.work", "dev", "true"},
		{"a page", update("succeeded", clean), "echo x >>docs/guide.md", "dev", "false"},
		{"a test", update("succeeded", clean), "echo '// x' >>docs/net/net_test.go", "dev", "false"},
		{"a package that nothing imports", update("succeeded", clean), "echo '// x' >>internal/unused/unused.go", "dev", "false"},
		{"a pipeline", update("succeeded", clean), "echo '# x' >>.ci/deploy", "dev", "false"},
		{"changed and set back", update("succeeded", clean), "echo '// x' >>main.go; git commit -qam two; git revert HEAD >/dev/null", "dev", "false"},
		{"a run that was killed", update("succeeded", clean), `sed -i s/10:00:00/10:00:01/ "$TEMP/state.json"`, "dev", "true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, "github")
			r.history(strings.ReplaceAll(c.history, "HEAD", r.run("git rev-parse HEAD")))
			r.run(c.change + "\ngit add -A && git commit -qm change --allow-empty")
			printed := r.run("python3 .ci/stacks.py due " + c.stack)
			if !strings.HasSuffix(printed, "\ndue="+c.want) {
				t.Errorf("printed %q, want %s", printed, c.want)
			}
			if got := read(t, filepath.Join(r.temp, "output")); got != "due="+c.want+"\n" {
				t.Errorf("the next job gets %q", got)
			}
			if got := r.run("git worktree list"); strings.Contains(got, "\n") {
				t.Errorf("a checkout is left: %s", got)
			}
		})
	}
}

func TestAPullRequestIsPreviewedForTheStacksThatItChanges(t *testing.T) {
	const all, none = `["dev", "prod"]`, `[]`
	for _, c := range []struct{ name, change, want string }{
		{"its settings", "echo '# x' >>Pulumi.dev.yaml", `["dev"]`},
		{"settings behind a link", "echo '# x' >>settings/prod.yaml", `["prod"]`},
		{"a stack that is new", "echo '# x' >Pulumi.staging.eu.yaml", `["staging.eu"]`},
		{"a stack that goes", "git rm -q Pulumi.dev.yaml", none},
		{"the program", "echo '// x' >>main.go", all},
		{"a package that is new", "mkdir net; echo 'package net' >net/n.go; sed -i s,/docs/,/, main.go", all},
		{"a page", "echo x >>docs/guide.md", none},
		{"what main got meanwhile", "git checkout -q main; echo '// x' >>main.go; git commit -qam m; git checkout -q change", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, "github")
			r.run("git checkout -qb change; " + c.change + "\ngit add -A && git commit -qm c --allow-empty")
			if got := r.run("python3 .ci/stacks.py changed main"); got != "stacks="+c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestAStackIsInTheRingOfItsName(t *testing.T) {
	r := newRunner(t, "azure-devops")
	for _, name := range []string{"dev-preview", "team-a-dev", "dev.eu", "staging", "device", "drift-dev"} {
		r.write("Pulumi."+name+".yaml", "config: {}\n")
	}
	const want = `rings={"dev": ["dev", "dev-preview", "dev.eu", "drift-dev", "team-a-dev"], ` +
		`"staging": ["staging"], "prod": ["device", "prod"]}`
	got, handed, _ := strings.Cut(r.run("python3 .ci/stacks.py rings"), "\n")
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !strings.HasPrefix(handed, "##vso[task.setvariable variable=rings;isOutput=true]{") {
		t.Errorf("the next job gets %q", handed)
	}
}

func TestStacksThatAVendorTakesForOneAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"Pulumi.DEV.yaml":   "DEV and dev differ in case only",
		"Pulumi.a b.yaml":   "a stack's name has letters",
		"Pulumi.$(id).yaml": "a stack's name has letters",
	} {
		r := newRunner(t, "github")
		r.write(name, "config: {}\n")
		printed, err := r.try("python3 .ci/stacks.py rings")
		if err == nil || !strings.Contains(printed, want) {
			t.Errorf("%s: %v, %s", name, err, printed)
		}
	}
}

// It must not look like one that is deployed.
func TestAProgramThatGoCannotListIsAnError(t *testing.T) {
	r := newRunner(t, "github")
	r.run("git rm -q go.mod && git commit -qm broken")
	printed, err := r.try("python3 .ci/stacks.py due dev")
	if err == nil || !strings.Contains(printed, "`go list -deps` failed") {
		t.Errorf("%v, %s", err, printed)
	}
	if _, err := os.Stat(filepath.Join(r.temp, "output")); !os.IsNotExist(err) {
		t.Error("the next job gets an answer")
	}
}
