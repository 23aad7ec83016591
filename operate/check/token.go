package check

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"mlvault/internal/rights"
	"mlvault/internal/vaultapi"
)

// token looks at the deployer's token. It tells whether more can be asked with it.
func (c *checker) token(ctx context.Context) bool {
	from := c.stack.TokenFrom
	if c.stack.Token.Empty() {
		c.problem("vaultToken: there is none, and neither ~/.vault-token nor VAULT_TOKEN. Log in " +
			"(`vault login`), " +
			"or `pulumi config set --secret vaultToken`")
		return false
	}
	self, err := c.vault.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return c.refusedToken(err)
	}
	kind := text(self.Data["type"])
	ttl, err := self.TokenTTL()
	if err != nil {
		c.problem("%s: Vault does not say how long it lives. Get a new one", from)
		return false
	}
	policies, err := self.TokenPolicies()
	if err == nil && slices.Contains(policies, "root") {
		c.warning("%s: is a root token. Use one with the policy that `make policy` prints", from)
	}
	c.life(from, ttl)
	hasChild := !c.settings.Vault.SkipChildToken
	if kind == "batch" && hasChild {
		c.problem("%s: is a batch token, which cannot have the child that the plugin works with. "+
			"Set vault.skipChildToken to true", from)
	}
	return c.uses(from, number(self.Data["num_uses"]), hasChild)
}

// refusedToken tells whether a token that may not look at itself is alive.
func (c *checker) refusedToken(err error) bool {
	from := c.stack.TokenFrom
	switch {
	case vaultapi.Status(err) != http.StatusForbidden:
		c.problem("%s: Vault does not show it: %s", from, c.unreachable(err))
		return false
	case strings.Contains(vaultapi.Reason(err), "invalid token"):
		c.problem("%s: Vault does not accept it. It has expired, was revoked, or belongs to another "+
			"Vault or namespace. "+
			"Get a new one", from)
		return false
	default: // to look at itself is one of its rights
		c.blind = true
		return true
	}
}

// life compares what is left of the token with the run. The plugin's child token dies with it.
func (c *checker) life(from string, ttl time.Duration) {
	const shortest = time.Minute
	run := time.Duration(c.settings.Vault.MaxLeaseTTLSeconds) * time.Second
	switch {
	case ttl == 0: // without an end
	case ttl < shortest:
		c.problem("%s: lives for %s more, too short for any run. Get a new one", from, ttl)
	case ttl < run:
		c.warning("%s: lives for %s more, less than vault.maxLeaseTtlSeconds (%s). A run that takes "+
			"longer fails half-way. "+
			"Get a new one", from, ttl, run)
	}
}

// uses is about a token that ends after a number of requests: looking on would spend them.
func (c *checker) uses(from string, left int, hasChild bool) bool {
	if left == 0 { // unlimited
		c.passed("%s: alive", from)
		return true
	}
	// Seen: one look at itself, and three requests for each secret. Policy, backend, role and mount
	// add at most ten.
	need := 11 + 3*len(c.settings.Credentials)
	switch {
	case hasChild:
		c.problem("%s: has limited uses and cannot have the child that the plugin works with. "+
			"Set vault.skipChildToken to true, or get one without the limit", from)
	case left < need:
		c.problem("%s: has %d uses left, and a first up takes about %d. Get a new one", from, left, need)
	}
	return false
}

func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// rights compares what the token may do with what the deployer's policy says, path by path, from
// the same grants.
func (c *checker) rights(ctx context.Context) {
	grants := rights.DeployerGrants(c.settings, c.stack.State)
	var paths []string
	for _, grant := range grants {
		paths = append(paths, grant.Path)
	}
	question := map[string]any{"paths": paths}
	answer, err := c.vault.Logical().WriteWithContext(ctx, "sys/capabilities-self", question)
	if vaultapi.Status(err) == http.StatusForbidden && c.blind {
		// OpenBao says of a dead token what both say of one without rights.
		c.problem("%s: Vault does not accept it, or it lacks the policy that `make policy STACK=%s` "+
			"prints: it may look "+
			"neither at itself (auth/token/lookup-self, which the plugin needs) nor at its rights. "+
			"Get a new one, with that policy", c.stack.TokenFrom, c.settings.Stack)
		return
	}
	if vaultapi.Status(err) == http.StatusForbidden {
		c.warning("%s: may not ask what it may do (sys/capabilities-self), so its rights were not "+
			"checked. "+
			"The policy `default` allows that: create the token without "+
			"-no-default-policy", c.stack.TokenFrom)
		return
	}
	if err != nil || answer == nil {
		c.warning("%s: its rights could not be asked for: %s", c.stack.TokenFrom, c.unreachable(err))
		return
	}
	c.may = map[string][]string{}
	for _, path := range paths {
		c.may[path] = texts(answer.Data[path])
	}
	c.lackingRights(grants)
}

// shownRights bounds the report of a token that has none of them.
const shownRights = 10

func (c *checker) lackingRights(grants []rights.Grant) {
	lacking := 0
	for _, grant := range grants {
		lacks := slices.DeleteFunc(slices.Clone(grant.Capabilities), func(capability string) bool {
			return c.allowed(grant.Path, capability)
		})
		if len(lacks) == 0 {
			continue
		}
		lacking++
		if lacking > shownRights {
			continue
		}
		more := ""
		if grant.Path == "auth/token/create" {
			more = ", or set vault.skipChildToken to true"
		}
		c.problem("%s: may not %s at %s. Write the policy that `make policy STACK=%s` prints, and give "+
			"it to the token%s",
			c.stack.TokenFrom, strings.Join(lacks, ", "), grant.Path, c.settings.Stack, more)
	}
	switch {
	case lacking > shownRights:
		c.problem("%s: lacks rights at %d paths more. Write the policy that `make policy STACK=%s` "+
			"prints",
			c.stack.TokenFrom, lacking-shownRights, c.settings.Stack)
	case lacking == 0:
		c.passed("rights: all that the deployer's policy names, at %d paths", len(grants))
	}
}

// allowed tells whether the token has a capability at a path whose capabilities were asked for. It
// is false where Vault did not tell.
func (c *checker) allowed(path, capability string) bool {
	may := c.may[path]
	return slices.Contains(may, capability) || slices.Contains(may, "root")
}

// grantsBelow are the paths below a mount that the deployer may do something at.
func (c *checker) grantsBelow(path string) []string {
	var paths []string
	for _, grant := range rights.SettingsGrants(c.settings) {
		if strings.HasPrefix(grant.Path, path) {
			paths = append(paths, grant.Path)
		}
	}
	return paths
}

// mayLookAt tells whether the token may do anything at one of some paths, without which Vault does
// not say what is mounted there. Where Vault does not tell the token's rights, it tries.
func (c *checker) mayLookAt(ctx context.Context, paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		if c.may != nil {
			return len(c.may[path]) > 0 && !slices.Contains(c.may[path], "deny")
		}
		_, how := c.look(ctx, path)
		return how == seen
	})
}

func texts(v any) []string {
	values, _ := v.([]any)
	var all []string
	for _, value := range values {
		if text, isText := value.(string); isText {
			all = append(all, text)
		}
	}
	return all
}
