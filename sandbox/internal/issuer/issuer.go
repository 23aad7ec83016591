// Package issuer stands in for the two parts of Azure that a job's login to Vault needs, on
// loopback only:
//
//   - Entra's token service of one tenant, over TLS. It signs tokens and serves, under /<tenant>/,
//     what Vault fetches:
//
//     .well-known/openid-configuration        discovery of v1 tokens (issuer ends with a slash)
//     v2.0/.well-known/openid-configuration   discovery of v2 tokens (issuer does not)
//     discovery/keys, discovery/v2.0/keys     the public key
//
//   - Azure ML's managed identity endpoint, plain HTTP as on a real compute node: see
//     [Issuer.ManagedIdentityEndpoint].
//
// It is a stand-in and no more: nobody signs in, every resource that is asked for exists, and
// whoever reads Options.Dir can sign any token. Next to good tokens it makes the bad ones that
// Vault has to refuse: see [Alteration].
package issuer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mlvault/sandbox/internal/loopback"
)

// Version is a format of Entra's access tokens, as in their claim ver. The resource that a token is
// for decides which one it gets (requestedAccessTokenVersion in its app registration), not the one
// that asks.
type Version string

// The versions in use. They differ in issuer, audience and the name of the client's claim.
const (
	V1 Version = "1.0"
	V2 Version = "2.0"
)

// Options say where an Issuer listens and who it is.
type Options struct {
	// TenantID is the tenant's GUID in lower case, as in the claim tid.
	TenantID string
	// TLS holds the certificate for 127.0.0.1. Vault must trust its CA (oidc_discovery_ca_pem).
	TLS *tls.Config
	// Dir keeps the signing key, so that tokens and Vault's cached keys stay good across restarts, and
	// the address: Vault has the issuer's URL in its configuration, and another port would be a change
	// of the stack.
	Dir string
}

// Issuer is a running stand-in. Its methods may be called from several goroutines.
type Issuer struct {
	tenantID string
	base     string // https://host:port/<tenant>
	key      jose.JSONWebKey

	running context.Context // until Close
	stop    context.CancelFunc
	serving sync.WaitGroup
}

// Start begins to serve, until ctx is done or Close is called.
func Start(ctx context.Context, options Options) (*Issuer, error) {
	key, err := loadOrCreateKey(options.Dir)
	if err != nil {
		return nil, err
	}
	listener, err := loopback.Listen(ctx, filepath.Join(options.Dir, "issuer-address"))
	if err != nil {
		return nil, fmt.Errorf("token issuer: %w", err)
	}
	issuer := &Issuer{
		tenantID: options.TenantID,
		key:      key,
		base:     "https://" + listener.Addr().String() + "/" + options.TenantID,
	}
	issuer.running, issuer.stop = context.WithCancel(ctx)
	issuer.serve(tls.NewListener(listener, options.TLS), issuer.routes())
	return issuer, nil
}

// URL returns the issuer of tokens of that version: the claim iss, and what Vault takes both as
// oidc_discovery_url and as bound_issuer. The slash at the end of v1's is part of it; Vault
// compares character by character.
func (i *Issuer) URL(version Version) string {
	if version == V2 {
		return i.base + "/v2.0"
	}
	return i.base + "/"
}

// TenantID returns the claim tid of every token.
func (i *Issuer) TenantID() string { return i.tenantID }

// Close stops the issuer and its managed identity endpoints and cuts their connections.
func (i *Issuer) Close() {
	i.stop()
	i.serving.Wait() // a restart wants the port
}

// serve answers on listener until Close.
func (i *Issuer) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		// A client that does not trust the certificate is a case that tests provoke, and the client
		// reports it.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	i.serving.Go(func() { _ = server.Serve(listener) })
	context.AfterFunc(i.running, func() { _ = server.Close() })
}

func (i *Issuer) routes() http.Handler {
	mux := http.NewServeMux()
	root := "GET /" + i.tenantID + "/"
	const document = ".well-known/openid-configuration"
	mux.HandleFunc(root+document, i.discovery(V1, "/discovery/keys"))
	mux.HandleFunc(root+"v2.0/"+document, i.discovery(V2, "/discovery/v2.0/keys"))
	mux.HandleFunc(root+"discovery/keys", i.keys)
	mux.HandleFunc(root+"discovery/v2.0/keys", i.keys)
	return mux
}

// discovery serves the part of OpenID Connect Discovery that a verifier reads. The endpoints for
// signing in are left out: there are none.
func (i *Issuer) discovery(version Version, keysPath string) http.HandlerFunc {
	responses := []string{"code", "id_token", "code id_token", "token id_token", "token"}
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"issuer":                                i.URL(version),
			"jwks_uri":                              i.base + keysPath,
			"response_types_supported":              responses,
			"subject_types_supported":               []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	}
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}})
}

// answer sends body as JSON. A client that is gone by then is no problem of the server's.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
