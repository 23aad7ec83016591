package walk

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"mlvault/internal/losses"
	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// handOver is a workspace that the stack has let go of, with what a person keeps for the way back.
type handOver struct {
	workspace string
	before    choices // the settings that the stack had
	letGo     choices // and those that it let go with
	export    apitype.UntypedDeployment
	parts     lab.Picture // what Azure has of it
}

// Settings: of a workspace that exists, and of its network.
const (
	workspaceID = "azure.workspaceId"
	networkMode = "azure.managedNetwork.mode"
)

// besideWorkspace are the settings of azure that a walk may have beside it.
var besideWorkspace = []string{workspaceID, networkMode, "azure.tags.team"}

// isBrought tells whether the settings name a workspace that exists.
func (c choices) isBrought() bool { return c.Texts[workspaceID] != "" }

// bring names a workspace that exists, and takes out what only one that is made has.
func (c choices) bring(id string) {
	c.Texts[workspaceID] = id
	c.dropWhatIsMade()
}

func (c choices) dropWhatIsMade() {
	maps.DeleteFunc(c.Texts, func(path, _ string) bool {
		return strings.HasPrefix(path, "azure.") && !slices.Contains(besideWorkspace, path)
	})
}

// dropFromFile takes out of the dev stack's own settings what only a workspace that is made has.
func dropFromFile(m pulumiconfig.Map, project string) {
	key := pulumiconfig.MustMakeKey(project, "azure.publicNetworkAccess")
	if err := m.Remove(key, true); err != nil {
		panic(fmt.Sprintf("%s: %v", key, err)) // a path of this package's own
	}
}

// heedRefusal does what a person does who reads that a setting is not for a workspace that exists:
// the setting is taken out.
func (l *life) heedRefusal(refusal error) bool {
	const says = "is for a workspace that the program makes, and azure.workspaceId names one that " +
		"exists"
	if refusal == nil || !l.settled.isBrought() || !strings.Contains(refusal.Error(), says) {
		return false
	}
	before := len(l.settled.Texts)
	l.settled.dropWhatIsMade()
	return len(l.settled.Texts) < before
}

// heedNetwork writes the network's mode as the workspace of others has it. Preflight asks for that.
func (l *life) heedNetwork() {
	if !l.settled.isBrought() {
		return
	}
	workspace, _ := l.ARM.Resource(l.settled.Texts[workspaceID])
	properties, _ := workspace["properties"].(map[string]any)
	network, _ := properties["managedNetwork"].(map[string]any)
	delete(l.settled.Texts, networkMode)
	if mode, isThere := network["isolationMode"].(string); isThere {
		l.settled.Texts[networkMode] = mode
	}
}

// letGo is the first half of "Give the workspace away" in docs/operate.md.
func (l *life) letGo() error {
	if err := l.up(); err != nil { // what is still to change, which azure.retain would hinder
		return err
	}
	before := l.settled.clone()
	l.settled.Texts["azure.protect"] = "false"
	l.settled.Texts["azure.retain"] = "true"
	if err := l.up(); err != nil {
		return fmt.Errorf("let go: %w", err)
	}
	workspace, err := l.ownWorkspace()
	if err != nil {
		return err
	}
	// Its first job has run.
	if err := l.ARM.BuildImage(workspace); err != nil {
		return err
	}
	export, err := l.stack.Export(l.ctx)
	if err != nil {
		return err
	}
	now, err := l.Picture()
	if err != nil {
		return err
	}
	parts := now.Without(l.others)
	isKept := func(place, _ string) bool { return !isOfWorkspace(place) }
	maps.DeleteFunc(parts, isKept)
	l.leaving = &handOver{
		workspace: workspace,
		before:    before,
		letGo:     l.settled.clone(),
		export:    export,
		parts:     parts,
	}
	l.changed = false
	return nil
}

// isOfWorkspace tells of a place in a picture whether it leaves with the workspace. Clusters and
// the job identity stay the stack's.
func isOfWorkspace(place string) bool {
	id, isAzures := strings.CutPrefix(place, "azure ")
	isKept := strings.Contains(id, "/computes/") || strings.Contains(id, "/userassignedidentities/")
	return isAzures && !isKept
}

