package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/opthistory"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"mlvault/internal/rights"
	"mlvault/operate/check"
	"mlvault/operate/repair"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/files"
)

// Up deploys the stack, whatever ended the run before it.
//
// After a run that failed or was killed, the state does not say what is there. An answer may have
// been lost on its way, and what was being made when the process died is in Vault or in Azure and
// in no state. The next run alone repairs that: it first removes the lock of a process that is
// gone, takes in what was being created, and has the engine look (--refresh) before it compares.
func (s *Stack) Up(ctx context.Context, opts ...optup.Option) (auto.UpResult, error) {
	unfinished, err := s.begin(ctx)
	if err != nil {
		return auto.UpResult{}, err
	}
	if unfinished {
		if err := s.RemoveHalfMadeBackend(ctx); err != nil {
			return auto.UpResult{}, err
		}
		opts = append(opts, optup.Refresh())
	}
	result, err := s.Stack.Up(ctx, opts...)
	if err == nil {
		err = s.lendRole(ctx)
	}
	return result, s.end(err)
}

// Destroy removes what the stack made. After a run that did not end well it also removes what only
// Vault or Azure know of.
func (s *Stack) Destroy(
	ctx context.Context, opts ...optdestroy.Option,
) (auto.DestroyResult, error) {
	unfinished, err := s.begin(ctx)
	if err != nil {
		return auto.DestroyResult{}, err
	}
	if unfinished {
		opts = append(opts, optdestroy.Refresh())
	}
	result, err := s.Stack.Destroy(ctx, opts...)
	return result, s.end(err)
}

// mend makes the state of a stack readable before the CLI reads it: a full disk or a kill may have
// cut its files off.
func (s *Sandbox) mend(name string) error {
	if s.Options.Backend != "" {
		return nil
	}
	states, _ := filepath.Glob(s.Path("state/.pulumi/stacks/*/*.json*"))
	if len(states) == 0 && slices.ContainsFunc(s.ARM.List(""), isDeployed) {
		return fmt.Errorf("the state in %s is gone, "+
			"and what it knew is still in the sandbox's Vault and Azure. "+
			"Forget both with `make clean`, then start anew with `make up`", s.Path("state"))
	}
	if _, err := s.Files(name).Mend(); err != nil {
		return fmt.Errorf("%w. In the sandbox `make clean` forgets all of it, "+
			"then `make up` starts anew", err)
	}
	return nil
}

// isDeployed tells whether a stack of the sandbox deployed a resource. What others made, such as a
// storage account that a stack brings along, does not have this tag. Its value may be anything.
func isDeployed(doc arm.Document) bool {
	tags, _ := doc["tags"].(map[string]any)
	for name := range tags {
		if strings.EqualFold(name, "managed-by") {
			return true
		}
	}
	return false
}

const noteText = "A run of this stack has started and has not ended well. " +
	"The next one looks at what is there before it compares.\n"

// begin notes that a run has started, and repairs the state when the note of the run before is
// still there.
func (s *Stack) begin(ctx context.Context) (unfinished bool, err error) {
	mend := s.Repair()
	err = mend.Unlock(ctx)
	if _, locked := errors.AsType[*repair.LockedError](err); err != nil && !locked {
		return false, fmt.Errorf("lock of stack %s: %w", s.Name(), err)
	}
	// Where it is locked, the CLI says by whom.
	_, err = os.Stat(s.note())
	if errors.Is(err, fs.ErrNotExist) {
		return false, files.Replace(s.note(), []byte(noteText))
	}
	if err != nil {
		return false, fmt.Errorf("sandbox: %w", err)
	}
	if _, err := mend.TakeIn(ctx); err != nil {
		return false, fmt.Errorf("what the run before left unfinished in stack %s: %w", s.Name(), err)
	}
	return true, nil
}

// end takes the note away after a run that ended well.
func (s *Stack) end(err error) error {
	if err != nil {
		return err
	}
	return os.Remove(s.note())
}

func (s *Stack) note() string { return s.sandbox.Path("unfinished-" + s.Name()) }

// Repair is the product's, with the sandbox's own CLI and folder.
func (s *Stack) Repair() repair.Repair {
	var stackFiles *repair.Files
	if s.sandbox.Options.Backend == "" {
		own := s.sandbox.Files(s.Name())
		stackFiles = &own
	}
	var wants func(id string) bool
	if s.Config != nil {
		wants = repair.WantedBy(s.Config)
	}
	return repair.Repair{
		Stack:        engine{stack: s},
		Files:        stackFiles,
		Wants:        wants,
		Subscription: func(context.Context) string { return arm.SubscriptionID },
		Say:          func(string) {},
	}
}

// Files are the stack's in the sandbox's own backend. One process at a time has a sandbox open, of
// this container or of another one: the lock of Vault's folder sees to that.
func (s *Sandbox) Files(stack string) repair.Files {
	return repair.Files{Root: s.Path("state"), Project: s.Project, Stack: stack, Alone: true}
}

// engine is a stack as a repair asks for it.
type engine struct{ stack *Stack }

// Export implements repair.Stack.
func (e engine) Export(ctx context.Context) ([]byte, error) {
	exported, err := e.stack.Export(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(exported)
}

// Import implements repair.Stack.
func (e engine) Import(ctx context.Context, state []byte) error {
	var document apitype.UntypedDeployment
	if err := json.Unmarshal(state, &document); err != nil {
		return err
	}
	return e.stack.Import(ctx, document)
}

// Runs implements repair.Stack.
func (e engine) Runs(ctx context.Context) ([]string, error) {
	const latest = 10
	updates, err := e.stack.History(ctx, latest, 1, opthistory.ShowSecrets(false))
	if err != nil {
		return nil, err
	}
	var runs []string
	for _, update := range updates {
		runs = append(runs, fmt.Sprint(update.Kind, " of ", update.StartTime))
	}
	return runs, nil
}

// Cancel implements repair.Stack.
func (e engine) Cancel(ctx context.Context) error { return e.stack.Cancel(ctx) }

// Refresh implements repair.Stack.
func (e engine) Refresh(ctx context.Context) error {
	_, err := e.stack.Refresh(ctx)
	return err
}

// RemoveHalfMadeBackend disables the stack's auth backend if a run enabled it and did not get to
// know: the state has none, so the next run would enable it again, which Vault refuses. The backend
// must be the stack's own and let nobody in.
func (s *Stack) RemoveHalfMadeBackend(ctx context.Context) error {
	if s.Config == nil || !s.Config.Workload.CreateAuthBackend {
		return nil
	}
	state, err := s.State(ctx)
	if err != nil || state.Has(rights.TypeBackend, s.Config.Workload.AuthPath) {
		return err
	}
	vault := s.sandbox.Vault.Root()
	isHalfMade, err := check.HalfMade(ctx, vault, s.Config)
	if err == nil && isHalfMade {
		err = vault.Sys().DisableAuthWithContext(ctx, s.Config.Workload.AuthPath)
	}
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", s.Config.Workload.AuthPath, err)
	}
	return nil
}
