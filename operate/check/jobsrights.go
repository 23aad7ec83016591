package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlvault/internal/rights"
)

// The jobs' policy and role, where the Vault team makes them. `pulumi up` neither needs them nor
// touches them, so that what is wrong with them is a warning: the jobs need them.

// policyOfOthers compares the policy that the Vault team makes with the one that the jobs need.
func (c *checker) policyOfOthers(ctx context.Context) {
	name := c.settings.Workload.Policy
	write := fmt.Sprintf("`make policy STACK=%s FOR=jobs | vault policy write %s -`",
		c.settings.Stack, name)
	found, how := c.look(ctx, c.settings.PolicyPath())
	if how == forbidden {
		c.unseen("the jobs' policy %s, which the Vault team makes: needs read on %s, which the "+
			"deployer's policy has", name, c.settings.PolicyPath())
	}
	if how != seen {
		return
	}
	if found == nil {
		c.warning("workload.policy: Vault has no policy %s, and the jobs can read nothing until the "+
			"Vault team makes it: %s", name, write)
		return
	}
	differences := policyDifferences(text(found["policy"]), rights.ReadGrants(c.settings))
	if differences != "" {
		c.warning("workload.policy: the policy %s is not the one that the jobs need: %s. The Vault team "+
			"writes it: %s", name, differences, write)
		return
	}
	c.passed("policy %s: the Vault team has made it as the jobs need it", name)
}

// policyDifferences says how a policy's text differs from the one that is wanted, in words that
// follow a colon; empty: in comments and space at most.
func policyDifferences(found string, wanted []rights.Grant) string {
	if slices.Equal(rulesOf(found), rulesOf(rights.PolicyText("", wanted))) {
		return ""
	}
	var lacking []string
	for _, grant := range wanted {
		if !strings.Contains(found, `"`+grant.Path+`"`) {
			lacking = append(lacking, grant.Path)
		}
	}
	if len(lacking) > 0 {
		return "it lacks " + listed(lacking)
	}
	return "its rules are others"
}

// rulesOf are the words of a policy without comments.
func rulesOf(policy string) []string {
	var words []string
	for line := range strings.SplitSeq(policy, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return words
}

// roleOfOthers compares the role that the Vault team makes with the one that the jobs need.
func (c *checker) roleOfOthers(ctx context.Context) {
	path := c.settings.RolePath()
	write := fmt.Sprintf("`make policy STACK=%s FOR=role | vault write %s -`", c.settings.Stack, path)
	jobs, isMade := c.stack.State.JobIdentity()
	found, how := c.look(ctx, path)
	switch {
	case how == forbidden:
		c.unseen("the jobs' role %s, which the Vault team makes: needs read on it, which the deployer's "+
			"policy has", path)
	case how != seen: // which is said
	case !isMade:
		c.unseen("whether the role %s admits the jobs: the first `pulumi up` makes their identity. "+
			"After it the Vault team makes the role: %s", path, write)
	case found == nil:
		c.warning("workload.role: Vault has no role %s, and no job can log in until the Vault team "+
			"makes it: %s", path, write)
	default:
		differences := roleDifferences(found, rights.JobsRole(c.settings, jobs))
		if len(differences) > 0 {
			c.warning("workload.role: the role %s is not the one that the jobs need. It differs in %s. "+
				"The Vault team writes it: %s", path, strings.Join(differences, ", "), write)
			return
		}
		c.passed("role %s: the Vault team has made it as the jobs need it", path)
	}
}

// leftOut are parameters that the jobs' role does not use: one gives more policies, the other lets
// one token in only.
var leftOut = []string{"bound_subject", "groups_claim"}

// roleDifferences are the parameters in which a role of Vault differs from the one that is wanted.
func roleDifferences(found, wanted map[string]any) []string {
	var differences []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if inOneSpelling(found[name]) != inOneSpelling(wanted[name]) {
			differences = append(differences, name)
		}
	}
	for _, name := range leftOut {
		if text(found[name]) != "" {
			differences = append(differences, name)
		}
	}
	return differences
}

// inOneSpelling is a parameter as a text. Vault answers one value as a list or as a text, and a
// list in any order.
func inOneSpelling(value any) string {
	var members []string
	switch value := value.(type) {
	case []any:
		for _, member := range value {
			members = append(members, inOneSpelling(member))
		}
	case []string:
		members = slices.Clone(value)
	case map[string]any:
		for name, member := range value {
			members = append(members, name+"="+inOneSpelling(member))
		}
	default:
		return fmt.Sprint(value)
	}
	slices.Sort(members)
	return strings.Join(members, ",")
}
