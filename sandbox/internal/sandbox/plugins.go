package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"google.golang.org/grpc"

	"mlvault/sandbox/internal/vaultplugin"
)

const (
	// installTime bounds the one attempt to install the genuine Vault plugin: a machine may have no
	// network.
	installTime = 15 * time.Second

	pluginName = "pulumi-resource-vault"
)

// startProviders serves the providers that the engine attaches to, each on a server of its own. The
// Vault plugin is the genuine one where that is installed, and the engine starts it itself.
func (s *Sandbox) startProviders() error {
	azure, err := s.serveProvider("azure-native", s.ARM.Register)
	if err != nil {
		return err
	}
	s.providers = azure
	s.pluginDir = genuinePlugin()
	s.Plugin = describePlugin(s.pluginDir)
	if s.pluginDir != "" {
		return nil
	}
	vault, err := s.serveProvider("vault", vaultplugin.New(s.proxy.forName).Register)
	if err != nil {
		return err
	}
	s.providers += "," + vault
	return nil
}

// serveProvider serves a provider until the sandbox is closed. It returns the provider's name and
// port as PULUMI_DEBUG_PROVIDERS has them.
func (s *Sandbox) serveProvider(name string, register func(*grpc.Server)) (string, error) {
	var server *grpc.Server
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(created *grpc.Server) error {
			server = created
			register(created)
			return nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("sandbox: provider %s: %w", name, err)
	}
	s.onClose(func() {
		server.Stop()
		<-handle.Done
	})
	return fmt.Sprintf("%s:%d", name, handle.Port), nil
}

func describePlugin(folder string) string {
	version := pluginName + " " + vaultplugin.Version
	switch {
	case folder != "":
		return "the genuine " + version + " in " + folder
	case wantsBuiltIn():
		return "built in (SANDBOX_PLUGIN)"
	default:
		return "built in (" + version + " is not installed)"
	}
}

// wantsBuiltIn tells whether the built-in Vault plugin is wanted, whatever is installed.
func wantsBuiltIn() bool { return os.Getenv("SANDBOX_PLUGIN") == "built-in" }

// InstallPlugin lets the CLI install the genuine Vault plugin. It tries once for each folder.
func InstallPlugin(ctx context.Context, pulumi, dir string, log io.Writer) {
	note := filepath.Join(dir, "plugin-tried")
	_, err := os.Stat(note)
	hasTried := err == nil
	if hasTried || wantsBuiltIn() || genuinePlugin() != "" {
		return
	}
	version := vaultplugin.Version
	fmt.Fprintf(log, "Vault plugin %s: asking the Pulumi CLI to install it, once, for at most %s\n",
		version, installTime)
	limited, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	//nolint:gosec // G204: the CLI.
	cmd := exec.CommandContext(limited, pulumi, "plugin", "install", "resource", "vault", version)
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	cmd.WaitDelay = time.Second
	_ = cmd.Run() // the run says which plugin it uses
	if ctx.Err() != nil {
		return // interrupted, which was no attempt
	}
	_ = os.MkdirAll(dir, 0o700)
	_ = os.WriteFile(note, nil, 0o600)
}

// genuinePlugin is the folder of the Vault plugin of the SDK's version, from Pulumi's plugin cache
// or PATH, or nothing.
func genuinePlugin() string {
	if wantsBuiltIn() {
		return ""
	}
	version := semver.MustParse(vaultplugin.Version)
	cached := workspace.PluginDescriptor{
		Name:    "vault",
		Kind:    apitype.ResourcePlugin,
		Version: &version,
	}
	folder, err := cached.DirPath()
	if err == nil && workspace.HasPlugin(cached) {
		return folder
	}
	path, err := exec.LookPath(pluginName)
	if err != nil {
		return ""
	}
	return filepath.Dir(path)
}

// Genuine tells whether the Vault plugin is the genuine one.
func (s *Sandbox) Genuine() bool { return s.pluginDir != "" }

// withPlugin is PATH with the genuine plugin's folder in front.
func withPlugin(folder string) string {
	return strings.Join([]string{folder, os.Getenv("PATH")}, string(os.PathListSeparator))
}
