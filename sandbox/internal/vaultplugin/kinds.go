package vaultplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// kind is one resource type: its properties and the Vault calls behind it.
type kind struct {
	fields map[string]field
	// id names the object that the inputs describe.
	id func(in values) string
	// identify is id's inverse, for an import, when only the id is known.
	identify func(id string) values
	// write makes the object (old is nil) or brings it from old, the state, to now. An error that wraps errHalfDone says
	// that the object exists all the same.
	write func(ctx context.Context, vault *api.Client, id string, old, now values) error
	// read returns what Vault holds, or nil if the object is gone. state is the last known, or the inputs just written.
	read func(ctx context.Context, vault *api.Client, id string, state values) (values, error)
	// delete removes the object.
	delete func(ctx context.Context, vault *api.Client, id string, state values) error
}

var kinds = map[string]kind{
	"vault:kv/secretV2:SecretV2":                secretV2,
	"vault:index/mount:Mount":                   mount,
	"vault:index/policy:Policy":                 policy,
	"vault:jwt/authBackend:AuthBackend":         authBackend,
	"vault:jwt/authBackendRole:AuthBackendRole": authBackendRole,
}

// secretV2 is one secret of a KV v2 engine. Requests per operation are the genuine plugin's: PUT data and PUT metadata,
// then GET of both; delete is DELETE data, which hides the newest version only, or with deleteAllVersions DELETE metadata.
var secretV2 = kind{
	fields: map[string]field{
		"mount":             {replace: true},
		"name":              {replace: true},
		"dataJson":          {json: true, secret: true},
		"deleteAllVersions": {},
		"disableRead":       {},
		"customMetadata":    {fields: map[string]field{"data": {}}},
		"data":              {output: true, secret: true},
		"metadata":          {output: true},
		"path":              {output: true},
	},
	id: func(in values) string { return str(in, "mount") + "/data/" + str(in, "name") },
	identify: func(id string) values {
		mount, name, _ := strings.Cut(id, "/data/")
		return values{"mount": mount, "name": name}
	},
	write: writeSecretV2,
	read:  readSecretV2,
	delete: func(ctx context.Context, vault *api.Client, id string, state values) error {
		if state["deleteAllVersions"] == true {
			id = metadataPath(state)
		}
		return deletePath(ctx, vault, id)
	},
}

func writeSecretV2(ctx context.Context, vault *api.Client, id string, _, now values) error {
	data, err := parseObject(str(now, "dataJson"))
	if err != nil {
		return fmt.Errorf("dataJson: %w", err)
	}
	if err := writeWhenUpgraded(ctx, vault, id, map[string]any{"data": data}); err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	if custom, given := now["customMetadata"].(map[string]any); given {
		_, err := vault.Logical().WriteWithContext(ctx, metadataPath(now), map[string]any{"custom_metadata": custom["data"]})
		if err != nil {
			return halfDone("write the metadata", err)
		}
	}
	return nil
}

