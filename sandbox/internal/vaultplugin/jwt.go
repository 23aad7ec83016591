package vaultplugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"
)

// jwtConfigFields are what auth/PATH/config holds.
var jwtConfigFields = map[string]field{
	"boundIssuer":          {api: "bound_issuer"},
	"jwtSupportedAlgs":     {shape: list, api: "jwt_supported_algs"},
	"jwtValidationPubkeys": {shape: list, api: "jwt_validation_pubkeys"},
	"oidcDiscoveryCaPem":   {api: "oidc_discovery_ca_pem"},
	"oidcDiscoveryUrl":     {api: "oidc_discovery_url"},
}

// authBackend is a jwt (or oidc) auth method and its configuration. Two writes
// make it. Where the second fails, as it does when Vault cannot fetch the
// issuer's keys, the genuine plugin forgets the mount that the first one made;
// here it gets into the state, so that the next update or a destroy finds it.
var authBackend = kind{
	fields: withNamespace(merge(jwtConfigFields, map[string]field{
		"path":           {replace: true, path: true, fallback: "jwt"},
		"type":           {replace: true, fallback: "jwt"},
		"description":    {},
		"disableRemount": {shape: boolean}, // about moving, which this provider does not do
		"accessor":       {output: true},
	})),
	id:       func(in values) string { return str(in, "path") },
	identify: func(id string) values { return values{"path": id} },
	write:    writeAuthBackend,
	read: func(ctx context.Context, vault *api.Client, id string, state values) (values, error) {
		data, err := readMount(ctx, vault, "auth/"+id)
		if err != nil || data == nil {
			return nil, err
		}
		config, err := readPath(ctx, vault, "auth/"+id+"/config")
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		if _, err := readPath(ctx, vault, "sys/mounts/auth/"+id+"/tune"); err != nil { // the genuine plugin asks
			return nil, fmt.Errorf("read the tuning: %w", err)
		}
		live := decode(jwtConfigFields, config) // of none: empty, so that an update writes it
		live["path"], live["type"], live["accessor"] = id, data["type"], data["accessor"]
		live["description"], live["disableRemount"] = data["description"], state["disableRemount"]
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return vault.Sys().DisableAuthWithContext(ctx, id)
	},
}

func writeAuthBackend(ctx context.Context, vault *api.Client, id string, old, now values) error {
	if old == nil {
		err := vault.Sys().EnableAuthWithOptionsWithContext(ctx, id, &api.EnableAuthOptions{
			Type: str(now, "type"), Description: str(now, "description"),
		})
		if err != nil {
			return fmt.Errorf("enable the auth method: %w", err)
		}
	}
	if _, err := vault.Logical().WriteWithContext(ctx, "auth/"+id+"/config", encode(jwtConfigFields, old, now)); err != nil {
		return halfDone("configure the auth method", err)
	}

	if old == nil || str(old, "description") == str(now, "description") {
		return nil
	}
	if err := post(ctx, vault, "sys/mounts/auth/"+id+"/tune", map[string]any{"description": str(now, "description")}); err != nil {
		return halfDone("tune the auth method", err)
	}
	return nil
}

// roleFields are what auth/BACKEND/role/NAME holds, apart from the bound claims.
var roleFields = map[string]field{
	"allowedRedirectUris":  {shape: set, api: "allowed_redirect_uris"},
	"boundAudiences":       {shape: set, api: "bound_audiences"},
	"boundClaimsType":      {api: "bound_claims_type", server: true},
	"boundSubject":         {api: "bound_subject"},
	"claimMappings":        {shape: dict, api: "claim_mappings"},
	"clockSkewLeeway":      {shape: number, api: "clock_skew_leeway"},
	"expirationLeeway":     {shape: number, api: "expiration_leeway"},
	"groupsClaim":          {api: "groups_claim"},
	"maxAge":               {shape: number, api: "max_age"},
	"notBeforeLeeway":      {shape: number, api: "not_before_leeway"},
	"oidcScopes":           {shape: set, api: "oidc_scopes"},
	"roleType":             {api: "role_type", replace: true, server: true},
	"tokenBoundCidrs":      {shape: set, api: "token_bound_cidrs"},
	"tokenExplicitMaxTtl":  {shape: number, api: "token_explicit_max_ttl"},
	"tokenMaxTtl":          {shape: number, api: "token_max_ttl"},
	"tokenNoDefaultPolicy": {shape: boolean, api: "token_no_default_policy"},
	"tokenNumUses":         {shape: number, api: "token_num_uses"},
	"tokenPeriod":          {shape: number, api: "token_period"},
	"tokenPolicies":        {shape: set, api: "token_policies"},
	"tokenTtl":             {shape: number, api: "token_ttl"},
	"tokenType":            {api: "token_type", server: true},
	"userClaim":            {api: "user_claim", required: true},
	"userClaimJsonPointer": {shape: boolean, api: "user_claim_json_pointer"},
	"verboseOidcLogging":   {shape: boolean, api: "verbose_oidc_logging"},
}

// authBackendRole is a role of a jwt auth method: who may log in, and as what.
var authBackendRole = kind{
	fields: withNamespace(merge(roleFields, map[string]field{
		"backend":                   {replace: true, path: true, fallback: "jwt"},
		"roleName":                  {required: true, replace: true, path: true},
		"boundClaims":               {shape: dict},
		"disableBoundClaimsParsing": {shape: boolean},
	})),
	id: func(in values) string { return "auth/" + str(in, "backend") + "/role/" + str(in, "roleName") },
	identify: func(id string) values {
		backend, role, _ := strings.Cut(strings.TrimPrefix(id, "auth/"), "/role/")
		return values{"backend": backend, "roleName": role}
	},
	write: func(ctx context.Context, vault *api.Client, id string, old, now values) error {
		body := encode(roleFields, old, now)
		// Always sent: claims that the program dropped must not stay bound, nor
		// ones that somebody else added.
		body["bound_claims"] = claimsToVault(now)
		_, err := vault.Logical().WriteWithContext(ctx, id, body)
		return err
	},
	read: func(ctx context.Context, vault *api.Client, id string, state values) (values, error) {
		data, err := readPath(ctx, vault, id)
		if err != nil || data == nil {
			return nil, err
		}
		live := decode(roleFields, data)
		for _, name := range []string{"backend", "roleName", "disableBoundClaimsParsing"} {
			if v := state[name]; v != nil {
				live[name] = v
			}
		}
		if claims, _ := data["bound_claims"].(map[string]any); len(claims) > 0 {
			live["boundClaims"] = claimsFromVault(claims)
		}
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return deletePath(ctx, vault, id)
	},
}

// claimsToVault splits each claim's value at commas into the values that Vault
// accepts for it, unless the program turned that off.
func claimsToVault(now values) map[string]any {
	claims, _ := now["boundClaims"].(map[string]any)
	out := make(map[string]any, len(claims))
	for name, v := range claims {
		s, _ := v.(string)
		if out[name] = s; !flag(now, "disableBoundClaimsParsing") && strings.Contains(s, ",") {
			parts := strings.Split(s, ",")
			for i := range parts {
				parts[i] = strings.TrimSpace(parts[i])
			}
			out[name] = parts
		}
	}
	return out
}

func claimsFromVault(claims map[string]any) values {
	out := values{}
	for name, v := range claims {
		items, isList := v.([]any)
		if !isList {
			out[name] = fmt.Sprint(v)
			continue
		}
		parts := make([]string, len(items))
		for i := range items {
			parts[i] = fmt.Sprint(items[i])
		}
		out[name] = strings.Join(parts, ",")
	}
	return out
}
