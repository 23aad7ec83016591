package vaultplugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// mountFields are what an engine holds.
var mountFields = map[string]field{
	"description": {api: "description"},
	"options":     {shape: dict, api: "options", server: true},
}

// mount is a secrets engine. Unlike in the genuine plugin a changed path
// replaces it: there it moves the engine, after which every secret in it fails
// to delete at its old path.
var mount = kind{
	fields: withNamespace(merge(mountFields, map[string]field{
		"path":     {required: true, replace: true, path: true},
		"type":     {required: true, replace: true},
		"accessor": {output: true},
	})),
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
	read: func(ctx context.Context, vault *api.Client, id string, state values) (values, error) {
		data, err := readMount(ctx, vault, id)
		if err != nil || data == nil {
			return nil, err
		}
		live := decode(mountFields, data)
		live["path"], live["type"], live["accessor"] = id, data["type"], data["accessor"]
		return live, nil
	},
	delete: func(ctx context.Context, vault *api.Client, id string, _ values) error {
		return deletePath(ctx, vault, "sys/mounts/"+id)
	},
}

// readMount returns a mount's description, or nil if nothing is mounted there,
// which Vault answers with 400.
func readMount(ctx context.Context, vault *api.Client, path string) (map[string]any, error) {
	data, err := readPath(ctx, vault, "sys/mounts/"+path)
	var answer *api.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusBadRequest &&
		strings.Contains(strings.Join(answer.Errors, " "), "No ") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mount: %w", err)
	}
	return data, nil
}

// policy is an ACL policy.
var policy = kind{
	fields: withNamespace(map[string]field{
		"name":   {autoname: true, replace: true, path: true},
		"policy": {required: true},
	}),
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

func merge(maps ...map[string]field) map[string]field {
	out := map[string]field{}
	for _, m := range maps {
		for name, f := range m {
			out[name] = f
		}
	}
	return out
}

func mergeValues(maps ...values) values {
	out := values{}
	for _, m := range maps {
		for name, v := range m {
			out[name] = v
		}
	}
	return out
}
