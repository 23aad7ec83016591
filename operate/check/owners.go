package check

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"mlvault/internal/outputs"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/internal/vaultapi"
)

// finding is something in Vault that is not this stack's.
type finding struct {
	// Key is the setting, or the object, that the report names.
	Key string
	// What is there.
	What string
	// Look is the command that shows it to a person.
	Look string
	// Avoid is what to do so that it stays out of the way.
	Avoid string
	// Overwrites says that `pulumi up` would not fail at it.
	Overwrites bool

	// Kind, Name and ID are Pulumi's type of it, the program's name and the provider's.
	Kind string
	Name string
	ID   string
}

// foreign reports something that is in Vault and not in the stack's state. Whatever its labels say,
// it is somebody else's: of a stack of the same name whose state is elsewhere, or of a state that
// was lost.
func (c *checker) foreign(f finding) {
	why := "this stack's state does not have it"
	if c.moved {
		why = "this stack's state is of another Vault (another address or namespace)"
	}
	then := "`pulumi up` would fail"
	if f.Overwrites {
		c.report.Overwrites = true
		then = "`pulumi up` would overwrite it"
	}
	c.problem("%s: %s exists, and %s, so it is somebody else's: %s. Look at it: `%s`. To avoid it, "+
		"%s. "+
		"If it belongs to this stack, adopt it: "+
		"%s", f.Key, f.What, why, then, f.Look, f.Avoid, c.adoption(f))
}

// adoption are the commands that take something into the state.
func (c *checker) adoption(f finding) string {
	provider := c.urn("pulumi:providers:vault", "vault")
	parent := c.urn("mlvault:credentials:Store", "credentials")
	stack := c.settings.Stack
	adopt := fmt.Sprintf("`pulumi import %s '%s' '%s' --parent 'credentials=%s' --provider "+
		"'vault=%s' --stack %s "+
		"--protect=false --generate-code=false --yes`", f.Kind, f.Name, f.ID, parent, provider, stack)
	if c.stack.State.Knows(parent) && c.stack.State.Knows(provider) {
		return adopt
	}
	return fmt.Sprintf("`pulumi up --target '%s' --target '%s' --stack %s`, and then "+
		"%s", provider, parent, stack, adopt)
}

func (c *checker) urn(kind, name string) string {
	return fmt.Sprintf("urn:pulumi:%s::%s::%s::%s", c.settings.Stack, c.settings.Project, kind, name)
}

// owns tells whether the stack owns something in this Vault. The state speaks for the Vault that it
// was written against only.
func (c *checker) owns(kind, id string) bool {
	return !c.moved && c.stack.State.Has(kind, id)
}

// sight is what a look at a path of Vault has shown.
type sight int

const (
	// seen is an answer, which may be that there is nothing.
	seen sight = iota
	// forbidden means that the token may not look.
	forbidden
	// failed is any other error, which is reported.
	failed
)

// look is what Vault has at a path, or nil. It tries, whatever Vault says of the token's rights: a
// token without the default policy may not ask for these, and may look all the same.
func (c *checker) look(ctx context.Context, path string) (map[string]any, sight) {
	answer, err := c.vault.Logical().ReadWithContext(ctx, path)
	if vaultapi.Status(err) == http.StatusForbidden {
		return nil, forbidden
	}
	if err != nil {
		c.unseen("%s: %s", path, c.unreachable(err))
		return nil, failed
	}
	if answer == nil {
		return nil, seen
	}
	return answer.Data, seen
}

// lookForOwner is [checker.look] at something that `pulumi up` writes to.
func (c *checker) lookForOwner(ctx context.Context, what, path string) (map[string]any, sight) {
	found, how := c.look(ctx, path)
	if how == seen {
		return found, seen
	}
	c.report.OwnersUnseen = true
	if how == forbidden {
		c.unseen("whose %s is: needs read on %s, which the deployer's policy has", what, path)
	}
	return nil, how
}

// policy is overwritten in silence.
func (c *checker) policy(ctx context.Context) {
	if !c.settings.Workload.CreatePolicy {
		c.policyOfOthers(ctx)
		return
	}
	name := c.settings.Workload.Policy
	found, how := c.lookForOwner(ctx, "policy "+name, c.settings.PolicyPath())
	if how != seen || found == nil {
		return
	}
	if c.owns(rights.TypePolicy, name) || c.isMoved(text(found["policy"])) {
		return
	}
	c.foreign(finding{
		Key:        "policy " + name,
		What:       "a policy of this name",
		Look:       "vault policy read " + name,
		Avoid:      otherName("workload.policy"),
		Overwrites: true,
		Kind:       rights.TypePolicy,
		Name:       "credentials-read",
		ID:         name,
	})
}

