package delivery

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The tokens that must be in no log, and the key with which a runner asks for the first of them.
const (
	signed     = "the-jobs-own-token"
	vaultToken = "hvs.the-vault-token"
	runnerKey  = "the-runners-key"
)

var vendors = []string{"github", "azure-devops", "gitlab"}

// service is Vault and the vendors' services in one. It answers what they do unless a path has an
// answer of its own, and notes each request.
type service struct {
	*httptest.Server
	answers map[string]http.HandlerFunc

	mu       sync.Mutex
	requests []string
	bodies   map[string]string
	existing string // the text of a comment that is there already
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{
		answers: map[string]http.HandlerFunc{},
		bodies:  map[string]string{},
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	request := r.Method + " " + r.URL.Path
	s.requests = append(s.requests, request)
	s.bodies[request] = string(body)
	if answer, found := s.answers[r.URL.Path]; found {
		answer(w, r)
		return
	}
	const comments = "/api/repos/my-org/my-repo/issues/7/comments"
	const threads = "/ado/project/_apis/git/repositories/repository/pullRequests/7/threads"
	const notes = "/api/v4/projects/11/merge_requests/7/notes"
	quoted, _ := json.Marshal(s.existing)
	switch request {
	case "GET /github/token":
		s.token(w, r, `{"value": "%s"}`)
	case "POST /ado/oidc":
		s.token(w, r, `{"oidcToken": "%s"}`)
	case "POST /v1/auth/jwt-github/login", "POST /v1/auth/jwt-azure-devops/login",
		"POST /v1/auth/jwt-gitlab/login":
		var login map[string]string
		_ = json.Unmarshal(body, &login)
		if login["jwt"] != signed || login["role"] != "deployer" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"auth": {"client_token": "%s"}}`, vaultToken)
	case "POST /v1/auth/token/revoke-self":
		if r.Header.Get("X-Vault-Token") != vaultToken {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case "GET " + comments, "GET " + notes:
		fmt.Fprintf(w, `[{"id": 5, "body": %s}]`, quoted)
	case "GET " + threads:
		fmt.Fprintf(w, `{"value": [{"id": 4, "comments": [{"id": 5, "content": %s}]}]}`, quoted)
	case "POST " + comments, "POST " + notes:
		w.WriteHeader(http.StatusCreated)
	case "POST " + threads, "PATCH " + threads + "/4/comments/5", "PUT " + notes + "/5",
		"PATCH /api/repos/my-org/my-repo/issues/comments/5":
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *service) token(w http.ResponseWriter, r *http.Request, format string) {
	if r.Header.Get("Authorization") != "Bearer "+runnerKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, format, signed)
}

// of returns the requests whose text has a part.
func (s *service) of(part string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(request string) bool {
		return !strings.Contains(request, part)
	})
}

// runner is a checkout of a small project on a vendor's machine. Its commands are stand-ins that
// write down how they were called.
type runner struct {
	t      *testing.T
	vendor string
	dir    string // the checkout
	temp   string // what the vendor removes after the job
	env    []string
	*service
}

// stands is the text of the stand-ins by name. Each writes its call to $CALLS.
var stands = map[string]string{
	"make": `echo "make $*" >>"$CALLS"`,
	"az": `echo "az $*" | sed 's/--federated-token [^ ]*/--federated-token .../' >>"$CALLS"
case "$*" in
  "account show --query id --output tsv") echo subscription ;;
  "account show") exit "${AZ_LOGGED_OUT:-0}" ;;
esac`,
	"pulumi": `
case "$*" in
  version) echo "v$(cat .ci/pulumi-version)"; exit ;;
  "stack history"*) cat "$TEMP/history.json"; exit ;;
  "stack export"*) cat "$TEMP/state.json"; exit ;;
esac
echo "pulumi $*" >>"$CALLS"
echo "vault ${VAULT_TOKEN:-none}; skip ${PULUMI_SKIP_CHECKPOINTS:-no} \
${PULUMI_EXPERIMENTAL:-no}; program $PULUMI_RUN_PROGRAM" >>"$CALLS"
echo "azure $ARM_USE_OIDC $ARM_CLIENT_ID $ARM_TENANT_ID $ARM_SUBSCRIPTION_ID \
$(cat "$AZURE_FEDERATED_TOKEN_FILE")" >>"$CALLS"
python3 - >>"$CALLS" <<'ASK'
import json, os, urllib.request
url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange"
key = "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": key})) as answer:
    print("plugin", json.load(answer)["value"])
