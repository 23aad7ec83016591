// Package operate_test holds the preflight to a real Vault, a real issuer and the real CLI.
package operate_test

import (
	"cmp"
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

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/check"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

func TestMain(m *testing.M) {
	for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		_ = os.Unsetenv(variable)
	}
	lab.Main(m)
}

// sections are a stack's configuration, section by section.
type sections map[string]map[string]any

// attempt is a stack before its first up, with what one row breaks: settings, the address, the
// token, or things in Vault.
type attempt struct {
	*lab.Lab

	settings sections
	address  string
	token    string
	stack    check.Stack
}

const noToken = "no-token-at-all"

// name is the stack's policy and role.
var name = settings.NameInVault("mlvault", "dev")

// newAttempt is right in everything. The token has the deployer's policy and the default one, as
// Vault gives it.
func newAttempt(l *lab.Lab) *attempt {
	l.T.Helper()
	return &attempt{Lab: l, address: l.Vault.Addr(), settings: sections{
		"vault":    {"caCertFile": l.Vault.CAFile()},
		"workload": {"audience": "api://x", "issuer": l.Issuer.URL(issuer.V1), "issuerCaPem": lab.ReadFile(l.T, l.IssuerCA)},
		"credentials": {
			"ml_api_key": map[string]string{"k": lab.Canary}, "team/feature_store": map[string]string{"k": lab.Canary},
		},
	}}
}

// config is the settings as the program reads them.
func (a *attempt) config() *settings.Settings {
	a.T.Helper()
	src := settings.Source{
		Project: "mlvault", Stack: "dev", Encrypted: settings.IsSecretKey, Trusted: true,
		Values: map[string]string{"azure-native:location": "westeurope", "mlvault:vaultAddress": a.address},
	}
	for section, fields := range a.settings {
		text, err := json.Marshal(fields)
		require.NoError(a.T, err)
		src.Values["mlvault:"+section] = string(text)
	}
	cfg, err := settings.From(src)
	require.NoError(a.T, err)
	return cfg
}

// check runs the preflight and looks for what must never be in its report.
func (a *attempt) check() check.Report {
	a.T.Helper()
	a.stack.Settings = a.config()
	if a.token == "" {
		a.token = a.deployer(rights.DeployerPolicy(a.stack.Settings, a.stack.State), token{})
	}
	if a.token != noToken {
		a.stack.Token = settings.NewSecret(a.token)
	}
	a.stack.TokenFrom = "vaultToken"
	report := check.Check(a.T.Context(), a.stack)
	address, err := url.Parse(a.address)
	require.NoError(a.T, err)
	for _, texts := range [][]string{report.Problems, report.Warnings, report.Unseen, report.Passed} {
		for _, secret := range []string{a.token, address.Host, lab.Canary, a.Vault.Root().Token()} {
			require.NotContains(a.T, strings.Join(texts, "\n"), secret, "the report quotes a secret")
		}
	}
	return report
}

// token is what a row asks of its token.
type token = api.TokenCreateRequest

// deployer is a token with a policy, and with the default one.
func (a *attempt) deployer(policy string, asked token) string {
	a.T.Helper()
	a.Write("sys/policies/acl/deployer", map[string]any{"policy": policy})
	asked.TTL, asked.Policies = cmp.Or(asked.TTL, "1h"), append(asked.Policies, "deployer")
	created, err := a.Vault.Root().Auth().Token().CreateOrphanWithContext(a.T.Context(), &asked)
	require.NoError(a.T, err)
	return created.Auth.ClientToken
}

// step is a part of what a row does.
type step = func(*attempt)

func do(steps ...step) step {
	return func(a *attempt) {
		for _, each := range steps {
			each(a)
		}
	}
}

// set changes a setting: section.field.
func set(key string, value any) step {
	section, field, _ := strings.Cut(key, ".")
	return func(a *attempt) { a.settings[section][field] = value }
}

// stateHas puts something into the stack's state.
func stateHas(resource rights.Resource) step {
	return func(a *attempt) { a.stack.State.Resources = append(a.stack.State.Resources, resource) }
}

// ours gives a token with the deployer's policy, bare one without a right, and also one with more
// rights than an up needs.
func ours(asked token) step {
	return func(a *attempt) { a.token = a.deployer(rights.DeployerPolicy(a.config(), a.stack.State), asked) }
}

