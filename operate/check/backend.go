package check

import (
	"context"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/internal/vaultapi"
)

// authBackend looks whether the place of the JWT auth backend is free, or taken by the right thing.
func (c *checker) authBackend(ctx context.Context) {
	path := c.settings.Workload.AuthPath
	makes := c.settings.Workload.CreateAuthBackend
	found := c.placeOf(ctx, "auth/"+path, []string{c.settings.RolePath()})
	switch {
	case !found.isKnown:
		c.unseen("auth backend %s: the token has no right below it that can be seen", path)
		c.report.OwnersUnseen = true
	case makes && found.at.kind == "":
		c.backendToMake(ctx, found)
	case makes && !c.owns(rights.TypeBackend, path) && !c.policyIsOurs(ctx):
		c.foreignBackend(ctx, path)
	case found.at.kind == "":
		c.problem("workload.authPath: there is no auth backend at auth/%s. Have it made, or set "+
			"workload.createAuthBackend to true", path)
	case !found.at.is("jwt", "oidc"):
		c.problem("workload.authPath: the auth backend at auth/%s is of type %s, and a job logs in by "+
			"jwt. "+
			"Name another path", path, found.at.kind)
	default:
		c.passed("auth backend %s: as it should be", path)
		c.role(ctx)
	}
}

func (c *checker) backendToMake(ctx context.Context, found place) {
	path := c.settings.Workload.AuthPath
	below := c.below(ctx, "auth/"+path)
	switch {
	case found.above.path != "":
		c.problem("workload.authPath: %s is enabled already, and Vault enables nothing below it. "+
			"Choose a path beside it, "+
			"or leave the setting out", found.above.path)
	case len(below) > 0:
		c.problem("workload.authPath: auth/%s is enabled below auth/%s, and Vault enables nothing "+
			"above it. "+
			"Choose another path, or leave the setting out", strings.Join(below, ", auth/"), path)
	default:
		c.passed("auth backend %s: free, `pulumi up` makes it", path)
	}
}

// foreignBackend tells what a failed up left behind from what others log in with. It never advises
// to disable a backend that may have a role in it.
func (c *checker) foreignBackend(ctx context.Context, path string) {
	half, err := HalfMade(ctx, c.vault.Client, c.settings)
	if err != nil {
		c.unseen("whose the auth backend %s is: %s", path, c.unreachable(err))
	}
	if half {
		c.problem("workload.authPath: a failed `pulumi up` of this stack left auth/%s half-made. It "+
			"has no role, so that "+
			"nobody can log in by it. Remove it: `vault auth disable %s`. Then check that Vault can reach "+
			"the issuer",
			path, path)
		return
	}
	avoid := "set workload.createAuthBackend to false if its owner lets this stack use it, " +
		"or " + rename
	if path != settings.DefaultAuthPath(c.settings.Project, c.settings.Stack) {
		avoid = "set workload.createAuthBackend to false if its owner lets this stack use it, or use " +
			"this stack's own path: " +
			"`pulumi config rm --path workload.authPath`"
	}
	c.foreign(finding{
		Key:   "workload.authPath",
		What:  "an auth backend at auth/" + path,
		Look:  "vault read sys/mounts/auth/" + path,
		Avoid: avoid + ". Do not disable it: whoever logs in by it would lose their access",
		Kind:  rights.TypeBackend,
		Name:  "credentials-jwt",
		ID:    path,
	})
}

// HalfMade tells whether a stack's auth backend is what a failed up leaves: enabled under the
// description of a stack of the project, and without a role. Nobody can log in by it, so it may be
// removed. Who may not list roles, as the deployer, looks at the stack's own, and at the
// configuration, without which another role lets nobody in.
func HalfMade(ctx context.Context, vault *api.Client, s *settings.Settings) (bool, error) {
	path := "auth/" + s.Workload.AuthPath
	m, err := mountOf(ctx, vault, path)
	if vaultapi.Status(err) == http.StatusForbidden {
		return false, nil // there is none
	}
	if err != nil || m.path != path || !s.IsBackendDescription(m.description) {
		return false, err
	}
	roles, err := vault.Logical().ListWithContext(ctx, path+"/role")
	if err == nil {
		return roles == nil, nil
	}
	if vaultapi.Status(err) != http.StatusForbidden {
		return false, err
	}
	config, err := vault.Logical().ReadWithContext(ctx, path+"/config")
	if err != nil {
		return false, err
	}
	if config != nil && trustsAnIssuer(config.Data) {
		return false, nil
	}
	role, err := vault.Logical().ReadWithContext(ctx, s.RolePath())
	return err == nil && role == nil, err
}

func trustsAnIssuer(config map[string]any) bool {
	for _, field := range []string{"bound_issuer", "oidc_discovery_url", "jwks_url"} {
		if text(config[field]) != "" {
			return true
		}
	}
	return false
}
