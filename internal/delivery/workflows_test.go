package delivery

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const workflows = "../../.github/workflows"

// workflow is as much of GitHub's schema as the rules look at.
type workflow struct {
	On, Permissions any
	Jobs            map[string]job
}

type job struct {
	If, Uses, Environment string
	Permissions           any
	Timeout               int `yaml:"timeout-minutes"`
	Env                   map[string]string
	Concurrency           struct {
		Group  string
		Cancel bool `yaml:"cancel-in-progress"`
	}
	Steps []step
}

type step struct {
	If, Uses, Run string
	With          map[string]any
	Timeout       int `yaml:"timeout-minutes"`
}

var (
	// A reviewer reads the version, Dependabot moves both.
	pinned   = regexp.MustCompile(`uses: ([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\S+)$`)
	usesLine = regexp.MustCompile(`^\s*(- )?uses: `)
	// Each of these has put secrets into a log (docs/operate.md), or switches a check off.
	loud = regexp.MustCompile(`(?i)--?debug|\bdebug: true|\bpulumi .*-d\b|log-verbosity|logtostderr|logflow|--verbose|-v[ =]?\d|show-secrets|--tracing|otel-traces|` +
		`PULUMI_DEBUG|TF_LOG|TERRAFORM_VAULT_LOG|ACTIONS_STEP_DEBUG|SKIP_VERIFY|set -x`)
	stored = regexp.MustCompile(`\$\{\{\s*secrets\.`)
)

// broken returns the sentences whose rule is broken.
func broken(rules map[string]bool) []string {
	maps.DeleteFunc(rules, func(_ string, isBroken bool) bool { return !isBroken })
	return slices.Collect(maps.Keys(rules))
}

// problems lists the rules that a workflow breaks.
func problems(text string) (found []string) {
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	for i, line := range strings.Split(text, "\n") {
		code, _, _ := strings.Cut(line, "#")
		for _, problem := range broken(map[string]bool{
			"an action is not pinned by commit with its version beside it": usesLine.MatchString(line) && !pinned.MatchString(line),
			"prints what may be secret, or switches a check off":           loud.MatchString(code),
			"uses a stored secret; log in with the job's own OIDC token":   stored.MatchString(line),
		}) {
			found = append(found, fmt.Sprintf("line %d: %s", i+1, problem))
		}
	}
	events := fmt.Sprint(w.On)
	found = append(found, broken(map[string]bool{
		"runs a stranger's code with the repository's rights": strings.Contains(events, "pull_request_target") || strings.Contains(events, "workflow_run"),
		"does not start from no permission, or from reading":  strings.Contains(grants(w.Permissions), "write"),
	})...)
	for name, j := range w.Jobs {
		for _, problem := range jobProblems(j, strings.Contains(events, "pull_request")) {
			found = append(found, fmt.Sprintf("job %s: %s", name, problem))
		}
	}
	return found
}

func jobProblems(j job, ofPullRequest bool) []string {
	rules := map[string]bool{
		"states no permissions":  j.Permissions == nil,
		"has no timeout-minutes": j.Uses == "" && j.Timeout == 0,
		"can log in without an environment, so no approval and no subject of its own guards it": j.Uses == "" && j.Environment == "" &&
			strings.Contains(grants(j.Permissions), "id-token"),
		"has rights on a pull request from a fork": ofPullRequest && strings.Contains(grants(j.Permissions), "write") &&
			!strings.Contains(j.If, "head.repo.full_name == github.repository"),
		"asks who pushed last and not who opened the pull request": strings.Contains(j.If, "github.actor"),
	}
	var built, login, logout, told bool
	for _, s := range j.Steps {
		command := fmt.Sprint(s.With["command"])
		pulumi, up := s.With["command"] != nil, command == "up"
		with := func(key string) bool { return fmt.Sprint(s.With[key]) == "true" }
		for problem, isBroken := range map[string]bool{
			"leaves the repository's token in the checkout":         strings.HasPrefix(s.Uses, "actions/checkout@") && fmt.Sprint(s.With["persist-credentials"]) != "false",
			"builds with a Go that lacks the newest security fixes": strings.HasPrefix(s.Uses, "actions/setup-go@") && !with("check-latest"),
			// What a stranger can write in a title or a branch's name must not become shell text.
			"splices an expression into a shell; pass it by env":                                       strings.Contains(s.Run, "${{"),
			"has a script inline; put it into .ci, where a test runs it":                               strings.Contains(strings.TrimSpace(s.Run), "\n"),
			"runs pulumi without make build, so its language host compiles everything":                 pulumi && !built,
			"runs pulumi without PULUMI_RUN_PROGRAM: a refresh would take an old token from the state": pulumi && j.Env["PULUMI_RUN_PROGRAM"] != "true",
			"prints the stack's outputs, which name the stack's inside to everybody who reads the log": pulumi && !with("suppress-outputs"),
			"adds a comment at every push":                                                             with("comment-on-pr") && !with("edit-pr-comment"),
			"may run two ups at once, or kill one in the middle":                                       up && (j.Concurrency.Group == "" || j.Concurrency.Cancel),
			"kills an up that Azure is still working on":                                               up && (s.Timeout < 180 || j.Timeout <= s.Timeout),
		} {
			rules[problem] = rules[problem] || isBroken
		}
		built = built || s.Run == "make build"
		told = told || strings.Contains(s.Run, "'pulumi cancel' and then 'make repair STACK=$STACK'") && s.If == "failure() || cancelled()"
		login = login || strings.Contains(s.Run, "vault_token.py login")
		logout = logout || strings.Contains(s.Run, "vault_token.py logout") && s.If == "always()"
	}
	rules["does not say how to go on after an up that was cut off"] = strings.HasPrefix(j.Concurrency.Group, "stack-") && !told
	rules["logs in to Vault and does not always give the token back"] = login != logout
	return broken(rules)
}

