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
type Resource struct {
	Type, URN, ID string
	Purges        bool // deleteAllVersions of a secret
}

// Pulumi's types of what a stack has in Vault.
const (
	TypeMount   = "vault:index/mount:Mount"
	TypeBackend = "vault:jwt/authBackend:AuthBackend"
	TypePolicy  = "vault:index/policy:Policy"
	TypeRole    = "vault:jwt/authBackendRole:AuthBackendRole"
	TypeSecret  = "vault:kv/secretV2:SecretV2" //nolint:gosec // G101: a type, no credential.
)

// Has tells whether the state knows a resource.
func (s Stack) Has(kind, id string) bool {
	return slices.ContainsFunc(s.Resources, func(r Resource) bool { return r.Type == kind && r.ID == id })
}

func (s Stack) knows(urn string) bool {
	return slices.ContainsFunc(s.Resources, func(r Resource) bool { return r.URN == urn })
}

func (s Stack) ids(kind string) (ids []string) {
	for _, r := range s.Resources {
		if r.Type == kind {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Leaving are the rights to delete the secrets that the state has and the configuration no longer names: the next up
// deletes them, and a policy of the configuration alone would not let it.
func (s Stack) Leaving() []rights.Grant {
	stays := map[string]bool{}
	for _, grant := range s.Config.Access().DeployerGrants() {
		stays[grant.Path] = true
	}
	var grants []rights.Grant
	for _, resource := range s.Resources {
		if resource.Type != TypeSecret || stays[resource.ID] {
			continue
		}
		path := resource.ID
		if resource.Purges {
			path = strings.Replace(path, "/data/", "/metadata/", 1) // a mount has no part that is called data
		}
		grants = append(grants, rights.Grant{Path: path, Capabilities: []string{"delete"}})
	}
	return grants
}

// Policy is the deployer's policy for the next up.
func (s Stack) Policy() string {
	policy := s.Config.Access().DeployerPolicy()
	if leaving := s.Leaving(); len(leaving) > 0 {
		policy += rights.PolicyText("These left the configuration. The next up deletes them, and needs no such rule after it.", leaving)
	}
	return policy
}

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
	var export struct {
		Deployment struct {
			Resources []struct {
				Type, URN, ID string
				Delete        bool // already replaced
				Outputs       struct{ DeleteAllVersions any }
			}
		}
	}
	if err := c.JSON(ctx, &export, "stack", "export", "--stack", name); err != nil { // without --show-secrets: ciphertext
		return nil, err
	}
	var resources []Resource
	for _, r := range export.Deployment.Resources {
		if !r.Delete {
			resources = append(resources, Resource{Type: r.Type, URN: r.URN, ID: strings.Trim(r.ID, "/"), Purges: r.Outputs.DeleteAllVersions == true})
		}
	}
	return resources, nil
}
