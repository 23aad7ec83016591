package delivery

import (
	"fmt"
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
	On          yaml.Node      `yaml:"on"`
	Permissions any            `yaml:"permissions"`
	Jobs        map[string]job `yaml:"jobs"`
}

type job struct {
	If          string            `yaml:"if"`
	Uses        string            `yaml:"uses"`
	Permissions any               `yaml:"permissions"`
	Environment string            `yaml:"environment"`
	Timeout     int               `yaml:"timeout-minutes"`
	Env         map[string]string `yaml:"env"`
	Concurrency struct {
		Group  string `yaml:"group"`
		Cancel bool   `yaml:"cancel-in-progress"`
	} `yaml:"concurrency"`
	Steps []step `yaml:"steps"`
}

type step struct {
	If   string            `yaml:"if"`
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	With map[string]any    `yaml:"with"`
	Env  map[string]string `yaml:"env"`
}

var (
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	// A reviewer reads the version, Dependabot moves both.
	pinnedLine = regexp.MustCompile(`uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	usesLine   = regexp.MustCompile(`^\s*(- )?uses: `)
	// Each of these has put secrets into a log (docs/operations.md), or switches a check off.
	loud   = regexp.MustCompile(`(?i)--?debug|log-verbosity|logtostderr|--verbose|-v=\d|show-secrets|--tracing|otel-traces|PULUMI_DEBUG|TF_LOG|ACTIONS_STEP_DEBUG|SKIP_VERIFY|set -x`)
	stored = regexp.MustCompile(`\$\{\{\s*secrets\.`)
	// What a stranger can write in a title or a branch's name must not become shell text.
	spliced = regexp.MustCompile(`\$\{\{`)
)

// problems lists the rules that a workflow breaks.
func problems(text string) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	for i, line := range strings.Split(text, "\n") {
		if usesLine.MatchString(line) && !strings.Contains(line, "uses: ./") && !pinnedLine.MatchString(strings.TrimRight(line, " ")) {
			add("line %d: an action is not pinned by commit with its version beside it", i+1)
		}
		if code, _, _ := strings.Cut(line, "#"); loud.MatchString(code) {
			add("line %d: prints what may be secret, or switches a check off", i+1)
		}
		if stored.MatchString(line) {
			add("line %d: a stored secret; log in with the job's own OIDC token", i+1)
		}
	}
	events := eventsOf(w.On)
	if slices.Contains(events, "pull_request_target") || slices.Contains(events, "workflow_run") {
		add("runs a stranger's code with the repository's rights")
	}
	if w.Permissions == nil || strings.Contains(grants(w.Permissions), "write") {
		add("does not start from no permission, or from reading")
	}
	for name, j := range w.Jobs {
		for _, problem := range jobProblems(j, events) {
			add("job %s: %s", name, problem)
		}
	}
	slices.Sort(found)
	return found
}

func jobProblems(j job, events []string) (found []string) {
	if j.Permissions == nil {
		found = append(found, "states no permissions")
	}
	if j.Uses != "" {
		return found
	}
	if j.Timeout == 0 {
		found = append(found, "has no timeout-minutes")
	}
	identified := strings.Contains(grants(j.Permissions), "id-token")
	if identified && j.Environment == "" {
		found = append(found, "can log in without an environment, so no approval and no subject of its own guards it")
	}
	if slices.Contains(events, "pull_request") && strings.Contains(grants(j.Permissions), "write") &&
		!strings.Contains(j.If, "head.repo.full_name == github.repository") {
		found = append(found, "has rights on a pull request from a fork")
	}
	var login, logout bool
	for _, s := range j.Steps {
		if strings.HasPrefix(s.Uses, "actions/checkout@") && fmt.Sprint(s.With["persist-credentials"]) != "false" {
			found = append(found, "leaves the repository's token in the checkout")
		}
		if s.Uses != "" && !strings.HasPrefix(s.Uses, "./") && !pinned.MatchString(s.Uses) {
			found = append(found, "uses "+s.Uses+", which is not pinned")
		}
		if spliced.MatchString(s.Run) {
			found = append(found, "splices an expression into a shell; pass it by env")
		}
		if strings.Contains(strings.TrimSpace(s.Run), "\n") {
			found = append(found, "has a script inline; put it into .ci, where a test runs it")
		}
		command := fmt.Sprint(s.With["command"])
		if strings.HasPrefix(s.Uses, "pulumi/actions@") && command != "<nil>" {
			found = append(found, pulumiProblems(j, s, command)...)
		}
		login = login || strings.Contains(s.Run, "vault_token.py login")
		logout = logout || strings.Contains(s.Run, "vault_token.py logout") && s.If == "always()"
	}
	if login != logout {
		found = append(found, "logs in to Vault and does not always give the token back")
	}
	return found
}

func pulumiProblems(j job, s step, command string) (found []string) {
	if j.Env["PULUMI_RUN_PROGRAM"] != "true" {
		found = append(found, "runs pulumi without PULUMI_RUN_PROGRAM: a refresh would take an old token from the state")
	}
	if command == "up" && (j.Concurrency.Group == "" || j.Concurrency.Cancel) {
		found = append(found, "may run two ups at once, or kill one in the middle")
	}
	if fmt.Sprint(s.With["comment-on-pr"]) == "true" && fmt.Sprint(s.With["edit-pr-comment"]) != "true" {
		found = append(found, "adds a comment at every push")
	}
	if fmt.Sprint(s.With["suppress-outputs"]) != "true" {
		found = append(found, "prints the stack's outputs, which name the stack's inside to everybody who reads the log")
	}
	return found
}

func eventsOf(on yaml.Node) (events []string) {
	switch on.Kind {
	case yaml.ScalarNode:
		events = append(events, on.Value)
	case yaml.SequenceNode:
		for _, node := range on.Content {
			events = append(events, node.Value)
		}
	case yaml.MappingNode:
		for i := 0; i < len(on.Content); i += 2 {
			events = append(events, on.Content[i].Value)
		}
	default: // no event: the caller finds none
	}
	return events
}

// grants is the text of a permissions block; without one GitHub's default may be everything.
func grants(permissions any) string {
	if permissions == nil {
		return "write-all"
	}
	return fmt.Sprint(permissions)
}

func TestWorkflowsKeepTheRules(t *testing.T) {
	files, err := filepath.Glob(workflows + "/*.yml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	for _, file := range files {
		for _, problem := range problems(read(t, file)) {
			t.Errorf("%s: %s", filepath.Base(file), problem)
		}
	}
}

// Each case breaks the good workflows in one place; without its rule the case would pass.
func TestAWorkflowThatBreaksARuleIsRefused(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a tag instead of a commit", "check.yml", "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "actions/checkout@v5", "pinned"},
		{"a commit without its version", "check.yml", " # v6.0.0", "", "pinned"},
		{"a stranger's code with rights", "preview.yml", "  pull_request:\n", "  pull_request_target:\n", "stranger"},
		{"no permissions at the top", "preview.yml", "permissions: {}\n", "", "does not start"},
		{"everything at the top", "drift.yml", "permissions: {}\n", "permissions: write-all\n", "does not start"},
		{"a job without permissions", "check.yml", "    permissions:\n      contents: read\n    steps:", "    steps:", "states no permissions"},
		{"a fork with an identity", "preview.yml", "github.event.pull_request.head.repo.full_name == github.repository && ", "", "fork"},
		{"a login without an environment", "preview.yml", "    environment: ${{ matrix.stack }}-preview\n", "", "without an environment"},
		{"the token left behind", "check.yml", "          persist-credentials: false\n", "", "token in the checkout"},
		{"a stored key", "drift.yml", "${{ vars.AZURE_CLIENT_ID }}", "${{ secrets.AZURE_CLIENT_SECRET }}", "stored secret"},
		{"a debug level", "drift.yml", "          refresh: true\n", "          refresh: true\n          debug: true\n          log-verbosity: 9\n", "may be secret"},
		{"secrets on request", "check.yml", "bash .ci/run", "bash .ci/run --show-secrets", "may be secret"},
		{"a title in a shell", "check.yml", "bash .ci/run", "bash .ci/run ${{ github.event.pull_request.title }}", "splices"},
		{"a script inline", "check.yml", "run: bash .ci/run", "run: |\n          bash .ci/run\n          echo done", "inline"},
		{"an old token", "drift.yml", `      PULUMI_RUN_PROGRAM: "true"` + "\n", "", "PULUMI_RUN_PROGRAM"},
		{"a deploy that is killed", "deploy-stack.yml", "cancel-in-progress: false", "cancel-in-progress: true", "kill one"},
		{"two deploys at once", "deploy-stack.yml", "      group: stack-${{ inputs.stack }}\n", "", "two ups"},
		{"a comment at every push", "preview.yml", "          edit-pr-comment: true\n", "", "every push"},
		{"a token that stays", "deploy-stack.yml", "      - if: always()\n        run: python3 .ci/vault_token.py logout\n", "", "give the token back"},
		{"no end", "drift.yml", "    timeout-minutes: 30\n", "", "timeout"},
		{"outputs in the log", "drift.yml", "          suppress-outputs: true\n", "", "outputs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := read(t, filepath.Join(workflows, c.file))
			broken := strings.ReplaceAll(good, c.old, c.new)
			if broken == good {
				t.Fatalf("%s has no %q to break", c.file, c.old)
			}
			if found := strings.Join(problems(broken), "\n"); !strings.Contains(found, c.want) {
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
