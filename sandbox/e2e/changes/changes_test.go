package changes

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// rows are the table of changes, by setting.
func rows() map[string]settings.Change {
	found := map[string]settings.Change{}
	var collect func([]settings.Setting)
	collect = func(all []settings.Setting) {
		for _, setting := range all {
			if setting.Change.Jobs != "" {
				found[setting.Key] = setting.Change
			}
			collect(setting.Settings)
		}
	}
	collect(settings.Reference())
	return found
}

func TestEveryRowOfTheTableOfChangesHasAPlay(t *testing.T) {
	for key := range rows() {
		isPlayed := slices.ContainsFunc(plays, func(p play) bool { return p.key == key })
		require.True(t, isPlayed, "%s has no play", key)
	}
}

// What the engine plans for each change is what the row says: nothing that it does not say, and of
// what it says all, in one of its plays.
func TestEachChangeDoesWhatTheTableSays(t *testing.T) {
	l, _ := newLab(t)
	table := rows()
	done := map[string]deeds{}
	for stack := range first {
		up(stageOf(l, stack))
		for _, each := range plays {
			if each.stack != stack {
				continue
			}
			t.Run(each.key, func(t *testing.T) {
				row, isThere := table[each.key]
				require.True(t, isThere, "the table has no such row")
				s := stageOf(l.For(t), stack)
				s.change(each)
				planned, err := s.plan()
				if row.IsRefused {
					require.ErrorContains(t, err, each.key)
					return
				}
				require.NoError(t, err)
				require.Equal(t, each.besides, unsaid(row, planned), "what happens and is not said")
				isPlain := len(each.besides) == 0 && each.taken == ""
				if row.Jobs != settings.JobsOutdated && isPlain {
					require.Equal(t, row.Jobs == settings.JobsThatRun, planned.endsJobs(), "jobs that run end")
				}
				if done[each.key] == nil {
					done[each.key] = deeds{}
				}
				done[each.key].add(planned)
			})
		}
	}
	for key, run := range done {
		require.Empty(t, undone(table[key], run), "%s: what is said and does not happen", key)
	}
}

// up deploys a stack as its settings are now.
func up(s *stage) {
	s.T.Helper()
	configured, err := s.Configure(s.T.Context(), s.settings())
	require.NoError(s.T, err)
	_, err = configured.Up(s.T.Context())
	require.NoError(s.T, err)
}
