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

// Definition is what job definitions of a stack hold. A job that was defined before one of these
// changed fails. Its keys are in the state of every stack. identity is the ARM id of the job
// identity, an output of the same run or a text, and certificates are those of vault.caCertFile.
//
// The client is not among it: a copy goes with each definition, and an older one reads what it was
// given as well as the newest.
func Definition(s *settings.Settings, identity any, certificates string) map[string]any {
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
	var audiences []any
	for _, audience := range s.Workload.Audiences() {
		audiences = append(audiences, audience)
	}
	return map[string]any{
		"address":              s.FingerprintOf(DefinitionName), // whatever the stack is called
		"audiences":            audiences,
		DefinitionCertificates: fingerprintsOf(certificates),
		"clusters":             clusters,
		"credentials":          credentials,
		definitionIdentity:     identity,
		"loginPath":            s.LoginPath(),
		"namespace":            s.Vault.Namespace,
		"parameters":           parameters,
		"role":                 s.Workload.Role,
		"serverless":           s.Workload.Serverless,
	}
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
			changes = append(changes, "credential "+name+" goes")
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

// Renew says what to do about definitions that are outdated.
func Renew(changes []string, stack string) string {
	return fmt.Sprintf("job definitions that are out fail after the up: %s. Then run `make job "+
		"STACK=%s`, and submit jobs, schedules and endpoints from the new files",
		strings.Join(changes, ", "), stack)
}
