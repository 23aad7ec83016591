package vaultplugin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	defaultChildTTL   = 1200 // seconds, as the genuine plugin
	defaultMaxRetries = 2
	requestTimeout    = time.Minute // the genuine plugin's, VAULT_CLIENT_TIMEOUT aside
)

// configFields are the provider inputs that the built-in provider honours, or
// can ignore without a difference that a caller would see. The genuine plugin
// has more, all for ways to log in; they are refused, not ignored.
var configFields = map[string]bool{
	"address": true, "token": true, "tokenName": true, "namespace": true, "setNamespaceFromToken": true,
	"skipChildToken": true, "maxLeaseTtlSeconds": true, "maxRetries": true,
	"caCertFile": true, "skipTlsVerify": true, "tlsServerName": true,
	"addAddressToEnv": true, "maxRetriesCcc": true, "skipGetVaultVersion": true, "vaultVersionOverride": true,
	"version": true, "pluginDownloadURL": true,
}

// config is a provider's configuration after defaults.
type config struct {
	address, token, tokenName, namespace string
	namespaceFromToken, skipChildToken   bool
	childTTL, maxRetries                 int // seconds; attempts after the first
	caFile, serverName                   string
	skipVerify                           bool
}

// parseConfig reads provider inputs. SDKs send what is not a string as JSON in
// a string or as it is, so both are taken. An empty address or token means
// VAULT_ADDR or VAULT_TOKEN; unlike the genuine plugin it never falls back to
// ~/.vault-token, which is somebody's login to a real Vault.
func parseConfig(in values) (config, []problem) {
	var problems []problem
	for _, name := range sortedKeys(in) {
		if !configFields[name] {
			problems = append(problems, problem{name, "the built-in Vault provider does not know this setting: install the genuine plugin to use it"})
		}
	}
	boolean := func(name string, fallback bool) bool {
		switch v := in[name].(type) {
		case bool:
			return v
		case string:
			b, err := strconv.ParseBool(v)
			if err == nil {
				return b
			}
			if v != "" {
				problems = append(problems, problem{name, "is not a boolean"})
			}
		}
		return fallback
	}
	number := func(name string, fallback int) int {
		switch v := in[name].(type) {
		case float64:
			return int(v)
		case string:
			n, err := strconv.Atoi(v)
			if err == nil {
				return n
			}
			if v != "" {
				problems = append(problems, problem{name, "is not a whole number"})
			}
		}
		return fallback
	}
	either := func(name, fallback string) string {
		if s := str(in, name); s != "" {
			return s
		}
		return fallback
	}

	c := config{
		address:            either("address", os.Getenv("VAULT_ADDR")),
		token:              either("token", os.Getenv("VAULT_TOKEN")),
		tokenName:          either("tokenName", "terraform"),
		namespace:          str(in, "namespace"),
		namespaceFromToken: boolean("setNamespaceFromToken", true),
		skipChildToken:     boolean("skipChildToken", false),
		childTTL:           number("maxLeaseTtlSeconds", defaultChildTTL),
		maxRetries:         number("maxRetries", defaultMaxRetries),
		caFile:             str(in, "caCertFile"),
		serverName:         str(in, "tlsServerName"),
		skipVerify:         boolean("skipTlsVerify", false),
	}
	if in["address"] != any(unknown{}) && c.address != "" {
		// The address may be a secret, so it is not quoted.
		if u, err := url.Parse(c.address); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			problems = append(problems, problem{"address", "is not an http or https URL"})
		}
	}
	return c, problems
}

// session is one configuration of the provider and the Vault client made from
// it. The client is made at the first call that needs Vault, so that a preview
// of creates asks Vault nothing.
type session struct {
	config config
	proxy  func(*http.Request) (*url.URL, error) // nil: the environment's

	mu     sync.Mutex
	client *api.Client
	child  bool // client's token is ours to revoke
}

// vault returns the client, logged in. A failure is not kept: the next call
// tries again.
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

	self, err := client.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up the provider's token (it must be alive, and may read auth/token/lookup-self): %w", err)
	}
	if path, _ := self.Data["namespace_path"].(string); s.config.namespaceFromToken && s.config.namespace == "" && path != "" {
		client.SetNamespace(path)
	}
	if !s.config.skipChildToken {
		// Every request of this configuration carries a token that ends soon
		// and by itself, so the configured one is sent twice and no more.
		renewable := false
		ttl := strconv.Itoa(s.config.childTTL) + "s"
		child, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
			DisplayName: s.config.tokenName, TTL: ttl, ExplicitMaxTTL: ttl, Renewable: &renewable,
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

// connect makes a client from the configuration alone: what the environment
// says about Vault has been considered by parseConfig, or does not count.
func (s *session) connect() (*api.Client, error) {
	if s.config.address == "" {
		return nil, errors.New("no Vault address: set the provider's address, or VAULT_ADDR")
	}
	if s.config.token == "" {
		return nil, errors.New("no Vault token: set the provider's token, or VAULT_TOKEN")
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ServerName:         s.config.serverName,
			InsecureSkipVerify: s.config.skipVerify, //nolint:gosec // the caller's explicit choice
		},
	}
	if s.proxy != nil {
		transport.Proxy = s.proxy
	}
	if s.config.caFile != "" {
		pem, err := os.ReadFile(s.config.caFile)
		if err != nil {
			return nil, fmt.Errorf("caCertFile: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("caCertFile: %s holds no PEM certificate", s.config.caFile)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	client, err := api.NewClient(&api.Config{
		Address:    s.config.address,
		HttpClient: &http.Client{Transport: transport},
		MaxRetries: s.config.maxRetries,
		Timeout:    requestTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("vault client (check the address and the VAULT_* variables of the environment): %w", err)
	}
	client.SetToken(s.config.token)
	if client.ClearNamespace(); s.config.namespace != "" {
		client.SetNamespace(s.config.namespace)
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
	words := []string{s.config.token}
	if s.client != nil {
		words = append(words, s.client.Token())
	}
	return words
}
