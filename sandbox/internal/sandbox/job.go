package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/stack"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
)

// Job does what a job of the stack does on a compute node: it asks the managed identity endpoint for a token, logs in to
// Vault with it, and reads every credential. It returns credential names with their key names, and never a value.
//
// The reader is job/vault_credentials.py itself; without a Python on this machine it is the same steps in Go.
func (s *Stack) Job(ctx context.Context) (reader, result string, err error) {
	outputs, err := s.Outputs(ctx)
	if err != nil {
		return "", "", fmt.Errorf("stack outputs: %w", err)
	}
	if err := s.sandbox.ARM.BuildImage(Text(outputs, stack.OutputWorkspaceID)); err != nil {
		return "", "", err
	}
	environment, err := s.JobEnvironment(ctx, outputs)
	if err != nil {
		return "", "", err
	}
	python, err := FindPython()
	if err != nil {
		result, err := s.JobInGo(ctx, outputs)
		return "the same steps in Go (there is no python3 here to run job/vault_credentials.py)", result, err
	}
	result, err = onNode(ctx, "", environment, python, filepath.Join(s.sandbox.Options.Root, "job", "vault_credentials.py"))
	if err != nil {
		return "", "", fmt.Errorf("job/vault_credentials.py: %w", err)
	}
	return "job/vault_credentials.py", result, nil
}

// onNode runs a command as a job and returns what it prints. Nothing of this shell reaches the job: it has what Azure ML
// gives it and what its definition says.
func onNode(ctx context.Context, folder string, environment map[string]string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // G204: the repository's own script.
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "PYTHONDONTWRITEBYTECODE=1"}
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// WriteJobEnvironment writes the environment of a job of the stack to a file (0600) that a shell can read in, and
// returns its path. It is good while the sandbox runs. It holds no credential, and the endpoint's key opens nothing else.
func (s *Stack) WriteJobEnvironment(ctx context.Context) (string, error) {
	outputs, err := s.Outputs(ctx)
	if err != nil {
		return "", fmt.Errorf("stack outputs: %w", err)
	}
	environment, err := s.JobEnvironment(ctx, outputs)
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		fmt.Fprintf(&lines, "%s='%s'\n", name, environment[name]) // no value here has a quote: paths, GUIDs, URLs
	}
	file := s.sandbox.Path("job.env")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return "", fmt.Errorf("job environment: %w", err)
	}
	return file, nil
}

// FindPython returns the interpreter that runs the job's client, or an error where there is none.
func FindPython() (string, error) {
	for _, name := range []string{"python3", "python"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no python3 on PATH")
}

// JobEnvironment is the environment of a job on a node of Azure ML: what job.yml takes from the stack's outputs, and the
// endpoint that the node offers.
func (s *Stack) JobEnvironment(ctx context.Context, outputs auto.OutputMap) (map[string]string, error) {
	clientID, identity := Text(outputs, stack.OutputJobIdentityClientID), Text(outputs, stack.OutputJobIdentityID)
	environment, err := s.sandbox.Issuer.ManagedIdentityEndpoint(ctx, clientID, arm.PrincipalID(identity))
	if err != nil {
		return nil, err
	}
	paths, err := json.Marshal(outputs[stack.OutputCredentialPaths].Value)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", stack.OutputCredentialPaths, err)
	}
	maps.Copy(environment, map[string]string{
		"VAULT_ADDR":        Text(outputs, stack.OutputVaultAddress),
		"VAULT_CACERT":      s.sandbox.Vault.CAFile(),
		"VAULT_LOGIN_PATH":  Text(outputs, stack.OutputVaultLoginPath),
		"VAULT_ROLE":        Text(outputs, stack.OutputVaultRole),
		"VAULT_AUDIENCE":    Text(outputs, stack.OutputVaultAudience),
		"VAULT_CREDENTIALS": string(paths),
		"AZURE_CLIENT_ID":   clientID,
	})
	if environment["VAULT_ADDR"] == NamedAddress {
		environment["HTTPS_PROXY"] = s.sandbox.proxy.url.String()
	}
	return environment, nil
}

// identityToken is the token that Entra would give the stack's job identity for an audience.
func (s *Stack) identityToken(outputs auto.OutputMap, alterations ...issuer.Alteration) (string, error) {
	return s.sandbox.Issuer.Token(issuer.Claims{
		Audience:    Text(outputs, stack.OutputVaultAudience),
		ClientID:    Text(outputs, stack.OutputJobIdentityClientID),
		PrincipalID: arm.PrincipalID(Text(outputs, stack.OutputJobIdentityID)),
	}, alterations...)
}

// JobInGo does what the client does, for a machine without Python, and returns the report that the client would print.
func (s *Stack) JobInGo(ctx context.Context, outputs auto.OutputMap) (string, error) {
	token, err := s.identityToken(outputs)
	if err != nil {
		return "", err
	}
	client, err := s.sandbox.Vault.Client("")
	if err != nil {
		return "", err
	}
	login, err := client.Logical().WriteWithContext(ctx, Text(outputs, stack.OutputVaultLoginPath),
		map[string]any{"role": Text(outputs, stack.OutputVaultRole), "jwt": token})
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	client.SetToken(login.Auth.ClientToken)
	paths, _ := outputs[stack.OutputCredentialPaths].Value.(map[string]any)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		secret, err := client.Logical().ReadWithContext(ctx, fmt.Sprint(paths[name]))
		if err != nil || secret == nil {
			return "", fmt.Errorf("read %s: %w", paths[name], errors.Join(err, errUnread))
		}
		data, _ := secret.Data["data"].(map[string]any)
		lines = append(lines, name+": "+strings.Join(slices.Sorted(maps.Keys(data)), ", "))
	}
	return strings.Join(lines, "\n"), nil
}

var errUnread = errors.New("vault has no such secret; run `make up`")

// Text is an output that is a text, or nothing.
func Text(outputs auto.OutputMap, name string) string {
	value, _ := outputs[name].Value.(string)
	return value
}
