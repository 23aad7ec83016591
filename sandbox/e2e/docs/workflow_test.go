package docs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// githubRunner is the shell of a job with `permissions: id-token: write` on a GitHub Actions
// runner. It has an endpoint that signs who the job is, for the audience that it asks for. The key
// and the discovery document are the sandbox's issuer's.
type githubRunner struct {
	lab.Shell
	token string // the file of the Vault token
}

func newGitHubRunner(term *terminal, change func(claims map[string]any)) *githubRunner {
	const key = "the-runner's-own-key"
	claims := map[string]any{
		"repository":  "my-org/my-repo",
		"environment": "deploy-dev",
		"sub":         "repo:my-org/my-repo:environment:deploy-dev",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		claims["aud"] = r.URL.Query().Get("audience")
		change(claims)
		alterations := []issuer.Alteration{issuer.Without("oid", "tid", "appid", "idp", "ver")}
		for name, value := range claims {
			alterations = append(alterations, issuer.With(name, value))
		}
		const anyone = "5a9db0c5-0000-4000-8000-00000000a002"
		of := issuer.Claims{Audience: "replaced", ClientID: anyone, PrincipalID: anyone}
		token, err := term.Issuer.Token(of, alterations...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
	}))
	term.T.Cleanup(server.Close)
	runner := &githubRunner{
		Shell: *term.Shell,
		token: filepath.Join(term.T.TempDir(), "vault-token"),
	}
	runner.Env = append(slices.Clone(term.Env),
		"GITHUB_ACTIONS=true",
		"ACTIONS_ID_TOKEN_REQUEST_URL="+server.URL+"/token?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN="+key,
		"VAULT_ADDR="+term.Vault.Addr(),
		"VAULT_ROLE=mlvault-deployer-dev",
	)
	return runner
}

// login returns what it logged and the token that it left for the rest of the job.
func (r *githubRunner) login() (logged, token string, err error) {
	logged, err = r.Run(`python3 .ci/vault_token.py login "$FILE"`, "FILE="+r.token)
	text, _ := os.ReadFile(r.token) // a login that fails writes none
	return logged, string(text), err
}

