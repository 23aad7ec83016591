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

// JobsRole is the jobs' role, by the names of Vault's API: the program makes it, or the Vault team
// does. A token is admitted only when audience, object id, tenant and issuer all match, and gets
// the jobs' policy and no other.
func JobsRole(s *settings.Settings, jobs Identity) map[string]any {
	issuer := s.Workload.Issuer
	if issuer == "" {
		issuer = s.DefaultIssuer(jobs.TenantID)
	}
	readers := append([]string{jobs.PrincipalID}, s.Workload.PrincipalIDs...)
	return map[string]any{
		"role_type":         "jwt",
		"bound_audiences":   s.Workload.Audiences(),
		"bound_claims_type": "string",
		"bound_claims": map[string]any{
			"oid": readers,
			"tid": jobs.TenantID,
			"iss": issuer,
		},
		"user_claim":              "oid",
		"token_policies":          []string{s.Workload.Policy},
		"token_type":              "batch",
		"token_ttl":               s.Workload.TokenTTLSeconds,
		"token_max_ttl":           s.Workload.TokenTTLSeconds,
		"token_no_default_policy": true,
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
