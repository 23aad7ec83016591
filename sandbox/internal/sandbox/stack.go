package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/internal/stack"
	"mlvault/sandbox/internal/files"
	"mlvault/sandbox/internal/issuer"
)

// Stack is one environment of the program in the sandbox.
type Stack struct {
	auto.Stack

	Config *settings.Settings // nil after Select

	sandbox *Sandbox
}

// Configure prepares a stack for an up: it reads the settings as the program will, gives the deployer a token with the
// rights that the run needs and no other, and writes the stack's file. A refusal changes nothing.
func (s *Sandbox) Configure(ctx context.Context, given Settings) (*Stack, error) {
	file, configured, err := s.prepare(ctx, given, s.Path("work"))
	if err != nil || given.Token != "" {
		return configured, err
	}
	state, err := configured.state(ctx)
	if err != nil {
		return nil, err
	}
	token, err := s.DeployerToken(ctx, configured.Config, state)
	if err != nil {
		return nil, fmt.Errorf("deployer's token: %w", err)
	}
	if token != file.secrets["vaultToken"] {
		file.secrets["vaultToken"] = token
		_, err = s.save(ctx, file, s.Path("work"), given.Stack, configured.Config.Credentials)
	}
	return configured, err
}

// ConfigurePreview prepares a stack for a preview, which writes nothing but the engine's own state: the settings are in a
// folder that ends with the sandbox, and the token is the last up's. A preview asks Vault nothing, so before the first up
// any text does.
func (s *Sandbox) ConfigurePreview(ctx context.Context, given Settings) (*Stack, error) {
	folder, err := os.MkdirTemp("", "mlvault-preview-")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.onClose(func() { _ = os.RemoveAll(folder) })
	_, configured, err := s.prepare(ctx, given, folder)
	return configured, err
}

func (s *Sandbox) prepare(ctx context.Context, given Settings, folder string) (*StackFile, *Stack, error) {
	file, err := s.OpenStackFile(given.Stack)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := s.Settle(file, given)
	if err != nil {
		return nil, nil, err
	}
	token, _ := os.ReadFile(s.DeployerTokenFile(given.Stack)) // there is none before the first up
	if err := s.mend(given.Stack); err != nil {
		return nil, nil, err
	}
	file.secrets["vaultAddress"] = cfg.Address.Reveal()
	file.secrets["vaultToken"] = cmp.Or(given.Token, string(token), "made-by-the-first-up")
	decrypted, err := s.save(ctx, file, folder, given.Stack, cfg.Credentials)
	if err != nil {
		return nil, nil, err
	}
	// Which credentials are read back depends on how the file has them.
	if cfg, err = file.read(given.Stack, decrypted); err != nil {
		return nil, nil, err
	}
	created, err := s.open(ctx, folder, given.Stack, auto.UpsertStackInlineSource)
	return file, &Stack{Stack: created, Config: cfg, sandbox: s}, err
}

