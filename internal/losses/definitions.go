package losses

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// DefinitionName is the program's name of the value in the state that has the [Definition] of the
// last up.
const DefinitionName = "job-definitions"

// Keys of a [Definition] with what the settings alone do not tell.
const (
	definitionIdentity     = "identity"
	DefinitionCertificates = "certificates"
)

// Keys of a [Definition] about who may log in, and about protection.
const (
	definitionIssuer  = "issuer"
	definitionReaders = "readers"
	definitionPolicy  = "policy"
	definitionProtect = "protect"
)

// Facts are what the settings alone do not tell of a stack. What another resource of the same run
// makes is an output there. Empty: not known.
type Facts struct {
	// Identity is the ARM id of the job identity.
	Identity any
	// Issuer is the iss claim of its tokens.
	Issuer any
	// Certificates are those of vault.caCertFile.
	Certificates string
}

// Definition is what the state of every stack keeps for the plan of the next up. Most of it is what
// job definitions hold: a job that was defined before one of these changed fails. Beside it are who
// may log in, and azure.protect, which the engine's own plan counts as no change.
//
// The client is not among it: a copy goes with each definition, and an older one reads what it was
// given as well as the newest.
func Definition(s *settings.Settings, facts Facts) map[string]any {
	credentials := map[string]any{}
	for name, path := range s.CredentialPaths() {
		credentials[name] = path
	}
	parameters := map[string]any{}
	for name, written := range s.CredentialParameters() {
		text, _ := json.Marshal(written) //nolint:errchkjson // They come from JSON.
		parameters[name] = string(text)
	}
	var clusters []any
	for _, cluster := range s.MadeClusters() {
		clusters = append(clusters, cluster.AzureName())
	}
	definition := map[string]any{
		"address":              s.FingerprintOf(DefinitionName), // whatever the stack is called
		"audiences":            listOf(s.Workload.Audiences()),
		DefinitionCertificates: fingerprintsOf(facts.Certificates),
		"clusters":             clusters,
		"credentials":          credentials,
		definitionIdentity:     facts.Identity,
		"loginPath":            s.LoginPath(),
		"namespace":            s.Vault.Namespace,
		"parameters":           parameters,
		definitionProtect:      s.Azure.Protect,
		"role":                 s.Workload.Role,
		"serverless":           s.Workload.Serverless,
	}
	if s.Workload.CreateRole { // else it binds what the Vault team has written
		definition[definitionIssuer] = facts.Issuer
		definition[definitionReaders] = listOf(s.Workload.PrincipalIDs)
	}
	if s.Workload.CreatePolicy { // else it stays when another one is named
		definition[definitionPolicy] = s.Workload.Policy
	}
	return definition
}

func listOf(texts []string) []any {
	var list []any
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}

// fingerprintsOf has one for each certificate, so that a file with one more can be told from one
// with another.
func fingerprintsOf(certificates string) []any {
	var all []any
	rest := []byte(certificates)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return all
		}
		sum := sha256.Sum256(block.Bytes)
		all = append(all, hex.EncodeToString(sum[:8]))
	}
}

// Outdated says what definitions hold that is no longer right. was is the [Definition] of the last
// up, by whatever version of the program, and now that of the next.
func Outdated(was, now map[string]any) []string {
	var changes []string
	for _, audience := range less(was["audiences"], now["audiences"]) {
		changes = append(changes, "audience "+audience+" goes (workload.previousAudience keeps it)")
	}
	for _, each := range []struct{ name, what string }{
		{name: "loginPath", what: "the login path"},
		{name: "role", what: "the role"},
		{name: "namespace", what: "vault.namespace"},
		{name: "address", what: "vaultAddress"},
	} {
		before, isKnown := was[each.name]
		// The fingerprint of the address is one of the namespace, too.
		isSaid := each.name == "address" && was["namespace"] != now["namespace"]
		if isKnown && !isSaid && before != now[each.name] {
			changes = append(changes, each.what+" changes")
		}
	}
	if identityChanges(was, now) {
		changes = append(changes, "the job identity changes")
	}
	if was["serverless"] == true && now["serverless"] == false {
		changes = append(changes, "the workspace gives up the job identity (workload.serverless)")
	}
	for _, cluster := range less(was["clusters"], now["clusters"]) {
		changes = append(changes, "cluster "+cluster+" goes")
	}
	if distrusts(was, now) {
		changes = append(changes, "vault.caCertFile has a CA that they do not trust (they fail as soon "+
			"as Vault's certificate is from it)")
	}
	return append(changes, outdatedCredentials(was, now)...)
}

