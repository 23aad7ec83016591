package changes

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// order is a stack that is changed by one up after the other.
type order struct{ *stage }

func newOrder(t *testing.T) order {
	t.Helper()
	l, cli := newLab(t)
	s := stageOf(l, "plain")
	s.cli = cli
	return order{stage: s}
}

// deploy is an up with some settings beside those of the stack as it was first.
func (o order) deploy(with texts) *deployed {
	o.T.Helper()
	o.texts = first["plain"].with(with)
	up, err := o.up()
	require.NoError(o.T, err)
	o.look(up)
	return up
}

// Add, resubmit, remove: docs/operate.md has the orders.
func TestAnAudienceIsReplacedInAnOrderInWhichNoJobFails(t *testing.T) {
	s := newOrder(t)
	old := s.deploy(texts{"workload.audience": "api://old"})
	require.NoError(t, s.read(old, old.folder))

	both := s.deploy(texts{"workload.audience": "api://new", "workload.previousAudience": "api://old"})
	require.NoError(t, s.read(both, old.folder), "a definition of the old audience")
	require.NoError(t, s.read(both, both.folder), "a definition of the new one")

	end := s.deploy(texts{"workload.audience": "api://new"})
	require.ErrorContains(t, s.read(end, old.folder), "wrong audience", "the old one is gone")
	require.NoError(t, s.read(end, both.folder), "a definition from while there were both")
	require.NoError(t, s.read(end, end.folder))
}

func TestAClusterIsReplacedInAnOrderInWhichNoJobFails(t *testing.T) {
	s := newOrder(t)
	old := s.deploy(texts{"compute[0].name": "old-cluster"})

	both := s.deploy(texts{"compute[0].name": "new-cluster", "compute[1].name": "old-cluster"})
	require.NoError(t, s.read(both, old.folder), "a definition of the old cluster")
	require.NoError(t, s.read(both, both.folder), "a definition of the new one")

	end := s.deploy(texts{"compute[0].name": "new-cluster"})
	require.ErrorContains(t, s.read(end, old.folder), "old-cluster is no cluster", "the old one is gone")
	require.NoError(t, s.read(end, both.folder), "a definition from while there were both")
}

// The samples ask by name, for the first of the stack's credentials. The command job asks for all.
func TestACredentialThatNoScriptAsksForIsRemovedAndNoJobFails(t *testing.T) {
	s := newOrder(t)
	old := s.deploy(nil)
	require.NoError(t, s.read(old, old.folder))

	delete(s.credentials, "ml_api_key")
	end := s.deploy(nil)
	s.asking(func() {
		require.NoError(t, end.RunDefinitions(t.Context(), old.folder, io.Discard,
			"pipeline.yml", "component-pipeline.yml", "schedule.yml"))
	})
	err := s.read(end, old.folder)
	require.ErrorContains(t, err, "credential 'ml_api_key' at ")
	require.ErrorContains(t, err, "the stack grants it no longer, or this job's definition is of "+
		"before a change: run `make job` and submit again, or have the script ask by name")
	require.NoError(t, s.read(end, end.folder))
}
