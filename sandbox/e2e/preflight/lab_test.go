// Package preflight_test holds the preflight to a real Vault, a real issuer and the real CLI.
package preflight_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"mlvault/internal/access"
	"mlvault/internal/config"
	"mlvault/preflight/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultserver"
)

const (
	tenant        = "33333333-3333-3333-3333-333333333333"
	payloadCanary = "canary-7d3f0b-payload"
	noToken       = "no-token-at-all"
)

func TestMain(m *testing.M) {
	for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		_ = os.Unsetenv(variable)
	}
	lab.Main(m)
}

// room is a real Vault and an issuer, and what is right with them.
type room struct {
	t      *testing.T
	vault  *vaultserver.Server
	issuer *issuer.Issuer
	root   *api.Client
}

func newLab(t *testing.T) *room {
	t.Helper()
	server, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	certificate, err := server.Certificate()
	require.NoError(t, err)
	issued, err := issuer.Start(t.Context(), issuer.Options{
		TenantID: tenant, Dir: t.TempDir(), TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	})
	require.NoError(t, err)
	t.Cleanup(issued.Close)
	return &room{t: t, vault: server, issuer: issued, root: server.Root()}
}

// settings are a stack's configuration, section by section.
type settings map[string]map[string]any

// attempt is what one row breaks: settings, the address, the token, or things in Vault.
type attempt struct {
	*room

	t        *testing.T
	settings settings
	address  string
	token    string
	stack    check.Stack
}

// attempt is right in everything. The token has the deployer's policy and the default one, as Vault gives it.
func (l *room) attempt(t *testing.T) *attempt {
	t.Helper()
	ca, err := os.ReadFile(l.vault.CAFile())
	require.NoError(t, err)
	return &attempt{
		room: l, t: t, address: l.vault.Addr(), settings: settings{
			"vault":       {"caCertFile": l.vault.CAFile()},
			"workload":    {"audience": "api://x", "issuer": l.issuer.URL(issuer.V1), "issuerCaPem": string(ca)},
			"credentials": {"ml_api_key": map[string]string{"k": payloadCanary}, "team/feature_store": map[string]string{"k": payloadCanary}},
		},
	}
}

// config is the settings as the program reads them.
func (a *attempt) config() *config.Config {
	a.t.Helper()
	src := config.Source{Project: "mlvault", Stack: "dev", Encrypted: config.IsSecretKey, Trusted: true,
		Values: map[string]string{"azure-native:location": "westeurope", "mlvault:vaultAddress": a.address}}
	for section, fields := range a.settings {
		text, err := json.Marshal(fields)
		require.NoError(a.t, err)
		src.Values["mlvault:"+section] = string(text)
	}
	cfg, err := config.From(src)
	require.NoError(a.t, err)
	return cfg
}

// check runs the preflight and looks for what must never be in its report.
func (a *attempt) check() check.Report {
	a.t.Helper()
	a.stack.Config = a.config()
	if a.token == "" {
		a.token = a.deployer(a.stack.Config.Access().DeployerPolicy())
	}
	if a.token != noToken {
		a.stack.Token = config.NewSecret(a.token)
	}
	a.stack.TokenFrom = "vaultToken"
	report := check.Check(a.t.Context(), a.stack)
	address, err := url.Parse(a.address)
	require.NoError(a.t, err)
	for _, texts := range [][]string{report.Problems, report.Warnings, report.Unseen, report.Passed} {
		for _, text := range texts {
			for _, secret := range []string{a.token, address.Host, payloadCanary, a.vault.Root().Token()} {
				require.NotContains(a.t, text, secret, "the report quotes a secret")
			}
		}
	}
	return report
}

// deployer is a token with a policy, and with the default one.
func (a *attempt) deployer(policy string, edits ...func(*api.TokenCreateRequest)) string {
	a.t.Helper()
	if policy == "" {
		policy = "# no right"
	}
	require.NoError(a.t, a.root.Sys().PutPolicyWithContext(a.t.Context(), "deployer", policy))
	request := &api.TokenCreateRequest{Policies: []string{"deployer"}, TTL: "1h"}
	for _, edit := range edits {
		edit(request)
	}
	created, err := a.root.Auth().Token().CreateOrphanWithContext(a.t.Context(), request)
	require.NoError(a.t, err)
	return created.Auth.ClientToken
}

func (a *attempt) write(path string, fields map[string]any) {
	a.t.Helper()
	_, err := a.root.Logical().WriteWithContext(a.t.Context(), path, fields)
	require.NoError(a.t, err, path)
}

