//go:build prove

package sandbox

const rounds, RealRounds = 100_000, 300
