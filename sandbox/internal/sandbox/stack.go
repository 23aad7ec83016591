package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/settings"
	"mlvault/internal/stack"
)

// Stack is one environment of the program in the sandbox.
type Stack struct {
	auto.Stack

	// Config is what the program reads. It is nil after Select.
	Config *settings.Settings

	sandbox *Sandbox
}

// ErrNoStack is returned for a stack that no up or preview has made.
var ErrNoStack = errors.New("there is no such stack in the sandbox; `make up` makes it")

// firstToken is in the settings before the first up. A preview asks Vault nothing, so any text
// serves.
const firstToken = "made-by-the-first-up" //nolint:gosec // G101: no token.

// Configure prepares a stack for an up. It reads the settings as the program will, gives the
// deployer a token with the rights that the run needs and no other, and writes the stack's file. A
// refusal changes nothing.
func (s *Sandbox) Configure(ctx context.Context, given Settings) (*Stack, error) {
	file, configured, err := s.prepare(ctx, given, s.Path("work"))
	if err != nil || given.Token != "" {
		return configured, err
	}
	state, err := configured.State(ctx)
	if err != nil {
		return nil, err
	}
	token, err := s.DeployerToken(ctx, configured.Config, state)
	if err != nil {
		return nil, fmt.Errorf("deployer's token: %w", err)
	}
	if token == file.secrets[keyToken] {
		return configured, nil
	}
	file.secrets[keyToken] = token
	_, err = s.save(ctx, file, s.Path("work"), given.Stack, configured.Config.Credentials)
	return configured, err
}

// ConfigurePreview prepares a stack for a preview, which writes nothing but the engine's own state.
// The settings are in a folder that ends with the sandbox, and the token is the last up's.
func (s *Sandbox) ConfigurePreview(ctx context.Context, given Settings) (*Stack, error) {
	folder, err := os.MkdirTemp("", "mlvault-preview-")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.onClose(func() { _ = os.RemoveAll(folder) })
	_, configured, err := s.prepare(ctx, given, folder)
	return configured, err
}

// prepare writes the settings into a folder and opens the stack there.
func (s *Sandbox) prepare(
	ctx context.Context, given Settings, folder string,
) (*StackFile, *Stack, error) {
	file, err := s.OpenStackFile(given.Stack)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := s.Settle(file, given)
	if err != nil {
		return nil, nil, err
	}
	if err := s.mend(given.Stack); err != nil {
		return nil, nil, err
	}
	if cfg.NeedsRefresh() {
		// The program asks whoever deploys for this line.
		file.project.Options = &workspace.ProjectOptions{Refresh: "always"}
	}
	file.secrets[keyAddress] = cfg.Address.Reveal()
	file.secrets[keyToken] = s.lastToken(given)
	decrypted, err := s.save(ctx, file, folder, given.Stack, cfg.Credentials)
	if err != nil {
		return nil, nil, err
	}
	// Which credentials are read back depends on how the file has them, so it is read once more.
	cfg, err = file.read(given.Stack, decrypted)
	if err != nil {
		return nil, nil, err
	}
	created, err := s.openStack(ctx, folder, given.Stack, auto.UpsertStackInlineSource)
	if err != nil {
		return nil, nil, err
	}
	return file, &Stack{Stack: created, Config: cfg, sandbox: s}, nil
}

// lastToken is the token that is given, or that the last up made.
func (s *Sandbox) lastToken(given Settings) string {
	if given.Token != "" {
		return given.Token
	}
	token, err := os.ReadFile(s.DeployerTokenFile(given.Stack))
	if err != nil {
		return firstToken
	}
	return string(token)
}

// Select opens a stack as the last Configure left it. The error is ErrNoStack when there is none,
// or nothing in it.
func (s *Sandbox) Select(ctx context.Context, name string) (*Stack, error) {
	_, err := os.Stat(stackFileName(s.Path("work"), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("stack %s: %w", name, ErrNoStack)
	}
	if err := s.mend(name); err != nil {
		return nil, err
	}
	selected, err := s.openStack(ctx, s.Path("work"), name, auto.SelectStackInlineSource)
	if auto.IsSelectStack404Error(err) {
		return nil, fmt.Errorf("stack %s: %w", name, ErrNoStack)
	}
	if err != nil {
		return nil, err
	}
	info, err := selected.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", name, err)
	}
	// A destroy of a stack without resources would run the program, as every destroy here does, and
	// leave behind the component and the provider that the run registers (seen on 3.250).
	if info.ResourceCount == nil || *info.ResourceCount == 0 {
		return nil, fmt.Errorf("stack %s has no resources: %w", name, ErrNoStack)
	}
	return &Stack{Stack: selected, sandbox: s}, nil
}

// opener is a function of the Automation API that opens a stack of an inline program.
type opener = func(
	ctx context.Context, stackName, projectName string,
	program pulumi.RunFunc, opts ...auto.LocalWorkspaceOption,
) (auto.Stack, error)

func (s *Sandbox) openStack(
	ctx context.Context, folder, name string, open opener,
) (auto.Stack, error) {
	command, err := s.Command()
	if err != nil {
		return auto.Stack{}, err
	}
	env, err := s.Environment()
	if err != nil {
		return auto.Stack{}, err
	}
	program := stack.Program{Dir: folder, Proxy: s.proxy.forName}
	return open(ctx, name, s.Project, program.Run,
		auto.WorkDir(folder),
		auto.PulumiHome(s.Path("pulumi")),
		auto.Pulumi(command),
		auto.EnvVars(env))
}
