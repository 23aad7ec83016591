// Package sandbox runs the program, stack.Run itself, through the real Pulumi CLI and engine on one
// machine and without an account: on a Vault server of its own, and on stand-ins for Azure Resource
// Manager (ARM) and for Entra's token service.
//
// Real here are the program, the CLI, the engine with its state and secrets, TLS, and Vault with
// its KV, JWT and policy code. Azure is a stand-in: a document store with ARM's rules. So is the
// Vault plugin, unless the genuine one is installed. A green run here says nothing about quotas,
// regions, permissions or prices in Azure.
package sandbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultserver"
)

// Options say where a sandbox keeps its things.
type Options struct {
	// Root is the repository, with Pulumi.yaml.
	Root string
	// Settings is the folder of the stacks' settings. Empty: Root.
	Settings string
	// Dir has the state of the sandbox. It is created when missing.
	Dir string
	// Pulumi is the path of the CLI.
	Pulumi string
	// Backend is the URL of the backend that keeps the state. Empty: files in Dir.
	Backend string
	// Wrap goes around Vault's HTTP handler, for tests that need faults in it or look into its
	// requests.
	Wrap func(http.Handler) http.Handler
}

// Sandbox is a running Vault, ARM and issuer, with the providers that the engine attaches to.
type Sandbox struct {
	Vault  *vaultserver.Server
	ARM    *arm.Server
	Issuer *issuer.Issuer
	// IssuerCA is the file with the CA of the issuer's certificate.
	IssuerCA string
	// Plugin tells people which Vault plugin is used.
	Plugin string
	// Project is the name in Pulumi.yaml: mlvault here, another one in a copy that `pulumi new`
	// made.
	Project string
	Options Options
	// WrapCommand goes around the CLI: for a terminal, and for tests that listen in.
	WrapCommand func(auto.PulumiCommand) auto.PulumiCommand

	// askedCLI is askCLI's answer of the first time.
	askedCLI func() (auto.PulumiCommand, error)
	proxy    *proxy
	// providers is the value of PULUMI_DEBUG_PROVIDERS.
	providers string
	// pluginDir is the folder of the genuine Vault plugin. Empty: the built-in one is used.
	pluginDir string
	// closers run in reverse order when the sandbox is closed.
	closers []func()
}

// Open starts everything. What an earlier run left in Dir is there again.
func Open(ctx context.Context, opts Options) (*Sandbox, error) {
	s := &Sandbox{Options: opts}
	s.askedCLI = sync.OnceValues(s.askCLI)
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context) error {
	if err := os.MkdirAll(s.Options.Dir, 0o700); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	project, err := s.loadProject()
	if err != nil {
		return err
	}
	s.Project = project.Name.String()
	if err := s.StartVault(ctx); err != nil {
		return err
	}
	s.onClose(func() { _ = s.Vault.Stop(context.WithoutCancel(ctx)) })
	s.ARM, err = arm.Open(s.Path("arm.json"))
	if err != nil {
		return err
	}
	if err := s.startIssuer(ctx); err != nil {
		return err
	}
	s.proxy, err = startProxy(ctx, strings.TrimPrefix(s.Vault.Addr(), "https://"))
	if err != nil {
		return err
	}
	s.onClose(func() { _ = s.proxy.server.Close() })
	return s.startProviders()
}

// loadProject reads Pulumi.yaml.
func (s *Sandbox) loadProject() (*workspace.Project, error) {
	project, err := workspace.LoadProject(filepath.Join(s.Options.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("project Pulumi.yaml: %w", err)
	}
	return project, nil
}

// startIssuer gives the issuer a certificate of Vault's own CA, so that one CA is good for both.
func (s *Sandbox) startIssuer(ctx context.Context) error {
	certificate, err := s.Vault.Certificate()
	if err != nil {
		return fmt.Errorf("sandbox: issuer: %w", err)
	}
	s.IssuerCA = s.Vault.CAFile()
	s.Issuer, err = issuer.Start(ctx, issuer.Options{
		TenantID: arm.TenantID,
		Dir:      s.Path("issuer"),
		TLS: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
		},
	})
	if err != nil {
		return err
	}
	s.onClose(s.Issuer.Close)
	return nil
}

// StartVault starts Vault, the first time or after a Stop, where the run before left it: the same
// storage and the same address.
func (s *Sandbox) StartVault(ctx context.Context) error {
	server, err := vaultserver.Start(ctx, s.Path("vault"), s.Options.Wrap)
	if err != nil {
		return err
	}
	s.Vault = server
	return nil
}

// Close stops everything in order, so that nobody answers a request that could no longer be stored.
func (s *Sandbox) Close() {
	for _, closer := range slices.Backward(s.closers) {
		closer()
	}
	s.closers = nil
}

func (s *Sandbox) onClose(f func()) { s.closers = append(s.closers, f) }

// Path is a file or folder of the sandbox.
func (s *Sandbox) Path(name string) string { return filepath.Join(s.Options.Dir, name) }
