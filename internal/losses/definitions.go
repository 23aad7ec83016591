package losses

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// DefinitionName is the program's name of the value in the state that has the [Definition] of the
// last up.
const DefinitionName = "job-definitions"

// Definition is what every job definition of a stack names. A job that was defined before one of
// these changed fails.
func Definition(s *settings.Settings) map[string]any {
	credentials := map[string]any{}
	for name, path := range s.CredentialPaths() {
		credentials[name] = path
	}
	var audiences []any
	for _, audience := range s.Workload.Audiences() {
		audiences = append(audiences, audience)
	}
	return map[string]any{
		"address":     s.FingerprintOf(DefinitionName), // whatever the stack is called
		"audiences":   audiences,
		"credentials": credentials,
		"loginPath":   s.LoginPath(),
		"namespace":   s.Vault.Namespace,
		"role":        s.Workload.Role,
	}
}

// Outdated says what definitions name that the settings no longer give them. was is the
// [Definition] of the last up.
func Outdated(was map[string]any, s *settings.Settings) []string {
	now := Definition(s)
	var changes []string
	accepted, _ := was["audiences"].([]any)
	for _, audience := range accepted {
		if !slices.Contains(s.Workload.Audiences(), text(audience)) {
			changes = append(changes, fmt.Sprintf("audience %s goes (workload.previousAudience keeps it)",
				text(audience)))
		}
	}
	for _, each := range []struct{ name, what string }{
		{name: "loginPath", what: "the login path"},
		{name: "role", what: "the role"},
		{name: "namespace", what: "vault.namespace"},
		{name: "address", what: "vaultAddress"},
	} {
		before, isKnown := was[each.name]
		if isKnown && before != now[each.name] {
			changes = append(changes, each.what+" changes")
		}
	}
	paths, _ := was["credentials"].(map[string]any)
	left := s.CredentialPaths()
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		switch {
		case left[name] == "":
			changes = append(changes, "credential "+name+" goes")
		case left[name] != text(paths[name]):
			changes = append(changes, "credential "+name+" moves")
		}
	}
	return changes
}

// Renew says what to do about definitions that are outdated.
func Renew(changes []string, stack string) string {
	return fmt.Sprintf("job definitions that are out fail after the up: %s. Then run `make job "+
		"STACK=%s`, and submit jobs, schedules and endpoints from the new files",
		strings.Join(changes, ", "), stack)
}