// identityChanges compares ids as Azure does, which ignores case. One that is not known yet is that
// of an identity to be made.
func identityChanges(was, now map[string]any) bool {
	before := strings.Trim(text(was[definitionIdentity]), "/")
	after := strings.Trim(text(now[definitionIdentity]), "/")
	return before != "" && !strings.EqualFold(before, after)
}

// distrusts tells whether definitions lack a CA. They trust the system's where they have no file.
func distrusts(was, now map[string]any) bool {
	_, isKnown := was[DefinitionCertificates]
	before, _ := was[DefinitionCertificates].([]any)
	after, _ := now[DefinitionCertificates].([]any)
	isOfSystem := len(after) == 0 && len(before) > 0
	return isKnown && (isOfSystem || len(less(after, before)) > 0)
}

func outdatedCredentials(was, now map[string]any) []string {
	paths, _ := was["credentials"].(map[string]any)
	left, _ := now["credentials"].(map[string]any)
	before, areKnown := was["parameters"].(map[string]any)
	after, _ := now["parameters"].(map[string]any)
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		switch {
		case text(left[name]) == "":
			changes = append(changes, "credential "+name+" goes (of scripts that ask for it, or for all)")
		case left[name] != paths[name]:
			changes = append(changes, "credential "+name+" moves")
		case areKnown && text(before[name]) != text(after[name]):
			changes = append(changes, fmt.Sprintf("what is written for credential %s changes", name))
		}
	}
	return changes
}

// less are the texts of a list that another one lacks.
func less(list, other any) []string {
	members, _ := list.([]any)
	kept, _ := other.([]any)
	var gone []string
	for _, member := range members {
		if !slices.Contains(kept, member) {
			gone = append(gone, text(member))
		}
	}
	return gone
}

// Announced is all that a plan says of a change of the [Definition]. was is that of the last up, by
// whatever version of the program, and now that of the next, of the stack of this name.
func Announced(was, now map[string]any, stack string) []string {
	all := lostLogins(was, now)
	if changes := Outdated(was, now); len(changes) > 0 {
		all = append(all, renew(changes, stack))
	}
	return all
}

// lostLogins says whose login Vault refuses from then on, and whose token reads nothing more.
func lostLogins(was, now map[string]any) []string {
	var lost []string
	issuer := text(now[definitionIssuer])
	before := text(was[definitionIssuer])
	if before != "" && issuer != "" && issuer != before {
		lost = append(lost, fmt.Sprintf("workload.issuer: Vault admits tokens of %s after the up, and "+
			"no longer those of %s. No job can log in until its tokens are from there", issuer, before))
	}
	if _, isBound := now[definitionReaders]; isBound {
		for _, reader := range less(was[definitionReaders], now[definitionReaders]) {
			lost = append(lost, fmt.Sprintf("workload.principalIds: %s can no longer log in after the up",
				reader))
		}
	}
	policy := text(was[definitionPolicy])
	if policy != "" && policy != now[definitionPolicy] {
		lost = append(lost, fmt.Sprintf("workload.policy: the up deletes the policy %s, and jobs that "+
			"run by then can read nothing more. Submit them again after it", policy))
	}
	return lost
}

// ChangedProtection says what a change of azure.protect means for the same up. The engine's plan
// counts it as no change.
func ChangedProtection(was, now map[string]any) string {
	before, isKnown := was[definitionProtect].(bool)
	after, isAsked := now[definitionProtect].(bool)
	if !isKnown || !isAsked || before == after {
		return ""
	}
	const what = "what holds data"
	if after {
		return NotYetProtected(what)
	}
	return StillProtected(what)
}

// renew says what to do about definitions that are outdated.
func renew(changes []string, stack string) string {
	return fmt.Sprintf("job definitions that are out fail after the up: %s. Then run `make job "+
		"STACK=%s`, and submit jobs, schedules and endpoints from the new files",
		strings.Join(changes, ", "), stack)
}
