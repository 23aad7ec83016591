package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
)

// issuer fetches the document that Vault will fetch when the auth backend is made. What Vault's own
// network lets it reach cannot be seen from here.
func (c *checker) issuer(ctx context.Context) {
	if !c.settings.Workload.CreateAuthBackend {
		return // its owner has configured it
	}
	issuer := c.settings.Workload.Issuer
	key := "workload.issuer"
	if issuer == "" {
		tenant := c.tenant(ctx)
		if tenant == "" {
			c.unseen("the issuer's document: the tenant is not known yet (no ARM_TENANT_ID, no `az login`)")
			return
		}
		issuer = c.settings.DefaultIssuer(tenant)
		key = "workload.issuer (by default the tenant's)"
	}
	document := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, document, nil)
	if err != nil {
		c.problem("%s: is not a URL", key)
		return
	}
	response, err := c.issuerClient().Do(request)
	if err != nil {
		c.warning("%s: its discovery document cannot be fetched from this machine: %s. "+
			"Vault must be able to, or `pulumi up` fails", key, c.unreachable(err))
		return
	}
	defer response.Body.Close() //nolint:errcheck // Nothing is written to it.
	if response.StatusCode != http.StatusOK {
		c.problem("%s: its discovery document is answered with status %d. Check the tenant's id",
			key, response.StatusCode)
		return
	}
	var found struct{ Issuer string }
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		c.problem("%s: what is served there is not a discovery document. Check the URL", key)
		return
	}
	if found.Issuer != issuer {
		c.problem("%s: the discovery document there names the issuer %q, and Vault wants exactly that "+
			"text. Set workload.issuer to it", key, found.Issuer)
		return
	}
	c.passed("issuer: its discovery document can be fetched from here and names it")
}

func (c *checker) issuerClient() *http.Client {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if pem := c.settings.Workload.IssuerCAPEM; pem != "" {
		security.RootCAs = x509.NewCertPool()
		security.RootCAs.AppendCertsFromPEM([]byte(pem))
	}
	return &http.Client{
		Timeout:   Patience,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: security},
	}
}
