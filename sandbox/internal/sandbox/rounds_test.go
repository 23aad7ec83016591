//go:build !prove

package sandbox_test

// So many runs of so many random credentials, every second with so many payloads within; make prove
// has 100,000.
const runs, each, within = 1, 80, 24
