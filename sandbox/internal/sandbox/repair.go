package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/vaultplugin"
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

// begin notes that a run has started, and repairs the state when the note of the run before is still there.
func (s *Stack) begin(ctx context.Context) (unfinished bool, err error) {
	if err := s.unlock(ctx); err != nil {
		return false, fmt.Errorf("lock of stack %s: %w", s.Name(), err)
	}
	_, err = os.Stat(s.note())
	switch {
	case err == nil:
		if err := s.adopt(ctx); err != nil {
			return false, fmt.Errorf("what the run before left unfinished in stack %s: %w", s.Name(), err)
		}
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("sandbox: %w", err)
	}
	if err := writeFile(s.note(), []byte("A run of this stack has started and not ended well, so the next one looks before it compares.\n")); err != nil {
		return false, fmt.Errorf("sandbox: %w", err)
	}
	return false, nil
}

// end takes the note away after a run that ended well.
func (s *Stack) end(err error) error {
	if err != nil {
		return err
	}
	if err := os.Remove(s.note()); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

func (s *Stack) note() string { return s.sandbox.Path("unfinished-" + s.Name()) }

// patience is how long a run waits for the CLI of a sandbox that was killed. Without its program and its providers,
// which lived in the sandbox, it ends by itself within a second or so.
const patience = 30 * time.Second

// Lock is what the CLI's file backend writes into a lock.
type Lock struct {
	PID      int    `json:"pid"`
	Hostname string `json:"hostname"`
}

// unlock removes the locks of processes that are gone, with the CLI's own cancel. Nobody can take a lock between the look
// and the cancel: this process holds the sandbox (see vaultserver), and in it one run of a stack at a time. A lock whose
// process lives, or is of another machine, stays, and the CLI will say whose it is.
func (s *Stack) unlock(ctx context.Context) error {
	folder := filepath.Join(s.sandbox.Path("state"), ".pulumi", "locks", "organization", s.sandbox.Project, s.Name())
	deadline := time.Now().Add(patience)
	for {
		held, living, err := Locks(folder)
		if err != nil {
			return err
		}
		if living == 0 {
			if held == 0 {
				return nil
			}
			return s.Cancel(ctx)
		}
		if time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Locks counts the locks of a stack, and those of them that must be respected.
func Locks(folder string) (held, living int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	host, err := os.Hostname()
	if err != nil {
		return 0, 0, err
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process has just ended
		}
		if err != nil {
			return 0, 0, err
		}
		held++
		var l Lock
		// A lock that is cut off was being written when its process, or the machine, died.
		if json.Unmarshal(text, &l) == nil && (l.Hostname != host || alive(l.PID)) {
			living++
		}
	}
	return held, living, nil
}

// adopt takes what was being created when the run before died into the state, under the id that it has if it was made.
// The refresh that follows reads it, and drops it if it is not there. Dropping it here would orphan a resource with a
// random name, and make what exists "already in use" for ever. Every other operation in flight was on something that
// the state knows, and the refresh reads that too.
func (s *Stack) adopt(ctx context.Context) error {
	exported, err := s.Export(ctx)
	if err != nil {
		return err
	}
	var deployment apitype.DeploymentV3
	if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
		return err
	}
	if len(deployment.PendingOperations) == 0 {
		return nil
	}
	known := map[resource.URN]bool{}
	for _, r := range deployment.Resources {
		known[r.URN] = true
	}
	for _, operation := range deployment.PendingOperations {
		r := operation.Resource
		if id := idOf(r); operation.Type == apitype.OperationTypeCreating && id != "" && !known[r.URN] {
			r.ID, r.Outputs = resource.ID(id), r.Inputs
			deployment.Resources = append(deployment.Resources, r)
		}
	}
	deployment.PendingOperations = nil
	if exported.Deployment, err = json.Marshal(deployment); err != nil {
		return err
	}
	return s.Import(ctx, exported)
}

// idOf is the id that a resource gets from its inputs, or "".
func idOf(r apitype.ResourceV3) string {
	if strings.HasPrefix(string(r.Type), "vault:") {
		id, _ := vaultplugin.IDOf(string(r.Type), r.Inputs)
		return id
	}
	id, err := arm.IDOf(string(r.Type), r.Inputs)
	if err != nil {
		return ""
	}
	return id
}

// removeHalfMadeBackend disables the stack's auth backend if a run enabled it and did not get to know: the state has
// none, so that the next run would enable it again, which Vault refuses. It must be the stack's own and let nobody in.
func (s *Stack) removeHalfMadeBackend(ctx context.Context) error {
	if s.Config == nil || !*s.Config.Workload.CreateAuthBackend {
		return nil
	}
	exported, err := s.Export(ctx)
	if err != nil {
		return err
	}
	var deployment apitype.DeploymentV3
	if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
		return err
	}
	for _, r := range deployment.Resources {
		if r.Type == "vault:jwt/authBackend:AuthBackend" {
			return nil
		}
	}
	vault, path := s.sandbox.Vault.Root(), s.Config.Workload.AuthPath
	mounts, err := vault.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", path, err)
	}
	mount, enabled := mounts[path+"/"]
	if !enabled || !strings.HasSuffix(mount.Description, "by mlvault") {
		return nil
	}
	roles, err := vault.Logical().ListWithContext(ctx, "auth/"+path+"/role")
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", path, err)
	}
	if roles != nil {
		return nil
	}
	if err := vault.Sys().DisableAuthWithContext(ctx, path); err != nil {
		return fmt.Errorf("auth backend %s: %w", path, err)
	}
	return nil
}
