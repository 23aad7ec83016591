package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// Names of the stacks. The second one is the first after its rename.
const (
	project   = "walked"
	stackName = "first"
	renamed   = "second"
	neighbour = "neighbour"
)

// rig is one Vault and one Azure, with a neighbour in both, on which walks are played one by one.
type rig struct {
	*lab.Lab
	killer     *killer
	others     lab.Picture // what is there besides the walk's stack
	neighbours string      // the neighbour's workspace
	fresh      map[string]lab.Picture
	cli        *lab.Thrifty
	clean      bool // the walk before left an empty stack and nothing else
}

func newRig(t *testing.T) *rig {
	t.Helper()
	k := &killer{}
	l := lab.Open(t, sandbox.Options{
		Root: lab.Project(t, project, stackName, renamed, neighbour),
		Wrap: k.wrap,
	})
	r := &rig{Lab: l, killer: k, fresh: map[string]lab.Picture{}, cli: l.Spare(project)}
	r.cli.Asks = true
	k.lab = l
	l.ARM.Arrived = k.hear
	l.SharedBackend(sharedBackend)
	l.Write("auth/"+sharedBackend+"/role/theirs", map[string]any{
		"role_type":       "jwt",
		"user_claim":      "sub",
		"bound_audiences": "api://theirs",
	})
	l.Write("sys/mounts/"+sharedMount, map[string]any{
		"type":    "kv",
		"options": map[string]any{"version": "2"},
	})
	l.Write("secret/data/somebody/else", map[string]any{"data": map[string]any{"key": "theirs"}})
	// A workspace has each name of a cluster once, and the walk's stack moves in.
	theirs, _ := l.Up(neighbour, lab.Sample(), lab.With(t, "compute[0].name", "cluster-theirs"))
	_, err := theirs.Job(t.Context()) // after the first one the workspace has a registry
	require.NoError(t, err)
	values, err := theirs.Outputs(t.Context())
	require.NoError(t, err)
	r.neighbours = sandbox.Text(values, outputs.WorkspaceID)
	k.root = l.Vault.Root().Token()
	others, err := r.Picture()
	require.NoError(t, err)
	r.others = others
	r.cli.Asks = false
	return r
}

// forget removes all that a walk left, whatever became of it.
func (r *rig) forget() error {
	if r.clean {
		return nil
	}
	now, err := r.Picture()
	if err != nil {
		return err
	}
	root := r.Vault.Root().Logical()
	for place := range now.Without(r.others) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(place, "vault "), " ")
		at := ""
		switch {
		case kind == "policy":
			at = "sys/policies/acl/" + name
		case kind == "auth" && strings.HasPrefix(name, sharedBackend+"/role/"):
			at = "auth/" + name
		case kind == "auth" && strings.HasSuffix(name, "/"):
			at = "sys/auth/" + strings.TrimSuffix(name, "/")
		default: // it goes with its method, or below
			continue
		}
		if _, err := root.Delete(at); err != nil {
			return err
		}
	}
	for _, folder := range []string{project + "/", "teams/"} {
		for _, mount := range []string{"secret/", sharedMount + "/"} {
			if err := r.forgetSecrets(mount, folder); err != nil {
				return err
			}
		}
	}
	isOthers := func(doc arm.Document) bool {
		_, known := r.others["azure "+strings.ToLower(fmt.Sprint(doc["id"]))]
		return known
	}
	if err := r.ARM.Keep(isOthers); err != nil {
		return err
	}
	return r.forgetFiles()
}

