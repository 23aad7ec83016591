package delivery

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// What actionlint, the vendors' schemas and the runs of the scripts do not see.

var (
	// A reviewer reads the version, Dependabot moves both.
	pinned   = regexp.MustCompile(`uses: ([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\S+)$`)
	usesLine = regexp.MustCompile(`^\s*(- )?uses: `)
	// Each of these has put secrets into a log (docs/operate.md), or switches a check off.
	loud = regexp.MustCompile(`(?i)--?debug\b|\bdebug: true|\bpulumi .*-d\b|log-verbosity|logtostderr|` +
		`logflow|--verbose|-v[ =]?\d|show-secrets|--tracing|otel-traces|PULUMI_DEBUG|TF_LOG|` +
		`TERRAFORM_VAULT_LOG|ACTIONS_STEP_DEBUG|SKIP_VERIFY|set -x`)
	stored = regexp.MustCompile(`\$\{\{\s*secrets\.`)
)

func pipelines(t *testing.T) map[string]string {
	t.Helper()
	found := files(t, "../../.github/workflows", ".yml")
	maps.Copy(found, files(t, "../../.ci/azure-devops", ".yml"))
	found["gitlab"] = read(t, "../../.ci/gitlab/gitlab-ci.yml")
	return found
}

func TestWorkflowsKeepTheRules(t *testing.T) {
	for file, text := range pipelines(t) {
		for number, line := range strings.Split(text, "\n") {
			report := func(problem string) { t.Errorf("%s:%d: %s", file, number+1, problem) }
			if usesLine.MatchString(line) && !pinned.MatchString(line) {
				report("an action is not pinned by commit with its version beside it")
			}
			if stored.MatchString(line) {
				report("uses a stored secret; log in with the job's own token")
			}
			if strings.Contains(line, "pull_request_target") || strings.Contains(line, "workflow_run") {
				report("runs a stranger's code with the repository's rights")
			}
		}
	}
}

func TestTheRecipesNeverAskForSecrets(t *testing.T) {
	texts := pipelines(t)
	for _, file := range []string{"../../Makefile", "../../.ci/lib.sh"} {
		texts[file] = read(t, file)
	}
	for _, script := range []string{"run", "preview", "due", "deploy", "drift", "logout"} {
		texts[script] = read(t, filepath.Join("../../.ci", script))
	}
	for file, text := range texts {
		if found := loud.FindString(text); found != "" {
			t.Errorf("%s: %s prints what may be secret", file, found)
		}
	}
}

// The prefixes of environments, connections and groups: `deploy-dev` can be no other stack's
// `preview-...`, whatever that stack is called.
var environment = regexp.MustCompile(`^(preview|deploy|drift)-(\$\{\{ \w+\.stack \}\}|\$STACK)$`)

type githubJob struct {
	If          string
	Environment string
	Permissions map[string]string
	Steps       []struct {
		Uses string
		With map[string]any
	}
}

func TestAJobThatCanLogInHasAnEnvironmentOfItsStackAndNoForkHasOne(t *testing.T) {
	for file, text := range files(t, "../../.github/workflows", ".yml") {
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]githubJob
		}
		if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(slices.Collect(maps.Values(workflow.Permissions)), "write") {
			t.Errorf("%s: starts from a right to write", file)
		}
		for name, job := range workflow.Jobs {
			if job.Permissions == nil {
				t.Errorf("%s: job %s states no permissions", file, name)
			}
			canLogIn := job.Permissions["id-token"] == "write" && len(job.Steps) > 0
			if canLogIn && !environment.MatchString(job.Environment) {
				t.Errorf("%s: job %s logs in with the environment %q", file, name, job.Environment)
			}
			ofStrangers := strings.Contains(text, "\n  pull_request:") && canLogIn
			if ofStrangers && !strings.Contains(job.If, "head.repo.full_name == github.repository") {
				t.Errorf("%s: job %s has an identity for a pull request from a fork", file, name)
			}
			for _, step := range job.Steps {
				isCheckout := strings.HasPrefix(step.Uses, "actions/checkout@")
				if isCheckout && step.With["persist-credentials"] != false {
					t.Errorf("%s: job %s leaves the repository's token in the checkout", file, name)
				}
			}
		}
	}
}

