//go:build !prove

package sandbox

// Runs of so many random credentials, each with so many payloads within, go all the way to Vault; make prove has 100,000.
const Runs, Credentials, Within = 1, 40, 0
