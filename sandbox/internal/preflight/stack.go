package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/config"
	"mlvault/internal/credentials"
	"mlvault/internal/stack"
)

// Stack is a real stack as its CLI gives it.
type Stack struct {
	Config      *config.Config
	Token       config.Secret // of the deployer: vaultToken, or what the plugin takes without one
	TokenFrom   string        // where from, for people
	Size        int           // bytes of the environment variable that carries the configuration to the program
	Resources   []Resource    // what the stack has made so far
	Environment []string      // names of variables that change what the Vault plugin does
	AzureLogin  bool          // the configuration has a login of the Azure provider's own
	Root        string        // the repository: relative paths of the configuration start there
}

// Resource is one of Vault's in the stack's state.
type Resource struct {
	Type   string // Pulumi's token
	ID     string
	Purges bool // deleteAllVersions of a secret
}

const (
	typeMount   = "vault:index/mount:Mount"
	typeBackend = "vault:jwt/authBackend:AuthBackend"
	typeSecret  = "vault:kv/secretV2:SecretV2" //nolint:gosec // G101: a type, no credential.
)

// has tells whether the state knows a resource.
func (s Stack) has(kind, id string) bool {
	return slices.ContainsFunc(s.Resources, func(r Resource) bool { return r.Type == kind && r.ID == id })
}

// Leaving are the rights to delete the secrets that the state has and the configuration no longer names: the next up
// deletes them, and a policy of the configuration alone would not let it.
func (s Stack) Leaving() []credentials.Grant {
	stays := map[string]bool{}
	for _, grant := range stack.DeployerGrants(s.Config) {
		stays[grant.Path] = true
	}
	var grants []credentials.Grant
	for _, resource := range s.Resources {
		if resource.Type != typeSecret || stays[resource.ID] {
			continue
		}
		path := resource.ID
		if resource.Purges {
			path = strings.Replace(path, "/data/", "/metadata/", 1) // a mount has no part that is called data
		}
		grants = append(grants, credentials.Grant{Path: path, Capabilities: []string{"delete"}})
	}
	return grants
}

// Policy is the deployer's policy for the next up.
func (s Stack) Policy() string {
	policy := stack.DeployerPolicy(s.Config)
	if leaving := s.Leaving(); len(leaving) > 0 {
		policy += credentials.PolicyText("These left the configuration. The next up deletes them, and needs no such rule after it.", leaving)
	}
	return policy
}

// CLI is the Pulumi CLI in a project's folder.
type CLI struct {
	Command     auto.PulumiCommand
	Root        string
	Environment []string // beside the process's own: NAME=value
}

// Load reads a stack's configuration through the program's own loader. A configuration that it refuses is
// a [config.Problems]; no error quotes a value.
func (c CLI) Load(ctx context.Context, name string) (Stack, error) {
	project, err := auto.NewLocalWorkspace(ctx, auto.WorkDir(c.Root), auto.Pulumi(c.Command))
	if err != nil {
		return Stack{}, fmt.Errorf("project in %s: %w", c.Root, err)
	}
	settings, err := project.ProjectSettings(ctx)
	if err != nil {
		return Stack{}, fmt.Errorf("project in %s: %w", c.Root, err)
	}
	var values map[string]struct {
		Value  string
		Secret bool
	}
	if err := c.json(ctx, &values, "config", "--show-secrets", "--json", "--stack", name); err != nil {
		return Stack{}, fmt.Errorf("configuration of stack %s: %w", name, err)
	}
	src, texts := source{project: string(settings.Name), stack: name, secret: map[string]bool{}}, map[string]string{}
	for key, value := range values {
		texts[key], src.secret[key] = value.Value, value.Secret
	}
	src.texts = texts
	cfg, err := config.From(src)
	if err != nil {
		return Stack{}, err
	}
	s := Stack{Config: cfg, Root: c.Root}
	if s.Resources, err = c.resources(ctx, name); err != nil {
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

// token is the one that the plugin would use.
func token(cfg *config.Config) (config.Secret, string) {
	if !cfg.Token.Empty() {
		return cfg.Token, "vaultToken"
	}
	if text := os.Getenv("VAULT_TOKEN"); text != "" {
		return config.NewSecret(text), "VAULT_TOKEN"
	}
	if home, err := os.UserHomeDir(); err == nil {
		if text, err := os.ReadFile(filepath.Join(home, ".vault-token")); err == nil {
			return config.NewSecret(strings.TrimSpace(string(text))), "~/.vault-token"
		}
	}
	return config.Secret{}, "vaultToken"
}

func (c CLI) resources(ctx context.Context, name string) ([]Resource, error) {
	var export struct {
		Deployment struct {
			Resources []struct {
				Type    string
				ID      string
				Delete  bool // already replaced
				Outputs struct{ DeleteAllVersions bool }
			}
		}
	}
	if err := c.json(ctx, &export, "stack", "export", "--stack", name); err != nil { // without --show-secrets: ciphertext
		return nil, err
	}
	var resources []Resource
	for _, r := range export.Deployment.Resources {
		if strings.HasPrefix(r.Type, "vault:") && !r.Delete {
			resources = append(resources, Resource{Type: r.Type, ID: strings.Trim(r.ID, "/"), Purges: r.Outputs.DeleteAllVersions})
		}
	}
	return resources, nil
}

// json runs the CLI and reads its answer. Its standard output may hold secrets, so no error quotes it, which the errors
// of the Automation API's own methods do.
func (c CLI) json(ctx context.Context, into any, args ...string) error {
	environment := append([]string{"PULUMI_SKIP_UPDATE_CHECK=true"}, c.Environment...)
	out, said, _, err := c.Command.Run(ctx, c.Root, nil, nil, nil, environment, args...)
	if err != nil {
		said = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(said), "error:"))
		return fmt.Errorf("`pulumi %s` says: %s", strings.Join(args[:1], " "), said)
	}
	if json.Unmarshal([]byte(out), into) != nil {
		return fmt.Errorf("`pulumi %s` gave something else than JSON", strings.Join(args[:1], " "))
	}
	return nil
}

// source is a configuration as [config.From] reads it.
type source struct {
	project, stack string
	texts          map[string]string
	secret         map[string]bool
}

func (s source) GetConfig(key string) (string, bool) { text, set := s.texts[key]; return text, set }
func (s source) IsConfigSecret(key string) bool      { return s.secret[key] }
func (s source) Project() string                     { return s.project }
func (s source) Stack() string                       { return s.stack }
