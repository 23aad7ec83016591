// Package changes plays each row of the table of changes in docs/operate.md: a setting of a stack
// that is up gets another value, and what the engine then plans is held against the row.
package changes