// role is overwritten in silence too.
func (c *checker) role(ctx context.Context) {
	if !c.settings.Workload.CreateRole {
		c.roleOfOthers(ctx)
		return
	}
	path := c.settings.RolePath()
	found, how := c.lookForOwner(ctx, "role "+path, path)
	if how != seen || found == nil || c.owns(rights.TypeRole, path) || c.policyIsOurs(ctx) {
		return
	}
	c.foreign(finding{
		Key:        "role " + path,
		What:       "a role of this name",
		Look:       "vault read " + path,
		Avoid:      otherName("workload.role"),
		Overwrites: true,
		Kind:       rights.TypeRole,
		Name:       "credentials-role",
		ID:         path,
	})
}

// rename is what to do about a name that follows from project and stack.
const rename = "rename this stack (`pulumi stack rename`): its names in Vault follow. " +
	"docs/operate.md has the steps"

// otherName is what to do about a name that the settings may give.
func otherName(key string) string {
	return "name another one in " + key + ", or " + rename
}

// sameVault tells whether the configured Vault is the one that the state was written against. With
// another one nothing counts as the stack's own until it is found here with the state's mark.
func (c *checker) sameVault(ctx context.Context) {
	if !c.isOfAnotherVault() {
		c.restored(ctx)
		return
	}
	c.moved = true
	found, how := c.look(ctx, c.settings.PolicyPath())
	switch {
	case how != seen: // which is said of the policy
	case found == nil:
		c.warning("vaultAddress: the state was written against another Vault (another address or " +
			"namespace), and this one " +
			"has no policy of this stack. If the stack moves here, run `pulumi up --refresh " +
			"--run-program`, which writes " +
			"everything. The old Vault keeps what it has")
	case c.isMoved(text(found["policy"])):
		c.warning("vaultAddress: is another address or namespace than before. What is here bears this " +
			"stack's mark of there, " +
			"so it is the same Vault. Run `pulumi up --refresh --run-program`, which writes every secret " +
			"once more")
	default:
		c.warning("vaultAddress: the state was written against another Vault (another address or " +
			"namespace), and what is here " +
			"is not this stack's. Is the address right?")
	}
}

// isOfAnotherVault tells whether the state was written against another address or namespace. Before
// the first up it was written against none.
func (c *checker) isOfAnotherVault() bool {
	written := c.mark()
	return written.fingerprint != "" && written.fingerprint != c.settings.FingerprintOf(written.policy)
}

// writtenAgainst is the fingerprint of the Vault that the state was written against. It is empty
// before the first up.
func (c *checker) writtenAgainst() string { return c.mark().fingerprint }

// mark is what the state has of the Vault that it was written against: the fingerprint of address
// and namespace, and the policy that is in it.
type mark struct {
	fingerprint string
	policy      string
}

// mark is in the text of the jobs' policy. Where the Vault team makes that one, the stack's secrets
// have it.
func (c *checker) mark() mark {
	for _, r := range c.stack.owned() {
		if r.Type == rights.TypePolicy {
			return mark{fingerprint: fingerprintIn(text(r.Inputs["policy"])), policy: r.ID}
		}
	}
	policy := c.policyOfLastUp()
	for _, r := range c.stack.owned() {
		options, _ := r.Inputs["options"].(map[string]any)
		fingerprint := text(options[settings.LabelVault])
		if r.Type == rights.TypeSecret && fingerprint != "" {
			return mark{fingerprint: fingerprint, policy: policy}
		}
	}
	return mark{}
}

// policyOfLastUp is the jobs' policy as the stack's output names it.
func (c *checker) policyOfLastUp() string {
	for _, r := range c.stack.owned() {
		name := text(r.Outputs[outputs.VaultPolicy])
		if r.Type == typeStack && name != "" {
			return name
		}
	}
	return c.settings.Workload.Policy
}

// fingerprintIn is the fingerprint in the jobs' policy.
func fingerprintIn(policy string) string {
	_, after, found := strings.Cut(policy, "# Fingerprint of the Vault address: ")
	fingerprint, _, ended := strings.Cut(after, ".")
	if !found || !ended {
		return ""
	}
	return fingerprint
}

// isMoved tells whether a policy in this Vault bears the mark that the state has, from another name
// of this Vault.
func (c *checker) isMoved(policy string) bool {
	return c.moved && fingerprintIn(policy) == c.writtenAgainst()
}

// policyIsOurs tells whether the policy in this Vault bears the state's mark.
func (c *checker) policyIsOurs(ctx context.Context) bool {
	if !c.moved {
		return false
	}
	found, _ := c.look(ctx, c.settings.PolicyPath())
	return c.isMoved(text(found["policy"]))
}

// restored looks for a Vault that has lost what the state has: one that was initialised anew, or
// restored from a backup of before the first up.
func (c *checker) restored(ctx context.Context) {
	ids := c.stack.State.IDs(rights.TypePolicy)
	if len(ids) == 0 {
		return
	}
	found, how := c.look(ctx, "sys/policies/acl/"+ids[0])
	if how == seen && found == nil {
		c.warning("policy %s: the state has it, and this Vault does not. Was Vault restored or "+
			"initialised anew? "+
			"Then what is in it may be another stack's. `pulumi up --refresh --run-program` writes "+
			"everything again", ids[0])
	}
}
