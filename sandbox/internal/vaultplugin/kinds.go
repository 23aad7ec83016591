package vaultplugin

import (
	"context"

	"github.com/hashicorp/vault/api"
)

// kind is one resource type: its properties and the Vault calls behind it.
// Everything else (Check, Diff, secrets, partial failures) is the same for all
// and lives in provider.go.
type kind struct {
	fields map[string]field

	// id names the object that the inputs describe.
	id func(in values) string

	// identify is id's inverse, for an import, when only the id is known.
	identify func(id string) values

	// write makes the object (old is nil) or brings it from old to now. old is
	// the state, outputs included. An error that wraps errHalfDone says that
	// the object exists all the same.
	write func(ctx context.Context, vault *api.Client, id string, old, now values) error

	// read returns what Vault holds, or nil if the object is gone. state is the
	// last known state, or the inputs just written.
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

// withNamespace adds the property that every type has.
func withNamespace(fields map[string]field) map[string]field {
	fields["namespace"] = field{replace: true}
	return fields
}

// readPath returns the data at path, or nil if there is none.
func readPath(ctx context.Context, vault *api.Client, path string) (map[string]any, error) {
	secret, err := vault.Logical().ReadWithContext(ctx, path)
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}

// post sends a body with POST. api.Logical writes with PUT, which Vault treats
// alike, but the genuine plugin and its request counts use POST for sys/.
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

func deletePath(ctx context.Context, vault *api.Client, path string) error {
	_, err := vault.Logical().DeleteWithContext(ctx, path)
	return err
}
