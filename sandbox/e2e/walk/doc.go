// Package walk plays random sequences of what happens to a stack after its first day: settings are
// changed and set back, runs are previewed, refreshed, killed and repaired, the stack is renamed.
// After the last up it holds what is in Vault and in Azure against a fresh deployment of the same
// settings, and a destroy against nothing.
package walk
