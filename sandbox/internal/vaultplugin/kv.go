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

// customMetadataFields are what a secret's metadata takes besides its versions.
var customMetadataFields = map[string]field{
	"casRequired":        {shape: boolean, api: "cas_required", server: true},
	"data":               {shape: dict, api: "custom_metadata", server: true},
	"deleteVersionAfter": {shape: number, server: true}, // seconds; Vault takes and gives a duration
	"maxVersions":        {shape: number, api: "max_versions", server: true},
}

// secretV2 is one secret of a KV v2 engine. Requests per operation are the
// genuine plugin's: create PUT data, GET data, GET metadata; an update adds PUT
// metadata, even with no customMetadata in the program; delete is DELETE data,
// which hides the newest version only, or with deleteAllVersions DELETE metadata.
var secretV2 = kind{
	fields: withNamespace(map[string]field{
		"mount":             {required: true, replace: true, path: true},
		"name":              {autoname: true, replace: true, path: true},
		"dataJson":          {shape: jsonObject, required: true, secret: true},
		"deleteAllVersions": {shape: boolean},
		"disableRead":       {shape: boolean},
		"options":           {shape: dict},
		// Accepted and not sent: seen on 4.8.0, Vault gets it beside options,
		// where KV v2 does not look. A cas that worked here would fail there.
		"cas":            {shape: number},
		"customMetadata": {shape: object, server: true, fields: customMetadataFields},
		"data":           {shape: dict, output: true, secret: true},
		"metadata":       {shape: dict, output: true},
		"path":           {output: true},
	}),
	id: func(in values) string { return str(in, "mount") + "/data/" + str(in, "name") },
	identify: func(id string) values {
		mount, name, _ := strings.Cut(id, "/data/")
		return values{"mount": mount, "name": name}
	},
	write:  writeSecretV2,
	read:   readSecretV2,
	delete: deleteSecretV2,
}

func writeSecretV2(ctx context.Context, vault *api.Client, id string, old, now values) error {
	data, err := parseObject(str(now, "dataJson"))
	if err != nil {
		return fmt.Errorf("dataJson: %w", err)
	}
	body := map[string]any{"data": data}
	if options := now["options"]; !empty(options) {
		body["options"] = options
	}
	if err := writeWhenUpgraded(ctx, vault, id, body); err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}

	custom, given := now["customMetadata"].(map[string]any)
	known, read := old["customMetadata"].(map[string]any)
	if !given && !read {
		return nil
	}
	// What the program does not say keeps its last known value, as it does for
	// the genuine plugin, to which the block is Optional+Computed.
	merged := mergeValues(known, custom)
	metadata := encode(customMetadataFields, nil, merged)
	metadata["delete_version_after"] = seconds(merged["deleteVersionAfter"])
	if _, err := vault.Logical().WriteWithContext(ctx, metadataPath(now), metadata); err != nil {
		return halfDone("write the metadata", err)
	}
	return nil
}

// writeWhenUpgraded waits out a fresh engine's upgrade, in which it answers 400.
// The genuine plugin waits out every 400 that way, so that a check-and-set
// mismatch takes it 30 s and 61 requests; here any other answer is final.
func writeWhenUpgraded(ctx context.Context, vault *api.Client, path string, body map[string]any) error {
	const patience = 30 * time.Second
	deadline := time.Now().Add(patience)
	for {
		_, err := vault.Logical().WriteWithContext(ctx, path, body)
		var answer *api.ResponseError
		upgrading := errors.As(err, &answer) && answer.StatusCode == http.StatusBadRequest &&
			strings.Contains(strings.Join(answer.Errors, " "), "Upgrading from non-versioned")
		if !upgrading || time.Now().After(deadline) {
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
	for _, name := range []string{"mount", "name", "deleteAllVersions", "disableRead", "options", "cas", "namespace"} {
		if v := state[name]; v != nil {
			live[name] = v
		}
	}
	if flag(state, "disableRead") {
		for _, name := range []string{"dataJson", "customMetadata"} {
			if v := state[name]; v != nil {
				live[name] = v
			}
		}
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
	secret := answer.Data
	version, isV2 := secret["metadata"].(map[string]any)
	if !isV2 {
		return nil, fmt.Errorf("read the secret: %s/ is not a KV v2 engine (the answer has no metadata): mount one with options.version 2", str(state, "mount"))
	}
	// The data of a deleted version is null, and so is dataJson then: unequal to
	// any input, so that the next update writes the secret again.
	payload, _ := secret["data"].(map[string]any)
	encoded, err := json.Marshal(payload)
	if err != nil {
		return nil, errors.New("read the secret: Vault's answer cannot be written as JSON")
	}
	live["dataJson"] = string(encoded)
	live["data"] = stringMap(payload)
	live["metadata"] = stringMap(version)

	metadata, err := readPath(ctx, vault, metadataPath(state))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	live["customMetadata"] = mergeValues(
		values{"casRequired": false, "data": values{}, "maxVersions": 0.0},
		decode(customMetadataFields, metadata),
		values{"deleteVersionAfter": secondsOf(metadata["delete_version_after"])},
	)
	return live, nil
}

func deleteSecretV2(ctx context.Context, vault *api.Client, id string, state values) error {
	if flag(state, "deleteAllVersions") {
		return deletePath(ctx, vault, metadataPath(state))
	}
	return deletePath(ctx, vault, id)
}

func metadataPath(v values) string { return str(v, "mount") + "/metadata/" + str(v, "name") }

// seconds renders a number of seconds as a Vault duration; nil is zero.
func seconds(v any) string {
	n, _ := v.(float64)
	return fmt.Sprintf("%ds", int(n))
}

// secondsOf is the inverse, for a duration such as "3h0m0s".
func secondsOf(v any) float64 {
	s, _ := v.(string)
	d, _ := time.ParseDuration(s) // Vault wrote it
	return d.Seconds()
}
