package check

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
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
	if c.owns(rights.TypePolicy, name) || c.isMoved(ctx, text(found["policy"])) {
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

// movesHere is what to do where this is not the Vault that the state was written against.
const movesHere = "If the stack moves here, run `make preflight MOVED=yes` and then " +
	"`pulumi up --refresh --run-program`, which writes everything"

// sameVault tells whether the configured Vault is the one that the state was written against. With
// another one nothing counts as the stack's own until it is found here with the state's mark.
func (c *checker) sameVault(ctx context.Context) {
	if !c.isOfAnotherVault() {
		c.behindTheAddress(ctx)
		return
	}
	c.moved = true
	found, how := c.look(ctx, c.settings.PolicyPath())
	switch {
	case how != seen: // which is said of the policy
	case found == nil:
		c.anotherVault("vaultAddress: the state was written against another Vault (another address or " +
			"namespace), and this one has no policy of this stack. " + movesHere +
			". The old Vault keeps what it has")
	case c.isMoved(ctx, text(found["policy"])):
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

// anotherVault reports a Vault that is not the state's. It is a problem until somebody says that
// the stack moves.
func (c *checker) anotherVault(finding string) {
	if c.stack.Moved {
		c.warning("%s", finding)
		return
	}
	c.report.AnotherVault = true
	c.problem("%s", finding)
}

// mark is what the state has of the Vault that it was written against: the fingerprint of address
// and namespace, and the name in Vault that is in it.
type mark struct {
	fingerprint string
	name        string
}

// isOfAnotherVault tells whether the state was written against another address or namespace. Before
// the first up it was written against none.
func (c *checker) isOfAnotherVault() bool {
	marks := c.marks()
	return len(marks) > 0 && marks[0].fingerprint != c.settings.FingerprintOf(marks[0].name)
}

// isWrittenAgainst tells whether something in Vault bears the fingerprint of the state.
func (c *checker) isWrittenAgainst(fingerprint string) bool {
	return slices.ContainsFunc(c.marks(), func(m mark) bool {
		return m.fingerprint != "" && m.fingerprint == fingerprint
	})
}

// marks are in what the state keeps of the role and in the secrets' options, where no refresh
// changes them, whatever Vault it reads. Only where there is neither, the text of the jobs' policy
// has to tell.
func (c *checker) marks() []mark {
	marks := c.roleMarks()
	policy := c.policyOfLastUp()
	for _, r := range c.made(rights.TypeSecret) {
		options, _ := r.Inputs["options"].(map[string]any)
		fingerprint := text(options[settings.LabelVault])
		if fingerprint != "" {
			marks = append(marks, mark{fingerprint: fingerprint, name: policy})
		}
	}
	if len(marks) > 0 {
		return marks
	}
	for _, r := range c.made(rights.TypePolicy) {
		fingerprint := fingerprintIn(text(r.Inputs["policy"]))
		if fingerprint != "" {
			marks = append(marks, mark{fingerprint: fingerprint, name: r.ID})
		}
	}
	return marks
}

// typeStash is the engine's type of a value that it keeps in the state.
const typeStash = "pulumi:index:Stash"

func (c *checker) roleMarks() []mark {
	var marks []mark
	for _, role := range c.made(rights.TypeRole) {
		for _, r := range c.made(typeStash) {
			note, isOfAddress := strings.CutPrefix(text(r.Inputs["input"]), settings.AddressNote)
			if isOfAddress {
				marks = append(marks, mark{fingerprint: note, name: path.Base(role.ID)})
			}
		}
	}
	return marks
}

// typeStack is Pulumi's type of the stack itself, whose outputs are the stack's.
const typeStack = "pulumi:pulumi:Stack"

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

// isMoved tells whether what this Vault has is this stack's, although the state was written against
// another name of it: the policy bears the state's mark, or the role admits the stack's own job
// identity, which no other stack has. The second holds after a run that was killed when the policy
// had its new mark.
func (c *checker) isMoved(ctx context.Context, policy string) bool {
	if !c.moved {
		return false
	}
	if c.isWrittenAgainst(fingerprintIn(policy)) {
		return true
	}
	role, how := c.look(ctx, c.settings.RolePath())
	if how != seen || role == nil {
		return false
	}
	claims, _ := role["bound_claims"].(map[string]any)
	// Vault answers a claim as a list or as a text.
	admitted := append(texts(claims["oid"]), strings.Split(text(claims["oid"]), ",")...)
	return slices.ContainsFunc(c.stack.State.PrincipalIDs(), func(identity string) bool {
		return slices.Contains(admitted, identity)
	})
}

// policyIsOurs tells whether the policy in this Vault bears the state's mark.
func (c *checker) policyIsOurs(ctx context.Context) bool {
	if !c.moved {
		return false
	}
	found, _ := c.look(ctx, c.settings.PolicyPath())
	return c.isMoved(ctx, text(found["policy"]))
}

// behindTheAddress looks whether the Vault at the state's own address is still the one that it was.
// One that was initialised anew, or restored from a backup of before the first up, has lost the
// stack's policy. And each auth backend has an accessor, which Vault draws at random: backups,
// replication and a move of the storage keep it, and no other Vault has it.
func (c *checker) behindTheAddress(ctx context.Context) {
	for _, id := range c.stack.State.IDs(rights.TypePolicy) {
		found, how := c.look(ctx, "sys/policies/acl/"+id)
		if how == seen && found == nil {
			c.anotherVault(fmt.Sprintf("policy %s: the state has it, and this Vault does not. Was Vault "+
				"restored or initialised anew? Then what is in it may be another stack's. A plain "+
				"`pulumi up` would not write it again. %s", id, movesHere))
			return
		}
	}
	for _, r := range c.stack.owned() {
		accessor := text(r.Outputs["accessor"])
		if r.Type != rights.TypeBackend || accessor == "" {
			continue
		}
		found, how := c.look(ctx, settings.AuthMounts+r.ID)
		if how == seen && found != nil && text(found["accessor"]) != accessor {
			c.anotherVault(fmt.Sprintf("auth backend %s: is not the one that the state has, as its "+
				"accessor says. It was disabled and enabled again, or the address leads to another Vault "+
				"than before. %s", r.ID, movesHere))
			return
		}
	}
}