// writeWhenUpgraded waits out a fresh engine's upgrade, in which it answers 400. The genuine plugin waits out every 400
// that way, for 30 s; here any other answer is final.
func writeWhenUpgraded(ctx context.Context, vault *api.Client, path string, body map[string]any) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, err := vault.Logical().WriteWithContext(ctx, path, body)
		if !answered(err, http.StatusBadRequest, "Upgrading from non-versioned") || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func readSecretV2(ctx context.Context, vault *api.Client, id string, state values) (values, error) {
	live := values{"path": id}
	for _, name := range []string{"mount", "name", "deleteAllVersions", "disableRead"} {
		live[name] = state[name]
	}
	if state["disableRead"] == true {
		live["dataJson"], live["customMetadata"] = state["dataJson"], state["customMetadata"]
		return live, nil
	}
	answer, err := vault.Logical().ReadWithContext(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	if answer == nil {
		return nil, nil
	}
	debugf(ctx, "[DEBUG] secret: %#v", answer)
	version, isV2 := answer.Data["metadata"].(map[string]any)
	if !isV2 {
		return nil, fmt.Errorf("read the secret: %s/ is not a KV v2 engine (the answer has no metadata): mount one with options.version 2", str(state, "mount"))
	}
	// The data of a deleted version is null, and so is dataJson then: unequal to any input, so that the next update writes
	// the secret again.
	payload, _ := answer.Data["data"].(map[string]any)
	encoded, err := json.Marshal(payload)
	if err != nil {
		return nil, errors.New("read the secret: Vault's answer cannot be written as JSON")
	}
	live["dataJson"], live["data"], live["metadata"] = string(encoded), stringMap(payload), stringMap(version)
	metadata, err := readPath(ctx, vault, metadataPath(state))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	if custom := metadata["custom_metadata"]; custom != nil {
		live["customMetadata"] = values{"data": custom}
	}
	return live, nil
}

func metadataPath(v values) string { return str(v, "mount") + "/metadata/" + str(v, "name") }

// mountFields are what an engine holds.
var mountFields = map[string]field{
	"description": {api: "description"},
	"options":     {api: "options"},
	"path":        {replace: true},
	"type":        {replace: true},
}

// mount is a secrets engine. Unlike in the genuine plugin a changed path replaces it: there it moves the engine, after
// which every secret in it fails to delete at its old path.
var mount = kind{
	fields:   mountFields,
	id:       func(in values) string { return str(in, "path") },
	identify: func(id string) values { return values{"path": id} },
	write: func(ctx context.Context, vault *api.Client, id string, old, now values) error {
		body := encode(mountFields, old, now)
		if old == nil {
			body["type"] = now["type"]
			return post(ctx, vault, "sys/mounts/"+id, body)
		}
		return post(ctx, vault, "sys/mounts/"+id+"/tune", body)
	},
	read: func(ctx context.Context, vault *api.Client, id string, _ values) (values, error) {
		data, err := readMount(ctx, vault, id)
		if err != nil || data == nil {
			return nil, err
		}
		live := decode(mountFields, data)
		live["path"], live["type"] = id, data["type"]
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return deletePath(ctx, vault, "sys/mounts/"+id)
	},
}

// policy is an ACL policy.
var policy = kind{
	fields:   map[string]field{"name": {replace: true}, "policy": {}},
	id:       func(in values) string { return str(in, "name") },
	identify: func(id string) values { return values{"name": id} },
	write: func(ctx context.Context, vault *api.Client, id string, _, now values) error {
		return vault.Sys().PutPolicyWithContext(ctx, id, str(now, "policy"))
	},
	read: func(ctx context.Context, vault *api.Client, id string, _ values) (values, error) {
		text, err := vault.Sys().GetPolicyWithContext(ctx, id)
		if err != nil || text == "" { // Vault refuses to store an empty one
			return nil, err
		}
		return values{"name": id, "policy": text}, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return vault.Sys().DeletePolicyWithContext(ctx, id)
	},
}

// authBackendFields are a jwt auth method's, those with an api name in auth/PATH/config.
var authBackendFields = map[string]field{
	"boundIssuer":        {api: "bound_issuer"},
	"jwtSupportedAlgs":   {api: "jwt_supported_algs"},
	"oidcDiscoveryCaPem": {api: "oidc_discovery_ca_pem"},
	"oidcDiscoveryUrl":   {api: "oidc_discovery_url"},
	"path":               {replace: true},
	"type":               {replace: true},
	"description":        {},
	"disableRemount":     {}, // about moving, which this provider does not do
}

// authBackend is a jwt auth method and its configuration. Two writes make it. Where the second fails, as it does when
// Vault cannot fetch the issuer's keys, the genuine plugin forgets the mount that the first one made; here it gets into
// the state, so that the next update or a destroy finds it.
var authBackend = kind{
	fields:   authBackendFields,
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
		live := decode(authBackendFields, config) // of none: empty, so that an update writes it
		live["path"], live["type"], live["description"], live["disableRemount"] = id, data["type"], data["description"], state["disableRemount"]
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return vault.Sys().DisableAuthWithContext(ctx, id)
	},
}

func writeAuthBackend(ctx context.Context, vault *api.Client, id string, old, now values) error {
	if old == nil {
		err := vault.Sys().EnableAuthWithOptionsWithContext(ctx, id, &api.EnableAuthOptions{Type: str(now, "type"), Description: str(now, "description")})
		if err != nil {
			return fmt.Errorf("enable the auth method: %w", err)
		}
	}
	if _, err := vault.Logical().WriteWithContext(ctx, "auth/"+id+"/config", encode(authBackendFields, old, now)); err != nil {
		return halfDone("configure the auth method", err)
	}
	if old == nil || old["description"] == now["description"] {
		return nil
	}
	if err := post(ctx, vault, "sys/mounts/auth/"+id+"/tune", map[string]any{"description": now["description"]}); err != nil {
		return halfDone("tune the auth method", err)
	}
	return nil
}

