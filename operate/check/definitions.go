package check

import (
	"maps"
	"slices"
	"strings"

	"mlvault/internal/outputs"
	"mlvault/internal/rights"
)

// typeStack is Pulumi's type of the stack itself, whose outputs are the stack's.
const typeStack = "pulumi:pulumi:Stack"

// definitions says when the next up outdates the job definitions that are out: they name paths,
// role, login path and audience, and a job that was defined before fails with them.
func (c *checker) definitions() {
	stack := c.made(typeStack)
	if len(stack) == 0 || stack[0].Outputs[outputs.VaultRole] == nil {
		return // no up has ended
	}
	changes := c.changedOutputs(stack[0])
	if len(changes) == 0 {
		return
	}
	c.warning("job definitions: the next up outdates those that are out: %s. After it, run `make "+
		"job STACK=%s`, and submit "+
		"jobs, schedules and endpoints from the new files. Until then they fail",
		strings.Join(changes, ", "), c.settings.Stack)
}

// leavingAudiences are those that the role accepts now, and will not accept after the next up.
func (c *checker) leavingAudiences() []string {
	var changes []string
	for _, role := range c.made(rights.TypeRole) {
		accepted, _ := role.Inputs["boundAudiences"].([]any)
		for _, audience := range accepted {
			if !slices.Contains(c.settings.Workload.Audiences(), text(audience)) {
				changes = append(changes, "audience "+text(audience)+" goes (workload.previousAudience keeps it)")
			}
		}
	}
	return changes
}

func (c *checker) changedOutputs(stack rights.Resource) []string {
	changes := c.leavingAudiences()
	for _, each := range []struct{ output, what, now string }{
		{output: outputs.VaultLoginPath, what: "the login path", now: c.settings.LoginPath()},
		{output: outputs.VaultRole, what: "the role", now: c.settings.Workload.Role},
		{output: outputs.VaultNamespace, what: "vault.namespace", now: c.settings.Vault.Namespace},
	} {
		if text(stack.Outputs[each.output]) != each.now {
			changes = append(changes, each.what+" changes")
		}
	}
	if c.isOfAnotherVault() {
		changes = append(changes, "vaultAddress changes")
	}
	before, _ := stack.Outputs[outputs.CredentialPaths].(map[string]any)
	now := c.settings.CredentialPaths()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch {
		case now[name] == "":
			changes = append(changes, "credential "+name+" goes")
		case now[name] != text(before[name]):
			changes = append(changes, "credential "+name+" moves")
		}
	}
	return changes
}
