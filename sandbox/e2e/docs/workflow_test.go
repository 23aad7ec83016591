package docs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// githubRunner is what a GitHub Actions runner gives a job with `permissions: id-token: write`: an endpoint that signs who
// the job is, for the audience that it asks for. The key and the discovery document are the sandbox's issuer's.
type githubRunner struct {
	term   *terminal
	server *httptest.Server
	claims map[string]any
}

const runnerKey = "the-runner's-own-key"

func newGitHubRunner(term *terminal, claims map[string]any) *githubRunner {
	runner := &githubRunner{term: term, claims: claims}
	runner.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+runnerKey {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		alterations := []issuer.Alteration{issuer.With("aud", r.URL.Query().Get("audience")), issuer.Without("oid", "tid", "appid", "idp", "ver")}
		for name, value := range runner.claims {
			alterations = append(alterations, issuer.With(name, value))
		}
		const anyone = "5a9db0c5-0000-4000-8000-00000000a002"
		token, err := term.Issuer.Token(issuer.Claims{Audience: "replaced", ClientID: anyone, PrincipalID: anyone}, alterations...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
	}))
	term.T.Cleanup(runner.server.Close)
	return runner
}

// step runs a step of a workflow and returns what it logged and what it exported to the steps after it.
func (r *githubRunner) step(script string, environment ...string) (logged, exported string, err error) {
	r.term.T.Helper()
	file := filepath.Join(r.term.T.TempDir(), "env")
	logged, err = r.term.run(script, append(environment,
		"ACTIONS_ID_TOKEN_REQUEST_URL="+r.server.URL+"/token?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN="+runnerKey,
		"GITHUB_ENV="+file,
		"VAULT_ADDR="+r.term.Vault.Addr(),
		"VAULT_ROLE=mlvault-deployer-dev",
	)...)
	text, _ := os.ReadFile(file) // a step that exports nothing writes none
	return logged, string(text), err
}

func githubClaims(environment string) map[string]any {
	return map[string]any{"repository": "my-org/my-repo", "environment": environment, "sub": "repo:my-org/my-repo:environment:" + environment}
}

// trustGitHub does to Vault what docs/deploy.md says.
func trustGitHub(term *terminal, policy string) {
	term.T.Helper()
	root := term.Vault.Root()
	ca, err := os.ReadFile(term.Vault.CAFile())
	require.NoError(term.T, err)
	require.NoError(term.T, root.Sys().EnableAuthWithOptionsWithContext(term.T.Context(), "jwt-github", &api.EnableAuthOptions{Type: "jwt"}))
	_, err = root.Logical().WriteWithContext(term.T.Context(), "auth/jwt-github/config", map[string]any{
		"oidc_discovery_url": term.Issuer.URL(issuer.V1), "bound_issuer": term.Issuer.URL(issuer.V1), "oidc_discovery_ca_pem": string(ca),
	})
	require.NoError(term.T, err)
	_, err = root.Logical().WriteWithContext(term.T.Context(), "auth/jwt-github/role/mlvault-deployer-dev", map[string]any{
		"role_type": "jwt", "user_claim": "repository", "bound_audiences": []string{term.Vault.Addr()},
		"bound_claims":   map[string]any{"repository": "my-org/my-repo", "environment": "dev"},
		"token_policies": []string{policy}, "token_ttl": "4h", "token_max_ttl": "4h",
	})
	require.NoError(term.T, err)
}

// The steps of deploy-stack.yml and drift.yml, but for those that need Azure and for pulumi/actions, whose command is
// given to the CLI itself.
func TestAGitHubJobLogsInWithItsOwnTokenAndGivesItBack(t *testing.T) {
	term := newTerminal(t)
	term.adapt("dev")
	term.deployer("dev", `{"ml_api_key":{"api_key":"x"}}`) // writes the policy
	trustGitHub(term, "deployer-mlvault-dev-ae5143b9")

	runner := newGitHubRunner(term, githubClaims("dev"))
	logged, exported, err := runner.step("python3 .ci/vault_token.py login")
	require.NoError(t, err, logged)
	token, found := strings.CutPrefix(strings.TrimSpace(exported), "VAULT_TOKEN=")
	require.True(t, found, "the token reaches the next steps")
	require.Equal(t, "::add-mask::"+token+"\nlogged in to Vault as mlvault-deployer-dev\n", logged, "and the log only in the line that masks it")

	// The plugin in this process has the environment that the CLI's would have.
	t.Setenv("VAULT_TOKEN", token)
	printed, _, err := runner.step(`
		pulumi stack init dev
		pulumi config set --secret vaultAddress "$VAULT_ADDR"
		pulumi config set --path --secret credentials.ml_api_key.api_key `+lab.Canary+`
		pulumi preview --suppress-outputs
		pulumi up --suppress-outputs
		PULUMI_RUN_PROGRAM=true pulumi preview --refresh --expect-no-changes --suppress-outputs
		pulumi stack export --file state.json`, "VAULT_TOKEN="+token)
	require.NoError(t, err, printed)
	require.NotContains(t, printed, token)
	require.NotContains(t, printed, lab.Canary)
	state, err := os.ReadFile(filepath.Join(term.dir, "state.json"))
	require.NoError(t, err)
	require.NotContains(t, string(state), token, "no token is in the state")

	_, err = term.Vault.Root().Logical().WriteWithContext(t.Context(), lab.APIKeyPath, map[string]any{"data": map[string]any{"api_key": "tampered"}})
	require.NoError(t, err)
	printed, _, err = runner.step("PULUMI_RUN_PROGRAM=true pulumi preview --refresh --expect-no-changes --suppress-outputs", "VAULT_TOKEN="+token)
	require.Error(t, err, "drift fails the check:\n%s", printed)

	logged, _, err = runner.step("python3 .ci/vault_token.py logout", "VAULT_TOKEN="+token)
	require.NoError(t, err, logged)
	_, err = term.Vault.Root().Auth().Token().LookupWithContext(t.Context(), token)
	require.Error(t, err, "the token is dead, and with it the plugin's children")
}

