package vaultplugin

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

// requestTimeout is the genuine plugin's, VAULT_CLIENT_TIMEOUT aside.
const requestTimeout = time.Minute

// configFields are the provider's inputs that the program sets, and the engine's own. The genuine plugin has more, for
// ways to log in.
var configFields = []string{
	"address", "token", "tokenName", "namespace", "caCertFile", "skipChildToken", "maxLeaseTtlSeconds", "maxRetries", "skipTlsVerify",
	"version", "pluginDownloadURL",
}

// session is one configuration of the provider and the Vault client made from it. The client is made at the first call
// that needs Vault, so that a preview of creates asks Vault nothing.
type session struct {
	in             values
	token          string
	skipChildToken bool
	childTTL       int // seconds
	maxRetries     int // attempts after the first
	proxy          func(*http.Request) (*url.URL, error)

	mu     sync.Mutex
	client *api.Client
	child  bool // client's token is ours to revoke
}

// newSession reads provider inputs. An empty token means VAULT_TOKEN; unlike the genuine plugin it never falls back to
// ~/.vault-token, which is somebody's login to a real Vault.
func newSession(in values) (*session, error) {
	s := &session{in: in, token: cmp.Or(str(in, "token"), os.Getenv("VAULT_TOKEN")), childTTL: 1200, maxRetries: 2} // as the genuine plugin
	skipVerify := false
	for name := range in {
		if !slices.Contains(configFields, name) {
			return nil, fmt.Errorf("%s: the built-in Vault provider does not know this setting: install the genuine plugin to use it", name)
		}
	}
	for name, to := range map[string]any{
		"skipChildToken": &s.skipChildToken, "maxLeaseTtlSeconds": &s.childTTL, "maxRetries": &s.maxRetries, "skipTlsVerify": &skipVerify,
	} {
		// The SDK sends what is not text as JSON in a string.
		if v, given := in[name]; given && json.Unmarshal([]byte(fmt.Sprint(v)), to) != nil {
			return nil, fmt.Errorf("%s is not a %T", name, to)
		}
	}
	if skipVerify {
		return nil, errors.New("skipTlsVerify: the built-in Vault provider always verifies: set caCertFile")
	}
	return s, nil
}

// vault returns the client, logged in. A failure is not kept: the next call tries again.
func (s *session) vault(ctx context.Context) (*api.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := s.connect()
	if err != nil {
		return nil, err
	}
	if _, err := client.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		return nil, fmt.Errorf("look up the provider's token (it must be alive, and may read auth/token/lookup-self): %w", err)
	}
	if !s.skipChildToken {
		// Every request of this configuration carries a token that ends soon and by itself, so the configured one is sent
		// twice and no more.
		renewable, ttl := false, fmt.Sprintf("%ds", s.childTTL)
		child, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
			DisplayName: cmp.Or(str(s.in, "tokenName"), "terraform"), TTL: ttl, ExplicitMaxTTL: ttl, Renewable: &renewable,
		})
		if err != nil {
			return nil, fmt.Errorf("create a child token (allow update on auth/token/create, or set skipChildToken): %w", err)
		}
		client.SetToken(child.Auth.ClientToken)
		s.child = true
	}
	s.client = client
	return client, nil
}

// connect makes a client from the configuration alone: what the environment says about Vault does not count.
func (s *session) connect() (*api.Client, error) {
	if s.token == "" {
		return nil, errors.New("no Vault token: set the provider's token, or VAULT_TOKEN")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if s.proxy != nil {
		transport.Proxy = s.proxy
	}
	config := &api.Config{
		Address: str(s.in, "address"), HttpClient: &http.Client{Transport: transport}, MaxRetries: s.maxRetries, Timeout: requestTimeout,
	}
	var err error
	if file := str(s.in, "caCertFile"); file != "" {
		err = config.ConfigureTLS(&api.TLSConfig{CACert: file})
	}
	if err != nil {
		return nil, fmt.Errorf("caCertFile: %w", err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("vault client (check the address and the VAULT_* variables of the environment): %w", err)
	}
	client.SetToken(s.token)
	if client.ClearNamespace(); str(s.in, "namespace") != "" {
		client.SetNamespace(str(s.in, "namespace"))
	}
	return client, nil
}

// close revokes the child token, if there is one.
func (s *session) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil || !s.child {
		return nil
	}
	err := s.client.Auth().Token().RevokeSelfWithContext(ctx, "")
	s.client, s.child = nil, false
	return err
}

// secrets are the strings that no message may hold.
func (s *session) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	words := []string{s.token}
	if s.client != nil {
		words = append(words, s.client.Token())
	}
	return words
}
