//go:build prove

package sandbox_test

const runs, each, within = 10, 100, 198
