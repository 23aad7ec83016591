package sandbox

import (
	"context"
	"fmt"
	"os"
	"time"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/internal/files"
)

const (
	// tokenLife is a deployer's token's, within Vault's default maximum of 768 hours. A new token
	// at each up would be a change of the provider each time.
	tokenLife = 30 * 24 * time.Hour
	// leastLife is what a token that is used again must have left.
	leastLife = time.Hour
)

// DeployerToken is a token of exactly the policy that `make policy` prints for these settings and
// this state, and of no other policy. It is the same from run to run while it lives.
func (s *Sandbox) DeployerToken(
	ctx context.Context, cfg *settings.Settings, state rights.State,
) (string, error) {
	name := "deployer-" + cfg.VaultName()
	policy := rights.DeployerPolicy(cfg, state)
	file := s.DeployerTokenFile(cfg.Stack)
	token, _ := os.ReadFile(file) // there is none before the first up
	if s.isAlive(ctx, string(token)) {
		err := s.Vault.Root().Sys().PutPolicyWithContext(ctx, name, policy)
		return string(token), err
	}
	created, err := s.Vault.Token(ctx, name, policy, tokenLife)
	if err != nil {
		return "", err
	}
	return created, files.Replace(file, []byte(created))
}

// isAlive tells whether Vault knows a token, and for long enough. A token is dead in a folder that
// outlived it, or whose Vault was started anew.
func (s *Sandbox) isAlive(ctx context.Context, token string) bool {
	found, err := s.Vault.Root().Auth().Token().LookupWithContext(ctx, token)
	if err != nil {
		return false
	}
	left, err := found.TokenTTL()
	return err == nil && left > leastLife
}

// DeployerTokenFile is where the token of a stack's deployer is kept (0600). It is there after the
// first Configure.
func (s *Sandbox) DeployerTokenFile(name string) string {
	return s.Path("deployer-" + settings.NameInVault(s.Project, name) + ".token")
}

// State is what the rights ask of the stack's state.
func (s *Stack) State(ctx context.Context) (rights.State, error) {
	exported, err := engine{stack: s}.Export(ctx)
	if err != nil {
		return rights.State{}, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	return rights.ParseState(exported)
}
