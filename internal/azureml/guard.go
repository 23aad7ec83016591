package azureml

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// guardHook is in the state of every resource that is made here, and the engine looks a hook up by
// it. A new name would leave the deletion of what an older program made without its hook, which is
// an error.
const guardHook = "mlvault:workspace-stays"

// registerGuard makes the hook that keeps a workspace, and all that it needs, from being deleted
// because azure.workspaceId now names it, or another one: nobody who writes that means to lose
// what was there. It refuses in a preview too, so that nothing has moved by then.
func (b *builder) registerGuard() error {
	options := &pulumi.ResourceHookOptions{OnDryRun: true}
	hook, err := b.ctx.RegisterResourceHook(guardHook, b.refuseToLose, options)
	if err != nil {
		return fmt.Errorf("hook %s: %w", guardHook, err)
	}
	b.guard = pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		BeforeDelete: []*pulumi.ResourceHook{hook},
	})
	return nil
}

// refuseToLose refuses to delete what only a workspace that was made here has, and the identity
// that jobs are about to run as, by whatever spelling of its id.
func (b *builder) refuseToLose(args *pulumi.ResourceHookArgs) error {
	if strings.EqualFold(string(args.ID), b.settings.Workload.IdentityID) {
		return fmt.Errorf("%s is not deleted: workload.identityId names it. Nothing was deleted. Write "+
			"its id as `pulumi stack output jobIdentityId` does", args.Name)
	}
	if !b.azure.WorkspaceExists() || b.isBesideWorkspace(args) {
		return nil
	}
	return fmt.Errorf("%s is not deleted: the stack made it with its workspace, and "+
		"azure.workspaceId names a workspace that exists. Nothing was deleted. Take azure.workspaceId "+
		"back, and read docs/operate.md, \"Give the workspace away\"", args.Name)
}

// isBesideWorkspace tells of what a stack also has beside a workspace that exists.
func (b *builder) isBesideWorkspace(args *pulumi.ResourceHookArgs) bool {
	isOfCluster := strings.HasPrefix(args.Name, b.name+firstClusterSuffix)
	return isOfCluster || args.Name == b.name+jobIdentitySuffix
}