// ownWorkspace is the id of the workspace that the stack has made, or nothing.
func (l *life) ownWorkspace() (string, error) {
	state, err := l.stack.State(l.ctx)
	if err != nil {
		return "", err
	}
	for _, r := range state.Resources {
		isWorkspace := strings.HasPrefix(r.Type, "azure-native:machinelearningservices") &&
			strings.HasSuffix(r.Type, ":Workspace")
		if isWorkspace && !r.External && !r.Replaced && r.Pending == "" {
			return "/" + r.ID, nil
		}
	}
	return "", nil
}

// giveAway lets somebody else have the workspace, and goes on in it from the next up on.
func (l *life) giveAway() error {
	if l.settled.isBrought() {
		return nil
	}
	if err := l.letGo(); err != nil {
		return err
	}
	l.settled.bring(l.leaving.workspace)
	return nil
}

// moveIn goes on in the neighbour's workspace from the next up on, and leaves an own one in Azure.
func (l *life) moveIn() error {
	if !l.settled.isBrought() {
		if err := l.letGo(); err != nil {
			return err
		}
	}
	l.settled.bring(l.neighbours)
	return nil
}

// takeBack is "Take it back" in docs/operate.md. A stack that has its workspace gives it away
// first. One that was changed since then cannot go back to the export, and makes another workspace.
func (l *life) takeBack() error {
	if !l.settled.isBrought() {
		if err := l.giveAway(); err != nil {
			return err
		}
		if err := l.up(); err != nil {
			return err
		}
	}
	if l.leaving == nil || l.changed {
		return l.makeAnother()
	}
	back := l.leaving
	l.leaving = nil
	l.settled = back.letGo.clone()
	if err := l.configure(); err != nil {
		return err
	}
	if err := l.stack.Import(l.ctx, back.export); err != nil {
		return err
	}
	if err := l.up(optup.Refresh(), optup.RunProgram(true)); err != nil {
		return fmt.Errorf("take back: %w", err)
	}
	l.settled = back.before.clone()
	if err := l.up(); err != nil {
		return fmt.Errorf("take back: %w", err)
	}
	now, err := l.Picture()
	if err != nil {
		return err
	}
	if changed := lab.Difference(placesOf(now, back.parts), back.parts); changed != "" {
		return fmt.Errorf("taken back, it is not as it was:\n%s", changed)
	}
	return nil
}

// placesOf is what a picture has in the places of another one.
func placesOf(p, other lab.Picture) lab.Picture {
	found := lab.Picture{}
	for place := range other {
		if text, isThere := p[place]; isThere {
			found[place] = text
		}
	}
	return found
}

// makeAnother ends a handing over that was begun, and makes a workspace of the stack's own again at
// the next up.
func (l *life) makeAnother() error {
	if !l.settled.isBrought() {
		return nil
	}
	if l.leaving != nil {
		if err := l.up(); err != nil {
			return err
		}
		if err := l.noteGiven(); err != nil {
			return err
		}
	}
	delete(l.settled.Texts, workspaceID)
	return nil
}

// noteGiven takes what the stack no longer has for somebody else's, as it was when it let go.
func (l *life) noteGiven() error {
	if l.leaving == nil || !l.settled.isBrought() {
		return nil
	}
	workspace, err := l.ownWorkspace()
	if err != nil {
		return err
	}
	if workspace != "" {
		return errors.New("a workspace that was given away is still the stack's")
	}
	maps.Copy(l.others, l.leaving.parts)
	l.leaving = nil
	return nil
}

// policyByTeam is what the Vault team does before an up where it makes the policy: it writes what
// `make policy FOR=jobs` prints. What it has written is others' from then on.
func (l *life) policyByTeam() error {
	work := l.stack.Config.Workload
	if work.CreatePolicy {
		return nil
	}
	text := rights.ReadPolicy(l.stack.Config)
	if err := l.Vault.Root().Sys().PutPolicyWithContext(l.ctx, work.Policy, text); err != nil {
		return err
	}
	return l.noteTheirs("vault policy " + work.Policy)
}

