package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/cli"
)

// Stack is a real stack as its CLI gives it.
type Stack struct {
	Settings *settings.Settings
	// State is what the stack has made so far.
	State rights.State
	// Token is the deployer's: vaultToken, or what the plugin takes without one.
	Token settings.Secret
	// TokenFrom says where the token is from, for people.
	TokenFrom string
	// Size is that of the environment variable which carries the configuration to the program, in
	// bytes.
	Size int
	// Environment are the names of variables that change what the Vault plugin does.
	Environment []string
	// Moved says that the stack moves to the Vault that the configuration names.
	Moved bool
	// AzureLogin says that the configuration has a login of the Azure provider's own.
	AzureLogin bool
	// Root is the repository: relative paths of the configuration start there.
	Root string
}

// Policy is the deployer's policy for the next up.
func (s Stack) Policy() string { return rights.DeployerPolicy(s.Settings, s.State) }

// JobsPolicy is the policy of the jobs, for a Vault team that makes it.
func (s Stack) JobsPolicy() string { return rights.ReadPolicy(s.Settings) }

// JobsRole is the role of the jobs as `vault write` reads it, for a Vault team that makes it.
func (s Stack) JobsRole() (string, error) {
	jobs, isMade := s.State.JobIdentity()
	if !isMade {
		return "", errors.New("the role names the job identity, and the state has none. The first " +
			"`pulumi up` makes it; then run this again")
	}
	text, err := json.MarshalIndent(rights.JobsRole(s.Settings, jobs), "", "  ")
	return string(text) + "\n", err
}

// DriftPolicy is the policy of the token that looks for drift.
func (s Stack) DriftPolicy() string { return rights.DriftPolicy(s.Settings, s.State) }

// Load reads a stack's configuration and state through the CLI. A configuration that the program
// refuses is a [settings.Problems]. No error quotes a value.
func Load(ctx context.Context, c cli.CLI, name string) (Stack, error) {
	read, err := configuration(ctx, c, name)
	if err != nil {
		return Stack{}, err
	}
	export, err := cli.Stack{CLI: c, Name: name}.Export(ctx) // what is secret is ciphertext in it
	if err != nil {
		return Stack{}, fmt.Errorf("state of stack %s: %w", name, err)
	}
	state, err := rights.ParseState(export)
	if err != nil {
		return Stack{}, fmt.Errorf("state of stack %s: %w", name, err)
	}
	encoded, err := json.Marshal(read.texts)
	if err != nil {
		return Stack{}, errors.New("the configuration cannot be written as JSON")
	}
	s := Stack{
		Settings: read.settings,
		State:    state,
		Size:     len("PULUMI_CONFIG=") + len(encoded) + 1,
		Root:     c.Root,
	}
	for _, key := range []string{"clientId", "useMsi", "useOidc"} {
		if read.texts["azure-native:"+key] != "" {
			s.AzureLogin = true
		}
	}
	s.Token, s.TokenFrom = read.settings.DeployerToken()
	for _, name := range pluginReads {
		if os.Getenv(name) != "" {
			s.Environment = append(s.Environment, name)
		}
	}
	return s, nil
}

// LoadSettings reads a stack's configuration alone.
func LoadSettings(ctx context.Context, c cli.CLI, name string) (*settings.Settings, error) {
	read, err := configuration(ctx, c, name)
	return read.settings, err
}

// configured is a configuration as the CLI has it, and as the program reads it.
type configured struct {
	settings *settings.Settings
	texts    map[string]string
}

func configuration(ctx context.Context, c cli.CLI, name string) (configured, error) {
	project, err := c.Project()
	if err != nil {
		return configured{}, err
	}
	var values map[string]struct {
		Value  string
		Secret bool
	}
	err = c.JSON(ctx, &values, "config", "--show-secrets", "--json", "--stack", name)
	if err != nil {
		return configured{}, fmt.Errorf("configuration of stack %s: %w", name, err)
	}
	texts := map[string]string{}
	for key, value := range values {
		texts[key] = value.Value
	}
	read, err := settings.From(settings.Source{
		Project:     project,
		Stack:       name,
		Values:      texts,
		Encrypted:   func(key string) bool { return values[key].Secret },
		Settings:    settings.ReadSettings(c.Root, name),
		ProjectFile: settings.ReadProject(c.Root),
	})
	return configured{settings: read, texts: texts}, err
}

// pluginReads are variables that reach the plugin although the program states every setting that it
// can. VAULT_CACERT and VAULT_PROXY_ADDR were seen to do harm; the others are read by the same
// client library.
var pluginReads = []string{
	"VAULT_CACERT",
	"VAULT_CAPATH",
	"VAULT_CACERT_BYTES",
	"VAULT_CLIENT_CERT",
	"VAULT_CLIENT_KEY",
	"VAULT_TLS_SERVER_NAME",
	"VAULT_PROXY_ADDR",
	"VAULT_HTTP_PROXY",
	"VAULT_NAMESPACE",
}

// owned are the resources of the state that the stack owns now.
func (s Stack) owned() []rights.Resource {
	return slices.DeleteFunc(slices.Clone(s.State.Resources), func(r rights.Resource) bool {
		return r.External || r.Replaced || r.Pending != ""
	})
}
