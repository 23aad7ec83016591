//go:build !prove

package walk

import "testing"

// So many walks of so many steps, by so many riders at once. A rider plays a round, and a walk that
// fails ends its round and no other. It is shortened for so long. The seed is always the same, so
// that a change is judged by what it changed; make prove plays others.
const (
	walks     = 30
	round     = 30
	longest   = 4
	riders    = 1
	seed      = "20261130"
	shrinking = "2m"
)

func publish(t *testing.T, played *count) {
	t.Helper()
	t.Logf("%d walks of %d steps, %d of them kills", played.walks, played.steps, played.kills)
}
