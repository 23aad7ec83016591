package vaultplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// kind is one resource type: its properties and the Vault calls behind it. What a kind says nothing about is the plain
// case: one PUT, GET or DELETE of its path, with the fields that have a name in Vault.
type kind struct {
	fields map[string]field
	// id is the object's: texts and the names of fields, in turns. The path in Vault is at+id.
	id []string
	at string
	// put makes the object (old is nil) or brings it from old, the state, to now. An error that wraps errHalfDone says that
	// the object exists all the same.
	put func(ctx context.Context, vault vault, id string, old, now values) error
	// get returns what Vault holds, or nil if the object is gone. state is the last known, or the inputs just written.
	get func(ctx context.Context, vault vault, id string, state values) (values, error)
}

var kinds = map[string]kind{
	"vault:kv/secretV2:SecretV2":        secretV2,
	"vault:index/mount:Mount":           mount,
	"vault:jwt/authBackend:AuthBackend": authBackend,
	"vault:index/policy:Policy": {
		at: "sys/policies/acl/",
		id: []string{"", "name"},
		fields: map[string]field{
			"name":   {replace: true},
			"policy": {api: "policy"},
		},
	},
	"vault:jwt/authBackendRole:AuthBackendRole": {
		id: []string{"auth/", "backend", "/role/", "roleName"},
		fields: map[string]field{
			"boundAudiences":       {set: true, api: "bound_audiences"},
			"boundClaims":          {claims: true, api: "bound_claims"},
			"boundClaimsType":      {api: "bound_claims_type"},
			"roleType":             {api: "role_type", replace: true},
			"tokenMaxTtl":          {api: "token_max_ttl"},
			"tokenNoDefaultPolicy": {api: "token_no_default_policy"},
			"tokenPolicies":        {set: true, api: "token_policies"},
			"tokenTtl":             {api: "token_ttl"},
			"tokenType":            {api: "token_type"},
			"userClaim":            {api: "user_claim"},
			"backend":              {replace: true},
			"roleName":             {replace: true},
		},
	},
}

// idOf names the object that the inputs describe.
func (k kind) idOf(in values) string {
	id := ""
	for i, part := range k.id {
		if i%2 == 1 {
			part = str(in, part)
		}
		id += part
	}
	return id
}

// identify is idOf's inverse, for an import, when only the id is known.
func (k kind) identify(id string) values {
	names, rest := values{}, strings.TrimPrefix(id, k.id[0])
	for i := 1; i < len(k.id); i += 2 {
		value := rest
		if i+1 < len(k.id) {
			value, rest, _ = strings.Cut(rest, k.id[i+1])
		}
		names[k.id[i]] = value
	}
	return names
}

func (k kind) write(ctx context.Context, vault vault, id string, old, now values) error {
	if k.put != nil {
		return k.put(ctx, vault, id, old, now)
	}
	return vault.put(ctx, k.at+id, encode(k.fields, old, now))
}

func (k kind) read(ctx context.Context, vault vault, id string, state values) (values, error) {
	if k.get != nil {
		return k.get(ctx, vault, id, state)
	}
	data, err := vault.get(ctx, k.at+id)
	if err != nil || data == nil {
		return nil, err
	}
	live := decode(k.fields, data)
	for name := range k.identify(id) {
		live[name] = state[name]
	}
	return live, nil
}

func (k kind) deletePath(id string, state values) string {
	if state["deleteAllVersions"] == true {
		return metadataPath(state)
	}
	return k.at + id
}

// secretV2 is one secret of a KV v2 engine. Requests per operation are the genuine plugin's: PUT data and PUT metadata,
// then GET of both; delete is DELETE data, which hides the newest version only, or with deleteAllVersions DELETE metadata.
var secretV2 = kind{
	id: []string{"", "mount", "/data/", "name"},
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
	put: writeSecretV2,
	get: readSecretV2,
}