// roleFields are a role's, those with an api name in auth/BACKEND/role/NAME.
var roleFields = map[string]field{
	"boundAudiences":       {set: true, api: "bound_audiences"},
	"boundClaimsType":      {api: "bound_claims_type"},
	"roleType":             {api: "role_type", replace: true},
	"tokenMaxTtl":          {api: "token_max_ttl"},
	"tokenNoDefaultPolicy": {api: "token_no_default_policy"},
	"tokenPolicies":        {set: true, api: "token_policies"},
	"tokenTtl":             {api: "token_ttl"},
	"tokenType":            {api: "token_type"},
	"userClaim":            {api: "user_claim"},
	"boundClaims":          {},
	"backend":              {replace: true},
	"roleName":             {replace: true},
}

// authBackendRole is a role of a jwt auth method: who may log in, and as what.
var authBackendRole = kind{
	fields: roleFields,
	id:     func(in values) string { return "auth/" + str(in, "backend") + "/role/" + str(in, "roleName") },
	identify: func(id string) values {
		backend, role, _ := strings.Cut(strings.TrimPrefix(id, "auth/"), "/role/")
		return values{"backend": backend, "roleName": role}
	},
	write: func(ctx context.Context, vault *api.Client, id string, old, now values) error {
		body, claims := encode(roleFields, old, now), values{}
		given, _ := now["boundClaims"].(map[string]any)
		for name, v := range given {
			// The genuine plugin splits at commas, into the values that Vault accepts for a claim.
			if claims[name] = v; strings.Contains(fmt.Sprint(v), ",") {
				claims[name] = strings.Split(fmt.Sprint(v), ",")
			}
		}
		// Always sent: claims that the program dropped must not stay bound, nor ones that somebody else added.
		body["bound_claims"] = claims
		_, err := vault.Logical().WriteWithContext(ctx, id, body)
		return err
	},
	read: func(ctx context.Context, vault *api.Client, id string, state values) (values, error) {
		data, err := readPath(ctx, vault, id)
		if err != nil || data == nil {
			return nil, err
		}
		live, claims := decode(roleFields, data), values{}
		bound, _ := data["bound_claims"].(map[string]any)
		for name, v := range bound {
			items, isList := v.([]any)
			if !isList {
				items = []any{v}
			}
			var parts []string
			for _, item := range items {
				parts = append(parts, fmt.Sprint(item))
			}
			claims[name] = strings.Join(parts, ",")
		}
		live["backend"], live["roleName"], live["boundClaims"] = state["backend"], state["roleName"], claims
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return deletePath(ctx, vault, id)
	},
}

func deletePath(ctx context.Context, vault *api.Client, path string) error {
	_, err := vault.Logical().DeleteWithContext(ctx, path)
	return err
}

// readPath returns the data at path, or nil if there is none.
func readPath(ctx context.Context, vault *api.Client, path string) (map[string]any, error) {
	secret, err := vault.Logical().ReadWithContext(ctx, path)
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}

// readMount returns a mount's description, or nil if nothing is mounted there, which Vault answers with 400.
func readMount(ctx context.Context, vault *api.Client, path string) (map[string]any, error) {
	data, err := readPath(ctx, vault, "sys/mounts/"+path)
	if answered(err, http.StatusBadRequest, "No ") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mount: %w", err)
	}
	return data, nil
}

// post sends a body with POST. api.Logical writes with PUT, which Vault treats alike, but the genuine plugin and its
// request counts use POST for sys/.
func post(ctx context.Context, vault *api.Client, path string, body map[string]any) error {
	request := vault.NewRequest("POST", "/v1/"+path)
	if err := request.SetJSONBody(body); err != nil {
		return err
	}
	response, err := vault.RawRequestWithContext(ctx, request) //nolint:staticcheck // the one call that takes a method
	if response != nil {
		_ = response.Body.Close()
	}
	return err
}

// answered reports whether err is Vault's answer with that status and text.
func answered(err error, status int, text string) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status && strings.Contains(strings.Join(answer.Errors, " "), text)
}
