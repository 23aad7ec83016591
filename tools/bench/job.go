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

const (
	jobAudience = "api://mlvault"
	jobClient   = "00000000-0000-0000-0000-000000000001"
)

// jobServers answer as Vault and as the managed identity endpoint do, so that only the client's own
// cost differs.
type jobServers struct {
	vault    *httptest.Server
	identity *httptest.Server
	requests atomic.Int64
}

func startJobServers() *jobServers {
	s := &jobServers{}
	s.vault = httptest.NewTLSServer(s)
	s.identity = httptest.NewServer(s)
	return s
}

func (s *jobServers) close() {
	s.vault.Close()
	s.identity.Close()
}

func (s *jobServers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(jobAnswer(r.URL.Path))
}

func jobAnswer(path string) map[string]any {
	if strings.HasSuffix(path, "/login") {
		auth := map[string]any{
			"client_token":   "token",
			"token_type":     "batch",
			"lease_duration": 3600,
		}
		return map[string]any{"auth": auth}
	}
	if strings.HasPrefix(path, "/v1/") {
		secret := map[string]any{
			"data":     map[string]string{"api_key": "value"},
			"metadata": map[string]int{"version": 1},
		}
		return map[string]any{"data": secret}
	}
	//nolint:errchkjson // Strings.
	claims, _ := json.Marshal(map[string]string{"aud": jobAudience, "appid": jobClient})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".e30"
	// azure-identity insists on an end, as a text, which is how Azure ML says it.
	return map[string]any{"access_token": token, "expires_on": "4102444800"}
}

// job measures what a job pays for its credentials, against the same requests by raw HTTP in the
// same Python, and beside hvac with azure-identity where they are installed.
func (b *bench) job(ctx context.Context) (string, error) {
	python, hasTheirs, err := findPython(ctx)
	if err != nil {
		return "", fmt.Errorf("the job is Python: %w", err)
	}
	servers := startJobServers()
	defer servers.close()
	floor := b.path("floor_job.py")
	ca := b.path("ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: servers.vault.Certificate().Raw}
	if err := os.WriteFile(floor, floorJob, 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", err
	}
	const client = "vault_credentials"
	theirs := filepath.Join(b.root, "job", "hvac_example.py")

	var t table
	t.head("a job's read", "wall s", "ratio", "CPU s", "ratio", "requests")
	var verdicts, beside []string
	for _, n := range []int{1, 10, 100} {
		paths, err := json.Marshal(jobPaths(n))
		if err != nil {
			return "", err
		}
		environment := []string{
			"PATH=" + os.Getenv("PATH"),
			"PYTHONDONTWRITEBYTECODE=1",
			"PYTHONPATH=" + filepath.Join(b.root, "job"),
			"MSI_ENDPOINT=" + servers.identity.URL + "/token",
			"MSI_SECRET=secret",
			"VAULT_ADDR=" + servers.vault.URL,
			"VAULT_CACERT=" + ca,
			"VAULT_LOGIN_PATH=auth/jwt/login",
			"VAULT_ROLE=mlvault-dev",
			"VAULT_AUDIENCE=" + jobAudience,
			"AZURE_CLIENT_ID=" + jobClient,
			"VAULT_CREDENTIALS=" + string(paths),
		}
		asked := map[string]int64{}
		run := func(arguments ...string) func() (usage, error) {
			return func() (usage, error) {
				//nolint:gosec // G204: our own scripts.
				cmd := exec.CommandContext(ctx, python, arguments...)
				cmd.Env = environment
				before := servers.requests.Load()
				taken, output, err := measure(cmd)
				program := arguments[len(arguments)-1]
				asked[program] = servers.requests.Load() - before
				if program == client && strings.Count(output, "\n") != n {
					err = errors.Join(err, fmt.Errorf("the client did not read %d credentials", n))
				}
				return taken, err
			}
		}
		runs := []func() (usage, error){run("-c", "pass"), run(floor), run("-m", client)}
		if hasTheirs {
			runs = append(runs, run(theirs))
		}
		best, err := interleave(7, runs...)
		if err != nil {
			return "", err
		}
		interpreter, raw, own := best[0], best[1], best[2]
		if n == 1 {
			t.row("start of the interpreter alone",
				seconds(interpreter.Wall), "", seconds(interpreter.CPU), "", "0")
		}
		t.row(fmt.Sprintf("%d by raw HTTP", n),
			seconds(raw.Wall), "1.00", seconds(raw.CPU), "1.00", fmt.Sprint(asked[floor]))
		t.row(fmt.Sprintf("%d by `job/vault_credentials`", n),
			seconds(own.Wall), ratio(own.Wall, raw.Wall),
			seconds(own.CPU), ratio(own.CPU, raw.CPU), fmt.Sprint(asked[client]))
		verdicts = append(verdicts, fmt.Sprintf("%d: %s", n, verdict(own.CPU, raw.CPU, 1.5)))
		if !hasTheirs {
			continue
		}
		other := best[3]
		t.row(fmt.Sprintf("%d by hvac and azure-identity", n),
			seconds(other.Wall), ratio(other.Wall, raw.Wall),
			seconds(other.CPU), ratio(other.CPU, raw.CPU), fmt.Sprint(asked[theirs]))
		beside = append(beside, fmt.Sprintf("%d: %s", n, verdict(own.CPU, other.CPU, 0.5)))
	}
	if hasTheirs {
		t.line("Target: at most half the CPU of hvac with azure-identity (" +
			strings.Join(beside, "; ") + ").")
	} else {
		t.line("Not measured here: hvac with azure-identity, python3-hvac and python3-azure in Debian.")
	}
	t.line("Target: at most 1.5 times the CPU (" + strings.Join(verdicts, "; ") + ").\n" +
		"Whole processes, the interpreter's start included. Least of 7, in turns.")
	return t.String(), nil
}

// findPython is the interpreter for all rows of the table: one that has hvac and azure-identity, if
// there is any, so that the same Python runs theirs and ours.
func findPython(ctx context.Context) (path string, hasTheirs bool, err error) {
	first, err := exec.LookPath("python3")
	if err != nil {
		return "", false, err
	}
	for _, python := range []string{first, "/usr/bin/python3"} {
		//nolint:gosec // G204: an interpreter of this machine.
		look := exec.CommandContext(ctx, python, "-c", "import hvac, azure.identity")
		if look.Run() == nil {
			return python, true, nil
		}
	}
	return first, false, nil
}

func jobPaths(n int) map[string]string {
	paths := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("credential-%04d", i)
		paths[name] = "secret/data/mlvault/dev/" + name
	}
	return paths
}
