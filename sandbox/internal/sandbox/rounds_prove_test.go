//go:build prove

package sandbox

const Runs, Credentials, Within = 10, 100, 99
