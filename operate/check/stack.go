package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/cli"
)

// Stack is a real stack as its CLI gives it.
type Stack struct {
	Config      *settings.Settings
	Token       settings.Secret // of the deployer: vaultToken, or what the plugin takes without one
	TokenFrom   string          // where from, for people
	Size        int             // bytes of the environment variable that carries the configuration to the program
	Resources   []Resource      // what the stack has made so far
	Environment []string        // names of variables that change what the Vault plugin does
	AzureLogin  bool            // the configuration has a login of the Azure provider's own
	Root        string          // the repository: relative paths of the configuration start there
}

// Resource is one of the stack's state.
type Resource = rights.Resource

// Pulumi's types of what a stack has in Vault.
const (
	TypeMount   = rights.TypeMount
	TypeBackend = rights.TypeBackend
	TypePolicy  = rights.TypePolicy
	TypeRole    = rights.TypeRole
	TypeSecret  = rights.TypeSecret
)

// state is what rights are made of.
func (s Stack) state() rights.State { return rights.State{Resources: s.Resources} }

// Has tells whether the state knows a resource.
func (s Stack) Has(kind, id string) bool {
	return s.state().Has(kind, id)
}

func (s Stack) knows(urn string) bool {
	return s.state().Knows(urn)
}

func (s Stack) ids(kind string) []string { return s.state().IDs(kind) }

// Policy is the deployer's policy for the next up.
func (s Stack) Policy() string { return rights.DeployerPolicy(s.Config, s.state()) }

// Load reads a stack's configuration through the program's own loader. A configuration that it refuses is
// a [settings.Problems]; no error quotes a value.
func Load(ctx context.Context, c cli.CLI, name string) (Stack, error) {
	project, err := c.Project()
	if err != nil {
		return Stack{}, err
	}
	var values map[string]struct {
		Value  string
		Secret bool
	}
	if err := c.JSON(ctx, &values, "config", "--show-secrets", "--json", "--stack", name); err != nil {
		return Stack{}, fmt.Errorf("configuration of stack %s: %w", name, err)
	}
	texts := map[string]string{}
	for key, value := range values {
		texts[key] = value.Value
	}
	cfg, err := settings.From(settings.Source{
		Project: project, Stack: name, Values: texts, Encrypted: func(key string) bool { return values[key].Secret }, Settings: settings.ReadSettings(c.Root, name),
	})
	if err != nil {
		return Stack{}, err
	}
	s := Stack{Config: cfg, Root: c.Root}
	if s.Resources, err = resources(ctx, c, name); err != nil {
		return Stack{}, fmt.Errorf("state of stack %s: %w", name, err)
	}
	encoded, err := json.Marshal(texts)
	if err != nil {
		return Stack{}, errors.New("the configuration cannot be written as JSON")
	}
	for _, key := range []string{"clientId", "useMsi", "useOidc"} {
		s.AzureLogin = s.AzureLogin || texts["azure-native:"+key] != ""
	}
	s.Size = len("PULUMI_CONFIG=") + len(encoded) + 1
	s.Token, s.TokenFrom = token(cfg)
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value != "" && slices.Contains(pluginReads, name) {
			s.Environment = append(s.Environment, name)
		}
	}
	return s, nil
}

// pluginReads are variables that reach the plugin although the program states every setting that it can. VAULT_CACERT and
// VAULT_PROXY_ADDR were seen to do harm; the others are read by the same client library.
var pluginReads = []string{
	"VAULT_CACERT", "VAULT_CAPATH", "VAULT_CACERT_BYTES", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY", "VAULT_TLS_SERVER_NAME",
	"VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY", "VAULT_NAMESPACE",
}

// token is the one that the plugin would use. Version 6.7.4 prefers the file to the variable, as its token is set to "".
func token(cfg *settings.Settings) (settings.Secret, string) {
	if !cfg.Token.Empty() {
		return cfg.Token, "vaultToken"
	}
	if home, err := os.UserHomeDir(); err == nil {
		if text, err := os.ReadFile(filepath.Join(home, ".vault-token")); err == nil && len(text) > 0 {
			return settings.NewSecret(strings.TrimSpace(string(text))), "~/.vault-token"
		}
	}
	if text := os.Getenv("VAULT_TOKEN"); text != "" {
		return settings.NewSecret(text), "VAULT_TOKEN"
	}
	return settings.Secret{}, "vaultToken"
}

func resources(ctx context.Context, c cli.CLI, name string) ([]Resource, error) {
	export, err := c.Run(ctx, nil, "stack", "export", "--stack", name) // without --show-secrets: ciphertext
	if err != nil {
		return nil, err
	}
	state, err := rights.ParseState(export)
	return state.Resources, err
}
