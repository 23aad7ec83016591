package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/outputs"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/cli"
)

// Job writes the folder of `make job`, and does in it what a job of the stack does on a compute
// node, by job/vault_credentials: it asks the managed identity endpoint for a token, logs in to
// Vault with it, and reads every credential. It returns credential names with their key names, and
// never a value.
func (s *Stack) Job(ctx context.Context) (string, error) {
	values, environment, err := s.JobEnvironment(ctx)
	if err != nil {
		return "", err
	}
	if err := s.sandbox.ARM.BuildImage(Text(values, outputs.WorkspaceID)); err != nil {
		return "", err
	}
	folder, err := s.handOver(ctx)
	if err != nil {
		return "", err
	}
	return onNode(ctx, folder, environment, "-m", "vault_credentials")
}

// Python is a command of Python as a job runs it. Nothing of this shell reaches the job: it has
// what Azure ML gives it and what its definition says.
func Python(
	ctx context.Context, folder string, environment map[string]string, args ...string,
) (*exec.Cmd, error) {
	python, err := cli.FindPython(ctx)
	if err != nil {
		return nil, err
	}
	//nolint:gosec // G204: the repository's own script.
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = folder
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"SYSTEMROOT=" + os.Getenv("SYSTEMROOT"),
		"PYTHONDONTWRITEBYTECODE=1",
	}
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd, nil
}

// onNode runs Python as a job and returns what it prints.
func onNode(
	ctx context.Context, folder string, environment map[string]string, args ...string,
) (string, error) {
	cmd, err := Python(ctx, folder, environment, args...)
	if err != nil {
		return "", err
	}
	printed, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		said := bytes.TrimSpace(failed.Stderr)
		script := filepath.Base(args[0])
		if script == "-m" {
			script = args[1]
		}
		return "", fmt.Errorf("%s: %w\n%s", script, err, said)
	}
	return string(bytes.TrimSpace(printed)), err
}

// WriteJobEnvironment writes the environment of a job of the stack to a file (0600) that a shell
// can read in, and returns its path. It is good while the sandbox runs. It holds no credential, and
// the endpoint's key opens nothing else.
func (s *Stack) WriteJobEnvironment(ctx context.Context) (string, error) {
	_, environment, err := s.JobEnvironment(ctx)
	if err != nil {
		return "", err
	}
	environment["VAULT_CACERT"] = s.sandbox.Vault.CAFile() // for a shell in any folder
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		lines.WriteString(name + "=" + ShellQuote(environment[name]) + "\n")
	}
	file := s.sandbox.Path("job.env")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return "", fmt.Errorf("job environment: %w", err)
	}
	return file, nil
}

// plainWord is what a shell reads as it is.
var plainWord = regexp.MustCompile(`^[\w./:@%+,=-]+$`)

// ShellQuote is a text as one word of a shell, whatever it has in it.
func ShellQuote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// JobEnvironment is the environment of a job on a node of Azure ML: what its definition takes from
// the stack's outputs, which come with it, and the endpoint that the node offers.
func (s *Stack) JobEnvironment(ctx context.Context) (auto.OutputMap, map[string]string, error) {
	values, err := s.Outputs(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("stack outputs: %w", err)
	}
	environment, err := outputs.JobEnvironment(plain(values))
	if err != nil {
		return nil, nil, err
	}
	clientID := Text(values, outputs.JobIdentityClientID)
	principalID := arm.PrincipalID(Text(values, outputs.JobIdentityID))
	endpoint, err := s.sandbox.Issuer.ManagedIdentityEndpoint(ctx, clientID, principalID)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(environment, endpoint)
	if environment["VAULT_ADDR"] == NamedAddress {
		environment["HTTPS_PROXY"] = s.sandbox.proxy.url.String()
	}
	return values, environment, nil
}

// plain are the values of outputs, without what the engine says about them.
func plain(values auto.OutputMap) map[string]any {
	all := make(map[string]any, len(values))
	for name, value := range values {
		all[name] = value.Value
	}
	return all
}

// Text is an output that is a text, or nothing.
func Text(values auto.OutputMap, name string) string {
	value, _ := values[name].Value.(string)
	return value
}
