// Package azureml is the Azure half of the program: the component [Workspace].
//
// It registers a resource group, the job identity, a storage account, a key vault, a Log Analytics
// workspace with its Application Insights, optionally a container registry, the Azure Machine
// Learning workspace that is wired to all of them, and optionally compute clusters that run jobs
// as the job identity, diagnostic settings and role assignments. What the settings name as existing
// is used and not made: it gets no tag, no protection, no diagnostic setting, and is never deleted.
// With a workspace that exists, only the job identity and clusters are left to make.
//
// ARM refuses a workspace without storage account, key vault and Application Insights ("Missing
// dependent resources in workspace json"), although neither its schema nor the SDK marks them as
// required.
//
// The parts: dependents.go is what the workspace needs beside it, network.go its managed network,
// endpoints.go the ways in from a network of the user's own, access.go its roles and locks,
// diagnostics.go its logs, compute.go its clusters, existing.go what is somebody else's, guard.go
// what keeps a workspace that is given away, options.go how a change of each is treated.
package azureml

import (
	"fmt"

	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them
// all.
const Type = "mlvault:azureml:Workspace"

// Ends of names in Pulumi.
const (
	workspaceSuffix = "-workspace"
	// jobIdentitySuffix is of the one that is made and of one that exists: a stack that names its own
	// as existing lets go of it.
	jobIdentitySuffix = "-identity"
)

// Workspace is the component.
type Workspace struct {
	pulumi.ResourceState

	ResourceGroup pulumi.StringOutput
	Name          pulumi.StringOutput
	ID            pulumi.StringOutput
	JobIdentity   JobIdentity
	// PublicNetworkAccess is Enabled or Disabled.
	PublicNetworkAccess pulumi.StringOutput
	// Clusters are the names of all clusters, in the order of the settings.
	Clusters pulumi.StringArray
	// ExistingClusters are those among them that somebody else made.
	ExistingClusters pulumi.StringArray
}

// JobIdentity is the user-assigned identity that jobs run as. The workspace's own identity will not
// do: a job cannot obtain its token (Microsoft, "Enterprise security and governance for Azure
// Machine Learning").
type JobIdentity struct {
	ID       pulumi.StringOutput // ARM id
	ClientID pulumi.StringOutput
	// PrincipalID and TenantID are the claims oid and tid of its tokens.
	PrincipalID pulumi.StringOutput
	TenantID    pulumi.StringOutput
}

// builder carries what every child needs.
type builder struct {
	ctx      *pulumi.Context
	name     string
	settings *settings.Settings
	azure    *settings.Azure
	parent   *Workspace
	// watched is the option of all that may hold something.
	watched pulumi.ResourceOption

	// group and location are where things are made.
	group      pulumi.StringInput
	location   pulumi.StringPtrInput
	dependents dependents

	// workspaceIdentity is nil where the workspace has a system-assigned identity.
	workspaceIdentity  pulumi.StringInput
	workspacePrincipal pulumi.StringInput

	// guard keeps what is made from being lost by azure.workspaceId.
	guard pulumi.ResourceOption
	// clustersFixed is what each cluster that is made keeps for its life.
	clustersFixed []component.Fixed
	// endpoints are the private endpoints.
	endpoints []pulumi.Resource
	// attachments are roles, diagnostic settings and endpoints: what a lock would hold.
	attachments []pulumi.Resource
}

// New registers the component and its children, which are named after it: <name>-group and so on.
// watched goes to every child that may hold something. opts are the component's own and reach no
// child, so that an alias for one cannot rename the others.
func New(
	ctx *pulumi.Context, name string, s *settings.Settings,
	watched pulumi.ResourceOption, opts ...pulumi.ResourceOption,
) (*Workspace, error) {
	w := &Workspace{}
	if err := ctx.RegisterComponentResource(Type, name, w, opts...); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	b := &builder{
		ctx:      ctx,
		name:     name,
		settings: s,
		azure:    &s.Azure,
		parent:   w,
		location: pulumi.String(s.Location),
		watched:  watched,
	}
	if err := b.registerGuard(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{}) // those of the stack have all
}

func (b *builder) build() error {
	if b.azure.WorkspaceExists() {
		return b.buildBesideWorkspace()
	}
	return b.buildAll()
}

// buildBesideWorkspace makes what a stack has beside a workspace that exists.
func (b *builder) buildBesideWorkspace() error {
	if err := b.existingWorkspace(); err != nil {
		return fmt.Errorf("workspace %s: %w", b.azure.WorkspaceID, err)
	}
	if err := b.jobIdentity(); err != nil {
		return fmt.Errorf("job identity: %w", err)
	}
	if err := b.fixClusters(); err != nil {
		return fmt.Errorf("compute cluster: %w", err)
	}
	if err := b.computeClusters(); err != nil {
		return fmt.Errorf("compute cluster: %w", err)
	}
	return nil
}

func (b *builder) buildAll() error {
	if err := b.resourceGroup(); err != nil {
		return fmt.Errorf("resource group: %w", err)
	}
	if err := b.jobIdentity(); err != nil {
		return fmt.Errorf("job identity: %w", err)
	}
	if err := b.makeDependents(); err != nil {
		return err
	}
	if err := b.ownIdentity(); err != nil {
		return fmt.Errorf("workspace identity: %w", err)
	}
	if err := b.fixClusters(); err != nil {
		return fmt.Errorf("compute cluster: %w", err)
	}
	if err := b.workspace(); err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	if err := b.diagnostics(); err != nil {
		return fmt.Errorf("diagnostic settings: %w", err)
	}
	if err := b.roleAssignments(); err != nil {
		return fmt.Errorf("role assignments: %w", err)
	}
	if err := b.privateEndpoints(); err != nil {
		return fmt.Errorf("private endpoints: %w", err)
	}
	if err := b.computeClusters(); err != nil {
		return fmt.Errorf("compute cluster: %w", err)
	}
	if err := b.locks(); err != nil {
		return fmt.Errorf("locks: %w", err)
	}
	return nil
}

func (b *builder) workspace() error {
	azure := b.azure
	group, err := b.workspaceGroup()
	if err != nil {
		return err
	}
	args := &ml.WorkspaceArgs{
		ResourceGroupName: group,
		WorkspaceName:     component.Optional(azure.Names.Workspace),
		Location:          pulumi.String(b.settings.Location),
		Kind:              pulumi.String("Default"),
		Sku: ml.SkuArgs{
			Name: pulumi.String("Basic"),
			Tier: ml.SkuTierBasic,
		},
		Identity:            b.identityOfWorkspace(),
		StorageAccount:      b.dependents.storageAccount.ToStringOutput(),
		KeyVault:            b.dependents.keyVault.ToStringOutput(),
		ApplicationInsights: b.dependents.insights.ToStringOutput(),
		PublicNetworkAccess: pulumi.String(azure.PublicNetworkAccess),
		HbiWorkspace:        pulumi.Bool(azure.HBIWorkspace),
		Tags:                b.tags(),
	}
	if registry := b.dependents.registry; registry != nil {
		args.ContainerRegistry = registry.ToStringOutput()
	}
	if b.workspaceIdentity != nil {
		args.PrimaryUserAssignedIdentity = b.workspaceIdentity.ToStringOutput()
	}
	if azure.ManagedNetwork != nil {
		args.ManagedNetwork = b.managedNetwork()
	}
	if azure.CustomerManagedKey != nil {
		args.Encryption = encryption(azure.CustomerManagedKey)
	}
	if clusters := b.settings.MadeClusters(); azure.IsClosed() && len(clusters) > 0 {
		// A registry without public access cannot build: its builders have no way in.
		args.ImageBuildCompute = pulumi.String(clusters[0].Name)
	}
	if serverless := azure.ServerlessComputeSettings; serverless != nil {
		args.ServerlessComputeSettings = ml.ServerlessComputeSettingsArgs{
			ServerlessComputeCustomSubnet: pulumi.String(serverless.SubnetID),
			ServerlessComputeNoPublicIP:   pulumi.Bool(serverless.NoPublicIP),
		}
	}
	options := b.dataOptions(b.workspaceOptions()...)
	workspace, err := ml.NewWorkspace(b.ctx, b.name+workspaceSuffix, args, options...)
	if err != nil {
		return err
	}
	b.parent.Name = workspace.Name
	b.parent.ID = workspace.ID().ToStringOutput()
	b.parent.PublicNetworkAccess = pulumi.String(azure.PublicNetworkAccess).ToStringOutput()
	if b.workspacePrincipal == nil {
		b.workspacePrincipal = workspace.Identity.Elem().PrincipalId()
	}
	return nil
}

// identityOfWorkspace is the workspace's own identity, beside it those that the settings attach,
// and the job identity where serverless jobs run as that.
func (b *builder) identityOfWorkspace() ml.ManagedServiceIdentityArgs {
	isSystems := b.workspaceIdentity == nil
	var attached pulumi.StringArray
	if !isSystems {
		attached = append(attached, b.workspaceIdentity)
	}
	for _, id := range b.azure.UserAssignedIdentityIDs {
		attached = append(attached, pulumi.String(id))
	}
	if b.settings.Workload.Serverless {
		attached = append(attached, b.parent.JobIdentity.ID)
	}
	kind := ml.ManagedServiceIdentityTypeUserAssigned
	switch {
	case isSystems && len(attached) == 0:
		return ml.ManagedServiceIdentityArgs{
			Type: pulumi.String(ml.ManagedServiceIdentityTypeSystemAssigned),
		}
	case isSystems:
		kind = ml.ManagedServiceIdentityType_SystemAssigned_UserAssigned
	}
	return ml.ManagedServiceIdentityArgs{
		Type:                   pulumi.String(kind),
		UserAssignedIdentities: attached,
	}
}

// workspaceOptions say what Azure never changes about a workspace, and what it fills in by itself.
func (b *builder) workspaceOptions() []pulumi.ResourceOption {
	azure := b.azure
	var options []pulumi.ResourceOption
	if b.workspaceIdentity != nil {
		// PUT of the workspace: with it Azure reads key vault and storage account as this identity.
		options = append(options, pulumi.DependsOn(b.attachments))
	}
	for _, fixed := range b.clustersFixed {
		// PUT of the workspace with a managed network: all its computes have to be deleted before
		// ("Workspace managed virtual network isolation").
		options = append(options, fixed.First())
	}
	if !b.settings.VaultHost().Empty() {
		// ARM answers with it, and the engine masks an output by itself only where the whole input is
		// a secret.
		options = append(options, pulumi.AdditionalSecretOutputs([]string{"managedNetwork"}))
	}
	// Fixed, see workspaceGroup.
	ids := []string{"storageAccount", "keyVault"}
	if azure.CustomerManagedKey != nil {
		ids = append(ids, "encryption.keyVaultProperties.keyVaultArmId")
	}
	options = append(options, pulumi.IgnoreChanges(ids))
	if azure.Names.Workspace != "" {
		options = append(options, pulumi.DeleteBeforeReplace(true)) // the new one has the same name
	}
	if b.dependents.registry == nil {
		// Azure makes a registry at the first image build, and says so in this property.
		options = append(options, pulumi.IgnoreChanges([]string{"containerRegistry"}))
	}
	return options
}

// workspaceGroup is the resource group, with all that a workspace keeps for its life.
func (b *builder) workspaceGroup() (pulumi.StringOutput, error) {
	keyVaultOfKey := "none"
	if key := b.azure.CustomerManagedKey; key != nil {
		keyVaultOfKey = key.KeyVaultID
	}
	// The sentence at the end is for whoever reads the plan of a change.
	return b.groupFixed(workspaceSuffix, pulumi.Sprintf("storageAccount %s, keyVault %s, "+
		"hbiWorkspace %t, keyVault of the customer's key %s. "+
		"A change deletes the workspace, with its runs, models, schedules and endpoints.",
		b.dependents.storageAccount, b.dependents.keyVault, b.azure.HBIWorkspace, keyVaultOfKey))
}

// encryption has a key of the user's own, with which Azure ML encrypts what it stores about the
// workspace.
func encryption(key *settings.CustomerManagedKey) ml.EncryptionPropertyArgs {
	encryption := ml.EncryptionPropertyArgs{
		Status: pulumi.String(ml.EncryptionStatusEnabled),
		KeyVaultProperties: ml.EncryptionKeyVaultPropertiesArgs{
			KeyVaultArmId: pulumi.String(key.KeyVaultID),
			KeyIdentifier: pulumi.String(key.KeyID),
		},
	}
	if key.IdentityID != "" {
		// Not one of the workspace's own identities: a workspace that has had a second cannot go back.
		encryption.Identity = ml.IdentityForCmkArgs{
			UserAssignedIdentity: pulumi.String(key.IdentityID),
		}
	}
	return encryption
}
