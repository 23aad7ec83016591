//go:build !prove

package walk

import "testing"

// So many walks of so many steps, by so many riders at once. A failing walk is shortened for so
// long.
const (
	walks     = 30
	longest   = 4
	riders    = 2
	shrinking = "2m"
)

func publish(t *testing.T, played *count) {
	t.Helper()
	t.Logf("%d walks of %d steps, %d of them kills", played.walks, played.steps, played.kills)
}