func TestAJobThatIsNotTheDeployersIsRefusedAndItsTokenNotPrinted(t *testing.T) {
	term := newTerminal(t)
	trustGitHub(term, "default")
	for name, change := range map[string]func(map[string]any){
		"another environment":         func(c map[string]any) { c["environment"] = "dev-preview" },
		"another repository":          func(c map[string]any) { c["repository"] = "my-org/other" },
		"a fork":                      func(c map[string]any) { c["repository"] = "stranger/my-repo" },
		"a pull request, no approval": func(c map[string]any) { delete(c, "environment"); c["sub"] = "repo:my-org/my-repo:pull_request" },
		"a token for another service": func(c map[string]any) { c["aud"] = "api://AzureADTokenExchange" },
		"another issuer":              func(c map[string]any) { c["iss"] = "https://token.actions.githubusercontent.com" },
	} {
		claims := githubClaims("dev")
		change(claims)
		logged, exported, err := newGitHubRunner(term, claims).step("python3 .ci/vault_token.py login")
		require.Error(t, err, name)
		require.Empty(t, exported, name)
		require.NotContains(t, logged, "eyJ", "%s: no part of the job's token is in the log", name)
		require.Contains(t, logged, "mlvault-deployer-dev", "%s: the sentence names the role", name)
	}
	good := newGitHubRunner(term, githubClaims("dev"))
	for name, environment := range map[string]string{
		"http":      "VAULT_ADDR=http://vault.example.com:8200",
		"no role":   "VAULT_ROLE=",
		"no Vault":  "VAULT_ADDR=https://127.0.0.1:1",
		"no grants": "ACTIONS_ID_TOKEN_REQUEST_URL=",
	} {
		logged, exported, err := good.step(environment + " python3 .ci/vault_token.py login")
		require.Error(t, err, name)
		require.Empty(t, exported, name)
		require.Equal(t, 1, strings.Count(logged, "\n"), "%s: one sentence, no stack trace:\n%s", name, logged)
	}
	logged, exported, err := good.step("python3 .ci/vault_token.py login")
	require.NoError(t, err, "the deployer's own job gets in:\n%s", logged)
	require.Contains(t, exported, "VAULT_TOKEN=")
}

// The workflows run `make build` so that the language host's own build finds all of it in the cache.
func TestAPreviewAfterMakeBuildCompilesNothing(t *testing.T) {
	term := newTerminal(t)
	term.adapt("dev")
	compiled := filepath.Join(t.TempDir(), "compiled")
	wrapper := filepath.Join(t.TempDir(), "wrapper")
	script := "#!/bin/sh\ncase \"$1 $2\" in *-V=full) ;; */compile*) echo \"$TOOLEXEC_IMPORTPATH\" >>" + compiled + ";; esac\nexec \"$@\"\n"
	require.NoError(t, os.WriteFile(wrapper, []byte(script), 0o700))
	preview := func() string {
		term.mustRun("pulumi preview", "GOFLAGS=-trimpath -toolexec="+wrapper)
		text, _ := os.ReadFile(compiled) // nothing compiled, no file
		return string(text)
	}
	term.mustRun(`make build
		pulumi stack init dev
		pulumi config set --secret vaultAddress "$ADDRESS"
		pulumi config set --path --secret credentials.ml_api_key.api_key x`, "ADDRESS="+term.Vault.Addr())
	require.Empty(t, preview())
	// The time makes it an edit that no earlier run has left in the build cache.
	term.mustRun("echo \"// a change at $(date +%s%N)\" >>main.go")
	require.Equal(t, "mlvault\n", preview(), "and after an edit the edited package alone")
}
