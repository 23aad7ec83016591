package pulumitest

import (
	"encoding/json"
	"fmt"

	"mlvault/internal/settings"
)

// Named is a configuration with names of a fuzzer's choice.
func Named(mount, prefix, authPath, project, stack string, credentials ...string) settings.Source {
	named := map[string]any{}
	for _, name := range credentials {
		named[name] = map[string]string{"k": "secret"}
	}
	values := map[string]string{
		"azure-native:location":   "westeurope",
		project + ":vaultAddress": "https://vault.example.com",
	}
	for section, fields := range map[string]any{
		"vault":       map[string]any{"mount": mount, "prefix": prefix},
		"workload":    map[string]any{"audience": "a", "authPath": authPath},
		"credentials": named,
	} {
		text, err := json.Marshal(fields)
		if err != nil {
			panic(fmt.Errorf("%s: %w", section, err))
		}
		values[project+":"+section] = string(text)
	}
	return settings.Source{
		Project:   project,
		Stack:     stack,
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	}
}
