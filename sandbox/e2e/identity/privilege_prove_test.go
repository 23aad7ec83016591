//go:build prove

package identity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProveNoRightIsSpareInAnyCombination(t *testing.T) {
	for _, c := range combinations {
		t.Run(c.name, func(t *testing.T) { requireNoneSpare(t, newPrivileges(t), c) })
	}
}

// Each capability of the default policy is taken away in turn, and the stack's life is lived by the real CLI until a phase
// ends red. With the whole policy back, the stack can always be destroyed.
func TestProveNoRightIsSpare(t *testing.T) {
	p := newPrivileges(t)
	cfg := p.prepare("hvs.none", "one", nil).Config
	whole := cfg.Access().DeployerPolicy()
	token := p.deployer(whole)
	phases := p.phases(token, nil)
	failed := map[string]int{}
	for _, reduced := range reductions(cfg.Access().DeployerGrants()) {
		p.clear(cfg)
		p.restrict(reduced.policy)
		red := ""
		for i, phase := range phases {
			if err := phase(t.Context()); err != nil {
				require.ErrorContains(t, err, "permission denied", "without %s", reduced.missing)
				red = phaseNames[i]
				break
			}
		}
		if red == "" {
			t.Errorf("%s is spare: create, no-op, update, refresh and destroy end green", reduced.missing)
			continue
		}
		failed[red]++
		t.Logf("without %s: %s ends red", reduced.missing, red)
		p.restrict(whole)
		require.NoError(t, phases[len(phases)-1](t.Context()), "with the whole policy the stack can be destroyed")
	}
	t.Logf("red phases: %v", failed)
}