func bare(asked token) step {
	return func(a *attempt) { a.token = a.deployer("# no right", asked) }
}

func also(capability, path string) step {
	return func(a *attempt) {
		more := `path "` + path + `" { capabilities = ["` + capability + `"] }`
		a.token = a.deployer(rights.DeployerPolicy(a.config(), a.stack.State)+more, token{})
	}
}

// more adds a right to those of the token that the row has by now.
func more(capability, path string) step {
	return func(a *attempt) {
		text, err := a.Vault.Root().Sys().GetPolicyWithContext(a.T.Context(), "deployer")
		require.NoError(a.T, err)
		a.Write("sys/policies/acl/deployer", map[string]any{
			"policy": text + `path "` + path + `" { capabilities = ["` + capability + `"] }`,
		})
	}
}

// makes writes what is gone again after the row.
func makes(path string, fields map[string]any) step {
	return func(a *attempt) {
		a.Write(path, fields)
		a.T.Cleanup(func() {
			_, err := a.Vault.Root().Logical().DeleteWithContext(context.WithoutCancel(a.T.Context()), path)
			require.NoError(a.T, err)
		})
	}
}

func mount(path, version string) step {
	return makes("sys/mounts/"+path, map[string]any{"type": "kv", "options": map[string]string{"version": version}})
}

func backend(path, kind string) step { return makes("sys/auth/"+path, map[string]any{"type": kind}) }

func policy(name string) step {
	return makes("sys/policies/acl/"+name, map[string]any{"policy": `path "secret/data/x" { capabilities = ["read"] }`})
}

// secret makes one, with the mark of a stack of this project, or with none.
func secret(path, stack string) step {
	labels := map[string]string{}
	if stack != "" {
		labels = map[string]string{"project": "mlvault", "stack": stack}
	}
	return labelled(path, labels)
}

// labelled makes a secret with custom metadata.
func labelled(path string, labels map[string]string) step {
	return func(a *attempt) {
		makes("secret/metadata/"+path, map[string]any{"custom_metadata": labels})(a)
		a.Write("secret/data/"+path, map[string]any{"data": map[string]string{"k": lab.Canary}})
	}
}

// policyOf is this stack's policy in a state that was written against the Vault of a fingerprint.
// An empty one is the attempt's own Vault.
func policyOf(fingerprint string) rights.Resource {
	return rights.Resource{
		Type:   rights.TypePolicy,
		ID:     name,
		Inputs: map[string]any{"policy": policyText(fingerprint)},
	}
}

func policyText(fingerprint string) string {
	return "# Fingerprint of the Vault address: " + fingerprint + ". A new address changes it.\n"
}

// noteOf is what the state keeps of the role and of the Vault of a fingerprint, whatever a refresh
// reads.
func noteOf(fingerprint string) step {
	return do(
		stateHas(rights.Resource{Type: rights.TypeRole, ID: "auth/jwt-" + name + "/role/" + name}),
		stateHas(rights.Resource{
			Type:   "pulumi:index:Stash",
			Inputs: map[string]any{"input": settings.AddressNote + fingerprint},
		}),
	)
}

// identityID is the object id of the job identity, which admits lets in.
const identityID = "5a9db0c5-0000-4000-8000-000000000001"

var jobIdentity = rights.Resource{
	Type:    "azure-native:managedidentity/v20230131:UserAssignedIdentity",
	Outputs: map[string]any{"principalId": identityID},
}

// backendOf is this stack's auth backend in the state, with the accessor that Vault gave it.
func backendOf(accessor string) rights.Resource {
	return rights.Resource{
		Type:    rights.TypeBackend,
		ID:      "jwt-" + name,
		Outputs: map[string]any{"accessor": accessor},
	}
}

// ownSecretOf is a secret in the state of a stack whose jobs run as an identity.
func ownSecretOf(identity string) rights.Resource {
	owned := ownSecret
	owned.Inputs = map[string]any{"options": map[string]any{"identity": identity}}
	return owned
}

// moves says that the stack moves to this Vault.
func moves(a *attempt) { a.stack.Moved = true }

// writtenPolicy is the same in Vault.
func writtenPolicy(fingerprint string) step {
	return makes("sys/policies/acl/"+name, map[string]any{
		"policy": policyText(fingerprint) + `path "secret/data/x" { capabilities = ["read"] }`,
	})
}

