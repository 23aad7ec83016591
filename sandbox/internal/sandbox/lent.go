package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/internal/issuer"
)

// settingsFile is where a stack's settings are: beside Pulumi.yaml, or in an example's folder.
func (s *Sandbox) settingsFile(name string) (string, error) {
	folder := s.Options.Root
	if s.Options.Settings != "" {
		folder = s.Options.Settings
	}
	original := stackFileName(folder, name)
	_, err := os.Stat(original)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return original, err
	}
	examples, err := filepath.Glob(stackFileName(filepath.Join(s.Options.Root, "examples", "*"), name))
	if err != nil {
		return "", err
	}
	if len(examples) == 1 {
		return examples[0], nil
	}
	return "", fmt.Errorf("there is no stack %s: no file %s. "+
		"Write it, or name a stack that exists (STACK=dev)", name, original)
}

// Lend makes what the settings of a stack say that others have: each resource of Azure that they
// name, the mount and the login of a shared Vault, and what jobs read there. What is there already
// stays as it is. It returns all of it by name, for a person to see.
func (s *Sandbox) Lend(ctx context.Context, stack *Stack) ([]string, error) {
	inAzure, err := s.lendAzure(stack)
	if err != nil {
		return nil, err
	}
	inVault, err := s.lendVault(ctx, stack.Config)
	if err != nil {
		return nil, fmt.Errorf("what others have in Vault: %w", err)
	}
	return append(inAzure, inVault...), nil
}

func (s *Sandbox) lendVault(ctx context.Context, cfg *settings.Settings) ([]string, error) {
	var names []string
	if !cfg.Vault.CreateMount && cfg.Vault.Mount != "secret" {
		names = append(names, "Vault's mount "+cfg.Vault.Mount)
		kv := &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}
		if _, err := s.mountOnce(ctx, cfg.Vault.Mount, kv); err != nil {
			return nil, err
		}
	}
	if !cfg.Workload.CreateAuthBackend {
		names = append(names, "Vault's login "+cfg.Workload.AuthPath)
		if err := s.lendBackend(ctx, cfg.Workload.AuthPath); err != nil {
			return nil, err
		}
	}
	if !cfg.Workload.CreatePolicy {
		names = append(names, "Vault's policy "+cfg.Workload.Policy)
		policy := rights.ReadPolicy(cfg)
		err := s.Vault.Root().Sys().PutPolicyWithContext(ctx, cfg.Workload.Policy, policy)
		if err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Vault.Reads)) {
		read := cfg.Vault.Reads[name]
		if read.IsWrite() {
			return nil, fmt.Errorf("vault.reads.%s is written to, and the sandbox's Vault has no engine "+
				"that answers a write. Try it with a Vault of your own", name)
		}
		names = append(names, read.Path+", with a made-up user")
		if err := s.lendSecret(ctx, read.Path); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// lendSecret puts something at a path that jobs read, where no engine of Vault is yet. The sandbox
// has no database whose users Vault could make.
func (s *Sandbox) lendSecret(ctx context.Context, read string) error {
	mount, _, _ := strings.Cut(read, "/")
	isNew, err := s.mountOnce(ctx, mount, &api.MountInput{Type: "kv"})
	if err != nil || !isNew {
		return err
	}
	user := map[string]any{"username": "made-up", "password": "made-up"}
	_, err = s.Vault.Root().Logical().WriteWithContext(ctx, read, user)
	return err
}

// mountOnce mounts an engine where nothing is mounted.
func (s *Sandbox) mountOnce(
	ctx context.Context, at string, engine *api.MountInput,
) (isNew bool, err error) {
	mounts, err := s.Vault.Root().Sys().ListMountsWithContext(ctx)
	if err != nil {
		return false, err
	}
	if _, exists := mounts[at+"/"]; exists {
		return false, nil
	}
	return true, s.Vault.Root().Sys().MountWithContext(ctx, at, engine)
}

// lendRole makes the jobs' role where the settings leave it to the Vault team. They can only after
// the up, which makes the identity that the role names.
func (s *Stack) lendRole(ctx context.Context) error {
	if s.Config == nil || s.Config.Workload.CreateRole {
		return nil
	}
	state, err := s.State(ctx)
	if err != nil {
		return err
	}
	jobs, isMade := state.JobIdentity()
	if !isMade {
		return fmt.Errorf("the role %s: the state has no job identity", s.Config.Workload.Role)
	}
	role := rights.JobsRole(s.Config, jobs)
	_, err = s.sandbox.Vault.Root().Logical().WriteWithContext(ctx, s.Config.RolePath(), role)
	return err
}

// lendBackend makes a login that trusts the sandbox's issuer, as its owner has it.
func (s *Sandbox) lendBackend(ctx context.Context, at string) error {
	root := s.Vault.Root()
	backends, err := root.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return err
	}
	if _, exists := backends[at+"/"]; exists {
		return nil
	}
	jwt := &api.MountInput{Type: "jwt"}
	if err := root.Sys().EnableAuthWithOptionsWithContext(ctx, at, jwt); err != nil {
		return err
	}
	ca, err := os.ReadFile(s.IssuerCA)
	if err != nil {
		return err
	}
	_, err = root.Logical().WriteWithContext(ctx, "auth/"+at+"/config", map[string]any{
		"oidc_discovery_url":    s.Issuer.URL(issuer.V1),
		"oidc_discovery_ca_pem": string(ca),
		"bound_issuer":          s.Issuer.URL(issuer.V1),
	})
	return err
}
