package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/operate/cli"
	"mlvault/sandbox/internal/files"
)

// foreign are variables that may lead to somebody's real account.
var foreign = regexp.MustCompile(`^(VAULT|ARM|AZURE|PULUMI|GITHUB|ACTIONS)_`)

// ForgetEnvironment keeps the user's real world out of the sandbox: a VAULT_ADDR or a login to
// Pulumi Cloud or Azure of this shell must not be what a toy run talks to.
func ForgetEnvironment() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name != "PULUMI_HOME" && foreign.MatchString(name) {
			_ = os.Unsetenv(name)
		}
	}
}

// Environment is the CLI's.
func (s *Sandbox) Environment() (map[string]string, error) {
	backend, err := s.backend()
	if err != nil {
		return nil, err
	}
	phrase, err := s.passphrase()
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"PULUMI_BACKEND_URL":       backend,
		"PULUMI_CONFIG_PASSPHRASE": phrase,
		"PULUMI_DEBUG_PROVIDERS":   s.providers,
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		// The sandbox attaches its own providers.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		// For the genuine plugin. What is on this machine by its address goes through no proxy.
		"HTTPS_PROXY": s.proxy.url.String(),
		// Refresh and destroy then use the token of the configuration, not an older one of the
		// state.
		"PULUMI_RUN_PROGRAM": "true",
	}
	if s.pluginDir != "" {
		env["PATH"] = withPlugin(s.pluginDir)
	}
	return env, nil
}

// backend is the URL of the backend that keeps the state.
func (s *Sandbox) backend() (string, error) {
	if s.Options.Backend != "" {
		return s.Options.Backend, nil
	}
	state := s.Path("state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	return backendURL(state), nil
}

// backendURL is the file backend in a folder. The URL escapes what a folder's name may have and an
// URL may not, such as a `#`. Without metadata=skip the backend keeps a second file for each
// checkpoint, and a CLI that is killed while it writes that one leaves the stack unreadable.
func backendURL(folder string) string {
	path := filepath.ToSlash(folder)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // before a drive letter
	}
	backend := url.URL{Scheme: "file", Path: path, RawQuery: "metadata=skip"}
	return backend.String()
}

// Command hands the CLI to the Automation API, which wants the folder above its bin folder.
func (s *Sandbox) Command() (auto.PulumiCommand, error) {
	command, err := s.askedCLI()
	if err != nil {
		return nil, err
	}
	if s.WrapCommand != nil {
		command = s.WrapCommand(command)
	}
	return sparing{PulumiCommand: command}, nil
}

// askCLI asks the CLI for its version, which costs as much as a small up.
func (s *Sandbox) askCLI() (auto.PulumiCommand, error) {
	options := &auto.PulumiCommandOptions{}
	bin := filepath.Dir(s.Options.Pulumi)
	if filepath.Base(bin) == "bin" {
		options.Root = filepath.Dir(bin)
	}
	command, err := auto.NewPulumiCommand(options)
	if err != nil {
		return nil, fmt.Errorf("pulumi CLI %s: %w", s.Options.Pulumi, err)
	}
	return command, nil
}

// sparing is the CLI without checkpoints where the product does without them.
type sparing struct{ auto.PulumiCommand }

// Run runs the CLI.
func (c sparing) Run(
	ctx context.Context, dir string, stdin io.Reader, out, errs []io.Writer,
	env []string, args ...string,
) (string, string, int, error) {
	env = slices.Concat(env, cli.WithoutCheckpoints(args[0]))
	return c.PulumiCommand.Run(ctx, dir, stdin, out, errs, env, args...)
}

// passphrase is made once. It protects nothing that the same folder does not hold in the clear for
// Vault's sake. It is there because the program's secrets go the same way here as everywhere.
func (s *Sandbox) passphrase() (string, error) {
	file := s.Path("passphrase")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text())
		err = files.Replace(file, text)
	}
	if err != nil {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	return string(text), nil
}
