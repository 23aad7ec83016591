package check

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"time"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/vaultapi"
)

// Patience is how long one answer may take.
var Patience = 10 * time.Second

// certificateLife is the rest of a certificate's life below which it is worth a warning.
const certificateLife = 14 * 24 * time.Hour

// client asks Vault as the deployer's token.
type client struct {
	*api.Client

	expires time.Time // the server's certificate, once it has been seen
}

// connect says why Vault cannot be talked to, or in which state it is. It tells whether the rest
// can be asked.
func (c *checker) connect(ctx context.Context) bool {
	vault, isMade := c.newClient()
	if !isMade {
		return false
	}
	c.vault = vault
	// Without the namespace: Vault answers this one in the root namespace only.
	anonymous, err := c.vault.Clone()
	if err != nil {
		c.problem("vaultAddress: %s", vaultapi.Reason(err))
		return false
	}
	anonymous.ClearNamespace()
	anonymous.ClearToken()
	health, err := anonymous.Sys().HealthWithContext(ctx)
	if err != nil {
		c.problem("vaultAddress: %s", c.unreachable(err))
		return false
	}
	hasCertificate := !c.vault.expires.IsZero()
	if hasCertificate && time.Until(c.vault.expires) < certificateLife {
		c.warning("vaultAddress: the server's certificate expires on %s. Renew "+
			"it", c.vault.expires.Format(time.DateOnly))
	}
	switch {
	case health.Version == "" && !health.Initialized:
		c.problem("vaultAddress: what answers there is not Vault. Give scheme, host and port of its API")
	case !health.Initialized:
		c.problem("Vault is not initialised. Run `vault operator init`, or address another one")
	case health.Sealed:
		c.problem("Vault is sealed. Unseal it (`vault operator unseal`), or address another node")
	case health.ReplicationDRMode == "secondary":
		c.problem("vaultAddress: is a disaster recovery secondary, which answers nothing else. Address " +
			"the primary")
	case health.Standby && !health.PerformanceStandby:
		c.warning("vaultAddress: is a standby node's, and works while that one can forward. Address " +
			"the active node or the load balancer")
		return true
	default:
		c.passed("Vault %s: reached, certificate accepted, unsealed", health.Version)
		return true
	}
	return false
}

// newClient asks as the program does, and tries once: whoever waits for a report wants to see what
// is wrong.
func (c *checker) newClient() (*client, bool) {
	vault := &client{}
	opened, err := vaultapi.Open(vaultapi.Options{
		Address:    c.settings.Address.Reveal(),
		Token:      c.stack.Token.Reveal(),
		Namespace:  c.settings.Vault.Namespace,
		CACertFile: c.certificateFile(),
		Patience:   Patience,
		Connected: func(state tls.ConnectionState) {
			vault.expires = state.PeerCertificates[0].NotAfter
		},
	})
	if err != nil {
		c.problem("%s", err)
		return nil, false
	}
	vault.Client = opened
	return vault, true
}

// certificateFile is that of vault.caCertFile, wherever this runs, or empty.
func (c *checker) certificateFile() string {
	file := c.settings.Vault.CACertFile
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(c.stack.Root, file)
}

// unreachable is why a request got no answer of Vault's, and what to do.
func (c *checker) unreachable(err error) string { return vaultapi.Unreachable(err, Patience) }
