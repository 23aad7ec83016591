package vaultplugin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// values are a resource's properties as plain Go.
type values = map[string]any

// kind is one resource type: its properties and the Vault calls behind it.
type kind struct {
	// The id is prefix, and the values of the properties in names with sep in between.
	prefix string
	sep    string
	names  []string
	// at and the id are the path in Vault.
	at string
	// fields are the inputs with their names in Vault, which are empty where write and get carry the
	// value.
	fields map[string]string

	// put makes the object, if old, the state, is nil, or brings it to the inputs.
	put func(k kind, ctx context.Context, vault vault, id string, old, inputs values) error
	// get returns what Vault holds, or nil if the object is gone. state is the last known, or the
	// inputs just written.
	get func(k kind, ctx context.Context, vault vault, id string, state values) (values, error)
}

var kinds = map[string]kind{
	"vault:index/policy:Policy": {
		at: "sys/policies/acl/", names: []string{"name"},
		fields: map[string]string{
			"name":   "",
			"policy": "policy",
		},
		put: kind.putPlain,
		get: kind.getPlain,
	},
	"vault:index/mount:Mount": {
		at: "sys/mounts/", names: []string{"path"},
		fields: map[string]string{
			"path":        "",
			"description": "description",
			"options":     "options",
			"type":        "type",
		},
		put: kind.putMount,
		get: kind.getPlain,
	},
	"vault:jwt/authBackend:AuthBackend": {
		at: "sys/auth/", names: []string{"path"},
		fields: map[string]string{
			"boundIssuer":        "bound_issuer",
			"description":        "",
			"disableRemount":     "", // about moving, which this provider does not do
			"jwtSupportedAlgs":   "jwt_supported_algs",
			"oidcDiscoveryCaPem": "oidc_discovery_ca_pem",
			"oidcDiscoveryUrl":   "oidc_discovery_url",
			"path":               "",
			"type":               "",
		},
		put: kind.putBackend,
		get: kind.getBackend,
	},
	"vault:jwt/authBackendRole:AuthBackendRole": {
		prefix: "auth/", sep: "/role/", names: []string{"backend", "roleName"},
		fields: map[string]string{
			"backend":              "",
			"boundAudiences":       "bound_audiences",
			"boundClaims":          "bound_claims",
			"boundClaimsType":      "bound_claims_type",
			"roleName":             "",
			"roleType":             "role_type",
			"tokenMaxTtl":          "token_max_ttl",
			"tokenNoDefaultPolicy": "token_no_default_policy",
			"tokenPolicies":        "token_policies",
			"tokenTtl":             "token_ttl",
			"tokenType":            "token_type",
			"userClaim":            "user_claim",
		},
		put: kind.putRole,
		get: kind.getRole,
	},
	"vault:kv/secretV2:SecretV2": {
		sep: "/data/", names: []string{"mount", "name"},
		fields: map[string]string{
			"customMetadata":    "",
			"dataJson":          "",
			"deleteAllVersions": "",
			"disableRead":       "",
			"mount":             "",
			"name":              "",
			"options":           "", // Vault ignores those that the program sets
		},
		put: kind.putSecret,
		get: kind.getSecret,
	},
}

// id names the object that the inputs describe.
func (k kind) id(inputs resource.PropertyMap) string {
	var parts []string
	for _, name := range k.names {
		parts = append(parts, inputs[resource.PropertyKey(name)].StringValue())
	}
	return k.prefix + strings.Join(parts, k.sep)
}

func (k kind) read(ctx context.Context, vault vault, id string, state values) (values, error) {
	parts := strings.SplitN(strings.TrimPrefix(id, k.prefix), k.sep, len(k.names))
	for i, part := range parts {
		name := k.names[i]
		if state[name] == nil { // an import
			state[name] = part
		}
	}
	live, err := k.get(k, ctx, vault, id, state)
	if err != nil || live == nil {
		return nil, err
	}
	for _, name := range k.names {
		live[name] = state[name]
	}
	return live, nil
}

// encode is a request's body, of the inputs that have a name in Vault.
func (k kind) encode(inputs values) values {
	body := values{}
	for name, inVault := range k.fields {
		if inVault != "" && inputs[name] != nil {
			body[inVault] = inputs[name]
		}
	}
	return body
}

// decode gives the data in an answer of Vault the names of the inputs.
func (k kind) decode(data values) values {
	live := values{}
	for name, inVault := range k.fields {
		if number, isNumber := data[inVault].(json.Number); isNumber {
			live[name], _ = number.Float64()
		} else if data[inVault] != nil {
			live[name] = data[inVault]
		}
	}
	return live
}

func (k kind) putPlain(ctx context.Context, vault vault, id string, _, inputs values) error {
	return vault.put(ctx, k.at+id, k.encode(inputs))
}

func (k kind) getPlain(ctx context.Context, vault vault, id string, _ values) (values, error) {
	data, err := vault.get(ctx, k.at+id)
	if err != nil || data == nil {
		return nil, err
	}
	return k.decode(data), nil
}

func (kind) putMount(ctx context.Context, vault vault, path string, old, inputs values) error {
	description := text(inputs, "description")
	if old != nil {
		return vault.describe(ctx, path, description)
	}
	options, _ := inputs["options"].(values)
	return vault.Sys().MountWithContext(ctx, path, &api.MountInput{
		Type:        text(inputs, "type"),
		Description: description,
		Options:     map[string]string{"version": text(options, "version")},
	})
}