// forgetSecrets deletes the versions too: another walk must not find them.
func (r *rig) forgetSecrets(mount, folder string) error {
	root := r.Vault.Root().Logical()
	listed, err := root.List(mount + "metadata/" + folder)
	if err != nil || listed == nil {
		return err
	}
	names, _ := listed.Data["keys"].([]any)
	for _, each := range names {
		place := folder + fmt.Sprint(each)
		if strings.HasPrefix(place, project+"/"+neighbour) {
			continue
		}
		if strings.HasSuffix(place, "/") {
			err = r.forgetSecrets(mount, place)
		} else {
			_, err = root.Delete(mount + "metadata/" + place)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetFiles removes the stack's files but not its neighbour's.
func (r *rig) forgetFiles() error {
	for _, stack := range []string{stackName, renamed} {
		patterns := []string{
			r.Path("state/.pulumi/*/" + project + "/" + stack + "*"),
			r.Path("state/.pulumi/locks/*/" + project + "/" + stack),
			r.Path("work/Pulumi." + stack + ".*"),
			r.Path("unfinished-" + stack),
			r.DeployerTokenFile(stack),
		}
		for _, pattern := range patterns {
			found, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			for _, file := range found {
				if err := os.RemoveAll(file); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// killer counts the requests that change something, in Vault and in Azure, and kills the CLI when
// one of them arrives.
type killer struct {
	lab  *lab.Lab
	root string // the test's own token

	mu    sync.Mutex
	left  int // requests until the kill; 0: nobody is killed
	stack string
	loses bool // Vault does not get the last one
	done  bool
}

// aim makes the n-th request from now the last that the stack's CLI sees. If it is one to Vault and
// is lost, Vault does not see it.
func (k *killer) aim(stack string, n int, isLost bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stack = stack
	k.left = n
	k.loses = isLost
	k.done = false
}

// stop ends an aim, and tells whether the CLI was killed.
func (k *killer) stop() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = 0
	return k.done
}

func (k *killer) wrap(vault http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Header.Get("X-Vault-Token") != k.root {
			if k.count() && k.loses {
				// The plugin of a test outlives the CLI, and tries again what it may.
				http.Error(w, `{"errors":["lost"]}`, http.StatusBadRequest)
				return
			}
			// What has arrived is done, whoever hears of it.
			r = r.WithContext(context.WithoutCancel(r.Context()))
		}
		vault.ServeHTTP(w, r)
	})
}

// hear is told of each request to ARM.
func (k *killer) hear(method, _ string) {
	if method != http.MethodGet {
		k.count()
	}
}

// count tells whether the request is the one at which the CLI is killed.
func (k *killer) count() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == 0 {
		return false
	}
	k.left--
	if k.left > 0 {
		return false
	}
	k.done = k.kill()
	return k.done
}

// kill ends the process that holds the stack's lock.
func (k *killer) kill() bool {
	locks := k.lab.Path("state/.pulumi/locks/organization/" + project + "/" + k.stack + "/*.json")
	found, err := filepath.Glob(locks)
	if err != nil || len(found) != 1 {
		return false
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return false
	}
	var lock struct {
		PID int `json:"pid"`
	}
	if json.Unmarshal(text, &lock) != nil || lock.PID == 0 {
		return false
	}
	return syscall.Kill(lock.PID, syscall.SIGKILL) == nil
}

// life is one walk's stack.
type life struct {
	*rig
	ctx     context.Context
	name    string
	settled choices     // what the stack's file says
	others  lab.Picture // the rig's, and what was given away in this life
	stack   *sandbox.Stack
	killed  bool      // and not repaired
	leaving *handOver // what the stack has let go of, until somebody else has it
	changed bool      // since then
}

// configure prepares the next command as a user does: the settings are written, and the deployer
// has a token of the policy that `make policy` prints for them and for the state.
func (l *life) configure() error {
	l.heedNetwork()
	text, err := json.Marshal(l.settled.payloads())
	if err != nil {
		return err
	}
	given := sandbox.Settings{
		Stack:       l.name,
		Credentials: string(text),
		Edits:       []func(m configMap){l.settled.edit(project)},
	}
	l.stack, err = l.Configure(l.ctx, given)
	if l.heedRefusal(err) {
		l.stack, err = l.Configure(l.ctx, given)
	}
	if err != nil {
		return err
	}
	return l.policyByTeam()
}

// up is `pulumi up`, with nothing of what the sandbox does around it.
func (l *life) up(options ...optup.Option) error {
	if err := l.configure(); err != nil {
		return err
	}
	_, err := l.stack.Stack.Up(l.ctx, append(options, optup.SuppressProgress())...)
	if err != nil {
		return err
	}
	return l.roleByTeam()
}

// secretOutputs are those of the stack, in plain text.
func (l *life) secretOutputs() map[string]string {
	return map[string]string{outputs.VaultAddress: l.stack.Config.Address.Reveal()}
}

func (l *life) preview(options ...optpreview.Option) error {
	if err := l.configure(); err != nil {
		return err
	}
	_, err := l.stack.Preview(l.ctx, append(options, optpreview.SuppressProgress())...)
	return err
}

func (l *life) refresh(options ...optrefresh.Option) error {
	if err := l.configure(); err != nil {
		return err
	}
	_, err := l.stack.Refresh(l.ctx, append(options, optrefresh.SuppressProgress())...)
	return err
}

// killedUp is an up whose CLI is killed at the n-th request that changes something, if it comes so
// far. A request that is lost never arrives.
func (l *life) killedUp(n int, isLost bool) error {
	if err := l.configure(); err != nil {
		return err
	}
	l.killer.aim(l.name, n, isLost)
	// One at a time, so that the n-th request is the same one in every run of a walk.
	_, err := l.stack.Stack.Up(l.ctx, optup.Parallel(1), optup.SuppressProgress())
	l.killed = l.killer.stop()
	if l.killed {
		return nil
	}
	return err
}

// repair is `make repair`, and what it and preflight tell a person to do.
func (l *life) repair() error {
	if err := l.configure(); err != nil {
		return err
	}
	l.cli.Asks = true
	defer func() { l.cli.Asks = false }()
	if err := l.stack.Repair().Run(l.ctx); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	l.killed = false
	return l.stack.RemoveHalfMadeBackend(l.ctx)
}

// rename is `pulumi stack rename`, once and back.
func (l *life) rename() error {
	if err := l.configure(); err != nil {
		return err
	}
	next := renamed
	if l.name == renamed {
		next = stackName
	}
	workspace := l.stack.Workspace()
	env := []string{"PULUMI_HOME=" + workspace.PulumiHome()}
	for name, value := range workspace.GetEnvVars() {
		env = append(env, name+"="+value)
	}
	_, said, _, err := workspace.PulumiCommand().Run(l.ctx, workspace.WorkDir(), nil, nil, nil, env,
		"stack", "rename", next, "--stack", l.name)
	if err != nil {
		return fmt.Errorf("stack rename: %w: %s", err, said)
	}
	l.name = next
	l.changed = true
	return nil
}

// newToken makes the deployer start over with a new token.
func (l *life) newToken() error {
	err := os.Remove(l.DeployerTokenFile(l.name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// destroy is as docs/operate.md has it, for a protected stack too.
func (l *life) destroy() error {
	delete(l.settled.Texts, "azure.protect")
	if err := l.configure(); err != nil {
		return err
	}
	_, err := l.stack.Stack.Destroy(l.ctx, optdestroy.SuppressProgress())
	return err
}
