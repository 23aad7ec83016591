package identity

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/access"
	"mlvault/sandbox/internal/issuer"
)

// A stack lives its whole life once, by the real CLI, with the deployer's policy and nothing else: so the policy is enough.
// Then everything that it asked of Vault is asked again, once for each capability of the policy with a token that lacks
// exactly this one: so none is spare.
//
// Vault itself is the judge of the second part. It gets the very request of the plugin, in the state in which the plugin
// met it, by a token of the same kind; the answer depends on nothing else, so what is refused in the replay would be
// refused in the run. That a run ends red when it is refused is another question, which TestProveNoRightIsSpare answers by
// running the CLI with each of the policies.
func TestNoRightOfTheDeployerIsSpare(t *testing.T) {
	for _, c := range combinations {
		if c.name == "default" || c.name == "all" { // the others take a minute: TestProveNoRightIsSpareInAnyCombination
			t.Run(c.name, func(t *testing.T) { requireNoneSpare(t, newPrivileges(t), c) })
		}
	}
}

func requireNoneSpare(t *testing.T, p *privileges, c combination) {
	t.Helper()
	edits := c.edits(t)
	cfg := p.prepare("hvs.none", "one", edits).Config
	recorded := p.record(cfg, edits)
	require.Nil(t, p.replay(cfg, recorded, cfg.Access().DeployerPolicy()), "with the whole policy nothing is refused")

	missing := reductions(cfg.Access().DeployerGrants())
	for _, reduced := range missing {
		refused := p.replay(cfg, recorded, reduced.policy)
		if refused == nil {
			t.Errorf("%s is spare: none of %d requests needs it", reduced.missing, len(recorded))
			continue
		}
		t.Logf("without %s: %s is refused", reduced.missing, refused)
	}
	t.Logf("%s: %d requests, %d rights, each needed", c.name, len(recorded), len(missing))

	spare := append(cfg.Access().DeployerGrants(), access.Grant{Path: "sys/health", Capabilities: []string{"read"}})
	last := reductions(spare)[len(missing)]
	require.Nil(t, p.replay(cfg, recorded, last.policy), "a right that is planted to be spare is seen to be")
}

func TestNoPathOfTheReadPolicyIsSpare(t *testing.T) {
	d := newLabWith(t, "dev").door("dev", issuer.V1)
	names := []string{"feature_store", "ml_api_key"}
	for _, removed := range names {
		var grants []access.Grant
		for _, name := range names {
			if name != removed {
				grants = append(grants, access.Grant{Path: "secret/data/" + d.prefix + "/" + name, Capabilities: []string{"read"}})
			}
		}
		restore := d.mutate(d.policyPath(), func(fields map[string]any) { fields["policy"] = access.PolicyText("one less", grants) })
		var matrix []row
		for _, name := range names {
			want := granted
			if name == removed {
				want = denied
			}
			matrix = append(matrix, row{name, want, d.reads(d.job(), name)})
		}
		require.Empty(t, run(matrix), "without %s", removed)
		restore()
	}
	require.Empty(t, run([]row{{names[0], granted, d.reads(d.job(), names[0])}, {names[1], granted, d.reads(d.job(), names[1])}}))
}