// grants is the text of a permissions block; without one GitHub's default may be everything.
func grants(permissions any) string {
	if permissions == nil {
		return "write-all"
	}
	return fmt.Sprint(permissions)
}

func TestWorkflowsKeepTheRules(t *testing.T) {
	for file, text := range files(t, workflows, ".yml") {
		for _, problem := range problems(text) {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

func TestTheRecipesNeverAskForSecrets(t *testing.T) {
	for _, file := range []string{"../../Makefile", "../../.ci/run"} {
		if found := loud.FindString(read(t, file)); found != "" {
			t.Errorf("%s: %s prints what may be secret", file, found)
		}
	}
}

// Each case breaks the good workflows in one place; without its rule the case would pass.
func TestAWorkflowThatBreaksARuleIsRefused(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a tag instead of a commit", "check.yml", "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "checkout@v7", "pinned"},
		{"a commit without its version", "check.yml", " # v7.0.0", "", "pinned"},
		{"a stranger's code with rights", "preview.yml", "  pull_request:\n", "  pull_request_target:\n", "stranger"},
		{"no permissions at the top", "preview.yml", "permissions: {}\n", "", "does not start"},
		{"everything at the top", "drift.yml", "permissions: {}\n", "permissions: write-all\n", "does not start"},
		{"a job without permissions", "check.yml", "    permissions: {contents: read}\n    env:", "    env:", "states no permissions"},
		{"a fork with an identity", "preview.yml", "github.event.pull_request.head.repo.full_name == github.repository && ", "", "fork"},
		{"the last pusher", "preview.yml", "github.event.pull_request.user.login != ", "github.actor != ", "who opened"},
		{"a login without an environment", "preview.yml", "    environment: ${{ matrix.stack }}-preview\n", "", "without an environment"},
		{"the token left behind", "check.yml", "persist-credentials: false", "fetch-tags: true", "token in the checkout"},
		{"an old Go", "check.yml", "go-version: 1.26.x, check-latest: true", "go-version-file: go.mod", "security fixes"},
		{"a stored key", "drift.yml", "${{ vars.AZURE_CLIENT_ID }}", "${{ secrets.AZURE_CLIENT_SECRET }}", "stored secret"},
		{"a debug level", "drift.yml", "refresh: true", "refresh: true, debug: true, log-verbosity: 9", "may be secret"},
		{"secrets on request", "check.yml", "bash .ci/run", "bash .ci/run --show-secrets", "may be secret"},
		{"a title in a shell", "check.yml", "bash .ci/run", "bash .ci/run ${{ github.event.pull_request.title }}", "splices"},
		{"a script inline", "check.yml", "run: bash .ci/run", "run: |\n          echo go\n          bash .ci/run", "inline"},
		{"a cache for nobody", "drift.yml", "make build", "go build ./...", "compiles everything"},
		{"an old token", "drift.yml", `      PULUMI_RUN_PROGRAM: "true"` + "\n", "", "PULUMI_RUN_PROGRAM"},
		{"a deploy that is killed", "deploy-stack.yml", "cancel-in-progress: false", "cancel-in-progress: true", "kill one"},
		{"two deploys at once", "deploy-stack.yml", `group: "stack-${{ inputs.stack }}", `, "", "two ups"},
		{"a short wait", "deploy-stack.yml", "timeout-minutes: 180", "timeout-minutes: 60", "still working"},
		{"a job that is over before its up", "deploy-stack.yml", "timeout-minutes: 200", "timeout-minutes: 180", "still working"},
		{"no way on", "deploy-stack.yml", "make repair STACK=$STACK", "try again", "how to go on"},
		{"a comment at every push", "preview.yml", "edit-pr-comment: true, ", "", "every push"},
		{"a token that stays", "deploy-stack.yml", "      - if: always()\n        run: python3 .ci/vault_token.py logout\n", "", "give the token back"},
		{"no end", "drift.yml", "    timeout-minutes: 30\n", "", "timeout"},
		{"outputs in the log", "drift.yml", ", suppress-outputs: true", "", "outputs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := read(t, filepath.Join(workflows, c.file))
			bad := strings.ReplaceAll(good, c.old, c.new)
			if bad == good {
				t.Fatalf("%s has no %q to break", c.file, c.old)
			}
			if found := strings.Join(problems(bad), "\n"); !strings.Contains(found, c.want) {
				t.Errorf("the rule is silent: %q", found)
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
