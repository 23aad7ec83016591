// Package settings reads the program's configuration: the one place that knows its keys, their
// defaults, their rules and what they mean. What follows from settings is here too: the names and
// paths in Vault, and what of Azure's names, roles, clouds and API versions the program relies on.
//
// [From] decodes strictly, puts the defaults where nothing is written and checks, and reports every
// problem of the configuration in one error before anything is registered. Values that are secret
// are masked by their type from here on. [Reference] describes every setting, for the generated
// reference and for editors. The package is plain Go without Pulumi, so that the preflight compiles
// no SDK.
package settings

import (
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
	// Token is the deployer's Vault token. Without one the plugin takes that of its environment.
	Token       Secret
	Credentials []Credential
	Vault       Vault
	Azure       Azure
	Workload    Workload
	// Compute are the clusters that jobs run on, the first one unless a job says otherwise.
	Compute []Cluster
}

var (
	// SecretKeys are the keys that must be encrypted.
	SecretKeys = []string{"vaultAddress", "vaultToken", "credentials"}
	// Keys are all that the program reads of its project's namespace.
	Keys = slices.Concat(SecretKeys, []string{"vault", "azure", "workload", "compute"})
)

// From reads a configuration. The error is a [Problems] and quotes no secret.
func From(src Source) (*Settings, error) {
	r := &report{isSecret: src.encrypted, written: map[string]bool{}}
	refuseUnknownKeys(r, src)
	s := &Settings{Project: src.Project, Stack: src.Stack}
	s.defaults()
	s.decode(r, src)
	s.Azure.defaultsFromOthers()
	s.validate(r)
	s.validateRefresh(r, src.ProjectFile)
	if err := r.err(); err != nil {
		return nil, err
	}
	s.nameByTemplate()
	return s, nil
}

// fields are the objects at the top, in the order of the reference.
func (s *Settings) fields() []field {
	return []field{
		{
			key:     "vault",
			value:   object(func() section { return &s.Vault }),
			meaning: "Where in Vault the credentials are, and which others the jobs may read.",
		},
		{
			key:      "workload",
			value:    object(func() section { return &s.Workload }),
			required: "its audience is",
			meaning:  "Which tokens may log in to Vault and read the credentials.",
		},
		{
			key: "compute",
			value: objects(func() section {
				s.Compute = append(s.Compute, Cluster{})
				return &s.Compute[len(s.Compute)-1]
			}),
			meaning: "Clusters that run jobs as the job identity. Jobs are handed over for the first.",
			change:  Change{Makes: []Part{PartCluster}, Jobs: JobsThatUse, Back: BackWhole},
		},
		{
			key:     "azure",
			value:   object(func() section { return &s.Azure }),
			meaning: "How Azure is built, and what of it exists already.",
		},
	}
}

// defaults are what holds where nothing is written: the safe side, or what most teams have.
func (s *Settings) defaults() {
	s.Vault.defaults()
	s.Workload.defaults()
	s.Azure.defaults()
	s.Vault.Prefix = s.Project + "/" + s.Stack
	s.Workload.AuthPath = DefaultAuthPath(s.Project, s.Stack)
	s.Workload.Role = s.VaultName()
	s.Workload.Policy = s.VaultName()
}

// decode takes what is written. A section that is not written has its defaults.
func (s *Settings) decode(r *report, src Source) {
	s.decodeSecrets(r, src)
	s.Location = src.Values["azure-native:location"]
	for _, f := range s.fields() {
		text, given := src.value(f.key)
		if !given && f.required != "" {
			text, given = "{}", true // what it lacks is said
		}
		if given {
			decodeText(r, f.key, text, f.value)
		}
	}
}

// decodeSecrets takes the secret keys. Plain text in the stack's file would be plain text in the
// state too: the SDK masks neither address nor token.
func (s *Settings) decodeSecrets(r *report, src Source) {
	for _, name := range SecretKeys {
		text, _ := src.value(name)
		isEmpty := text == "" || text == "{}" // the defaults of Pulumi.yaml
		if !isEmpty && !src.encrypted(name) {
			r.addPlain(name)
		}
	}
	address, _ := src.value("vaultAddress")
	s.Address = NewSecret(strings.TrimSuffix(address, "/"))
	token, _ := src.value("vaultToken")
	s.Token = NewSecret(token)

	file := openSettings(src)
	if r.has("credentials") {
		file = settingsFile{} // all of it is in plain text, which is said
	}
	text, given := src.value("credentials")
	if given {
		s.Credentials = decodeCredentials(r, text, file, s.Address, s.Token)
	}
}

// validate checks what no field can tell by itself. It changes nothing.
func (s *Settings) validate(r *report) {
	s.validateStack(r)
	s.validateLocation(r)
	validateAddress(r, s.Address.Reveal())
	validateToken(r, s.Token.Reveal())
	s.validateReads(r)
	s.validateReaders(r)
	s.Workload.validate(r)
	s.Azure.validate(r)
	s.validateExisting(r)
	s.validateTemplate(r)
	s.validateExistingWorkspace(r)
	s.validateClusters(r)
	s.validateNetwork(r)
	s.validateEndpoints(r)
}

// validateStack refuses a project and a stack that give no names in Vault.
func (s *Settings) validateStack(r *report) {
	if !hasNamesInVault(s.Project, s.Stack) {
		r.addf("stack", "%q gives no names in Vault. Rename the project or the stack: letters, digits, "+
			"_, - and ., beginning with none of the last two and without two dots in a row",
			s.Project+"/"+s.Stack)
	}
}
