package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/outputs"
)

// VaultServer is the stack's Vault.
type VaultServer struct {
	// CACertFile verifies its certificate; empty: the system's certificates do.
	CACertFile string
}

// Login sends an identity token to the stack's login path. No error quotes the token.
func (s VaultServer) Login(
	ctx context.Context, given map[string]any, token string,
) (Answer, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return Answer{}, fmt.Errorf("the environment's VAULT_* variables: %w", config.Error)
	}
	config.Address = textOr(given[outputs.VaultAddress], "")
	config.MaxRetries = 0
	if s.CACertFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CACertFile}); err != nil {
			return Answer{}, fmt.Errorf("vault.caCertFile: %w", err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return Answer{}, errors.New("Vault's address is not one")
	}
	client.ClearToken()
	client.SetNamespace(textOr(given[outputs.VaultNamespace], ""))
	path := strings.TrimPrefix(textOr(given[outputs.VaultLoginPath], ""), "/")
	_, err = client.Logical().WriteWithContext(ctx, path, map[string]any{
		"role": given[outputs.VaultRole],
		"jwt":  token,
	})
	var refusal *api.ResponseError
	switch {
	case err == nil:
		return Answer{Status: http.StatusOK}, nil
	case errors.As(err, &refusal):
		return Answer{Status: refusal.StatusCode}, nil
	}
	return Answer{}, errors.New("Vault cannot be reached")
}
