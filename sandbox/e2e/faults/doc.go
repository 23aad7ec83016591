// Package faults proves that the next `make up` alone repairs what a fault left: Vault sealed,
// full, slow or gone, a dead token, lost answers, Azure's refusals, and processes killed at any
// moment. docs/faults.md has the table.
package faults