// roleByTeam is what it does after one, when the identity is there: it writes what
// `make policy FOR=role` prints.
func (l *life) roleByTeam() error {
	if l.stack.Config.Workload.CreateRole {
		return nil
	}
	state, err := l.stack.State(l.ctx)
	if err != nil {
		return err
	}
	jobs, isMade := state.JobIdentity()
	if !isMade {
		return errors.New("the Vault team's role: the state has no job identity")
	}
	at := l.stack.Config.RolePath()
	role := rights.JobsRole(l.stack.Config, jobs)
	if _, err := l.Vault.Root().Logical().WriteWithContext(l.ctx, at, role); err != nil {
		return err
	}
	return l.noteTheirs("vault " + strings.Replace(at, "auth/", "auth ", 1))
}

// noteTheirs holds what is now at a place for others'.
func (l *life) noteTheirs(place string) error {
	now, err := l.Picture()
	l.others[place] = now[place]
	return err
}

// pinNames writes the names that the stack has in Vault into its settings, as docs/operate.md has
// it before a rename.
func (l *life) pinNames() error {
	if err := l.configure(); err != nil {
		return err
	}
	now := l.stack.Config
	maps.Copy(l.settled.Texts, map[string]string{
		"vault.prefix":      now.Vault.Prefix,
		"workload.authPath": now.Workload.AuthPath,
		"workload.role":     now.Workload.Role,
		"workload.policy":   now.Workload.Policy,
	})
	l.changed = true
	return nil
}

// renamePinned holds that a rename with pinned names moves nothing.
func (l *life) renamePinned() error {
	if err := l.pinNames(); err != nil {
		return err
	}
	if err := l.up(); err != nil {
		return err
	}
	before, err := l.Picture()
	if err != nil {
		return err
	}
	if err := l.rename(); err != nil {
		return err
	}
	if err := l.up(); err != nil {
		return err
	}
	after, err := l.Picture()
	if err != nil {
		return err
	}
	if moved := lab.Difference(emptied(after), emptied(before)); moved != "" {
		return fmt.Errorf("a rename with pinned names moves:\n%s", moved)
	}
	return nil
}

// emptied are a picture's places without what is there.
func emptied(p lab.Picture) lab.Picture {
	found := lab.Picture{}
	for place := range p {
		found[place] = "{}"
	}
	return found
}

// oldJob is a job of the first day's definition. Its script asks for each credential by name.
type oldJob struct {
	holds       map[string]any
	folder      string
	environment map[string]string
}

// oldScript asks as README's example does.
const oldScript = `
import sys
from vault_credentials import read_credentials
read_credentials(*sys.argv[1:])
`

// firstDefinition is `make job` on the first day.
func (l *life) firstDefinition() (*oldJob, error) {
	l.cli.Secrets = l.secretOutputs()
	defer func() { l.cli.Secrets = nil }()
	_, environment, err := l.stack.JobEnvironment(l.ctx)
	if err != nil {
		return nil, err
	}
	holds, err := l.definition()
	if err != nil {
		return nil, err
	}
	job := &oldJob{
		holds:       holds,
		folder:      l.Path("first-job"),
		environment: environment,
	}
	if err := os.RemoveAll(job.folder); err != nil {
		return nil, err
	}
	return job, l.stack.HandOver(l.ctx, job.folder)
}

// definition is what the state says that definitions hold.
func (l *life) definition() (map[string]any, error) {
	state, err := l.stack.State(l.ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range state.Resources {
		if strings.HasSuffix(r.URN, "::"+losses.DefinitionName) {
			held, _ := r.Inputs["input"].(map[string]any)
			return held, nil
		}
	}
	return nil, errors.New("the state has no job definition")
}

// runOldJob runs the job of the first day again. Where the program says nothing against its
// definition, it must read.
func (l *life) runOldJob(job *oldJob) error {
	now, err := l.definition()
	if err != nil || len(losses.Outdated(job.holds, now)) > 0 {
		return err
	}
	args := []string{"-c", oldScript}
	for name := range firstDay().Credentials {
		args = append(args, name)
	}
	python, err := sandbox.Python(l.ctx, job.folder, job.environment, args...)
	if err != nil {
		return err
	}
	said, err := python.CombinedOutput()
	if err != nil {
		return fmt.Errorf("a job of the first day's definition, which no plan calls outdated: %w: %s",
			err, said)
	}
	return nil
}