ASK
echo "the plan"
exit "${PULUMI_STATUS:-0}"`,
}

// project is a program in which a package lies below docs and a file is embedded. The settings name
// a certificate of one stack, one of all stacks, and what is none of the checkout.
var project = map[string]string{
	"go.mod":                    "module mlvault\n\ngo 1.26\n",
	"main.go":                   "package main\n\nimport _ \"mlvault/docs/net\"\n\nfunc main() {}\n",
	"docs/net/net.go":           "package net\n\nimport _ \"embed\"\n\n//go:embed page.md\nvar page string\n",
	"docs/net/page.md":          "a page\n",
	"docs/net/net_test.go":      "package net\n",
	"docs/guide.md":             "a guide\n",
	"Pulumi.yaml":               "name: mlvault\nconfig: {vault: '{\"caCertFile\":\"certificates/all.pem\"}'}\n",
	"Pulumi.dev.yaml":           "config:\n  mlvault:vault:\n    caCertFile: ./certificates/dev.pem # x\n",
	"settings/prod.yaml":        "config:\n# caCertFile: docs/guide.md\n  vault: {caCertFile: '../ca.pem', x: y}\n",
	"../ca.pem":                 "the machine's\n",
	"certificates/2026.pem":     "dev's\n",
	"certificates/all.pem":      "everybody's\n",
	"internal/unused/unused.go": "package unused\n",
}

var links = map[string]string{
	"Pulumi.prod.yaml":     "settings/prod.yaml",
	"certificates/dev.pem": "2026.pem",
}

func newRunner(t *testing.T, vendor string) *runner {
	t.Helper()
	r := &runner{
		t:       t,
		vendor:  vendor,
		dir:     filepath.Join(t.TempDir(), "checkout"),
		temp:    t.TempDir(),
		service: newService(t),
	}
	for name, text := range project {
		r.write(name, text)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	for name, text := range stands {
		file := filepath.Join(bin, name)
		if err := os.WriteFile(file, []byte("#!/bin/bash\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"GOFLAGS=",
		"PYTHONDONTWRITEBYTECODE=1",
		"CALLS=" + filepath.Join(r.temp, "calls"),
		"TEMP=" + r.temp,
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=t",
		"GIT_AUTHOR_EMAIL=t@example.com",
		"GIT_COMMITTER_NAME=t",
		"GIT_COMMITTER_EMAIL=t@example.com",
		"ARM_SUBSCRIPTION_ID=subscription",
		"VAULT_ADDR=" + r.URL,
		"VAULT_ROLE=deployer",
	}
	r.env = append(r.env, r.vendorEnvironment()...)
	r.run(`cp -R "$SOURCE" .ci && git init -q -b main && git add -A && git commit -qm one`,
		"SOURCE="+absolute(t, "../../.ci"))
	r.deployed("succeeded")
	return r
}

// vendorEnvironment is what each vendor's runner sets for a job that may ask for its own token.
func (r *runner) vendorEnvironment() []string {
	identity := []string{"ARM_CLIENT_ID=client", "ARM_TENANT_ID=tenant"}
	switch r.vendor {
	case "github":
		return append(identity,
			"GITHUB_ACTIONS=true",
			"RUNNER_TEMP="+r.temp,
			"ACTIONS_ID_TOKEN_REQUEST_URL="+r.URL+"/github/token?v=2",
			"ACTIONS_ID_TOKEN_REQUEST_TOKEN="+runnerKey,
			"GITHUB_API_URL="+r.URL+"/api",
			"GITHUB_REPOSITORY=my-org/my-repo",
			"GITHUB_TOKEN=github-token",
			"GITHUB_OUTPUT="+filepath.Join(r.temp, "output"),
			"GITHUB_STEP_SUMMARY="+filepath.Join(r.temp, "summary"),
		)
	case "azure-devops":
		return []string{
			"TF_BUILD=True",
			"AGENT_TEMPDIRECTORY=" + r.temp,
			"SYSTEM_OIDCREQUESTURI=" + r.URL + "/ado/oidc",
			"SYSTEM_ACCESSTOKEN=" + runnerKey,
			"AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=connection",
			"AZURESUBSCRIPTION_CLIENT_ID=client",
			"AZURESUBSCRIPTION_TENANT_ID=tenant",
			"SYSTEM_COLLECTIONURI=" + r.URL + "/ado/",
			"SYSTEM_TEAMPROJECTID=project",
			"BUILD_REPOSITORY_ID=repository",
		}
	default:
		return append(identity,
			"GITLAB_CI=true",
			"CI_PROJECT_DIR="+r.dir,
			"AZURE_ID_TOKEN="+signed,
			"VAULT_ID_TOKEN="+signed,
			"CI_API_V4_URL="+r.URL+"/api/v4",
			"CI_PROJECT_ID=11",
		)
	}
}

// ofPullRequest adds what a job for a pull request has.
func (r *runner) ofPullRequest() {
	event := filepath.Join(r.temp, "event.json")
	if err := os.WriteFile(event, []byte(`{"pull_request": {"number": 7}}`), 0o600); err != nil {
		r.t.Fatal(err)
	}
	switch r.vendor {
	case "github":
		r.env = append(r.env, "GITHUB_EVENT_NAME=pull_request", "GITHUB_EVENT_PATH="+event)
	case "azure-devops":
		r.env = append(r.env, "SYSTEM_PULLREQUEST_PULLREQUESTID=7")
	default:
		r.env = append(r.env, "CI_MERGE_REQUEST_IID=7")
	}
}

// deployed writes a history whose newest entry is an update of HEAD.
func (r *runner) deployed(result string) {
	r.t.Helper()
	r.history(fmt.Sprintf(`[{"kind": "update", "result": %q, "endTime": "2026-11-30T10:00:00.000Z",
		"environment": {"git.head": %q, "git.dirty": "false"}}]`, result, r.run("git rev-parse HEAD")))
}

func (r *runner) history(text string) {
	r.t.Helper()
	const state = `{"deployment": {"manifest": {"time": "2026-11-30T10:00:00.987654321Z"}}}`
	for name, content := range map[string]string{"history.json": text, "state.json": state} {
		if err := os.WriteFile(filepath.Join(r.temp, name), []byte(content), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *runner) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// try runs a command in the checkout and returns what it prints.
func (r *runner) try(command string, env ...string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), "bash", "-euc", command)
	cmd.Dir = r.dir
	cmd.Env = append(slices.Clone(r.env), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (r *runner) run(command string, env ...string) string {
	r.t.Helper()
	out, err := r.try(command, env...)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// calls returns what the stand-ins wrote down.
func (r *runner) calls() string {
	text, err := os.ReadFile(filepath.Join(r.temp, "calls"))
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	whole, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
