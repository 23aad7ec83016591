// Package config reads the program's configuration: the one place that knows its keys.
//
// [From] decodes strictly, applies the defaults and validates, and reports every problem of the configuration in one
// error before anything is registered. Values that are secret are masked by their type from here on. The package is plain
// Go without Pulumi, so that the preflight compiles no SDK.
package settings

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Settings is a valid configuration.
type Settings struct {
	Project  string
	Stack    string
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

// Compute is a cluster of Azure ML that carries the job identity and scales to zero.
type Compute struct {
	// VMSize is Azure's name of a size. A change replaces the cluster. DSv2 sizes are being retired.
	VMSize   string `json:"vmSize" default:"Standard_D4ds_v5"`
	MaxNodes int    `json:"maxNodes" default:"1" between:"1 1000"`
	SubnetID string `json:"subnetId" arm:"Microsoft.Network/virtualNetworks/subnets"`
}

var (
	// SecretKeys are the keys that must be encrypted.
	SecretKeys = []string{"vaultAddress", "vaultToken", "credentials"}
	// Keys are all that the program reads of its project's namespace.
	Keys = slices.Concat(SecretKeys, []string{"vault", "azure", "workload", "compute"})
)

// From reads a configuration. The error is a [Problems] and quotes no secret.
func From(src Source) (*Settings, error) {
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

func decode(c *collector, src Source) *Settings {
	cfg := &Settings{Project: src.Project, Stack: src.Stack, Location: src.Values["azure-native:location"]}
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

	for name, section := range cfg.sections() {
		if text := src.value(name); text != "" && text != "{}" {
			decodeSection(c, name, text, section)
		}
	}
	return cfg
}

// sections are the structs of the configuration, by key.
func (cfg *Settings) sections() map[string]any {
	return map[string]any{"vault": &cfg.Vault, "azure": &cfg.Azure, "workload": &cfg.Workload, "compute": &cfg.Compute}
}

func (cfg *Settings) eachField(visit func(key string, field reflect.Value, tag reflect.StructTag)) {
	for name, section := range cfg.sections() {
		eachField(name, reflect.ValueOf(section), visit)
	}
}

// normalise fills what the configuration leaves out, each with the safe side or what most teams have, and writes what has
// several spellings in one. It is the only step that writes.
func (cfg *Settings) normalise() {
	cfg.Vault.Prefix = cmp.Or(cfg.Vault.Prefix, cfg.Project+"/"+cfg.Stack)
	cfg.Workload.AuthPath = cmp.Or(cfg.Workload.AuthPath, DefaultAuthPath(cfg.Project, cfg.Stack))
	cfg.Azure.normalise()
	cfg.eachField(setDefault)
	cfg.eachField(normaliseID)
}

// validate only reads.
func (cfg *Settings) validate(c *collector) {
	cfg.eachField(c.checkField)
	validateAddress(c, cfg.Address.Reveal())
	validateToken(c, cfg.Token.Reveal())
	cfg.validateVault(c)
	cfg.validateAzure(c)
	cfg.validateWorkload(c)
	if size := cfg.Compute; size != nil && !regexp.MustCompile(`^[A-Za-z0-9_]+$`).MatchString(size.VMSize) {
		c.addf("compute.vmSize", "%s is not a VM size such as Standard_D4ds_v5", c.show("compute.vmSize", size.VMSize))
	}
}
