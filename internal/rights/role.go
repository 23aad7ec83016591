package rights

import (
	"strings"

	"mlvault/internal/settings"
)

// Identity are the claims of the job identity's tokens.
type Identity struct {
	// PrincipalID and TenantID are oid and tid.
	PrincipalID string
	TenantID    string
}

// Role is what a role of the jobs is, whoever makes it. A token is admitted only when audience,
// object id, tenant and issuer all match, and gets the jobs' policy and no other.
type Role struct {
	Type       string
	Audiences  []string
	ClaimsType string
	// UserClaim names whoever logs in: the object id.
	UserClaim string
	// TokenType is batch: such a token cannot create others, costs Vault no storage however many jobs
	// start at once, and is dead after its time; it cannot be revoked, so its time is short.
	TokenType       string
	TTLSeconds      int
	NoDefaultPolicy bool
}

// The claims that a role binds. A backend binds the issuer too, where the stack makes it. Where it
// is somebody else's, the role's is all there is.
const (
	ClaimObject = "oid"
	ClaimTenant = "tid"
	ClaimIssuer = "iss"
)

// RoleOf is the role of a stack's jobs, but for the claims, which their identity has, and for the
// policy.
func RoleOf(s *settings.Settings) Role {
	return Role{
		Type:            "jwt",
		Audiences:       s.Workload.Audiences(),
		ClaimsType:      "string",
		UserClaim:       ClaimObject,
		TokenType:       "batch",
		TTLSeconds:      s.Workload.TokenTTLSeconds,
		NoDefaultPolicy: true,
	}
}

// JobsRole is the jobs' role, by the names of Vault's API, for a Vault team that makes it.
func JobsRole(s *settings.Settings, jobs Identity) map[string]any {
	role := RoleOf(s)
	readers := append([]string{jobs.PrincipalID}, s.Workload.PrincipalIDs...)
	return map[string]any{
		"role_type":         role.Type,
		"bound_audiences":   role.Audiences,
		"bound_claims_type": role.ClaimsType,
		"bound_claims": map[string]any{
			ClaimObject: readers,
			ClaimTenant: jobs.TenantID,
			ClaimIssuer: s.Issuer(jobs.TenantID),
		},
		"user_claim":              role.UserClaim,
		"token_policies":          []string{s.Workload.Policy},
		"token_type":              role.TokenType,
		"token_ttl":               role.TTLSeconds,
		"token_max_ttl":           role.TTLSeconds,
		"token_no_default_policy": role.NoDefaultPolicy,
	}
}

// JobIdentity are the claims of the job identity in the state. It is false before the first up,
// which makes the identity.
func (s State) JobIdentity() (Identity, bool) {
	for _, r := range s.Resources {
		isIdentity := strings.HasSuffix(r.Type, typeIdentity) &&
			!strings.HasSuffix(r.URN, settings.WorkspaceIdentitySuffix)
		if !isIdentity || r.Pending != "" || r.Replaced {
			continue
		}
		principal, hasPrincipal := r.Outputs["principalId"].(string)
		tenant, hasTenant := r.Outputs["tenantId"].(string)
		if hasPrincipal && hasTenant {
			return Identity{PrincipalID: principal, TenantID: tenant}, true
		}
	}
	return Identity{}, false
}