// state is what the stack has made, as the rights of its deployer are made from it.
func (s *Stack) state(ctx context.Context) (rights.State, error) {
	exported, err := s.Export(ctx)
	if err != nil {
		return rights.State{}, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	text, err := json.Marshal(exported)
	if err != nil {
		return rights.State{}, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	return rights.ParseState(text)
}

// Settle adds the sandbox's own settings to the stack's and lets the program's loader judge the whole.
func (s *Sandbox) Settle(file *StackFile, given Settings) (*settings.Settings, error) {
	for _, edit := range given.Edits {
		edit(file.Stack.Config)
	}
	setting, _, _ := file.Stack.Config.Get(pulumiconfig.MustMakeKey(s.Project, "workload.createAuthBackend"), true)
	create, _ := setting.Value(pulumiconfig.NopDecrypter)
	own := map[string]string{"vault.caCertFile": s.Vault.CAFile(), "workload.issuer": s.Issuer.URL(issuer.V1)}
	if create != "false" { // for a backend that the program makes
		ca, err := os.ReadFile(s.IssuerCA)
		if err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		own["workload.issuerCaPem"] = string(ca)
	}
	for key, value := range own {
		if err := file.put(key, pulumiconfig.NewValue(value), true); err != nil {
			return nil, err
		}
	}
	load := func(address string) (*settings.Settings, error) {
		return file.config(given.Stack, map[string]string{"vaultAddress": address, "vaultToken": given.Token, "credentials": given.Credentials})
	}
	if given.Address != "" {
		return load(given.Address)
	}
	// The name is good for every stack, but only one that needs it is led through the proxy.
	cfg, err := load(NamedAddress)
	if err != nil || !cfg.VaultHost().Empty() {
		return cfg, err
	}
	return load(s.Vault.Addr())
}

// Named tells whether the stack knows Vault by its name, and goes to it through the sandbox's proxy.
func (s *Stack) Named() bool { return s.Config != nil && s.Config.Address.Reveal() == NamedAddress }

// Select opens a stack as the last Configure left it. The error is ErrNoStack when there is none, or nothing in it.
func (s *Sandbox) Select(ctx context.Context, name string) (*Stack, error) {
	if _, err := os.Stat(stackFileName(s.Path("work"), name)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("stack %s: %w", name, ErrNoStack)
	}
	if err := s.mend(name); err != nil {
		return nil, err
	}
	selected, err := s.open(ctx, s.Path("work"), name, auto.SelectStackInlineSource)
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
	// To destroy a stack without resources would run the program, as is the rule here, and leave behind the component and
	// the provider that the run registers (seen on 3.250).
	if info.ResourceCount == nil || *info.ResourceCount == 0 {
		return nil, fmt.Errorf("stack %s has no resources: %w", name, ErrNoStack)
	}
	return &Stack{Stack: selected, sandbox: s}, nil
}

// ErrNoStack is returned for a stack that no up or preview has made.
var ErrNoStack = errors.New("there is no such stack in the sandbox; `make up` makes it")

type opener = func(ctx context.Context, stackName, projectName string, program pulumi.RunFunc, opts ...auto.LocalWorkspaceOption) (auto.Stack, error)

func (s *Sandbox) open(ctx context.Context, folder, name string, open opener) (auto.Stack, error) {
	command, err := s.Command()
	if err != nil {
		return auto.Stack{}, err
	}
	env, err := s.Environment()
	if err != nil {
		return auto.Stack{}, err
	}
	return open(ctx, name, s.Project, stack.In(folder),
		auto.WorkDir(folder), auto.PulumiHome(s.Path("pulumi")), auto.Pulumi(command), auto.EnvVars(env))
}

// Command hands the CLI to the Automation API, which wants the folder above its bin folder.
func (s *Sandbox) Command() (auto.PulumiCommand, error) {
	options := &auto.PulumiCommandOptions{}
	if bin := filepath.Dir(s.Options.Pulumi); filepath.Base(bin) == "bin" {
		options.Root = filepath.Dir(bin)
	}
	command, err := auto.NewPulumiCommand(options)
	if err != nil {
		return nil, fmt.Errorf("pulumi CLI %s: %w", s.Options.Pulumi, err)
	}
	if s.WrapCommand != nil {
		return s.WrapCommand(command), nil
	}
	return command, nil
}

// Environment is the CLI's. Without metadata=skip the file backend keeps a second file for each checkpoint, and a CLI
// that is killed while it writes that one leaves the stack unreadable.
func (s *Sandbox) Environment() (map[string]string, error) {
	state := s.Path("state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	phrase, err := s.passphrase()
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(state)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	env := map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + path + "?metadata=skip",
		"PULUMI_CONFIG_PASSPHRASE":                    phrase,
		"PULUMI_DEBUG_PROVIDERS":                      s.providers,
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		// For the genuine plugin; what is on this machine by its address goes through no proxy.
		"HTTPS_PROXY": s.proxy.url.String(),
		// Refresh and destroy then take the token of the configuration and not an older one of the state.
		"PULUMI_RUN_PROGRAM": "true",
	}
	if s.pluginDir != "" {
		env["PATH"] = s.pluginDir + string(os.PathListSeparator) + os.Getenv("PATH")
	}
	return env, nil
}

// passphrase is made once. It protects nothing that the same folder does not hold in the clear for Vault's sake; it is
// there because the program's secrets go the same way here as everywhere.
func (s *Sandbox) passphrase() (string, error) {
	text, err := os.ReadFile(s.Path("passphrase"))
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text())
		err = files.Replace(s.Path("passphrase"), text)
	}
	if err != nil {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	return string(text), nil
}

// tokenLife is a deployer's token's, as long as Vault's default maximum of 768 hours lets it be. A new token each time
// would be a change of the provider at every up.
const tokenLife = 30 * 24 * time.Hour

// DeployerToken is a token of exactly the policy that `make policy` prints. It is the same from run to run while it lives.
func (s *Sandbox) DeployerToken(ctx context.Context, cfg *settings.Settings, state rights.State) (string, error) {
	name := "deployer-" + cfg.Access().Name()
	policy := rights.DeployerPolicy(cfg, state)
	token, _ := os.ReadFile(s.DeployerTokenFile(cfg.Stack)) // there is none before the first up
	// It is dead in a folder that outlived it, or whose Vault was started anew.
	found, err := s.Vault.Root().Auth().Token().LookupWithContext(ctx, string(token))
	if err == nil {
		if life, err := found.TokenTTL(); err == nil && life > time.Hour {
			return string(token), s.Vault.Root().Sys().PutPolicyWithContext(ctx, name, policy)
		}
	}
	made, err := s.Vault.Token(ctx, name, policy, tokenLife)
	if err != nil {
		return "", err
	}
	return made, files.Replace(s.DeployerTokenFile(cfg.Stack), []byte(made))
}

// DeployerTokenFile is where the token of a stack's deployer is kept (0600). It is there after the first Configure.
func (s *Sandbox) DeployerTokenFile(name string) string {
	return s.Path("deployer-" + settings.NameInVault(s.Project, name) + ".token")
}
