// Package config reads the program's configuration: the one place that knows its keys.
//
// [Load] decodes strictly, applies the defaults and validates, and reports every problem of the configuration in one
// error before anything is registered. Values that are secret are masked by their type from here on.
package config

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/access"
)

// Config is a valid configuration.
type Config struct {
	Project     string
	Stack       string
	Location    string // Azure region, from azure-native:location
	Address     Secret // Vault's URL, without a slash at its end
	Token       Secret // the deployer's Vault token; empty: VAULT_TOKEN of the plugin's environment
	Credentials []Credential
	Vault       Vault
	Azure       Azure
	Workload    Workload
	Compute     *Compute // nil: no cluster
}

// Credential is one KV v2 secret.
type Credential struct {
	Name    string // its path below vault.prefix
	Payload Secret // a JSON object in canonical form
	Masked  bool   // each of its values is masked even where the plugin logs what it reads
	AsText  Secret // the payload as it was configured, where it was one text; else empty
}

// Vault says where in Vault the credentials live and how the plugin talks to it.
type Vault struct {
	Mount              string            `json:"mount"`              // KV v2 mount; default secret
	CreateMount        bool              `json:"createMount"`        // make the mount; a destroy never deletes it
	Prefix             string            `json:"prefix"`             // path below the mount; default <project>/<stack>
	Namespace          string            `json:"namespace"`          // Vault Enterprise and HCP; default none
	CACertFile         string            `json:"caCertFile"`         // PEM file on the machine that deploys; default the system's roots
	SkipChildToken     bool              `json:"skipChildToken"`     // use the token itself: for batch, limited-use and narrow tokens
	MaxLeaseTTLSeconds int               `json:"maxLeaseTtlSeconds"` // life of the child token; default 1200
	DisableRead        bool              `json:"disableRead"`        // write only: no drift detection, no read right needed
	Reads              map[string]string `json:"reads"`              // name -> API path of others that the jobs may read

	DeleteOnDestroy bool `json:"deleteOnDestroy"` // purge every version of the stack's own secrets; default: the newest is soft-deleted
}

// Workload says which tokens may log in to Vault and read the credentials.
type Workload struct {
	Audience          string   `json:"audience"`          // the aud claim; required
	Issuer            string   `json:"issuer"`            // the iss claim; default https://sts.windows.net/<tenant of the job identity>/
	IssuerCAPEM       string   `json:"issuerCaPem"`       // roots for fetching the issuer's keys; default the system's
	AuthPath          string   `json:"authPath"`          // default jwt-<project>-<stack>-<digest>
	CreateAuthBackend *bool    `json:"createAuthBackend"` // default true; false: authPath exists and is not ours
	PrincipalIDs      []string `json:"principalIds"`      // object ids that may read besides the job identity
	PublishAddress    bool     `json:"publishAddress"`    // make the output vaultAddress plain; default: it is a secret
	TokenTTLSeconds   int      `json:"tokenTtlSeconds"`   // life of a job's token; default 900
}

// Compute is a cluster of Azure ML that carries the job identity and scales to zero.
type Compute struct {
	VMSize   string `json:"vmSize"`   // default Standard_D4ds_v5; a change replaces the cluster
	MaxNodes int    `json:"maxNodes"` // default 1
	SubnetID string `json:"subnetId"` // of the user's own network; default none
}

// Source is where a configuration comes from: a [pulumi.Context], or what stands for one outside an update.
type Source interface {
	GetConfig(key string) (text string, set bool) // key with its namespace; objects as JSON
	IsConfigSecret(key string) bool               // whether any part of it is encrypted
	Project() string
	Stack() string
}

// Load reads the stack's configuration. The error is a [Problems] and quotes no secret.
func Load(ctx *pulumi.Context) (*Config, error) { return From(ctx) }

