package stack

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/losses"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// consequences say in a plan what a change would lose, and refuse what Azure would refuse. A plan
// of the engine's own says `replace`, and not what goes with it; and Azure refuses when half of the
// run is done. So hooks of the engine run in previews too, with what the state has: an up begins
// with one.
type consequences struct {
	ctx      *pulumi.Context
	settings *settings.Settings
}

// The names of the hooks are in the state of every watched resource: see ownership, which has the
// other such name.
const (
	refusalsHook = "mlvault:refusals"
	lossesHook   = "mlvault:losses"
)

// typeStash is of a value that the engine keeps in the state.
const typeStash = "pulumi:index:Stash"

// register makes the option that watches a resource.
func (c consequences) register() (pulumi.ResourceOption, error) {
	refuse, err := c.ctx.RegisterResourceHook(refusalsHook, c.refuse,
		&pulumi.ResourceHookOptions{OnDryRun: true})
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", refusalsHook, err)
	}
	// Its error is a warning.
	announce, err := c.ctx.RegisterResourceHook(lossesHook, c.announce,
		&pulumi.ResourceHookOptions{OnDryRun: true, IgnoreErrors: true})
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", lossesHook, err)
	}
	hooks := []*pulumi.ResourceHook{refuse, announce}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		BeforeUpdate: hooks,
		BeforeDelete: hooks,
	}), nil
}

// refuse is told of each update and each deletion.
func (c consequences) refuse(args *pulumi.ResourceHookArgs) error {
	if isDeletion(args) {
		return c.refuseDeletion(args)
	}
	refused := losses.Refused(kindOf(args), settled(args.OldInputs), c.settings)
	if len(refused) > 0 {
		return fmt.Errorf("Azure refuses this update. %s", strings.Join(refused, ". "))
	}
	return nil
}

func (c consequences) refuseDeletion(args *pulumi.ResourceHookArgs) error {
	holding, holds := c.holding(args)
	if holds && holding.HasData && c.settings.Azure.Protect {
		return fmt.Errorf("azure.protect: it is on, and this deletes %s %s, and with it %s. If that is "+
			"meant, set azure.protect to false", holding.What, nameOf(args), holding.Holds)
	}
	refused := losses.RefusedDeletion(kindOf(args), c.settings)
	if refused != "" {
		return errors.New(refused)
	}
	return nil
}

// announce is told of the same. It speaks in previews alone, and so once in an up.
func (c consequences) announce(args *pulumi.ResourceHookArgs) error {
	if !c.ctx.DryRun() {
		return nil
	}
	var unsaid []error
	for _, text := range c.losses(args) {
		err := c.ctx.Log.Warn(text, nil)
		if err != nil {
			// The engine deletes what is no longer in the program when that has ended, and its log too.
			unsaid = append(unsaid, errors.New(text))
		}
	}
	return errors.Join(unsaid...)
}

// losses say what goes, or nothing.
func (c consequences) losses(args *pulumi.ResourceHookArgs) []string {
	if isDeletion(args) {
		return c.deleted(args)
	}
	if string(args.Type) != typeStash {
		return nil
	}
	was, _ := settled(args.OldInputs)["input"].(map[string]any)
	now, _ := settled(args.NewInputs)["input"].(map[string]any)
	announced := losses.Announced(was, now, c.settings.Stack)
	if changed := losses.ChangedProtection(was, now); changed != "" {
		announced = append(announced, changed)
	}
	return announced
}

func (c consequences) deleted(args *pulumi.ResourceHookArgs) []string {
	switch string(args.Type) {
	case rights.TypeBackend:
		return []string{"this " + losses.DeletesBackend(string(args.ID))}
	case rights.TypeSecret:
		return c.secretGoes(args)
	}
	holding, holds := c.holding(args)
	if !holds {
		return nil
	}
	return []string{fmt.Sprintf("this deletes %s %s, and with it %s", holding.What, nameOf(args),
		holding.Holds)}
}

// isDeletion is of what goes for good, and of the old one of what is replaced.
func isDeletion(args *pulumi.ResourceHookArgs) bool {
	return args.NewInputs == nil
}

// holding is what is lost with a resource. Jobs do not log in with the workspace's own identity,
// and what is retained, or given away with the workspace, stays in Azure.
func (c consequences) holding(args *pulumi.ResourceHookArgs) (losses.Holding, bool) {
	kind := kindOf(args)
	isLetGo := c.settings.Azure.WorkspaceExists() || c.settings.Azure.Retain
	if isLetGo && !losses.IsBesideWorkspace(kind) {
		return losses.Holding{}, false
	}
	if strings.HasSuffix(args.Name, settings.WorkspaceIdentitySuffix) {
		return losses.Holding{}, false
	}
	return losses.Of(kind)
}

func kindOf(args *pulumi.ResourceHookArgs) string {
	resourceType, _ := settled(args.OldInputs)["resourceType"].(string)
	return losses.KindOf(string(args.Type), resourceType)
}

// nameOf is a resource's name in Azure.
func nameOf(args *pulumi.ResourceHookArgs) string {
	return path.Base(string(args.ID))
}

// secretGoes is silent of one that moves, unless nobody can bring back what it was before.
func (c consequences) secretGoes(args *pulumi.ResourceHookArgs) []string {
	if purges, _ := settled(args.OldInputs)["deleteAllVersions"].(bool); purges {
		return []string{"this " + losses.PurgesSecrets(string(args.ID))}
	}
	for _, credential := range c.settings.Credentials {
		if args.Name == storeName+"-"+credential.Name {
			return nil
		}
	}
	return []string{"this " + losses.DeletesSecrets(string(args.ID))}
}

// settled are inputs as plain values. What is secret in them is seen here alone, and what is not
// known yet is nil.
func settled(inputs resource.PropertyMap) map[string]any {
	return inputs.MapRepl(nil, func(value resource.PropertyValue) (any, bool) {
		var element resource.PropertyValue
		switch {
		case value.IsSecret():
			element = value.SecretValue().Element
		case value.IsOutput() && value.OutputValue().Known:
			element = value.OutputValue().Element
		case value.IsOutput(), value.IsComputed():
			return nil, true
		default:
			return nil, false
		}
		return settled(resource.PropertyMap{"value": element})["value"], true
	})
}
