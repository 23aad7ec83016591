package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// NameInVault is the name of a stack's policy and of its role, unless the settings say otherwise.
// Sixteen hex digits of a digest over
// `<project>/<stack>`, exactly as written, end it: two stacks never share a name, whatever their
// projects, stacks and cases are, and nobody finds a stack whose name is another's. The readable
// part in front drops nothing, so that who wants a collision cannot choose it freely.
//
// Vault writes both names in lower case. A role's name may have letters, digits, `_`, `-` and `.`,
// and neither begins nor ends with the last two; hasNamesInVault says for which projects and stacks
// that holds. The organization is left out: a state that moves to another backend renames nothing.
func NameInVault(project, stack string) string {
	digest := sha256.Sum256([]byte(project + "/" + stack))
	return strings.ToLower(project+"-"+stack) + "-" + hex.EncodeToString(digest[:8])
}

// nameOfPulumi is a project or a stack that gives names which Vault takes as they are. Both stand
// in the policies' comments too, where a line break would start a rule.
var nameOfPulumi = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// hasNamesInVault tells whether [NameInVault] gives a name that Vault stores as it is. Vault
// refuses two dots in a row in any path.
func hasNamesInVault(project, stack string) bool {
	for _, name := range []string{project, stack} {
		if !nameOfPulumi.MatchString(name) || strings.Contains(name, "..") {
			return false
		}
	}
	return true
}

// DefaultAuthPath is where a stack mounts its own auth backend unless workload.authPath says
// otherwise. Each stack has one: two never share a role or an issuer, and neither needs the other
// to exist.
func DefaultAuthPath(project, stack string) string {
	return "jwt-" + NameInVault(project, stack)
}

// AddressFingerprint tells one address of Vault from another and shows neither. It is short on
// purpose: whoever sees it can check a guess of the address, but with many false hits. A name of
// the stack's in Vault is in it, so that two stacks at one Vault do not show that they are, and a
// stack that is renamed and keeps that name keeps its fingerprint.
func AddressFingerprint(name, address string) string {
	digest := sha256.Sum256([]byte(name + "/" + address))
	return hex.EncodeToString(digest[:4])
}

// VaultName is the [NameInVault] of the stack.
func (s *Settings) VaultName() string {
	return NameInVault(s.Project, s.Stack)
}

// Fingerprint is the one of the stack's Vault under the policy that the settings name.
func (s *Settings) Fingerprint() string {
	return s.FingerprintOf(s.Workload.Policy)
}

// FingerprintOf is the [AddressFingerprint] of the stack's Vault under a name, such as that of a
// policy in the state. A namespace is a Vault of its own: what has the same path in another one
// is somebody else's.
func (s *Settings) FingerprintOf(name string) string {
	place := s.Address.Reveal()
	if s.Vault.Namespace != "" {
		place += "/" + s.Vault.Namespace
	}
	return AddressFingerprint(name, place)
}

// OwnerLabels are the custom metadata of each secret. They say whose it is to whoever finds it.
func (s *Settings) OwnerLabels() map[string]string {
	labels := map[string]string{
		LabelProject: s.Project,
		LabelStack:   s.Stack,
		"managed-by": "pulumi",
		LabelVault:   s.Fingerprint(),
	}
	if len(s.Vault.Readers) > 0 {
		labels["readers"] = s.readersLabel()
	}
	return labels
}

// AddressNote stands before the fingerprint in what the state keeps of the role. No refresh changes
// that, whatever Vault it reads.
const AddressNote = "address with the fingerprint "

// LabelProject and LabelStack are the labels with the names of the stack. Both are among a secret's
// options too, where they are the names that the stack had when it wrote the secret.
const (
	LabelProject = "project"
	LabelStack   = "stack"
)

// LabelVault is the label with the address's fingerprint.
const LabelVault = "vault"

// LabelIdentity is the custom metadata that has the object id of the job identity, beside
// [Settings.OwnerLabels]. No other stack has it, whatever its names are.
const LabelIdentity = "identity"

// LabelPolicy is among a secret's options, beside [LabelVault] and [LabelIdentity]: the policy
// whose name is in that fingerprint. When the policy gets another name, it still tells the address
// of the last up.
const LabelPolicy = "policy"

// In the description of an auth backend these stand before the stack and before the job identity.
const (
	backendOfStack    = "Azure ML jobs of mlvault stack "
	backendOfIdentity = ", identity "
)

// BackendDescription is the owner's mark on the auth backend. The object id of the job identity
// follows it, which no other stack has.
//
// Only a new backend gets it: where the path stays, a stack that gets another name keeps the old
// description. So whoever asks whose a backend is goes by [Settings.IsBackendDescription] and
// [BackendIdentity].
func (s *Settings) BackendDescription() string {
	return backendOfStack + s.Project + "/" + s.Stack + backendOfIdentity
}

// IsBackendDescription tells whether a stack of the same project made a backend of this
// description, whatever the stack was called.
func (s *Settings) IsBackendDescription(description string) bool {
	return strings.HasPrefix(description, backendOfStack+s.Project+"/")
}

// BackendIdentity is the object id of the job identity in a backend's description; empty: the
// description is none of mlvault's.
func BackendIdentity(description string) string {
	if !strings.HasPrefix(description, backendOfStack) {
		return ""
	}
	_, identity, _ := strings.Cut(description, backendOfIdentity)
	return identity
}

// PolicyPath is the API path of the jobs' policy.
func (s *Settings) PolicyPath() string {
	return "sys/policies/acl/" + s.Workload.Policy
}

// AuthMounts is the API path below which Vault tells of each auth backend.
const AuthMounts = "sys/mounts/auth/"

// WorkspaceIdentitySuffix ends the program's name of the identity that the workspace runs as. Jobs
// do not log in with it.
const WorkspaceIdentitySuffix = "-workspace-identity"

// RolePath is the API path of the jobs' role.
func (s *Settings) RolePath() string {
	return "auth/" + s.Workload.AuthPath + "/role/" + s.Workload.Role
}

// LoginPath is the API path that takes a job's token.
func (s *Settings) LoginPath() string {
	return "auth/" + s.Workload.AuthPath + "/login"
}

// SecretName is the name of a credential's secret below the mount.
func (s *Settings) SecretName(credential string) string {
	return s.Vault.Prefix + "/" + credential
}

// DataPath is the API path of a credential's value. KV v2 puts data/ between mount and name.
func (s *Settings) DataPath(credential string) string {
	return s.Vault.Mount + "/data/" + s.SecretName(credential)
}

// MetadataPath is the API path of what Vault knows about a credential: its versions and labels.
func (s *Settings) MetadataPath(credential string) string {
	return s.Vault.Mount + "/metadata/" + s.SecretName(credential)
}

// CredentialPaths are the API paths that a job reads, by the name under which it asks: the stack's
// own credentials and vault.reads.
func (s *Settings) CredentialPaths() map[string]string {
	paths := make(map[string]string, len(s.Credentials)+len(s.Vault.Reads))
	for name, read := range s.Vault.Reads {
		paths[name] = read.Path
	}
	for _, credential := range s.Credentials {
		paths[credential.Name] = s.DataPath(credential.Name)
	}
	return paths
}