// From is Load for any source, so that what looks at a configuration outside an update reads it the same way.
func From(src Source) (*Config, error) {
	c := &collector{secret: func(name string) bool { return src.IsConfigSecret(src.Project() + ":" + name) }}
	cfg := decode(c, src)
	cfg.applyDefaults()
	cfg.markMasked()
	cfg.validate(c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func decode(c *collector, src Source) *Config {
	cfg := &Config{Project: src.Project(), Stack: src.Stack()}
	key := func(name string) string { return cfg.Project + ":" + name }
	cfg.Location, _ = src.GetConfig("azure-native:location")

	address, _ := src.GetConfig(key("vaultAddress"))
	cfg.Address = NewSecret(strings.TrimSuffix(address, "/"))
	token, _ := src.GetConfig(key("vaultToken"))
	cfg.Token = NewSecret(token)
	credentials, _ := src.GetConfig(key("credentials"))
	for _, name := range []string{"vaultAddress", "vaultToken", "credentials"} {
		// Plain text in the stack's file would be plain text in the state too: the SDK masks neither address nor token.
		if text, _ := src.GetConfig(key(name)); text != "" && text != "{}" && !src.IsConfigSecret(key(name)) {
			c.addf(name, "is in plain text; remove it (`pulumi config rm %s`) and set it again with `--secret`", name)
		}
	}
	cfg.Credentials = decodeCredentials(c, credentials)

	var compute Compute
	for _, section := range []struct {
		name string
		into any
	}{{"vault", &cfg.Vault}, {"azure", &cfg.Azure}, {"workload", &cfg.Workload}, {"compute", &compute}} {
		text, set := src.GetConfig(key(section.name))
		if !set || text == "" {
			continue
		}
		decodeSection(c, section.name, text, section.into)
		if section.into == any(&compute) && text != "{}" {
			cfg.Compute = &compute
		}
	}
	return cfg
}

// ParseCredentials reads the value of the credentials key, a JSON object of JSON objects. The error is a [Problems].
// It is exported for the sandbox, which reads credentials from a file and must refuse them as the program does.
func ParseCredentials(text string) ([]Credential, error) {
	c := &collector{}
	credentials := decodeCredentials(c, text)
	if err := c.err(); err != nil {
		return nil, err
	}
	return credentials, nil
}

// decodeCredentials accepts each payload as an object, whose leaves are then config secrets of their own, and as
// a text that holds a JSON object, which is how `pulumi config set --secret` stores numbers and nested values.
func decodeCredentials(c *collector, text string) []Credential {
	const key = "credentials"
	if text == "" {
		return nil
	}
	root, faults := parseJSON(text)
	faulty := reportFaults(c, key, faults)
	if faulty[key] {
		return nil
	}
	if root.kind != '{' {
		c.addf(key, "is not an object of credential names; set each value with `pulumi config set --path --secret credentials.<name>.<key>`")
		return nil
	}
	var credentials []Credential
	for i, name := range root.keys {
		if problem := pathProblem(name); problem != "" {
			c.addf(key+"."+name, "the name %s", problem)
		}
		if at := key + "." + name; !faulty[at] {
			if credential, ok := decodePayload(c, at, root.members[i]); ok {
				credential.Name = name
				credentials = append(credentials, credential)
			}
		}
	}
	slices.SortFunc(credentials, func(a, b Credential) int { return strings.Compare(a.Name, b.Name) })
	return credentials
}

func decodePayload(c *collector, key string, payload node) (Credential, bool) {
	var credential Credential
	if text, isText := payload.scalar.(string); isText {
		parsed, faults := parseJSON(text)
		if reportFaults(c, key, faults)[key] {
			return Credential{}, false
		}
		payload, credential.AsText = parsed, NewSecret(text)
	}
	if payload.kind != '{' {
		c.addf(key, "is not an object of keys and values, which is all that KV v2 stores")
		return Credential{}, false
	}
	if len(payload.keys) == 0 {
		c.addf(key, "has no keys; give it one with `pulumi config set --path --secret %s.<key>`, or remove it", key)
		return Credential{}, false
	}
	text, err := encode(payload)
	if err != nil {
		c.addf(key, "cannot be written as JSON")
		return Credential{}, false
	}
	if len(text) > MaxPayloadBytes {
		c.addf(key, "has %d bytes of JSON; Vault takes at most %d in one secret, split it", len(text), MaxPayloadBytes)
	}
	credential.Payload = NewSecret(string(text))
	return credential, true
}

// reportFaults adds the faults and returns the keys that have one.
func reportFaults(c *collector, key string, faults []fault) map[string]bool {
	faulty := map[string]bool{}
	for _, f := range faults {
		c.addf(key+f.path, "%s", f.text)
		faulty[key+f.path] = true
	}
	return faulty
}

// applyDefaults fills what the configuration leaves out; each default is the safe side or what most teams have.
func (cfg *Config) applyDefaults() {
	defaultTo(&cfg.Vault.Mount, "secret")
	defaultTo(&cfg.Vault.Prefix, cfg.Project+"/"+cfg.Stack)
	// The plugin's own default. A child token that dies during a long update fails the rest of it.
	defaultTo(&cfg.Vault.MaxLeaseTTLSeconds, 1200)
	cfg.Azure.applyDefaults()
	// One mount for each stack: two stacks never share a role or an issuer, and neither needs the other to exist.
	defaultTo(&cfg.Workload.AuthPath, access.AuthPath(cfg.Project, cfg.Stack))
	if cfg.Workload.CreateAuthBackend == nil {
		create := true
		cfg.Workload.CreateAuthBackend = &create
	}
	// Long enough to read every credential at the start of a job, too short to be worth stealing afterwards.
	defaultTo(&cfg.Workload.TokenTTLSeconds, 900)
	if cfg.Compute != nil {
		defaultTo(&cfg.Compute.VMSize, "Standard_D4ds_v5") // DSv2 sizes are being retired
		defaultTo(&cfg.Compute.MaxNodes, 1)
	}
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
