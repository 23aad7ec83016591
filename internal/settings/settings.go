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
func From(src Source) (*Settings, error) {
	r := &report{isSecret: src.encrypted}
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
	return s, nil
}

// topSection is one of the objects at the top of the configuration.
type topSection struct {
	key     string
	meaning string
	// change is what it does to write the section, or to remove it.
	change Change
	into   section
}

// sections are the objects at the top, in the order of the reference. There are defaults before.
func (s *Settings) sections() []topSection {
	return []topSection{
		{
			key:     "vault",
			meaning: "Where in Vault the credentials are, and which others the jobs may read.",
			into:    &s.Vault,
		},
		{
			key:     "workload",
			meaning: "Which tokens may log in to Vault and read the credentials.",
			into:    &s.Workload,
		},
		{
			key:     "compute",
			meaning: "A cluster that runs jobs as the job identity. Without it, or empty, none is made.",
			change:  Change{Makes: []Part{PartCluster}, Jobs: JobsThatRun, Back: BackWhole},
			into:    s.Compute,
		},
		{
			key:     "azure",
			meaning: "How Azure is built, and what of it exists already.",
			into:    &s.Azure,
		},
	}
}

// defaults are what holds where nothing is written: the safe side, or what most teams have.
func (s *Settings) defaults() {
	s.Compute = &Compute{} // decode takes it away where it is not asked for
	for _, each := range s.sections() {
		each.into.defaults()
	}
	s.Vault.Prefix = s.Project + "/" + s.Stack
	s.Workload.AuthPath = DefaultAuthPath(s.Project, s.Stack)
}

// decode takes what is written. A section that is not written has its defaults.
func (s *Settings) decode(r *report, src Source) {
	s.decodeSecrets(r, src)
	s.Location = src.Values["azure-native:location"]
	for _, each := range s.sections() {
		text, given := src.value(each.key)
		if !given {
			text = "{}"
		}
		isWritten := decodeSection(r, each.key, text, each.into)
		if each.key == "compute" && !isWritten {
			s.Compute = nil
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
