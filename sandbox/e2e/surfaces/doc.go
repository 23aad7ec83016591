// Package surfaces proves that no secret is seen: it searches the output, event logs, state, files and process
// arguments of whole runs, the failed ones too, for every secret in every encoding. docs/proofs.md has the table.
package surfaces