// readRings returns the names of .ci/rings in their order.
func readRings(t *testing.T) []string {
	t.Helper()
	var rings []string
	for line := range strings.Lines(read(t, "../../.ci/rings")) {
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			rings = append(rings, words[0])
		}
	}
	return rings
}

var (
	acceptsSome = regexp.MustCompile(`^contains\(fromJSON\('\[(.*)\]'\), needs\.(\w+)\.result\)$`)
	acceptsOne  = regexp.MustCompile(`^needs\.(\w+)\.result == ('\w+')$`)
	hasStacks   = regexp.MustCompile(`^toJSON\(fromJSON\(needs\.stacks\.outputs\.rings\)\.\w+\) != '\[\]'$`)
)

// holds evaluates one term of a job's condition as GitHub does, for a ring that has stacks, in a run
// that nobody cancels. The results are those of the jobs that it needs.
func holds(t *testing.T, term string, results map[string]string) bool {
	t.Helper()
	switch {
	case term == "!cancelled()", hasStacks.MatchString(term):
		return true
	case term == "!failure()":
		return !slices.Contains(slices.Collect(maps.Values(results)), "failure")
	}
	if one := acceptsOne.FindStringSubmatch(term); one != nil {
		return one[2] == "'"+results[one[1]]+"'"
	}
	if some := acceptsSome.FindStringSubmatch(term); some != nil {
		return slices.Contains(strings.Split(some[1], ", "), `"`+results[some[2]]+`"`)
	}
	t.Fatalf("deploy.yml: what does %q mean?", term)
	return false
}

// begins evaluates the condition of a job.
func begins(t *testing.T, condition string, results map[string]string) bool {
	t.Helper()
	terms := strings.Split(strings.TrimSpace(condition), " && ")
	// GitHub adds success() to a condition that names no status of the run.
	isImplicit := !slices.Contains(terms, "!cancelled()")
	for _, result := range results {
		if isImplicit && result != "success" {
			return false
		}
	}
	for _, term := range terms {
		if !holds(t, term, results) {
			return false
		}
	}
	return true
}

// A job that waits in its concurrency group and is replaced there, and one that takes too long, end
// as cancelled, which is no failure. The next ring must not begin after it.
func TestARingOfGitHubBeginsOnlyAfterSuccessOrWhereThereWasNothing(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			If    string
			Needs yaml.Node
		}
	}
	text := read(t, "../../.github/workflows/deploy.yml")
	if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
		t.Fatal(err)
	}
	needed := []string{"stacks"}
	for _, ring := range readRings(t) {
		job := workflow.Jobs[ring]
		needs := []string{job.Needs.Value}
		if job.Needs.Kind == yaml.SequenceNode {
			if err := job.Needs.Decode(&needs); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(needs, needed) {
			t.Errorf("the ring %s needs %q, want %q", ring, needs, needed)
		}
		for _, name := range needed {
			for _, result := range []string{"success", "skipped", "failure", "cancelled"} {
				results := map[string]string{}
				for _, other := range needed {
					results[other] = "success"
				}
				results[name] = result
				want := result == "success" || result == "skipped" && name != "stacks"
				if got := begins(t, job.If, results); got != want {
					t.Errorf("the ring %s begins after %s: %s is %v, want %v", ring, name, result, got, want)
				}
			}
		}
		needed = append(needed, ring)
	}
}

// On Azure DevOps succeeded() is false after a stage that was cancelled, and on GitLab a stage waits
// for each job above it unless one of these words says otherwise.
func TestARingOfAzureDevOpsAndGitLabBeginsOnlyAfterSuccess(t *testing.T) {
	conditions := regexp.MustCompile(`condition: (?:>-\n +)?(.*)`)
	for file, stage := range map[string]string{
		"azure-pipelines.yml": "stage: deploy_",
		"deploy-stack.yml":    "deployment: up_",
	} {
		_, below, found := strings.Cut(read(t, "../../.ci/azure-devops/"+file), stage)
		condition := conditions.FindStringSubmatch(below)
		if !found || condition == nil || !strings.HasPrefix(condition[1], "and(succeeded(), ") {
			t.Errorf("%s: %s has the condition %q", file, stage, condition)
		}
	}
	jobs := map[string]map[string]any{}
	text := read(t, "../../.ci/gitlab/gitlab-ci.yml")
	_, text, _ = strings.Cut(text, "\n\n") // without the list of stages, which is no job
	if err := yaml.Unmarshal([]byte(text), &jobs); err != nil {
		t.Fatal(err)
	}
	for _, ring := range readRings(t) {
		for _, name := range []string{"deploy " + ring, ".deploy", ".identity", ".cache"} {
			for _, word := range []string{"needs", "allow_failure", "when"} {
				if value, given := jobs[name][word]; given {
					t.Errorf("gitlab-ci.yml: %s has %s: %v", name, word, value)
				}
			}
		}
	}
}

