// Package repair makes a stack's state true again after a run that was killed. `pulumi up` by
// itself does not: it stops at the lock of a process that is gone and at a file that was cut off,
// and it forgets what was being created when the run died, which then exists and is in no state.
package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stack is what a repair asks of the Pulumi CLI.
type Stack interface {
	// Export is what `pulumi stack export` prints, secrets encrypted.
	Export(ctx context.Context) ([]byte, error)
	// Import is `pulumi stack import`. It drops all pending operations.
	Import(ctx context.Context, state []byte) error
	// Runs are the latest that `pulumi stack history` lists, each as a text that is its own. An import
	// is none.
	Runs(ctx context.Context) ([]string, error)
	// Cancel is `pulumi cancel`. It removes every lock of the stack.
	Cancel(ctx context.Context) error
	// Refresh compares the state with what is there and writes what it finds into the state. It takes
	// the logins of the configuration, since those of the state may be dead.
	Refresh(ctx context.Context) error
}

// Repair is the repair of one stack.
type Repair struct {
	Stack Stack
	// Files are the stack's in a backend of the kind file://. Without them only the CLI sees the
	// state, and it tells of a lock only where that makes it refuse an import.
	Files *Files
	// Wants tells whether the configuration asks for a resource of this id. Of an old resource and its
	// replacement the stack keeps the one that it asks for. Nil: it asks for no id that is known.
	Wants func(id string) bool
	// Subscription is the one that Azure's resources are in, for a state that does not tell.
	Subscription func(context.Context) string
	// Say tells a person what was done. Texts have no secret in them.
	Say func(text string)

	// view is what is seen of processes. Nil: what this one can see.
	view func() view
}

// Run does all of a repair. After it `pulumi up` makes nothing twice and forgets nothing.
func (r Repair) Run(ctx context.Context) error {
	if err := r.MendFiles(); err != nil {
		return err
	}
	if err := r.Unlock(ctx); err != nil {
		return err
	}
	isRefreshed, err := r.TakeIn(ctx)
	if err != nil || isRefreshed {
		return err
	}
	return r.Stack.Refresh(ctx)
}

// MendFiles makes a file backend's state readable again. The CLI cannot select a stack before that.
func (r Repair) MendFiles() error {
	if r.Files == nil {
		return nil
	}
	done, err := r.Files.Mend()
	for _, text := range done {
		r.Say(text)
	}
	return err
}

// Unlock removes the locks of processes that are gone. Any other lock is a [LockedError]. In a
// backend without files that is for [Repair.TakeIn] to do.
func (r Repair) Unlock(ctx context.Context) error {
	if r.Files == nil {
		return nil
	}
	removed, err := r.Files.Unlock(ctx)
	if removed > 0 {
		r.Say(lockRemoved)
	}
	return err
}

const lockRemoved = "removed the lock of a run that is gone"

// TakeIn takes what was being created when a run died into the state, under the id that it has if
// it was made. Then a refresh has to follow, which reads it, and drops it where it is not there.
// Only where something was to be replaced TakeIn refreshes by itself, since what then becomes of
// the old one depends on what is found.
func (r Repair) TakeIn(ctx context.Context) (isRefreshed bool, err error) {
	state, err := r.Stack.Export(ctx)
	if err != nil {
		return false, err
	}
	taken, err := TakeIn(state, r.subscription(ctx, state))
	if err != nil {
		return false, err
	}
	for _, pending := range taken.Unknown {
		r.Say("was being created, and its id is not known: " + pending.URN + ". Look for it by its " +
			"tags and its type, and delete it or take it in (`make adopt`)")
	}
	for _, pending := range taken.Created {
		r.Say("was being created, is looked for: " + pending.ID)
	}
	if !taken.Replacements {
		return false, r.settle(ctx, state, taken.State)
	}
	if err := r.replaceState(ctx, state, taken.State); err != nil {
		return false, err
	}
	if err := r.Stack.Refresh(ctx); err != nil {
		return false, fmt.Errorf("%w. The repair is not done: run `make repair` again before `pulumi "+
			"up`", err)
	}
	refreshed, err := r.Stack.Export(ctx)
	if err != nil {
		return false, err
	}
	return true, r.settle(ctx, refreshed, refreshed)
}

// settle writes a state in which each URN has one resource that is the stack's.
func (r Repair) settle(ctx context.Context, exported, taken []byte) error {
	settled, err := Settle(taken, r.wants)
	if err != nil {
		return err
	}
	for _, choice := range settled.Kept {
		r.Say(fmt.Sprintf("there are two of %s. The stack keeps %s. The next `pulumi up` deletes %s",
			nameOf(choice.URN), choice.Kept, choice.Deleted))
	}
	return r.replaceState(ctx, exported, settled.State)
}

// nameOf is the last part of a URN, which is the program's own name of a resource.
func nameOf(urn string) string { return urn[strings.LastIndex(urn, ":")+1:] }

func (r Repair) wants(id string) bool { return r.Wants != nil && r.Wants(id) }

// replaceState imports a state. In a backend without files it also imports one in which nothing has
// changed, since a lock shows only by that. If the lock's run is gone, it tries a second time.
func (r Repair) replaceState(ctx context.Context, exported, repaired []byte) error {
	if r.Files != nil && bytes.Equal(exported, repaired) {
		return nil
	}
	err := r.importOnto(ctx, exported, repaired)
	locks := toldLocks(err)
	if r.Files != nil || len(locks) == 0 {
		return err
	}
	here := viewFromHere
	if r.view != nil {
		here = r.view
	}
	if err := r.cancel(ctx, locks, here()); err != nil {
		return err
	}
	return r.importOnto(ctx, exported, repaired)
}

// importOnto imports a state, unless another run has written one since it was exported. A run that
// is under way holds the stack's lock, which makes the import fail.
//
// Nothing holds the lock between the look at the state and the import, so that a run may end in
// between, and its state is overwritten. Such a run is in the history afterwards, which is told.
func (r Repair) importOnto(ctx context.Context, exported, repaired []byte) error {
	before, err := r.runs(ctx)
	if err != nil {
		return err
	}
	now, err := r.Stack.Export(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(exported, now) {
		return errors.New("another run has changed the state meanwhile. Nothing was written. Run `make " +
			"repair` again")
	}
	if err := r.Stack.Import(ctx, repaired); err != nil {
		return err
	}
	after, err := r.runs(ctx)
	if err != nil {
		return fmt.Errorf("whether another run has ended while the state was written cannot be told: "+
			"%w. Run `make repair` again", err)
	}
	for _, run := range after {
		if !slices.Contains(before, run) {
			return fmt.Errorf("another run has ended while the state was written, and what it wrote is "+
				"overwritten: %s. Bring its state back as docs/operate.md says (When a run was cut off), "+
				"then run `make repair` again, and nothing before", run)
		}
	}
	return nil
}

// runs are those of the stack's history. In a folder they need no CLI.
func (r Repair) runs(ctx context.Context) ([]string, error) {
	if r.Files != nil {
		return r.Files.history()
	}
	return r.Stack.Runs(ctx)
}

func (r Repair) subscription(ctx context.Context, state []byte) string {
	if id := SubscriptionOf(state); id != "" || r.Subscription == nil {
		return id
	}
	return r.Subscription(ctx)
}
