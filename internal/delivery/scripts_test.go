package delivery

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func breaksOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// The paths of the service that a case gives another answer.
const (
	github      = "/github/token"
	azureDevOps = "/ado/oidc"
	login       = "/v1/auth/jwt-github/login"
	revoke      = "/v1/auth/token/revoke-self"
)

func TestAnOddAnswerOrSettingIsOneSentenceWithoutAToken(t *testing.T) {
	for _, c := range []struct {
		name, vendor, path string
		answer             http.HandlerFunc
		env, want          string
	}{
		{"no auth", "github", login, says(200, `{"auth": null}`), "", "no usable auth.client_token"},
		{"a list", "github", login, says(200, `["`+vaultToken+`"]`), "", "no usable auth.client_token"},
		{"a line break in the token", "github", login, says(200, `{"auth": {"client_token": "x\ny"}}`), "", "no usable"},
		{"HTML", "github", login, says(200, "<html>"+vaultToken), "", "not JSON"},
		{"deep nesting", "github", login, says(200, strings.Repeat("[", 100000)), "", "not JSON"},
		{"nothing", "github", login, says(204, ""), "", "HTTP 204 instead of 200"},
		{"a redirect", "github", login, says(307, ""), "", "HTTP 307: a redirect"},
		{"a refusal that quotes", "github", login, says(403, signed), "", "HTTP 403"},
		{"an answer that breaks off", "github", login, breaksOff, "", "login to Vault"},
		{"GitHub's line break", "github", github, says(200, `{"value": "a\r\nX-Vault-Token: b"}`), "", "no usable value"},
		{"GitHub's refusal", "github", github, says(401, signed), "", "GitHub's OIDC token: HTTP 401"},
		{"the refusal of Azure DevOps", "azure-devops", azureDevOps, says(400, signed), "", "of Azure DevOps: HTTP 400"},
		{"another answer of Azure DevOps", "azure-devops", azureDevOps, says(200, `{"count": 1}`), "", "no usable oidcToken"},
		{"no certificate", "github", "", nil, "VAULT_CACERT=/no/such/file", "no readable PEM file"},
		{"a broken address", "github", "", nil, "VAULT_ADDR=https://[::1", "does not allow"},
		{"plain http", "github", "", nil, "VAULT_ADDR=http://vault.example.com", "in the clear"},
		{"no Vault", "github", "", nil, "VAULT_ADDR=https://127.0.0.1:1", "login to Vault"},
		{"no role", "github", "", nil, "VAULT_ROLE=", "VAULT_ROLE"},
		{"another role", "github", "", nil, "VAULT_ROLE=other", "does not admit this repository"},
		{"no right to a token", "github", "", nil, "ACTIONS_ID_TOKEN_REQUEST_URL=", "this job may not ask"},
		{"no access token", "azure-devops", "", nil, "SYSTEM_ACCESSTOKEN=", "SYSTEM_ACCESSTOKEN: $(System.AccessToken)"},
		{"no connection", "azure-devops", "", nil, "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=", "no service connection"},
		{"no token of GitLab's", "gitlab", "", nil, "VAULT_ID_TOKEN=", "VAULT_ID_TOKEN is not set"},
		{"a laptop", "github", "", nil, "GITHUB_ACTIONS=", "on a laptop use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, c.vendor)
			r.answers[c.path] = c.answer
			r.answers["/elsewhere"] = func(http.ResponseWriter, *http.Request) {
				t.Error("a token went where a redirect pointed")
			}
			printed, err := r.try(`python3 .ci/vault_token.py login "$TEMP/token"`, c.env)
			oneSentence := strings.HasPrefix(printed, "error: ") && !strings.Contains(printed, "\n")
			if err == nil || !oneSentence || !strings.Contains(printed, c.want) {
				t.Errorf("%v, want one sentence with %q, printed %q", err, c.want, printed)
			}
			if strings.Contains(printed, vaultToken) || strings.Contains(printed, signed) {
				t.Errorf("quotes a token: %s", printed)
			}
			if _, err := os.Stat(filepath.Join(r.temp, "token")); !os.IsNotExist(err) {
				t.Errorf("a file is left: %v", err)
			}
		})
	}
}

func TestAVaultTokenThatCannotBeHandedOnIsRevoked(t *testing.T) {
	for name, file := range map[string]string{
		"no folder":         "$TEMP/no/such/folder/token",
		"a file is there":   "$TEMP/taken",
		"a link is there":   "$TEMP/link",
		"a folder is there": "$TEMP",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, "github")
			r.run(`echo mine >"$TEMP/taken"; ln -s "$TEMP/elsewhere" "$TEMP/link"`)
			printed, err := r.try(`python3 .ci/vault_token.py login "` + file + `"`)
			if err == nil || !strings.Contains(printed, "so the Vault token was revoked") {
				t.Errorf("%v, printed %q", err, printed)
			}
			if got := r.of("revoke-self"); len(got) != 1 {
				t.Errorf("asked %q", r.requests)
			}
			if got := r.run(`cat "$TEMP/taken"`); got != "mine" {
				t.Errorf("the file holds %q", got)
			}
		})
	}
}

func TestALogoutKeepsTheTokenThatItCouldNotRevoke(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a page":       {says(200, "<html>"), "HTTP 200 instead of 204"},
		"a dead token": {says(403, ""), "it has expired"},
	} {
		r := newRunner(t, "gitlab")
		r.answers[revoke] = c.answer
		r.run(`python3 .ci/vault_token.py login "$TEMP/token"`)
		printed, err := r.try(`python3 .ci/vault_token.py logout "$TEMP/token"`)
		if err == nil || !strings.Contains(printed, c.want) || strings.Contains(printed, vaultToken) {
			t.Errorf("%s: %v, printed %q", name, err, printed)
		}
		if got := r.run(`cat "$TEMP/token"`); got != vaultToken {
			t.Errorf("%s: the file holds %q", name, got)
		}
	}
}

func TestTheGateInstallsWhatAMachineLacksOrNamesIt(t *testing.T) {
	const all = "go git make python3 openssl pg_virtualenv black flake8 mypy gunicorn"
	for _, c := range []struct{ name, tools, want string }{
		{"Debian without jq", all + " apt-get", "what this machine lacks: jq\napt-get -qq update\nmake check test\n"},
		{"another system without jq", all, "error: cannot install jq here; install it by hand and run this again\n"},
		{"no Go", "git", "error: go is missing; install Go 1."},
	} {
		// Each tool says how it was called, and sudo calls nothing.
		const script = `
for tool in bash dirname sed id env; do ln -s "$(command -v $tool)" "$DIR/$tool"; done
for tool in $TOOLS sudo; do
  printf '#!/bin/bash\necho "${0##*/} $*"\n' >"$DIR/$tool"
  chmod +x "$DIR/$tool"
done
PATH=$DIR exec bash ../../.ci/run`
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
		cmd.Env = append(os.Environ(), "DIR="+t.TempDir(), "TOOLS="+c.tools)
		out, err := cmd.CombinedOutput()
		printed := strings.ReplaceAll(string(out), "sudo -n apt-get", "apt-get")
		if !strings.Contains(printed, c.want) || (err != nil) != strings.HasPrefix(c.want, "error") {
			t.Errorf("%s: %v, printed %q, want %q", c.name, err, printed, c.want)
		}
	}
}
