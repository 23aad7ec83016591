//go:build prove

package changes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProveEachChangeIsDeployedAndTakenBack plays each change with an up, and not with a plan.
func TestProveEachChangeIsDeployedAndTakenBack(t *testing.T) {
	table := rows()
	done := map[string]deeds{}
	for stack := range first {
		d := deploys{stack: stack, done: done}
		t.Run(stack, func(t *testing.T) {
			for _, each := range plays {
				if each.stack != stack || each.unplayed != "" {
					continue
				}
				d.begin(t)
				t.Run(each.key, func(t *testing.T) { d.play(t, each) })
			}
		})
	}
	for key, run := range done {
		require.Empty(t, undone(table[key], run), "%s: what is said and is not done", key)
	}
}
