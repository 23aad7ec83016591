package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is said of a stack. One whose state may be wrong is refreshed by its deployment.
const (
	upToDate = "due=false\nrefresh=false"
	outdated = "due=true\nrefresh=false"
	doubted  = "due=true\nrefresh=true"
)

func TestAStackIsDueUnlessItIsDeployedAsThisCommitMakesIt(t *testing.T) {
	const head = `"git.head": "HEAD"`
	update := func(result, environment string) string {
		return `[{"kind": "update", "result": "` + result + `", "endTime": "2026-11-30T10:00:00.000Z",
			"environment": {` + environment + `}}]`
	}
	clean := head + `, "git.dirty": "false"`
	const gone = `"git.head": "1111111111111111111111111111111111111111", "git.dirty": "false"`
	with := func(flag string) string {
		return update("succeeded", clean+`, "pulumi.flag.`+flag+`": "set"`)
	}
	destroyed := strings.Replace(update("succeeded", clean), `"update"`, `"destroy"`, 1)
	deployed := update("succeeded", clean)
	const back = "echo '// x' >>main.go; git commit -qam two; git revert HEAD >/dev/null"
	const killed = `sed -i s/10:00:00/10:00:01/ "$TEMP/state.json"`
	for _, c := range []struct{ name, history, change, stack, want string }{
		{"deployed", deployed, "", "dev", upToDate},
		{"never deployed", "[]", "", "dev", doubted},
		{"failed", update("failed", clean), "", "dev", doubted},
		{"failed, then only docs changed", update("failed", clean), "echo >>docs/guide.md", "dev", doubted},
		{"destroyed", destroyed, "", "dev", doubted},
		{"some resources", with("target"), "", "dev", doubted},
		{"some resources made anew", with("target-replace"), "", "dev", doubted},
		{"all but some resources", with("exclude"), "", "dev", doubted},
		{"the settings of another file", with("config-file"), "", "dev", doubted},
		{"all resources after a look", with("refresh"), "", "dev", upToDate},
		{"uncommitted files", update("succeeded", head+`, "git.dirty": "true"`), "", "dev", outdated},
		{"no word about them", update("succeeded", head), "", "dev", outdated},
		{"a commit that is gone", update("succeeded", gone), "", "dev", outdated},
		{"its settings", deployed, "echo '# x' >>Pulumi.dev.yaml", "dev", outdated},
		{"another's settings", deployed, "echo '# x' >>settings/prod.yaml", "dev", upToDate},
		{"settings behind a link", deployed, "echo '# x' >>settings/prod.yaml", "prod", outdated},
		{"its CA, behind a link", deployed, "echo x >>certificates/2026.pem", "dev", outdated},
		{"another's CA", deployed, "echo x >>certificates/2026.pem", "prod", upToDate},
		{"the CA of all", deployed, "echo x >>certificates/all.pem", "prod", outdated},
		{"a CA that is missing", deployed, "rm certificates/all.pem", "prod", outdated},
		{"a folder as the CA", deployed, "rm certificates/all.pem; mkdir certificates/all.pem", "prod", outdated},
		{"the project", deployed, "echo '# x' >>Pulumi.yaml", "dev", outdated},
		{"the program", deployed, "echo '// x' >>main.go", "dev", outdated},
		{"a package below docs", deployed, "echo '// x' >>docs/net/net.go", "dev", outdated},
		{"a page that the program embeds", deployed, "echo x >>docs/net/page.md", "dev", outdated},
		{"another version of a module", deployed, "echo '// x' >>go.mod", "dev", outdated},
		{"a workspace", deployed, "printf 'go 1.26\nuse .\n' >go.work", "dev", outdated},
		{"a page", deployed, "echo x >>docs/guide.md", "dev", upToDate},
		{"a test", deployed, "echo '// x' >>docs/net/net_test.go", "dev", upToDate},
		{"a package that nothing imports", deployed, "echo '// x' >>internal/unused/unused.go", "dev", upToDate},
		{"a pipeline", deployed, "echo '# x' >>.ci/deploy", "dev", upToDate},
		{"changed and set back", deployed, back, "dev", upToDate},
		{"a run that was killed", deployed, killed, "dev", doubted},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, "github")
			r.history(strings.ReplaceAll(c.history, "HEAD", r.run("git rev-parse HEAD")))
			r.run(c.change + "\ngit add -A && git commit -qm change --allow-empty")
			printed := r.run("python3 .ci/stacks.py due " + c.stack)
			if !strings.HasSuffix(printed, "\n"+c.want) {
				t.Errorf("printed %q, want %q", printed, c.want)
			}
			if got := read(t, filepath.Join(r.temp, "output")); got != c.want+"\n" {
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
	const meanwhile = "git checkout -q main; echo '// x' >>main.go; git commit -qam m; git checkout -q change"
	for _, c := range []struct{ name, change, want string }{
		{"its settings", "echo '# x' >>Pulumi.dev.yaml", `["dev"]`},
		{"settings behind a link", "echo '# x' >>settings/prod.yaml", `["prod"]`},
		{"its CA, behind a link", "echo x >>certificates/2026.pem", `["dev"]`},
		{"the CA of all", "echo x >>certificates/all.pem", all},
		{"a stack that is new", "echo '# x' >Pulumi.staging.eu.yaml", `["staging.eu"]`},
		{"a stack that goes", "git rm -q Pulumi.dev.yaml", none},
		{"the program", "echo '// x' >>main.go", all},
		{"a package that is new", "mkdir net; echo 'package net' >net/n.go; sed -i s,/docs/,/, main.go", all},
		{"a page", "echo x >>docs/guide.md", none},
		{"what main got meanwhile", meanwhile, none},
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
