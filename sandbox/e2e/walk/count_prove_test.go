//go:build prove

package walk

import (
	"fmt"
	"testing"

	"mlvault/sandbox/e2e/lab"
)

const (
	walks     = 1000
	round     = 25
	longest   = 8
	riders    = 5
	seed      = "0" // another one each time
	shrinking = "10m"
)

// publish writes the count into docs/proofs.md.
func publish(t *testing.T, played *count) {
	t.Helper()
	lab.Publish(t, "proofs.md", "walks", fmt.Sprintf(
		"%d walks of %d steps in all, %d of them kills, ended as a fresh deployment would.\n",
		played.walks, played.steps, played.kills))
}
