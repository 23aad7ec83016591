package vaultplugin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// jwtConfigFields are what auth/PATH/config holds.
var jwtConfigFields = map[string]field{
	"boundIssuer":          {api: "bound_issuer"},
	"defaultRole":          {api: "default_role"},
	"jwksCaPem":            {api: "jwks_ca_pem"},
	"jwksUrl":              {api: "jwks_url"},
	"jwtSupportedAlgs":     {shape: list, api: "jwt_supported_algs"},
	"jwtValidationPubkeys": {shape: list, api: "jwt_validation_pubkeys"},
	"namespaceInState":     {shape: boolean, api: "namespace_in_state", server: true},
	"oidcClientId":         {api: "oidc_client_id"},
	// Vault never returns it, so drift in it cannot be seen.
	"oidcClientSecret":   {api: "oidc_client_secret", secret: true},
	"oidcDiscoveryCaPem": {api: "oidc_discovery_ca_pem"},
	"oidcDiscoveryUrl":   {api: "oidc_discovery_url"},
	"oidcResponseMode":   {api: "oidc_response_mode"},
	"oidcResponseTypes":  {shape: list, api: "oidc_response_types"},
	"providerConfig":     {shape: dict, api: "provider_config", server: true},
}

// tuneFields are what sys/mounts/auth/PATH/tune takes. Vault fills all of it in.
var tuneFields = map[string]field{
	"allowedResponseHeaders":    {shape: list, api: "allowed_response_headers", server: true},
	"auditNonHmacRequestKeys":   {shape: list, api: "audit_non_hmac_request_keys", server: true},
	"auditNonHmacResponseKeys":  {shape: list, api: "audit_non_hmac_response_keys", server: true},
	"defaultLeaseTtl":           {api: "default_lease_ttl", server: true}, // a Go duration
	"maxLeaseTtl":               {api: "max_lease_ttl", server: true},     // a Go duration
	"listingVisibility":         {api: "listing_visibility", server: true},
	"passthroughRequestHeaders": {shape: list, api: "passthrough_request_headers", server: true},
	"tokenType":                 {api: "token_type", server: true},
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
		"local":          {shape: boolean, replace: true},
		"disableRemount": {shape: boolean}, // about moving, which this provider does not do
		"tune":           {shape: object, server: true, fields: tuneFields},
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
		tune, err := readPath(ctx, vault, "sys/mounts/auth/"+id+"/tune")
		if err != nil {
			return nil, fmt.Errorf("read the tuning: %w", err)
		}
		live := decode(jwtConfigFields, config) // of none: empty, so that an update writes it
		live["path"], live["type"], live["accessor"] = id, data["type"], data["accessor"]
		for _, name := range []string{"description", "local"} {
			if v := data[name]; !empty(v) {
				live[name] = v
			}
		}
		for _, name := range []string{"oidcClientSecret", "disableRemount"} {
			if v := state[name]; v != nil {
				live[name] = v
			}
		}
		known, _ := state["tune"].(map[string]any)
		live["tune"] = liveTune(tune, known)
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return vault.Sys().DisableAuthWithContext(ctx, id)
	},
}

func writeAuthBackend(ctx context.Context, vault *api.Client, id string, old, now values) error {
	if old == nil {
		err := vault.Sys().EnableAuthWithOptionsWithContext(ctx, id, &api.EnableAuthOptions{
			Type: str(now, "type"), Description: str(now, "description"), Local: flag(now, "local"),
		})
		if err != nil {
			return fmt.Errorf("enable the auth method: %w", err)
		}
	}
	if _, err := vault.Logical().WriteWithContext(ctx, "auth/"+id+"/config", encode(jwtConfigFields, old, now)); err != nil {
		return halfDone("configure the auth method", err)
	}

	tune, _ := now["tune"].(map[string]any)
	body := encode(tuneFields, nil, tune)
	if old != nil && str(old, "description") != str(now, "description") {
		body["description"] = str(now, "description")
	}
	if len(body) == 0 {
		return nil
	}
	if err := post(ctx, vault, "sys/mounts/auth/"+id+"/tune", body); err != nil {
		return halfDone("tune the auth method", err)
	}
	return nil
}

// liveTune decodes a tuning. Vault answers seconds where it takes durations, so
// each comes back as the known spelling if that means the same.
func liveTune(data map[string]any, known values) values {
	live := decode(tuneFields, data)
	for _, name := range []string{"defaultLeaseTtl", "maxLeaseTtl"} {
		n, isNumber := live[name].(float64)
		if !isNumber {
			continue
		}
		duration := time.Duration(n) * time.Second
		live[name] = duration.String()
		if given, err := time.ParseDuration(str(known, name)); err == nil && given == duration {
			live[name] = str(known, name)
		}
	}
	return live
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