func writeSecretV2(ctx context.Context, vault vault, id string, _, now values) error {
	data, err := parseObject(str(now, "dataJson"))
	if err != nil {
		return fmt.Errorf("dataJson: %w", err)
	}
	if err := writeWhenUpgraded(ctx, vault, id, map[string]any{"data": data}); err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	if custom, given := now["customMetadata"].(map[string]any); given {
		if err := vault.put(ctx, metadataPath(now), map[string]any{"custom_metadata": custom["data"]}); err != nil {
			return halfDone("write the metadata", err)
		}
	}
	return nil
}

// writeWhenUpgraded waits out a fresh engine's upgrade, in which it answers 400. The genuine plugin waits out every 400
// that way, for 30 s; here any other answer is final.
func writeWhenUpgraded(ctx context.Context, vault vault, path string, body map[string]any) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := vault.put(ctx, path, body)
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

func readSecretV2(ctx context.Context, vault vault, id string, state values) (values, error) {
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
	vault.debugf(ctx, "[DEBUG] secret: %#v", answer)
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
	metadata, err := vault.get(ctx, metadataPath(state))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	if custom := metadata["custom_metadata"]; custom != nil {
		live["customMetadata"] = values{"data": custom}
	}
	return live, nil
}

func metadataPath(v values) string { return str(v, "mount") + "/metadata/" + str(v, "name") }

// mount is a secrets engine. Unlike in the genuine plugin a changed path replaces it: there it moves the engine, after
// which every secret in it fails to delete at its old path.
var mount = kind{
	at:     "sys/mounts/",
	id:     []string{"", "path"},
	fields: mountFields,
	put: func(ctx context.Context, vault vault, id string, old, now values) error {
		body := encode(mountFields, old, now)
		if old == nil {
			return vault.post(ctx, "sys/mounts/"+id, body)
		}
		delete(body, "type")
		return vault.post(ctx, "sys/mounts/"+id+"/tune", body)
	},
}

var mountFields = map[string]field{
	"description": {api: "description"},
	"options":     {api: "options"},
	"path":        {replace: true},
	"type":        {api: "type", replace: true},
}

// authBackend is a jwt auth method and its configuration. Two writes make it. Where the second fails, as it does when
// Vault cannot fetch the issuer's keys, the genuine plugin forgets the mount that the first one made; here it gets into
// the state, so that the next update or a destroy finds it.
var authBackend = kind{
	at:     "sys/auth/",
	id:     []string{"", "path"},
	fields: authBackendFields,
	put:    writeAuthBackend,
	get: func(ctx context.Context, vault vault, id string, state values) (values, error) {
		data, err := vault.get(ctx, "sys/mounts/auth/"+id)
		if err != nil || data == nil {
			return nil, err
		}
		config, err := vault.get(ctx, "auth/"+id+"/config")
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		if _, err := vault.get(ctx, "sys/mounts/auth/"+id+"/tune"); err != nil { // the genuine plugin asks
			return nil, fmt.Errorf("read the tuning: %w", err)
		}
		live := decode(authBackendFields, config) // of none: empty, so that an update writes it
		live["path"], live["type"], live["description"], live["disableRemount"] = id, data["type"], data["description"], state["disableRemount"]
		return live, nil
	},
}

// authBackendFields with a name in Vault are those of auth/PATH/config.
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

func writeAuthBackend(ctx context.Context, vault vault, id string, old, now values) error {
	if old == nil {
		if err := vault.post(ctx, "sys/auth/"+id, map[string]any{"type": now["type"], "description": now["description"]}); err != nil {
			return fmt.Errorf("enable the auth method: %w", err)
		}
	}
	if err := vault.put(ctx, "auth/"+id+"/config", encode(authBackendFields, old, now)); err != nil {
		return halfDone("configure the auth method", err)
	}
	if old == nil || old["description"] == now["description"] {
		return nil
	}
	if err := vault.post(ctx, "sys/mounts/auth/"+id+"/tune", map[string]any{"description": now["description"]}); err != nil {
		return halfDone("tune the auth method", err)
	}
	return nil
}