// describe changes the description of a mount, with the call that Vault's client keeps.
func (v vault) describe(ctx context.Context, path, description string) error {
	tuning := api.TuneMountConfigInput{Description: &description}
	return v.Sys().TuneMountAllowNilWithContext(ctx, path, tuning)
}

// putBackend makes an auth method and then its configuration. Where the second fails, as it does
// when Vault cannot fetch the issuer's keys, the method is in Vault and in no state: the genuine
// plugin forgets it too.
func (k kind) putBackend(ctx context.Context, vault vault, path string, old, inputs values) error {
	description := text(inputs, "description")
	if old == nil {
		method := &api.EnableAuthOptions{Type: text(inputs, "type"), Description: description}
		if err := vault.Sys().EnableAuthWithOptionsWithContext(ctx, path, method); err != nil {
			return fmt.Errorf("enable the auth method: %w", err)
		}
	}
	if err := vault.put(ctx, "auth/"+path+"/config", k.encode(inputs)); err != nil {
		return fmt.Errorf("configure the auth method: %w", err)
	}
	if old == nil || old["description"] == description {
		return nil
	}
	return vault.describe(ctx, "auth/"+path, description)
}

func (k kind) getBackend(
	ctx context.Context, vault vault, path string, state values,
) (values, error) {
	method, err := vault.get(ctx, "sys/mounts/auth/"+path)
	if err != nil || method == nil {
		return nil, err
	}
	config, err := vault.get(ctx, "auth/"+path+"/config")
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	_, err = vault.get(ctx, "sys/mounts/auth/"+path+"/tune") // the genuine plugin asks
	if err != nil {
		return nil, fmt.Errorf("read the tuning: %w", err)
	}
	live := k.decode(config) // of none: empty, so that an update writes it
	live["accessor"] = method["accessor"]
	live["type"] = method["type"]
	live["description"] = method["description"]
	live["disableRemount"] = state["disableRemount"]
	return live, nil
}

// putRole sends each claim as the values that it may have, which the genuine plugin takes with
// commas between.
func (k kind) putRole(ctx context.Context, vault vault, path string, _, inputs values) error {
	given, _ := inputs["boundClaims"].(values)
	claims := map[string][]string{}
	for claim := range given {
		claims[claim] = strings.Split(text(given, claim), ",")
	}
	body := k.encode(inputs)
	body["bound_claims"] = claims
	return vault.put(ctx, path, body)
}

func (k kind) getRole(ctx context.Context, vault vault, path string, state values) (values, error) {
	live, err := k.getPlain(ctx, vault, path, state)
	claims, _ := live["boundClaims"].(values)
	for claim, allowed := range claims {
		list, isList := allowed.([]any)
		if !isList {
			continue
		}
		var texts []string
		for _, value := range list {
			texts = append(texts, fmt.Sprint(value))
		}
		claims[claim] = strings.Join(texts, ",")
	}
	return live, err
}

// putSecret makes a version. A fresh engine answers 400 while it is upgraded, which the genuine
// plugin waits out too.
func (kind) putSecret(ctx context.Context, vault vault, path string, _, inputs values) error {
	numbersAsWritten := json.RawMessage(text(inputs, "dataJson"))
	version := values{"data": numbersAsWritten}
	deadline := time.Now().Add(30 * time.Second)
	err := vault.put(ctx, path, version)
	for answered400(err, "Upgrading") && time.Now().Before(deadline) {
		time.Sleep(500 * time.Millisecond)
		err = vault.put(ctx, path, version)
	}
	if err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	custom, _ := inputs["customMetadata"].(values)
	metadata := values{"custom_metadata": custom["data"]}
	if err := vault.put(ctx, metadataPath(inputs), metadata); err != nil {
		return fmt.Errorf("write the metadata: %w", err)
	}
	return nil
}

func (kind) getSecret(ctx context.Context, vault vault, path string, state values) (values, error) {
	live := values{
		"deleteAllVersions": state["deleteAllVersions"] == true,
		"options":           state["options"], // Vault does not answer them
		"disableRead":       state["disableRead"] == true,
	}
	if state["disableRead"] == true {
		live["dataJson"] = state["dataJson"]
		live["customMetadata"] = state["customMetadata"]
		return live, nil
	}
	answer, err := vault.Logical().ReadWithContext(ctx, path)
	if err != nil || answer == nil {
		return nil, err
	}
	vault.debugf(ctx, "[DEBUG] secret: %#v", answer)
	// The data of a deleted version is null, and so is dataJson then: unequal to any input, so that
	// the next update writes the secret again.
	payload, err := json.Marshal(answer.Data["data"])
	if err != nil {
		return nil, err
	}
	metadata, err := vault.get(ctx, metadataPath(state))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	live["data"] = answer.Data["data"]
	live["dataJson"] = string(payload)
	live["customMetadata"] = values{"data": metadata["custom_metadata"]}
	return live, nil
}

func metadataPath(secret values) string {
	return text(secret, "mount") + "/metadata/" + text(secret, "name")
}

func text(v values, name string) string {
	s, _ := v[name].(string)
	return s
}