// The steps of .ci/deploy and .ci/drift, but for those that need Azure: internal/delivery runs the
// scripts whole. The answers of the CLI on which "is it due" rests are the real one's.
func TestAGitHubJobLogsInWithItsOwnTokenAndGivesItBack(t *testing.T) {
	term := newTerminal(t)
	term.adapt()
	term.deployer("dev", oneKey)     // writes the policy
	term.SharedBackend("jwt-github") // as docs/deploy.md says, and so is the role
	term.Write("auth/jwt-github/role/mlvault-deployer-dev", map[string]any{
		"role_type":       "jwt",
		"user_claim":      "repository",
		"bound_audiences": []string{term.Vault.Addr()},
		"bound_claims":    map[string]any{"repository": "my-org/my-repo", "environment": "deploy-dev"},
		"token_policies":  []string{"deployer-mlvault-dev-ae5143b98a56bf8e"},
		"token_ttl":       "4h",
		"token_max_ttl":   "4h",
	})

	set := func(claim, value string) func(map[string]any) {
		return func(claims map[string]any) { claims[claim] = value }
	}
	for _, test := range []struct {
		name   string
		change func(claims map[string]any)
	}{
		{name: "another environment", change: set("environment", "preview-dev")},
		{name: "another repository", change: set("repository", "my-org/other")},
		{name: "a fork", change: set("repository", "stranger/my-repo")},
		{name: "a pull request, no approval", change: func(claims map[string]any) {
			delete(claims, "environment")
			claims["sub"] = "repo:my-org/my-repo:pull_request"
		}},
		{name: "a token for another service", change: set("aud", "api://AzureADTokenExchange")},
		{name: "another issuer", change: set("iss", "https://token.actions.githubusercontent.com")},
	} {
		logged, token, err := newGitHubRunner(term, test.change).login()
		require.Error(t, err, test.name)
		require.Empty(t, token, test.name)
		require.NotContains(t, logged, "eyJ", "%s: no part of the job's token is in the log", test.name)
		require.Contains(t, logged, "mlvault-deployer-dev", "%s: the sentence names the role", test.name)
	}
	runner := newGitHubRunner(term, func(map[string]any) {})
	logged, token, err := runner.login()
	require.NoError(t, err, logged)
	require.Equal(t, "::add-mask::"+token+"\nlogged in to Vault as mlvault-deployer-dev\n", logged,
		"the token is in the log only in the line that masks it")

	// The plugin in this process has the environment that the CLI's would have.
	t.Setenv("VAULT_TOKEN", token)
	runner.Env = append(runner.Env, "VAULT_TOKEN="+token, "PULUMI_RUN_PROGRAM=true")
	for _, variable := range []string{"GIT_AUTHOR", "GIT_COMMITTER"} {
		runner.Env = append(runner.Env, variable+"_NAME=t", variable+"_EMAIL=t@example.com")
	}
	const due = "\npython3 .ci/stacks.py due dev\n"
	printed := runner.Must(`
		pulumi stack init dev
		pulumi config set --secret vaultAddress "$VAULT_ADDR"
		pulumi config set --path --secret credentials.ml_api_key.api_key ` + lab.Canary + `
		git init -q && git add -A && git commit -qm one` + due)
	require.Contains(t, printed, "dev: it was never deployed\ndue=true\n")

	printed = runner.Must(withoutCheckpoints + `pulumi preview --suppress-outputs
		pulumi up --suppress-outputs` + due)
	require.Contains(t, printed, "dev: deployed as this commit makes it\ndue=false\n")
	require.NotContains(t, printed, token)
	require.NotContains(t, printed, lab.Canary)

	printed = runner.Must(withoutCheckpoints + drift + "\npulumi stack export --file state.json" + due)
	require.Contains(t, printed, "due=false\n", "nothing of it changes the state")
	state := lab.ReadFile(t, filepath.Join(term.Dir, "state.json"))
	require.NotContains(t, state, token, "no token is in the state")

	term.Write(lab.APIKeyPath, map[string]any{"data": map[string]any{"api_key": "tampered"}})
	printed, err = runner.Run(withoutCheckpoints + drift)
	require.Error(t, err, "drift fails the check:\n%s", printed)

	printed = runner.Must(`
		echo '// Another program.' >>main.go
		git add main.go
		git commit -qm two` + due)
	require.Contains(t, printed, "which is deployed\ndue=true\n")
	printed = runner.Must("git revert --no-edit HEAD; pulumi refresh --suppress-outputs" + due)
	require.Contains(t, printed, "a refresh: succeeded\ndue=true\n", "the state may hold what drifted")

	logged, err = runner.Run(`python3 .ci/vault_token.py logout "$FILE"`, "FILE="+runner.token)
	require.NoError(t, err, logged)
	_, err = term.Vault.Root().Auth().Token().LookupWithContext(t.Context(), token)
	require.Error(t, err, "the token is dead, and with it the plugin's children")
}

// What .ci/preview and .ci/drift set and run.
const (
	withoutCheckpoints = "export PULUMI_EXPERIMENTAL=true PULUMI_SKIP_CHECKPOINTS=true\n"
	drift              = "pulumi preview --refresh --expect-no-changes --suppress-outputs"
)

// The workflows run `make build` so that the language host's own build finds all of it in the
// cache.
func TestAPreviewAfterMakeBuildCompilesNothing(t *testing.T) {
	term := newTerminal(t)
	term.adapt()
	compiled := filepath.Join(t.TempDir(), "compiled")
	wrapper := filepath.Join(t.TempDir(), "wrapper")
	script := `#!/bin/sh
case "$1 $2" in
*-V=full) ;;
*/compile*) echo "$TOOLEXEC_IMPORTPATH" >>` + compiled + ` ;;
esac
exec "$@"
`
	require.NoError(t, os.WriteFile(wrapper, []byte(script), 0o700))
	preview := func() string {
		term.Must("pulumi preview", "GOFLAGS=-trimpath -toolexec="+wrapper)
		text, _ := os.ReadFile(compiled) // nothing compiled, no file
		return string(text)
	}
	term.Must(`make build
		pulumi stack init dev
		pulumi config set --secret vaultAddress "$ADDRESS"
		pulumi config set --path --secret credentials.ml_api_key.api_key x`, "ADDRESS="+term.Vault.Addr())
	require.Empty(t, preview())
	// The time makes it an edit that no earlier run has left in the build cache.
	term.Must("echo \"// a change at $(date +%s%N)\" >>main.go")
	require.Equal(t, "mlvault\n", preview(), "and after an edit the edited package alone")
}
