// Package sandbox runs the program, stack.Run itself, through the real Pulumi CLI and engine on one machine and without
// an account: on a Vault server of its own, and on stand-ins for ARM and for Entra's token service.
//
// What is real here: the program, the CLI, the engine, its state and secrets, Vault with its KV, JWT and policy code,
// TLS. What stands in: Azure, which is a document store with ARM's rules, and, unless the genuine plugin is installed,
// the Vault plugin. A green run here says nothing about quotas, regions, permissions or prices in Azure.
package sandbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"google.golang.org/grpc"

	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultplugin"
	"mlvault/sandbox/internal/vaultserver"
)

// Options say where a sandbox keeps its things.
type Options struct {
	Root     string // the repository, with Pulumi.yaml
	Settings string // folder of the stacks' settings; empty: Root
	Dir      string // state of the sandbox; made when missing
	Pulumi   string // path of the CLI

	// Wrap goes around Vault's HTTP handler, for tests that need faults in it or look into its requests.
	Wrap func(http.Handler) http.Handler
}

// ForgetEnvironment keeps the deployer's real world out of the sandbox: a VAULT_ADDR or a login to Pulumi Cloud or Azure
// of this shell must not be what a toy run talks to.
func ForgetEnvironment() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); name != "PULUMI_HOME" && foreign.MatchString(name) {
			_ = os.Unsetenv(name)
		}
	}
}

// foreign are variables that may lead to somebody's real account.
var foreign = regexp.MustCompile(`^(VAULT|ARM|AZURE|PULUMI|GITHUB|ACTIONS)_`)

// Sandbox is a running Vault, ARM and issuer, with the providers that the engine attaches to.
type Sandbox struct {
	Vault  *vaultserver.Server
	ARM    *arm.Server
	Issuer *issuer.Issuer
	Plugin string // which Vault plugin is used, for people

	// Project is the name in Pulumi.yaml: mlvault here, another in a copy that `pulumi new` made.
	Project string

	Options   Options
	proxy     *proxy
	providers string   // PULUMI_DEBUG_PROVIDERS
	pluginDir string   // of the genuine Vault plugin; empty: built in
	IssuerCA  string   // file with the CA of the issuer's certificate
	closers   []func() // run in reverse order by Close

	WrapCommand func(auto.PulumiCommand) auto.PulumiCommand // for tests that listen in on the CLI
}

// Open starts everything. What an earlier run left in Dir is there again.
func Open(ctx context.Context, opts Options) (_ *Sandbox, err error) {
	s := &Sandbox{Options: opts}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	project, err := workspace.LoadProject(filepath.Join(opts.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("project Pulumi.yaml: %w", err)
	}
	s.Project = project.Name.String()
	if err := s.StartVault(ctx); err != nil {
		return nil, err
	}
	s.onClose(func() { _ = s.Vault.Stop(context.WithoutCancel(ctx)) })
	if s.ARM, err = arm.Open(s.Path("arm.json")); err != nil {
		return nil, err
	}
	certificate, err := s.Vault.Certificate() // of Vault's own CA
	if err != nil {
		return nil, fmt.Errorf("sandbox: issuer: %w", err)
	}
	s.IssuerCA = s.Vault.CAFile()
	s.Issuer, err = issuer.Start(ctx, issuer.Options{
		TenantID: arm.TenantID,
		Dir:      s.Path("issuer"),
		TLS:      &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		return nil, err
	}
	s.onClose(s.Issuer.Close)
	if s.proxy, err = startProxy(ctx, strings.TrimPrefix(s.Vault.Addr(), "https://")); err != nil {
		return nil, err
	}
	s.onClose(func() { _ = s.proxy.server.Close() })
	return s, s.startProviders()
}

// StartVault starts Vault, the first time or after a Stop, where the run before left it: same storage, same address.
func (s *Sandbox) StartVault(ctx context.Context) (err error) {
	s.Vault, err = vaultserver.Start(ctx, s.Path("vault"), s.Options.Wrap)
	return err
}

// Close stops everything, in order: nobody answers a request that could no longer be stored.
func (s *Sandbox) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *Sandbox) onClose(f func()) { s.closers = append(s.closers, f) }

// Path is a file or folder of the sandbox.
func (s *Sandbox) Path(name string) string { return filepath.Join(s.Options.Dir, name) }

// startProviders serves one gRPC server for each package, and looks for the genuine Vault plugin first.
func (s *Sandbox) startProviders() error {
	attach := map[string]func(*grpc.Server){"azure-native": s.ARM.Register}
	s.pluginDir = genuinePlugin()
	if s.Plugin = "the genuine pulumi-resource-vault " + vaultplugin.Version + " in " + s.pluginDir; s.pluginDir == "" {
		s.Plugin = "built in (pulumi-resource-vault " + vaultplugin.Version + " is not installed)"
		if builtIn() {
			s.Plugin = "built in (SANDBOX_PLUGIN)"
		}
		attach["vault"] = vaultplugin.New(s.proxy.forName).Register
	}
	var ports []string
	for name, register := range attach {
		var server *grpc.Server
		handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Init: func(made *grpc.Server) error {
			server = made
			register(made)
			return nil
		}})
		if err != nil {
			return fmt.Errorf("sandbox: provider %s: %w", name, err)
		}
		s.onClose(func() {
			server.Stop()
			<-handle.Done
		})
		ports = append(ports, fmt.Sprintf("%s:%d", name, handle.Port))
	}
	s.providers = strings.Join(ports, ",")
	return nil
}

// builtIn tells whether the built-in Vault plugin is wanted, whatever is installed.
func builtIn() bool { return os.Getenv("SANDBOX_PLUGIN") == "built-in" }

// InstallPlugin lets the CLI install the genuine Vault plugin: one try ever, with a time limit, since a machine may have
// no network.
func InstallPlugin(ctx context.Context, pulumi, dir string, log io.Writer) {
	tried := filepath.Join(dir, "plugin-tried")
	if _, err := os.Stat(tried); err == nil || builtIn() || genuinePlugin() != "" {
		return
	}
	const limit = 15 * time.Second
	fmt.Fprintf(log, "Vault plugin %s: asking the Pulumi CLI to install it, once, for at most %s\n", vaultplugin.Version, limit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, pulumi, "plugin", "install", "resource", "vault", vaultplugin.Version) //nolint:gosec // G204: the CLI.
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true"), time.Second
	_ = cmd.Run() // the run says which plugin it takes
	if ctx.Err() == nil {
		_ = os.MkdirAll(dir, 0o700)
		_ = os.WriteFile(tried, nil, 0o600)
	}
}

// genuinePlugin returns the folder of the Vault plugin of the SDK's version, from Pulumi's plugin cache or PATH.
func genuinePlugin() string {
	if builtIn() {
		return ""
	}
	version := semver.MustParse(vaultplugin.Version)
	cached := workspace.PluginDescriptor{Name: "vault", Kind: apitype.ResourcePlugin, Version: &version}
	if folder, err := cached.DirPath(); err == nil && workspace.HasPlugin(cached) {
		return folder
	}
	if path, err := exec.LookPath("pulumi-resource-vault"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}
