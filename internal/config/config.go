// Package config reads the program's configuration: the one place that knows its keys.
//
// [From] decodes strictly, applies the defaults and validates, and reports every problem of the configuration in one
// error before anything is registered. Values that are secret are masked by their type from here on. The package is plain
// Go without Pulumi, so that the preflight compiles no SDK.
package config

import (
	"slices"
	"strings"

	"mlvault/internal/access"
)

// Config is a valid configuration.
type Config struct {
	Project string
	Stack   string
	// Location is the Azure region, from azure-native:location.
	Location string
	// Address is Vault's URL, without a slash at its end.
	Address Secret
	// Token is the deployer's Vault token. Without one the plugin takes VAULT_TOKEN of its environment.
	Token       Secret
	Credentials []Credential
	Vault       Vault
	Azure       Azure
	Workload    Workload
	// Compute is nil without a cluster.
	Compute *Compute
}

var (
	// SecretKeys are the keys that must be encrypted.
	SecretKeys = []string{"vaultAddress", "vaultToken", "credentials"}
	// Keys are all that the program reads of its project's namespace.
	Keys = slices.Concat(SecretKeys, []string{"vault", "azure", "workload", "compute"})
)

// From reads a configuration. The error is a [Problems] and quotes no secret.
func From(src Source) (*Config, error) {
	c := &collector{secret: src.encrypted}
	refuseUnknownKeys(c, src)
	cfg := decode(c, src)
	cfg.normalise()
	cfg.validate(c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func decode(c *collector, src Source) *Config {
	cfg := &Config{Project: src.Project, Stack: src.Stack, Location: src.Values["azure-native:location"]}
	for _, name := range SecretKeys {
		// Plain text in the stack's file would be plain text in the state too: the SDK masks neither address nor token.
		if text := src.value(name); text != "" && text != "{}" && !src.encrypted(name) {
			c.addPlain(name)
		}
	}
	cfg.Address, cfg.Token = NewSecret(strings.TrimSuffix(src.value("vaultAddress"), "/")), NewSecret(src.value("vaultToken"))
	file := openSettings(src)
	if c.refused("credentials") {
		file = settingsFile{} // all of it is in plain text, which is said
	}
	cfg.Credentials = decodeCredentials(c, src.value("credentials"), file, cfg.Address, cfg.Token)

	for name, section := range map[string]any{"vault": &cfg.Vault, "azure": &cfg.Azure, "workload": &cfg.Workload, "compute": &cfg.Compute} {
		if text := src.value(name); text != "" && text != "{}" {
			decodeSection(c, name, text, section)
		}
	}
	return cfg
}

// normalise fills what the configuration leaves out, each with the safe side or what most teams have, and writes what has
// several spellings in one. It is the only step that writes.
func (cfg *Config) normalise() {
	cfg.Vault.normalise(cfg.Project, cfg.Stack)
	cfg.Azure.normalise()
	cfg.Workload.normalise(cfg.Project, cfg.Stack)
	if cfg.Compute != nil {
		cfg.Compute.normalise()
	}
	cfg.eachID(normaliseID)
}

// validate only reads.
func (cfg *Config) validate(c *collector) {
	validateAddress(c, cfg.Address.Reveal())
	validateToken(c, cfg.Token.Reveal())
	cfg.validateVault(c)
	cfg.validateAzure(c)
	cfg.validateWorkload(c)
	cfg.validateCompute(c)
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Access is what the stack has in Vault.
func (cfg *Config) Access() access.Store {
	store := access.Store{
		Project:         cfg.Project,
		Stack:           cfg.Stack,
		Fingerprint:     access.Fingerprint(cfg.Project, cfg.Stack, cfg.Address.Reveal()),
		Mount:           cfg.Vault.Mount,
		Prefix:          cfg.Vault.Prefix,
		CreateMount:     cfg.Vault.CreateMount,
		Reads:           cfg.Vault.Reads,
		AuthPath:        cfg.Workload.AuthPath,
		CreateBackend:   *cfg.Workload.CreateAuthBackend,
		DeleteOnDestroy: cfg.Vault.DeleteOnDestroy,
		SkipChildToken:  cfg.Vault.SkipChildToken,
	}
	for _, credential := range cfg.Credentials {
		// The plugin logs what it reads. Safe comes first: what the CLI cannot mask there is not read.
		disableRead := cfg.Vault.DisableRead || !credential.Masked
		store.Credentials = append(store.Credentials, access.Credential{Name: credential.Name, DisableRead: disableRead})
	}
	return store
}