// With one key for all, the job that ends first decides what the others find.
func TestEachKindOfJobHasABuildCacheOfItsOwn(t *testing.T) {
	keys := map[string]string{}
	for _, kind := range []string{"check", "preview", "deploy-stack", "drift"} {
		text := read(t, "../../.github/workflows/"+kind+".yml")
		found := regexp.MustCompile(`cache-dependency-path:(.*(?:\n {12}.*)*)`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("%s.yml has no cache", kind)
		}
		if other, taken := keys[found[1]]; taken {
			t.Errorf("%s and %s share a key", kind, other)
		}
		keys[found[1]] = kind
	}
}

// GitHub lists the stacks when it runs. The other two must know them before.
func TestThePipelinesOfAzureDevOpsAndGitLabHaveEveryStackInItsRing(t *testing.T) {
	var devops struct {
		Parameters []struct {
			Name    string
			Default yaml.Node
		}
	}
	text := read(t, "../../.ci/azure-devops/azure-pipelines.yml")
	if err := yaml.Unmarshal([]byte(text), &devops); err != nil {
		t.Fatal(err)
	}
	var rings []struct {
		Name, After string
		Stacks      []string
	}
	for _, parameter := range devops.Parameters {
		if parameter.Name == "rings" {
			if err := parameter.Default.Decode(&rings); err != nil {
				t.Fatal(err)
			}
		}
	}
	type matrix struct {
		Parallel struct {
			Matrix []struct {
				Stacks []string `yaml:"STACK"`
			}
		}
	}
	gitlab := map[string]yaml.Node{}
	if err := yaml.Unmarshal([]byte(read(t, "../../.ci/gitlab/gitlab-ci.yml")), &gitlab); err != nil {
		t.Fatal(err)
	}
	of := func(job string) []string {
		var found matrix
		node := gitlab[job]
		if err := node.Decode(&found); err != nil || len(found.Parallel.Matrix) != 1 {
			t.Fatalf("gitlab-ci.yml: %s: %v", job, err)
		}
		return found.Parallel.Matrix[0].Stacks
	}
	after, all := "check", []string{}
	for _, ring := range rings {
		if ring.After != after {
			t.Errorf("the ring %s begins after %s, want %s", ring.Name, ring.After, after)
		}
		after = "deploy_" + ring.Name
		all = append(all, ring.Stacks...)
		if got := of("deploy " + ring.Name); !slices.Equal(got, ring.Stacks) {
			t.Errorf("the ring %s has %q on GitLab and %q on Azure DevOps", ring.Name, got, ring.Stacks)
		}
	}
	if got := of(".stacks"); !slices.Equal(got, all) {
		t.Errorf("gitlab-ci.yml: .stacks has %q, its rings have %q", got, all)
	}
	r := newRunner(t, "github")
	got := r.run(`cd "$ROOT" && python3 .ci/stacks.py rings`, "ROOT="+absolute(t, "../.."))
	for _, ring := range rings {
		want := fmt.Sprintf("%q: [%q]", ring.Name, strings.Join(ring.Stacks, `", "`))
		if !strings.Contains(got, strings.ReplaceAll(want, `\"`, `"`)) {
			t.Errorf("azure-pipelines.yml has %s, there are %s", want, got)
		}
	}
	if count := strings.Count(got, `"`) - 2*3; count != 2*len(all) {
		t.Errorf("a stack of %s is in no ring of the pipelines", got)
	}
}
