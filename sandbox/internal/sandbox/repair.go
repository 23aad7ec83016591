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

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"mlvault/operate/check"
	"mlvault/operate/repair"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/files"
)

// Up deploys the stack, whatever ended the run before it. After a run that failed or was killed, the state does not say
// what is there: an answer may have been lost on its way, and what was being made when the process died is in Vault or in
// Azure and in no state. So that such a run is repaired by the next one alone, it first removes the lock of a process
// that is gone, takes over what was being created, and has the engine look (--refresh) before it compares.
func (s *Stack) Up(ctx context.Context, opts ...optup.Option) (auto.UpResult, error) {
	unfinished, err := s.begin(ctx)
	if err != nil {
		return auto.UpResult{}, err
	}
	if unfinished {
		if err := s.removeHalfMadeBackend(ctx); err != nil {
			return auto.UpResult{}, err
		}
		opts = append(opts, optup.Refresh())
	}
	result, err := s.Stack.Up(ctx, opts...)
	return result, s.end(err)
}

// Destroy removes what the stack made, and after a run that did not end well also what only Vault or Azure know of.
func (s *Stack) Destroy(ctx context.Context, opts ...optdestroy.Option) (auto.DestroyResult, error) {
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

// mend makes the state of a stack readable before the CLI reads it: a full disk or a kill may have cut its files off.
func (s *Sandbox) mend(name string) error {
	// What others made, such as a storage account that a stack brings along, has not this tag.
	ours := func(doc arm.Document) bool {
		tags, _ := doc["tags"].(map[string]any)
		return tags["managed-by"] == "pulumi"
	}
	if stacks, _ := filepath.Glob(s.Path("state/.pulumi/stacks/*/*.json*")); len(stacks) == 0 && slices.ContainsFunc(s.ARM.List(""), ours) {
		return fmt.Errorf("the state in %s is gone, and what it knew is still in the sandbox's Vault and Azure: `make clean` forgets both, then `make up` starts anew", s.Path("state"))
	}
	if _, err := s.Files(name).Mend(); err != nil {
		return fmt.Errorf("%w. In the sandbox `make clean` forgets all of it, then `make up` starts anew", err)
	}
	return nil
}

// begin notes that a run has started, and repairs the state when the note of the run before is still there.
func (s *Stack) begin(ctx context.Context) (unfinished bool, err error) {
	mend := s.repair()
	var locked *repair.LockedError
	if err := mend.Unlock(ctx); err != nil && !errors.As(err, &locked) { // the CLI says who holds it
		return false, fmt.Errorf("lock of stack %s: %w", s.Name(), err)
	}
	_, err = os.Stat(s.note())
	if errors.Is(err, fs.ErrNotExist) {
		const note = "A run of this stack has started and not ended well, so the next one looks before it compares.\n"
		return false, files.Replace(s.note(), []byte(note))
	}
	if err != nil {
		return false, fmt.Errorf("sandbox: %w", err)
	}
	if _, err := mend.TakeIn(ctx); err != nil {
		return false, fmt.Errorf("what the run before left unfinished in stack %s: %w", s.Name(), err)
	}
	return true, nil
}

// repair is the product's, with the sandbox's own CLI and folder.
func (s *Stack) repair() repair.Repair {
	stackFiles := s.sandbox.Files(s.Name())
	return repair.Repair{
		Stack:        engine{stack: s},
		Files:        &stackFiles,
		Subscription: func(context.Context) string { return arm.SubscriptionID },
		Say:          func(string) {},
	}
}

// engine is a stack as a repair asks for it.
type engine struct{ stack *Stack }

func (e engine) Export(ctx context.Context) ([]byte, error) {
	exported, err := e.stack.Export(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(exported)
}

func (e engine) Import(ctx context.Context, state []byte) error {
	var document apitype.UntypedDeployment
	if err := json.Unmarshal(state, &document); err != nil {
		return err
	}
	return e.stack.Import(ctx, document)
}

func (e engine) Refresh(ctx context.Context) error {
	_, err := e.stack.Refresh(ctx)
	return err
}

// end takes the note away after a run that ended well.
func (s *Stack) end(err error) error {
	if err == nil {
		err = os.Remove(s.note())
	}
	return err
}

func (s *Stack) note() string { return s.sandbox.Path("unfinished-" + s.Name()) }

// Files are the stack's in the sandbox's backend.
func (s *Sandbox) Files(stack string) repair.Files {
	return repair.Files{Root: s.Path("state"), Project: s.Project, Stack: stack}
}

// removeHalfMadeBackend disables the stack's auth backend if a run enabled it and did not get to know: the state has
// none, so that the next run would enable it again, which Vault refuses. It must be the stack's own and let nobody in.
func (s *Stack) removeHalfMadeBackend(ctx context.Context) error {
	if s.Config == nil || !s.Config.Workload.CreateAuthBackend {
		return nil
	}
	deployment, err := s.deployment(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(deployment.Resources, func(r apitype.ResourceV3) bool { return r.Type == check.TypeBackend }) {
		return nil
	}
	vault, store := s.sandbox.Vault.Root(), s.Config.Access()
	half, err := check.HalfMade(ctx, vault, store)
	if err == nil && half {
		err = vault.Sys().DisableAuthWithContext(ctx, store.AuthPath)
	}
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", store.AuthPath, err)
	}
	return nil
}
