package pulumitest

import (
	"encoding/json"
	"fmt"

	"mlvault/internal/settings"
)

// Names are of a fuzzer's choice.
type Names struct {
	Project, Stack string
	// Mount and Prefix are of vault, AuthPath of workload.
	Mount, Prefix, AuthPath string
	Credentials             []string
}

// Source is a configuration with the names.
func (n Names) Source() settings.Source {
	credentials := map[string]any{}
	for _, name := range n.Credentials {
		credentials[name] = map[string]string{"k": "secret"}
	}
	values := map[string]string{
		"azure-native:location":     "westeurope",
		n.Project + ":vaultAddress": "https://vault.example.com",
	}
	for section, fields := range map[string]any{
		"vault":       map[string]any{"mount": n.Mount, "prefix": n.Prefix},
		"workload":    map[string]any{"audience": "a", "authPath": n.AuthPath},
		"credentials": credentials,
	} {
		text, err := json.Marshal(fields)
		if err != nil {
			panic(fmt.Errorf("%s: %w", section, err))
		}
		values[n.Project+":"+section] = string(text)
	}
	return settings.Source{
		Project:   n.Project,
		Stack:     n.Stack,
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	}
}
