//go:build !prove

package sandbox

// rounds are random payloads through the settings, RealRounds through Vault too; make prove has more.
const rounds, RealRounds = 2_000, 40