// mounts a KV engine for one row.
func (a *attempt) mounts(path, version string) {
	a.t.Helper()
	ctx := context.WithoutCancel(a.t.Context())
	require.NoError(a.t, a.root.Sys().MountWithContext(ctx, path, &api.MountInput{Type: "kv", Options: map[string]string{"version": version}}))
	a.t.Cleanup(func() { require.NoError(a.t, a.root.Sys().UnmountWithContext(ctx, path)) })
}

func (a *attempt) enables(path, kind string, description ...string) {
	a.t.Helper()
	ctx := context.WithoutCancel(a.t.Context())
	require.NoError(a.t, a.root.Sys().EnableAuthWithOptionsWithContext(ctx, path, &api.EnableAuthOptions{Type: kind, Description: strings.Join(description, "")}))
	a.t.Cleanup(func() { require.NoError(a.t, a.root.Sys().DisableAuthWithContext(ctx, path)) })
}

// removes a secret after the row.
func (a *attempt) removes(metadata string) {
	a.t.Cleanup(func() {
		_, err := a.root.Logical().DeleteWithContext(context.WithoutCancel(a.t.Context()), metadata)
		require.NoError(a.t, err)
	})
}

// authority is a CA of a row's own, as a file.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 365), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return authority{t: t, key: key, cert: cert, file: file}
}

// certificate is for 127.0.0.1 and ends at a time.
func (ca authority) certificate(ends time.Time) tls.Certificate {
	ca.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a test"}, NotBefore: time.Now().Add(-40 * time.Hour), NotAfter: ends,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, ca.key.Public(), ca.key)
	require.NoError(ca.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ca.key}
}

// serves starts a server on a loopback address, with TLS when there is a certificate, and makes it the row's Vault.
func (a *attempt) serves(host string, certificate *tls.Certificate, handler http.Handler) *httptest.Server {
	a.t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	require.NoError(a.t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}}
	if certificate == nil {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	}
	a.t.Cleanup(server.Close)
	a.address = "https://" + listener.Addr().String()
	return server
}

// forwards to the real Vault.
func (a *attempt) forwards() http.Handler {
	target, err := url.Parse(a.vault.Addr())
	require.NoError(a.t, err)
	pool := x509.NewCertPool()
	text, err := os.ReadFile(a.vault.CAFile())
	require.NoError(a.t, err)
	pool.AppendCertsFromPEM(text)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return proxy
}

// healthIs answers sys/health with another state, and everything else as the real Vault.
func (a *attempt) healthIs(state map[string]any) {
	real, ca := a.forwards(), newAuthority(a.t)
	certificate := ca.certificate(time.Now().Add(90 * 24 * time.Hour))
	certificate.Leaf = nil
	a.settings["vault"]["caCertFile"] = ca.file
	a.serves("127.0.0.1", &certificate, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/sys/health" {
			real.ServeHTTP(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(state)
	}))
}

// name is the stack's policy and role.
var (
	name = access.Name("mlvault", "dev")
	own  = map[string]string{"project": "mlvault", "stack": "dev"}
)

// secret writes one with labels for one row.
func (a *attempt) secret(path string, labels map[string]string) {
	a.t.Helper()
	a.write("secret/data/"+path, map[string]any{"data": map[string]string{"k": payloadCanary}})
	a.write("secret/metadata/"+path, map[string]any{"custom_metadata": labels})
	a.removes("secret/metadata/" + path)
}

// lists gives the row's token a right that no up needs.
func (a *attempt) lists() {
	a.token = a.deployer(a.config().Access().DeployerPolicy() + `path "secret/metadata/*" { capabilities = ["list"] }`)
}

// reads adds a path to vault.reads, and lets the token look at another one.
func (a *attempt) reads(path, look string) {
	a.settings["vault"]["reads"] = map[string]string{"theirs": path}
	policy := a.config().Access().DeployerPolicy()
	if look != "" {
		policy += `path "` + look + `" { capabilities = ["read"] }`
	}
	a.token = a.deployer(policy)
}

// marks enables the stack's auth backend as the program does, and goes no further.
func (a *attempt) marks() {
	a.t.Helper()
	a.enables("jwt-"+name, "jwt", a.config().Access().Description())
}

// admits gives a backend a configuration and this stack's role.
func (a *attempt) admits(path string) {
	a.t.Helper()
	ca, err := os.ReadFile(a.vault.CAFile())
	require.NoError(a.t, err)
	a.write("auth/"+path+"/config", map[string]any{"oidc_discovery_url": a.issuer.URL(issuer.V1), "oidc_discovery_ca_pem": string(ca), "bound_issuer": a.issuer.URL(issuer.V1)})
	a.write("auth/"+path+"/role/"+name, map[string]any{"role_type": "jwt", "user_claim": "oid", "bound_audiences": []string{"api://x"}})
}

func without(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}
