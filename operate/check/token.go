package check

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"mlvault/internal/rights"
)

// token looks at the deployer's token. It tells whether more can be asked with it.
func (c *checker) token(ctx context.Context) bool {
	from := c.stack.TokenFrom
	if c.stack.Token.Empty() {
		c.problem("vaultToken: there is none, and no VAULT_TOKEN either. Log in (`vault login`), or `pulumi config set --secret vaultToken`")
		return false
	}
	self, err := c.vault.Auth().Token().LookupSelfWithContext(ctx)
	switch {
	case err == nil:
	case status(err) == http.StatusForbidden && !strings.Contains(reason(err), "invalid token"):
		c.blind = true // alive, and may not look at itself: one of its rights
		return true
	case status(err) == http.StatusForbidden:
		c.problem("%s: Vault does not accept it. It has expired, was revoked, or belongs to another Vault or namespace. Get a new one", from)
		return false
	default:
		c.problem("%s: Vault does not show it: %s", from, c.unreachable(err))
		return false
	}
	kind, _ := self.Data["type"].(string)
	ttl, err := self.TokenTTL()
	if err != nil {
		c.problem("%s: Vault does not say how long it lives. Get a new one", from)
		return false
	}
	if policies, err := self.TokenPolicies(); err == nil && slices.Contains(policies, "root") {
		c.warning("%s: is a root token. Use one with the policy that `make policy` prints", from)
	}
	c.life(from, ttl)
	child := !c.cfg.Vault.SkipChildToken
	if kind == "batch" && child {
		c.problem("%s: is a batch token, which cannot have the child that the plugin works with. Set vault.skipChildToken to true", from)
	}
	return c.uses(from, number(self.Data["num_uses"]), child)
}

// life compares what is left of the token with the run. The plugin's child token dies with it.
func (c *checker) life(from string, ttl time.Duration) {
	shortest, run := time.Minute, time.Duration(c.cfg.Vault.MaxLeaseTTLSeconds)*time.Second
	switch {
	case ttl == 0: // without an end
	case ttl < shortest:
		c.problem("%s: lives for %s more, too short for any run. Get a new one", from, ttl)
	case ttl < run:
		c.warning("%s: lives for %s more, less than vault.maxLeaseTtlSeconds (%s). A run that takes longer fails half-way. Get a new one", from, ttl, run)
	}
}

// uses is about a token that ends after a number of requests: looking on would spend them.
func (c *checker) uses(from string, left int, child bool) bool {
	if left == 0 { // unlimited
		c.passed("%s: alive", from)
		return true
	}
	// Seen: one look at itself, and three requests for each secret. Policy, backend, role and mount add at most ten.
	need := 11 + 3*len(c.cfg.Credentials)
	switch {
	case child:
		c.problem("%s: has limited uses and cannot have the child that the plugin works with. Set vault.skipChildToken to true, or get one without the limit", from)
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

// rights compares what the token may do with what the deployer's policy says, path by path, from the same grants. It also
// learns which of the further looks are allowed.
func (c *checker) rights(ctx context.Context) {
	grants := rights.DeployerGrants(c.cfg, c.stack.state())
	paths := append(c.parents(), c.access.Mount+"/config")
	for _, folder := range c.parents() {
		paths = append(paths, strings.TrimSuffix(folder, "/"))
	}
	for _, path := range c.access.Reads {
		if ask, _ := readsAsk(path, mount{}); ask != "" {
			paths = append(paths, ask)
		}
	}
	for _, grant := range grants {
		paths = append(paths, grant.Path)
	}
	answer, err := c.vault.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if status(err) == http.StatusForbidden && c.blind {
		// OpenBao says of a dead token what both say of one without rights.
		c.problem("%s: Vault does not accept it, or it lacks the policy that `make policy STACK=%s` prints: it may look neither at itself "+
			"(auth/token/lookup-self, which the plugin needs) nor at its rights. Get a new one, with that policy", c.stack.TokenFrom, c.cfg.Stack)
		return
	}
	if status(err) == http.StatusForbidden {
		c.warning("%s: may not ask what it may do (sys/capabilities-self), so its rights were not checked. "+
			"The policy `default` allows that: create the token without -no-default-policy", c.stack.TokenFrom)
		return
	}
	if err != nil || answer == nil {
		c.warning("%s: its rights could not be asked for: %s", c.stack.TokenFrom, c.unreachable(err))
		return
	}
	c.may = map[string][]string{}
	for _, path := range paths {
		c.may[path] = list(answer.Data[path])
	}
	lacking := 0
	for _, grant := range grants {
		lacks := slices.DeleteFunc(slices.Clone(grant.Capabilities), func(capability string) bool { return c.allowed(grant.Path, capability) })
		if len(lacks) == 0 {
			continue
		}
		more := ""
		if grant.Path == "auth/token/create" {
			more = ", or set vault.skipChildToken to true"
		}
		if lacking++; lacking <= 10 {
			c.problem("%s: may not %s at %s. Write the policy that `make policy STACK=%s` prints, and give it to the token%s",
				c.stack.TokenFrom, strings.Join(lacks, ", "), grant.Path, c.cfg.Stack, more)
		}
	}
	if lacking > 10 {
		c.problem("%s: lacks rights at %d paths more. Write the policy that `make policy STACK=%s` prints", c.stack.TokenFrom, lacking-10, c.cfg.Stack)
	}
	if lacking == 0 {
		c.passed("rights: all that the deployer's policy names, at %d paths", len(grants))
	}
}

// allowed tells whether the token has a capability at a path whose capabilities were asked for. It is false where
// Vault did not tell.
func (c *checker) allowed(path, capability string) bool {
	may := c.may[path]
	return slices.Contains(may, capability) || slices.Contains(may, "root")
}

// seesBelow tells whether the token may do anything that it needs below a path.
func (c *checker) seesBelow(path string) bool {
	for _, grant := range rights.SettingsGrants(c.cfg) {
		if strings.HasPrefix(grant.Path, path) && c.sees(grant.Path) {
			return true
		}
	}
	return false
}

// sees tells whether the token may do anything at such a path, without which Vault does not say what is mounted there.
func (c *checker) sees(path string) bool {
	return len(c.may[path]) > 0 && !slices.Contains(c.may[path], "deny")
}

func list(v any) []string {
	var texts []string
	values, _ := v.([]any)
	for _, value := range values {
		if text, isText := value.(string); isText {
			texts = append(texts, text)
		}
	}
	return texts
}
