package settings

import (
	"os"
	"path/filepath"
	"strings"
)

// environment is the one place where the program reads a variable of its environment.
func environment(name string) string { return os.Getenv(name) }

// DeployerToken is the token that the Vault plugin would use, and where it is from, for people. It
// is empty where there is none.
//
// The plugin (6.7.4) prefers the file to the variable, since the program states an empty token.
func (cfg *Settings) DeployerToken() (token Secret, from string) {
	if !cfg.Token.Empty() {
		return cfg.Token, "vaultToken"
	}
	if text := tokenFile(); text != "" {
		return NewSecret(text), "~/.vault-token"
	}
	if text := environment("VAULT_TOKEN"); text != "" {
		return NewSecret(text), "VAULT_TOKEN"
	}
	return Secret{}, "vaultToken"
}

// tokenFile is what `vault login` left in the user's home.
func tokenFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
