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
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// session is one connection of an engine: its configuration and the Vault client made from it. The client is made at the
// first call that needs Vault, so that a preview of creates asks Vault nothing.
type session struct {
	proxy func(*http.Request) (*url.URL, error)

	mu         sync.Mutex
	engine     *grpc.ClientConn // takes log lines
	configured bool
	client     *api.Client
	child      bool // client's token is ours to revoke

	address, token, tokenName, namespace, caCertFile string
	skipChildToken                                   bool
	childTTL, maxRetries                             int // seconds, and attempts after the first
}

func (s *session) attach(engine string) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, err = grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// configure reads provider inputs. An empty token means VAULT_TOKEN; unlike the genuine plugin it never falls back to
// ~/.vault-token, which is somebody's login to a real Vault.
func (s *session) configure(in values) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.childTTL, s.maxRetries = 1200, 2 // as the genuine plugin
	skipVerify := false
	// The genuine plugin has more settings, for ways to log in. The last two are the engine's own.
	settings := map[string]any{
		"address": &s.address, "token": &s.token, "tokenName": &s.tokenName, "namespace": &s.namespace, "caCertFile": &s.caCertFile,
		"skipChildToken": &s.skipChildToken, "maxLeaseTtlSeconds": &s.childTTL, "maxRetries": &s.maxRetries, "skipTlsVerify": &skipVerify,
		"version": new(string), "pluginDownloadURL": new(string),
	}
	for name, value := range in {
		switch to := settings[name].(type) {
		case nil:
			return fmt.Errorf("%s: the built-in Vault provider does not know this setting: install the genuine plugin to use it", name)
		case *string:
			*to, _ = value.(string)
		default: // the SDK sends what is not text as JSON in a string
			if json.Unmarshal([]byte(fmt.Sprint(value)), to) != nil {
				return fmt.Errorf("%s is not of type %s", name, strings.TrimPrefix(fmt.Sprintf("%T", to), "*"))
			}
		}
	}
	if skipVerify {
		return errors.New("skipTlsVerify: the built-in Vault provider always verifies: set caCertFile")
	}
	s.token, s.configured = cmp.Or(s.token, os.Getenv("VAULT_TOKEN")), true
	return nil
}

// vault returns the client, logged in. A failure is not kept: the next call tries again.
func (s *session) vault(ctx context.Context) (vault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return vault{s.client, s.engine}, nil
	}
	client, err := s.connect()
	if err != nil {
		return vault{}, err
	}
	if _, err := client.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		return vault{}, fmt.Errorf("look up the provider's token (it must be alive, and may read auth/token/lookup-self): %w", err)
	}
	if !s.skipChildToken {
		// Every request of this configuration carries a token that ends soon and by itself, so the configured one is sent
		// twice and no more.
		renewable, ttl := false, fmt.Sprintf("%ds", s.childTTL)
		child, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
			DisplayName: cmp.Or(s.tokenName, "terraform"), TTL: ttl, ExplicitMaxTTL: ttl, Renewable: &renewable,
		})
		if err != nil {
			return vault{}, fmt.Errorf("create a child token (allow update on auth/token/create, or set skipChildToken): %w", err)
		}
		client.SetToken(child.Auth.ClientToken)
		s.child = true
	}
	s.client = client
	return vault{client, s.engine}, nil
}

// connect makes a client from the configuration alone: what the environment says about Vault does not count.
func (s *session) connect() (*api.Client, error) {
	if !s.configured {
		// Another connection's configuration may be another Vault's.
		return nil, errors.New("this connection of the engine has no configuration (it may have been idle for long): run the command again")
	}
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
	// The timeout is the genuine plugin's.
	config := &api.Config{Address: s.address, HttpClient: &http.Client{Transport: transport}, MaxRetries: s.maxRetries, Timeout: time.Minute}
	if s.caCertFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.caCertFile}); err != nil {
			return nil, fmt.Errorf("caCertFile: %w", err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("vault client (check the address and the VAULT_* variables of the environment): %w", err)
	}
	client.SetToken(s.token)
	if client.ClearNamespace(); s.namespace != "" {
		client.SetNamespace(s.namespace)
	}
	return client, nil
}

// close revokes the child token, if there is one.
func (s *session) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine != nil {
		_ = s.engine.Close()
	}
	if !s.child {
		return nil
	}
	return s.client.Auth().Token().RevokeSelfWithContext(ctx, "")
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

// vault sends requests, with the genuine plugin's methods.
type vault struct {
	*api.Client

	engine *grpc.ClientConn
}

// debugf logs a line for the engine, as the bridge forwards a line of the genuine plugin: for no resource, at debug
// level. A normal run hides it; --json, --debug and the event log show it, and the engine replaces in it what equals a
// configuration secret. After each read of a secret the line holds the whole payload in Go's syntax
// (terraform-provider-vault 4.8.0). A plugin here that kept quiet would let every test of masking pass; e2e/surfaces
// counts these lines.
func (v vault) debugf(ctx context.Context, format string, args ...any) {
	if v.engine != nil {
		_, _ = pulumirpc.NewEngineClient(v.engine).Log(ctx, &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_DEBUG, Message: fmt.Sprintf(format, args...),
		})
	}
}

// get returns the data at path, or nil if there is none. Where nothing is mounted, Vault answers with 400.
func (v vault) get(ctx context.Context, path string) (map[string]any, error) {
	secret, err := v.Logical().ReadWithContext(ctx, path)
	if strings.HasPrefix(path, "sys/mounts/") && answered(err, http.StatusBadRequest, "No ") {
		return nil, nil
	}
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}

func (v vault) put(ctx context.Context, path string, body map[string]any) error {
	_, err := v.Logical().WriteWithContext(ctx, path, body)
	return err
}

// post is what the genuine plugin uses for sys/, where Vault treats POST and PUT alike.
func (v vault) post(ctx context.Context, path string, body map[string]any) error {
	request := v.NewRequest(http.MethodPost, "/v1/"+path)
	if err := request.SetJSONBody(body); err != nil {
		return err
	}
	response, err := v.RawRequestWithContext(ctx, request) //nolint:staticcheck // the one call that takes a method
	if response != nil {
		_ = response.Body.Close()
	}
	return err
}

func (v vault) delete(ctx context.Context, path string) error {
	_, err := v.Logical().DeleteWithContext(ctx, path)
	return err
}

// answered reports whether err is Vault's answer with that status and text.
func answered(err error, status int, text string) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status && strings.Contains(strings.Join(answer.Errors, " "), text)
}
