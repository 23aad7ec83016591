package main

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

//go:embed floor_job.py
var floorJob []byte

const jobAudience, jobClient = "api://mlvault", "00000000-0000-0000-0000-000000000001"

// job measures what a job pays for its credentials, against the same requests by raw HTTP in the same Python. Both ask a
// server here that answers as Vault and as the managed identity endpoint do, so only the client's own cost differs.
func (b *bench) job(ctx context.Context) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("the job is Python: %w", err)
	}
	var requests atomic.Int64
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		claims, _ := json.Marshal(map[string]string{"aud": jobAudience, "appid": jobClient}) //nolint:errchkjson // Strings.
		body := map[string]any{"access_token": "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".e30"}
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			body = map[string]any{"auth": map[string]any{"client_token": "token", "token_type": "batch", "lease_duration": 3600}}
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			body = map[string]any{"data": map[string]any{"data": map[string]string{"api_key": "value"}, "metadata": map[string]int{"version": 1}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	})
	vault, identity := httptest.NewTLSServer(answer), httptest.NewServer(answer)
	defer vault.Close()
	defer identity.Close()
	floor, ca := b.path("floor_job.py"), b.path("ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vault.Certificate().Raw})
	if err := errors.Join(os.WriteFile(floor, floorJob, 0o600), os.WriteFile(ca, certificate, 0o600)); err != nil {
		return "", err
	}
	const module = "vault_credentials"

	var t table
	t.head("a job's read", "wall s", "ratio", "CPU s", "ratio", "requests")
	var verdicts []string
	for _, n := range []int{1, 10, 100} {
		paths := map[string]string{}
		for i := range n {
			paths[fmt.Sprintf("credential-%04d", i)] = fmt.Sprintf("secret/data/mlvault/dev/credential-%04d", i)
		}
		text, err := json.Marshal(paths)
		if err != nil {
			return "", err
		}
		asked := map[string]int64{}
		run := func(arguments ...string) func() (usage, error) {
			return func() (usage, error) {
				cmd := exec.CommandContext(ctx, python, arguments...) //nolint:gosec // G204: our own scripts.
				cmd.Env = []string{
					"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1", "MSI_ENDPOINT=" + identity.URL + "/token", "MSI_SECRET=secret",
					"VAULT_ADDR=" + vault.URL, "VAULT_CACERT=" + ca, "VAULT_LOGIN_PATH=auth/jwt/login", "VAULT_ROLE=mlvault-dev",
					"PYTHONPATH=" + filepath.Join(b.root, "job"), "VAULT_AUDIENCE=" + jobAudience, "AZURE_CLIENT_ID=" + jobClient, "VAULT_CREDENTIALS=" + string(text),
				}
				before := requests.Load()
				taken, output, err := measure(cmd)
				asked[arguments[len(arguments)-1]] = requests.Load() - before
				if arguments[0] == "-m" && strings.Count(output, "\n") != n {
					err = errors.Join(err, fmt.Errorf("the client did not read %d credentials", n))
				}
				return taken, err
			}
		}
		best, err := interleave(7, run("-c", "pass"), run(floor), run("-m", module))
		if err != nil {
			return "", err
		}
		if n == 1 {
			t.row("start of the interpreter alone", seconds(best[0].Wall), "", seconds(best[0].CPU), "", "0")
		}
		t.row(fmt.Sprintf("%d by raw HTTP", n), seconds(best[1].Wall), "1.00", seconds(best[1].CPU), "1.00", fmt.Sprint(asked[floor]))
		t.row(fmt.Sprintf("%d by `job/vault_credentials`", n), seconds(best[2].Wall), ratio(best[2].Wall, best[1].Wall), seconds(best[2].CPU), ratio(best[2].CPU, best[1].CPU), fmt.Sprint(asked[module]))
		verdicts = append(verdicts, fmt.Sprintf("%d: %s", n, verdict(best[2].CPU, best[1].CPU, 1.5)))
	}
	t.line("Target: at most 1.5 times the CPU (" + strings.Join(verdicts, "; ") + ").\nWhole processes, the interpreter's start included. Least of 7, in turns.")
	return t.String(), nil
}
