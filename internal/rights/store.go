// Package access knows what one stack has in Vault: names, paths, grants and the texts of policies.
// It is plain Go without Pulumi, so that the program, the preflight and the tests read the same.
package rights

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Store is what one stack has in Vault.
type Store struct {
	// Project and Stack are the owner, as Pulumi has them.
	Project, Stack string
	// Fingerprint tells one address of Vault from another and shows neither.
	Fingerprint string

	// Mount is the KV v2 mount, and Prefix the path below it.
	Mount, Prefix string
	CreateMount   bool
	Credentials   []Credential
	// Reads are API paths of others that the jobs may read, by name.
	Reads map[string]string

	AuthPath string
	// CreateBackend says that the stack makes the backend. Otherwise somebody else owns it.
	CreateBackend bool

	DeleteOnDestroy bool
	// SkipChildToken says that the plugin works with the deployer's token itself.
	SkipChildToken bool
}

// Credential is one secret of the stack.
type Credential struct {
	Name string
	// DisableRead says that the plugin writes the secret and never reads it back.
	DisableRead bool
}

// Name is the name of a stack's policy and role. Eight digits of a digest over project and stack as written end it, so
// that two stacks never share one: `ml` with `a-b` and `ml-a` with `b`, or `dev` and `Dev`. The organization is left out,
// because a state that moves to another backend must rename nothing. Vault lower-cases both names, and wants a role's to
// begin and to end in a letter, a digit or `_`.
func Name(project, stack string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(project+"-"+stack))
	digest := sha256.Sum256([]byte(project + "/" + stack))
	return strings.TrimLeft(readable+"-", "-") + hex.EncodeToString(digest[:4])
}

// AuthPath is where a stack mounts its own auth backend unless it is told otherwise.
func AuthPath(project, stack string) string { return "jwt-" + Name(project, stack) }

// Fingerprint is short on purpose: whoever sees it can check a guess of the address, but with many false hits.
func Fingerprint(project, stack, address string) string {
	digest := sha256.Sum256([]byte(project + "/" + stack + "/" + address))
	return hex.EncodeToString(digest[:4])
}

// Name is the name of the policy and of the role.
func (s Store) Name() string { return Name(s.Project, s.Stack) }

// Owner is the custom metadata of each secret. It says whose it is to whoever finds it in Vault.
func (s Store) Owner() map[string]string {
	return map[string]string{"project": s.Project, "stack": s.Stack, "managed-by": "pulumi", "vault": s.Fingerprint}
}

// Description is the owner's mark on the auth backend.
func (s Store) Description() string {
	return "Azure ML jobs of mlvault stack " + s.Project + "/" + s.Stack
}

// Paths are the API paths that a job reads, by name: the stack's own credentials and [Store.Reads].
func (s Store) Paths() map[string]string {
	paths := make(map[string]string, len(s.Credentials)+len(s.Reads))
	for name, path := range s.Reads {
		paths[name] = path
	}
	for _, credential := range s.Credentials {
		paths[credential.Name] = s.path("data", credential.Name)
	}
	return paths
}

// LoginPath is the API path that takes a job's token.
func (s Store) LoginPath() string { return "auth/" + s.AuthPath + "/login" }

// RolePath is the API path of the role.
func (s Store) RolePath() string { return "auth/" + s.AuthPath + "/role/" + s.Name() }

// PolicyPath is the API path of the jobs' policy.
func (s Store) PolicyPath() string { return "sys/policies/acl/" + s.Name() }

// path is an API path of KV v2, which puts data or metadata between the mount and the name.
func (s Store) path(kind, credential string) string {
	return s.Mount + "/" + kind + "/" + s.Prefix + "/" + credential
}
