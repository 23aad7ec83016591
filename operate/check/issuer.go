package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
)

// issuer fetches the document that Vault will fetch when the auth backend is made. What Vault's own network lets it reach
// cannot be seen from here.
func (c *checker) issuer(ctx context.Context) {
	if !c.cfg.Workload.CreateAuthBackend {
		return // its owner has configured it
	}
	issuer, from := c.cfg.Workload.Issuer, "workload.issuer"
	if issuer == "" {
		tenant := c.tenant(ctx)
		if tenant == "" {
			c.unseen("the issuer's document: the tenant is not known yet (no ARM_TENANT_ID, no `az login`)")
			return
		}
		issuer, from = c.cfg.DefaultIssuer(tenant), "workload.issuer (by default the tenant's)"
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if pem := c.cfg.Workload.IssuerCAPEM; pem != "" {
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM([]byte(pem))
	}
	client := http.Client{Timeout: Patience, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		c.problem("%s: is not a URL", from)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		c.warning("%s: its discovery document cannot be fetched from this machine: %s. Vault must be able to, or `pulumi up` fails", from, c.unreachable(err))
		return
	}
	defer response.Body.Close() //nolint:errcheck // Nothing is written to it.
	var document struct{ Issuer string }
	switch err := json.NewDecoder(response.Body).Decode(&document); {
	case response.StatusCode != http.StatusOK:
		c.problem("%s: its discovery document is answered with status %d. Check the tenant's id", from, response.StatusCode)
	case err != nil:
		c.problem("%s: what is served there is not a discovery document. Check the URL", from)
	case document.Issuer != issuer:
		c.problem("%s: the discovery document there names the issuer %q, and Vault wants exactly that text. Set workload.issuer to it", from, document.Issuer)
	default:
		c.passed("issuer: its discovery document can be fetched from here and names it")
	}
}
