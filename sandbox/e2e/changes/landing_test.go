package changes

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/vaultserver"
)

// taken are jobs from which a change takes something away.
type taken string

const (
	// fromBefore are those that were defined before it.
	fromBefore taken = "those that were defined before"
	// fromAfter are those that were defined after it, once it is taken back.
	fromAfter taken = "those that were defined after, once it is taken back"
	// fromAll are all, as long as it lasts.
	fromAll taken = "all"
)

// deploys plays changes of one stack one after the other, each with its way back.
type deploys struct {
	*lab.Lab

	cli   *lab.Thrifty
	own   *vaultserver.Server // while a play has another one
	stack string
	now   *deployed // nil: what is up is not the stack as it was first
	done  map[string]deeds
}

// stage is the stack as it is first, for a part of the test.
func (d *deploys) stage(t *testing.T) *stage {
	t.Helper()
	s := stageOf(d.For(t), d.stack)
	s.cli = d.cli
	return s
}

// begin has the stack up as it is first.
func (d *deploys) begin(t *testing.T) {
	t.Helper()
	if d.now != nil {
		return
	}
	if d.Lab != nil {
		d.Vault = d.own
		d.Close()
	}
	d.Lab, d.cli = newLab(t)
	d.own = d.Vault
	s := d.stage(t)
	up, err := s.up()
	require.NoError(t, err)
	s.look(up)
	d.now = up
}

// play deploys a change and takes it back, and holds both to the row.
func (d *deploys) play(t *testing.T, each play) {
	t.Helper()
	row := rows()[each.key]
	first := d.now
	d.now = nil // as long as the play has not come to its end
	s := d.stage(t)
	job := s.start(first)

	s.change(each)
	if row.IsRefused {
		_, err := s.plan()
		require.ErrorContains(t, err, each.key)
		d.now = first
		return
	}
	if each.before != nil {
		each.before(s, first)
	}
	changed, err := s.up()
	if each.again {
		require.Error(t, err)
		d.note(each.key, changed)
		changed, err = s.up(optup.Refresh())
	}
	require.NoError(t, err)
	if each.after != nil {
		changed.theirs = each.after(s, changed)
	}
	d.note(each.key, changed)
	require.Subset(t, each.allBesides(), unsaid(row, changed.did), "what is done and not said")
	s.look(changed)
	holdJobs(t, jobsAfter{
		row:   row.Jobs,
		taken: each.taken,
		old:   s.read(changed, first.folder),
		fresh: s.read(changed, changed.folder),
		runs:  s.goesOn(job),
		ended: changed.did.endsJobs(),
	})
	d.takeBack(t, each, first, changed)
}

// takeBack puts a play's settings back, and holds what is then there to the row.
func (d *deploys) takeBack(t *testing.T, each play, first, changed *deployed) {
	t.Helper()
	row := rows()[each.key]
	d.Vault = d.own
	s := d.stage(t)
	_, refused := s.plan()
	isNever := row.Back == settings.BackNever && !each.goesBack
	if isNever || refused != nil && row.Back == settings.BackUnknown {
		require.ErrorContains(t, refused, "Azure")
		return
	}
	require.NoError(t, refused)
	back, err := s.up()
	if row.Back == settings.BackByHand {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	if row.Back == settings.BackNamed {
		s.look(back)
		require.Empty(t, lab.Difference(back.picture, changed.picture), "a part keeps its name")
		require.NoError(t, s.read(back, changed.folder))
		return
	}
	d.note(each.key, back)
	if each.again {
		back, err = s.up(optup.Refresh())
		require.NoError(t, err)
	}
	require.Subset(t, each.allBesides(), unsaid(row, back.did), "what the way back does and is not said")
	lost := s.lost(first)
	isOutdated := row.Jobs == settings.JobsOutdated || each.taken == fromAfter
	if each.taken != fromAll { // which could not read before either
		fails := s.read(back, changed.folder)
		require.Equal(t, isOutdated && !each.lasts, fails != nil, "a job of the change fails: %v", fails)
	}
	s.forget(changed.theirs)
	s.look(back)
	require.NoError(t, s.read(back, back.folder), "a job of a new definition")
	if !isOutdated {
		require.NoError(t, s.read(back, first.folder), "a job from before the change")
	}
	require.Empty(t, each.unexplained(back.picture, first.picture), "what is there is as before")
	isEmpty := row.Back == settings.BackEmpty || each.goesBack
	require.Equal(t, isEmpty, len(lost) > 0, "what was in it is lost: %v", lost)
	d.now = back
}

// allBesides are what a play does besides what the row says.
func (p play) allBesides() []string { return slices.Concat(p.besides, p.really) }

// unexplained is what is not as before, but for what remains.
func (p play) unexplained(got, want lab.Picture) []string {
	var lines []string
	for line := range strings.Lines(lab.Difference(got, want)) {
		if p.remains == "" || !strings.Contains(line, p.remains) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (d *deploys) note(key string, run *deployed) {
	if d.done[key] == nil {
		d.done[key] = deeds{}
	}
	d.done[key].add(run.did)
}

// jobsAfter are what jobs did after a change.
type jobsAfter struct {
	row   settings.Jobs
	taken taken
	// old is of a definition from before, submitted after the change; fresh of one from after; and
	// runs of a job that had logged in before.
	old, fresh, runs error
	// ended tells whether what jobs run on was taken away.
	ended bool
}

// holdJobs holds what jobs did to what the row says.
func holdJobs(t *testing.T, jobs jobsAfter) {
	t.Helper()
	if jobs.taken == fromAll {
		require.Error(t, jobs.fresh, "a job of a new definition")
		require.Error(t, jobs.old, "a job of a definition from before")
		return
	}
	require.NoError(t, jobs.fresh, "a job of a new definition")
	switch {
	case jobs.row == settings.JobsOutdated || jobs.taken == fromBefore:
		require.Error(t, jobs.old, "a job of a definition from before")
	case jobs.row == settings.JobsThatRun:
		require.NoError(t, jobs.old, "a job of a definition from before, submitted again")
		require.True(t, jobs.ended || jobs.runs != nil, "a job that runs fails")
	default:
		require.NoError(t, jobs.old, "a job of a definition from before")
		require.NoError(t, jobs.runs, "a job that runs")
	}
}

// Of rows in which jobs fail. make prove deploys all of them.
func TestWhatTheTableSaysOfJobsIsSeenInAnUp(t *testing.T) {
	d := deploys{stack: "open", done: map[string]deeds{}}
	for _, key := range []string{"credentials", "workload.authPath", "workload.policy"} {
		at := slices.IndexFunc(plays, func(p play) bool { return p.key == key && p.stack == d.stack })
		d.begin(t)
		t.Run(key, func(t *testing.T) { d.play(t, plays[at]) })
	}
}
