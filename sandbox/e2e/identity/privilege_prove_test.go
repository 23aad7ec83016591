//go:build prove

package identity

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
)

func TestProveNoRightIsSpareInAnyCombination(t *testing.T) {
	for name, settings := range combinations {
		t.Run(name, func(t *testing.T) { requireNoneSpare(t, settings) })
	}
}

// Each capability of the default policy is taken away in turn, and the stack's life is lived by the
// real CLI until a phase ends red. With the whole policy back, the stack can always be destroyed.
func TestProveNoRightIsSpare(t *testing.T) {
	p := newPrivileges(t, nil)
	for _, reduced := range lab.Reduced(rights.SettingsGrants(p.cfg)) {
		p.clear()
		p.restrict(reduced.Policy)
		red := slices.IndexFunc(p.phases, func(x phase) bool {
			err := p.live(x)
			if err != nil {
				require.ErrorContains(t, err, "permission denied", "without %s at %s", reduced.Capability,
					reduced.Path)
			}
			return err != nil
		})
		require.GreaterOrEqual(t, red, 0, "%s at %s is spare", reduced.Capability, reduced.Path)
		t.Logf("without %s at %s: %s ends red", reduced.Capability, reduced.Path, p.phases[red].name)
		p.restrict(rights.DeployerPolicy(p.cfg, rights.State{}))
		require.NoError(t, p.live(p.phases[len(p.phases)-1]),
			"with the whole policy the stack can be destroyed")
	}
}
