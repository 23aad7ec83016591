package settings

// VaultRule is the name of the outbound rule that leads to Vault.
const VaultRule = vaultRule

// IsOn tells whether Azure ML keeps a network for the workspace's compute.
func (n *ManagedNetwork) IsOn() bool { return n.on() }

// IsApprovedOnly tells whether the network lets out only what a rule names.
func (n *ManagedNetwork) IsApprovedOnly() bool { return n.approvedOnly() }

// NeedsLogAnalytics tells whether anything writes to a Log Analytics workspace.
func (a *Azure) NeedsLogAnalytics() bool { return a.needsLogAnalytics() }

// WritesOnly tells whether the plugin writes a credential and never reads it back. It logs what it
// reads, so what the CLI cannot mask there is not read.
func (cfg *Settings) WritesOnly(credential Credential) bool {
	return cfg.Vault.DisableRead || !credential.Masked
}