// allBut gives a token with the deployer's policy, but without a capability at a resource's paths.
func allBut(capability string, resource rights.Resource) step {
	return func(a *attempt) {
		var grants []rights.Grant
		for _, grant := range rights.DeployerGrants(a.config(), a.stack.State) {
			granted := strings.Replace(grant.Path, "/metadata/", "/data/", 1)
			isOf := granted == strings.Replace(resource.ID, "/metadata/", "/data/", 1)
			isExact := !strings.Contains(resource.ID, "/metadata/") || grant.Path == resource.ID
			if isOf && isExact {
				grant.Capabilities = slices.DeleteFunc(slices.Clone(grant.Capabilities), func(each string) bool {
					return each == capability
				})
			}
			if len(grant.Capabilities) > 0 {
				grants = append(grants, grant)
			}
		}
		a.token = a.deployer(rights.PolicyText("all but one", grants), token{})
	}
}

func deleted(path string) step {
	return func(a *attempt) {
		_, err := a.Vault.Root().Logical().DeleteWithContext(a.T.Context(), "secret/data/"+path)
		require.NoError(a.T, err)
	}
}

// halfMade is the stack's auth backend as a program makes it that goes no further, and
// halfMadeBefore the same under the stack's name before a rename.
func halfMade(a *attempt) {
	makes("sys/auth/jwt-"+name, map[string]any{"type": "jwt", "description": a.config().BackendDescription()})(a)
}

func halfMadeBefore(a *attempt) {
	before := *a.config()
	before.Stack = "before"
	makes("sys/auth/jwt-"+name, map[string]any{"type": "jwt", "description": before.BackendDescription()})(a)
}

// admits gives a backend a configuration and this stack's role.
func admits(path string) step {
	return func(a *attempt) {
		a.Write("auth/"+path+"/config", map[string]any{
			"oidc_discovery_url":    a.Issuer.URL(issuer.V1),
			"oidc_discovery_ca_pem": lab.ReadFile(a.T, a.IssuerCA),
			"bound_issuer":          a.Issuer.URL(issuer.V1),
		})
		a.Write("auth/"+path+"/role/"+name, map[string]any{
			"role_type":       "jwt",
			"user_claim":      "oid",
			"bound_audiences": []string{"api://x"},
			"bound_claims":    map[string]any{"oid": identityID},
		})
	}
}

// certificate is for 127.0.0.1 and ends at a time. It is its own CA, whose file it returns.
func certificate(t *testing.T, ends time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a " +
			"test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: ends,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// serves starts a server on a loopback address, with TLS when there is a certificate.
func (a *attempt) serves(host string, handler http.HandlerFunc, certificates ...tls.Certificate) *httptest.Server {
	a.T.Helper()
	listener, err := net.Listen("tcp", host+":0")
	require.NoError(a.T, err)
	config := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	server := &httptest.Server{Listener: listener, Config: config}
	if len(certificates) == 0 {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	}
	a.T.Cleanup(server.Close)
	return server
}

// plain puts a server of http in Vault's place, which the address names with a scheme.
func plain(scheme string, handler http.HandlerFunc) step {
	return func(a *attempt) { a.address = scheme + strings.TrimPrefix(a.serves("127.0.0.1", handler).URL, "http") }
}

// certified puts a server between, with a certificate that ends in a time.
func certified(host string, ends time.Duration, handler func(vault http.Handler) http.HandlerFunc) step {
	return func(a *attempt) {
		target, err := url.Parse(a.Vault.Addr())
		require.NoError(a.T, err)
		vault := httputil.NewSingleHostReverseProxy(target)
		vault.Transport = a.Vault.Root().CloneConfig().HttpClient.Transport
		own, file := certificate(a.T, time.Now().Add(ends))
		a.settings["vault"]["caCertFile"], a.address = file, a.serves(host, handler(vault), own).URL
	}
}

func forwarded(vault http.Handler) http.HandlerFunc { return vault.ServeHTTP }

// health makes up the answer of sys/health, and nothing else.
func health(state map[string]any) step {
	return certified("127.0.0.1", longAhead, func(vault http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/sys/health" {
				vault.ServeHTTP(w, r)
				return
			}
			_ = json.NewEncoder(w).Encode(state)
		}
	})
}

const longAhead = 90 * 24 * time.Hour

// reads adds a path to vault.reads.
func reads(path string) step { return set("vault.reads", map[string]string{"theirs": path}) }
