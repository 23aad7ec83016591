package cli

import "slices"

// createNothing are the CLI's commands that compare and delete at most. A preview keeps no state. A
// refresh or a destroy that is killed leaves the state of before, from which the next one does the
// same again: to read or to delete a second time is no error in Azure or Vault.
var createNothing = []string{"preview", "refresh", "destroy"}

// WithoutCheckpoints is what a command of the CLI gets into its environment so that the engine
// saves the state once, at the end. By itself it does so around each step, which costs the square
// of the number of resources. A command that creates gets nothing: killed, it would have made what
// no state knows.
func WithoutCheckpoints(command string) []string {
	if !slices.Contains(createNothing, command) {
		return nil
	}
	return []string{"PULUMI_EXPERIMENTAL=true", "PULUMI_SKIP_CHECKPOINTS=true"}
}
