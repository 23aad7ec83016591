package delivery

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const signed, token = "the-jobs-own-token", "hvs.the-vault-token"

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// .ci/vault_token.py against a server that is GitHub and Vault. Whatever that answers, the script prints one sentence.
func TestAJobGetsAVaultTokenAndAnOddAnswerIsOneSentence(t *testing.T) {
	const github, login, revoke = "/token", "/v1/auth/jwt-github/login", "/v1/auth/token/revoke-self"
	for _, c := range []struct {
		name, path string
		answer     http.HandlerFunc
		env, want  string
	}{
		{"a login", login, says(200, `{"auth": {"client_token": "`+token+`"}}`), "", "::add-mask::" + token + "\nlogged in to Vault as deployer\n"},
		{"a revocation", revoke, says(204, ""), "", "revoked the Vault token\n"},
		{"no auth", login, says(200, `{"auth": null}`), "", "error: no usable auth.client_token"},
		{"a list", login, says(200, `["`+token+`"]`), "", "error: no usable auth.client_token"},
		{"a line break in the token", login, says(200, `{"auth": {"client_token": "hvs.x\nPATH=/tmp"}}`), "", "error: no usable"},
		{"HTML", login, says(200, "<html>"+token), "", "error: not JSON"},
		{"deep nesting", login, says(200, strings.Repeat("[", 100000)), "", "error: not JSON"},
		{"nothing", login, says(204, ""), "", "error: HTTP 204 instead of 200"},
		{"a redirect", login, says(307, ""), "", "error: HTTP 307: a redirect"},
		{"a refusal that quotes", login, says(403, signed), "", "error: HTTP 403"},
		{"an answer that breaks off", login, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "error: login to Vault"},
		{"GitHub's line break", github, says(200, `{"value": "a\r\nX-Vault-Token: b"}`), "", "error: no usable value"},
		{"a revocation with a page", revoke, says(200, "<html>"), "", "error: HTTP 200 instead of 204"},
		{"a dead token", revoke, says(403, ""), "", "error: it has expired"},
		{"a line break in VAULT_TOKEN", revoke, says(204, ""), "VAULT_TOKEN=" + token + "\nx", "error: does not allow"},
		{"no certificate", login, says(200, "{}"), "VAULT_CACERT=/no/such/file", "error: VAULT_CACERT"},
		{"a broken address", login, says(200, "{}"), "VAULT_ADDR=https://[::1", "error: does not allow"},
		{"plain http", login, says(200, "{}"), "VAULT_ADDR=http://vault.example.com", "error: in the clear"},
		{"no Vault", login, says(200, "{}"), "VAULT_ADDR=https://127.0.0.1:1", "error: login to Vault"},
		{"no role", login, says(200, "{}"), "VAULT_ROLE=", "error: VAULT_ROLE"},
		{"no right to a token", github, says(200, "{}"), "ACTIONS_ID_TOKEN_REQUEST_URL=", "error: this job may not ask"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc(c.path, c.answer)
			if c.path != github {
				mux.HandleFunc(github, says(200, `{"value": "`+signed+`"}`))
			}
			mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a token went where a redirect pointed") })
			server := httptest.NewServer(mux)
			defer server.Close()
			file, command := filepath.Join(t.TempDir(), "env"), "login"
			if c.path == revoke {
				command = "logout"
			}
			cmd := exec.Command("python3", "../../.ci/vault_token.py", command)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "VAULT_ADDR=" + server.URL, "VAULT_ROLE=deployer", "VAULT_TOKEN=" + token, "GITHUB_ENV=" + file,
				"ACTIONS_ID_TOKEN_REQUEST_URL=" + server.URL + "/token?v=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner", c.env}
			out, err := cmd.CombinedOutput()
			exported, _ := os.ReadFile(file) // nothing exported, no file
			printed := string(out)
			want, failed := strings.CutPrefix(c.want, "error: ")
			if !failed {
				if err != nil || printed != want || command == "login" && string(exported) != "VAULT_TOKEN="+token+"\n" {
					t.Errorf("%v, printed %q, exported %q", err, printed, exported)
				}
				return
			}
			if err == nil || len(exported) > 0 || strings.Count(printed, "\n") != 1 || !strings.HasPrefix(printed, "error: ") || !strings.Contains(printed, want) {
				t.Errorf("want one sentence with %q, printed %q, exported %q", want, printed, exported)
			}
			if strings.Contains(printed, token) || strings.Contains(printed, signed) {
				t.Errorf("quotes a token: %s", printed)
			}
		})
	}
}

func TestTheGateInstallsWhatAMachineLacksOrNamesIt(t *testing.T) {
	for _, c := range []struct{ name, tools, want string }{
		{"Debian without jq", "go git make python3 openssl pg_virtualenv apt-get", "installing what this machine lacks: jq\napt-get -qq update\nmake check test\n"},
		{"another system without jq", "go git make python3 openssl pg_virtualenv", "error: cannot install jq here; install it by hand and run this again\n"},
		{"no Go", "git", "error: go is missing; install Go 1."},
	} {
		// Each tool says how it was called, and sudo calls nothing.
		const script = `for tool in bash dirname sed id env; do ln -s "$(command -v $tool)" "$DIR/$tool"; done
			for tool in $TOOLS sudo; do printf '#!/bin/bash\necho "${0##*/} $*"\n' >"$DIR/$tool"; chmod +x "$DIR/$tool"; done
			PATH=$DIR exec bash ../../.ci/run`
		cmd := exec.Command("bash", "-euc", script)
		cmd.Env = append(os.Environ(), "DIR="+t.TempDir(), "TOOLS="+c.tools)
		out, err := cmd.CombinedOutput()
		printed := strings.ReplaceAll(string(out), "sudo -n apt-get", "apt-get")
		if !strings.Contains(printed, c.want) || (err != nil) != strings.HasPrefix(c.want, "error") {
			t.Errorf("%s: %v, printed %q, want %q", c.name, err, printed, c.want)
		}
	}
}
