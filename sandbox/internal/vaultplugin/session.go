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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// session is one connection of an engine: its configuration and the Vault client made from it. The
// client is made at the first call that needs Vault, so that a preview of creates asks Vault
// nothing.
type session struct {
	proxy func(*http.Request) (*url.URL, error)

	mu     sync.Mutex
	engine *grpc.ClientConn // takes log lines
	config map[string]string
	client *api.Client
}

// settings are what the program sets, and the engine's own. The genuine plugin has more, for ways
// to log in.
var settings = []string{
	"address", "token", "tokenName", "namespace", "caCertFile",
	"skipChildToken", "maxLeaseTtlSeconds", "maxRetries", "skipTlsVerify",
	"version", "pluginDownloadURL",
}

func (s *session) attach(engine string) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, err = grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

func (s *session) configure(given values) error {
	config := map[string]string{}
	for name, value := range given {
		if !slices.Contains(settings, name) {
			return fmt.Errorf("%s: %s", name, notKnown)
		}
		setting, isText := value.(string)
		if !isText {
			encoded, _ := json.Marshal(value) // a number or a truth value
			setting = string(encoded)
		}
		config[name] = setting
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = config
	// The address of a connection that is gone may be another one's later. Its login is not.
	s.client = nil
	return nil
}

// vault returns the client, logged in. A failure is not kept: the next call tries again.
func (s *session) vault(ctx context.Context) (vault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return vault{Client: s.client, engine: s.engine}, nil
	}
	client, err := s.connect()
	if err != nil {
		return vault{}, err
	}
	if _, err := client.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		return vault{}, fmt.Errorf("look up the provider's token "+
			"(it must be alive, and may read auth/token/lookup-self): %w", err)
	}
	if s.config["skipChildToken"] != "true" {
		child, err := s.childToken(ctx, client)
		if err != nil {
			return vault{}, fmt.Errorf("create a child token "+
				"(allow update on auth/token/create, or set skipChildToken): %w", err)
		}
		client.SetToken(child)
	}
	s.client = client
	return vault{Client: client, engine: s.engine}, nil
}

// childToken is what every request of this configuration carries: it ends soon and by itself, so
// the configured token is sent twice and no more.
func (s *session) childToken(ctx context.Context, client *api.Client) (string, error) {
	ttl := s.config["maxLeaseTtlSeconds"] + "s"
	renewable := false
	child, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
		DisplayName:    s.config["tokenName"],
		TTL:            ttl,
		ExplicitMaxTTL: ttl,
		Renewable:      &renewable,
	})
	if err != nil {
		return "", err
	}
	return child.Auth.ClientToken, nil
}

// write makes an object or updates it, and reads it back. written tells whether Vault has it, which
// it may have though the rest fails.
func (s *session) write(
	ctx context.Context, k kind, id string, old, inputs values,
) (live values, written bool, err error) {
	vault, err := s.vault(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := k.put(k, ctx, vault, id, old, inputs); err != nil {
		return nil, false, err
	}
	live, err = k.read(ctx, vault, id, inputs)
	return live, true, err
}

// read returns what Vault holds, or nil if the object is gone.
func (s *session) read(ctx context.Context, k kind, id string, state values) (values, error) {
	vault, err := s.vault(ctx)
	if err != nil {
		return nil, err
	}
	return k.read(ctx, vault, id, state)
}

func (s *session) delete(ctx context.Context, path string) error {
	vault, err := s.vault(ctx)
	if err != nil {
		return err
	}
	_, err = vault.Logical().DeleteWithContext(ctx, path)
	return err
}

// connect makes a client from the configuration alone, but for VAULT_TOKEN where it has no token.
// Unlike the genuine plugin it never falls back to ~/.vault-token, which is somebody's login to a
// real Vault.
func (s *session) connect() (*api.Client, error) {
	if s.config == nil {
		// Another connection's configuration may be another Vault's.
		return nil, errors.New("this connection of the engine has no configuration " +
			"(it may have been idle for long): run the command again")
	}
	retries, err := strconv.Atoi(s.config["maxRetries"])
	if err != nil {
		return nil, fmt.Errorf("maxRetries: %w", err)
	}
	transport := &http.Transport{
		Proxy:               s.proxy,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
	}
	config := &api.Config{
		Address:    s.config["address"],
		HttpClient: &http.Client{Transport: transport},
		MaxRetries: retries,
		Timeout:    time.Minute, // the genuine plugin's
	}
	if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.config["caCertFile"]}); err != nil {
		return nil, fmt.Errorf("caCertFile: %w", err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("vault client "+
			"(check the address and the VAULT_* variables of the environment): %w", err)
	}
	client.SetToken(cmp.Or(s.config["token"], os.Getenv("VAULT_TOKEN")))
	client.ClearNamespace()
	if s.config["namespace"] != "" {
		client.SetNamespace(s.config["namespace"])
	}
	return client, nil
}

// fail tells what failed and keeps Vault's address, which may be a secret, to itself.
func (s *session) fail(action string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	message := err.Error()
	if address := s.config["address"]; address != "" {
		message = strings.ReplaceAll(message, address, "[secret]")
	}
	return errors.New(action + ": " + message)
}

// vault sends requests, with the genuine plugin's methods.
type vault struct {
	*api.Client

	engine *grpc.ClientConn
}

// debugf logs a line for the engine, as the bridge forwards a line of the genuine plugin: for no
// resource, at debug level. A normal run hides it; --json, --debug and the event log show it, and
// the engine replaces in it what equals a configuration secret. After each read of a secret the
// line holds the whole payload in Go's syntax (terraform-provider-vault 4.8.0). A plugin here that
// kept quiet would let every test of masking pass; e2e/surfaces counts these lines.
func (v vault) debugf(ctx context.Context, format string, args ...any) {
	if v.engine != nil {
		_, _ = pulumirpc.NewEngineClient(v.engine).Log(ctx, &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_DEBUG, Message: fmt.Sprintf(format, args...),
		})
	}
}

// get returns the data at path, or nil if there is none.
func (v vault) get(ctx context.Context, path string) (values, error) {
	secret, err := v.Logical().ReadWithContext(ctx, path)
	if strings.HasPrefix(path, "sys/mounts/") && answered400(err, "No ") { // is mounted there
		return nil, nil
	}
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}

func (v vault) put(ctx context.Context, path string, body values) error {
	_, err := v.Logical().WriteWithContext(ctx, path, body)
	return err
}

// answered400 reports whether err is Vault's answer 400 with that text.
func answered400(err error, text string) bool {
	answer, isAnswer := errors.AsType[*api.ResponseError](err)
	if !isAnswer || answer.StatusCode != http.StatusBadRequest {
		return false
	}
	return strings.Contains(strings.Join(answer.Errors, " "), text)
}
