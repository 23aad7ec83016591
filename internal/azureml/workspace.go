// Package azureml is the Azure half of the program: the component [Workspace].
//
// It registers a resource group, the job identity, a storage account, a key vault, a Log Analytics workspace with its
// Application Insights, optionally a container registry, the Azure Machine Learning workspace that is wired to all of
// them, and optionally a compute cluster that runs jobs as the job identity, diagnostic settings and role assignments.
// What [Existing] names is used and not made. ARM refuses a workspace without storage account, key vault and
// Application Insights ("Missing dependent resources in workspace json"), although neither its schema nor the SDK marks
// them as required.
//
// The parts: dependents.go is what the workspace needs beside it, network.go its managed network, endpoints.go the ways
// in from a network of the user's own, encryption.go its key, access.go its roles and locks, diagnostics.go its logs,
// compute.go its cluster.
package azureml

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them all.
const Type = "mlvault:azureml:Workspace"

// Args says what to build. Every value but the network's Vault host is known before anything exists.
type Args struct {
	Location   string
	Names      Names
	Existing   Existing
	Tags       map[string]string
	IgnoreTags []string // names of tags that somebody else sets
	Protect    bool     // of what holds data: group, storage account, key vault, registry, workspace
	Lock       bool     // of storage account, key vault and registry, as far as they are made

	ContainerRegistrySKU    string // empty: no registry is made
	KeyVaultPurgeProtection bool   // of the key vault that is made

	PublicNetworkAccess string              // Enabled or Disabled, for the workspace
	ManagedNetwork      *ManagedNetwork     // nil: none
	PrivateEndpoints    *PrivateEndpoints   // nil: none
	HBIWorkspace        bool                //
	CustomerManagedKey  *CustomerManagedKey // nil: Microsoft's key
	WorkspaceIdentity   bool                // a user-assigned identity in place of the system-assigned one

	Compute         *Compute    // nil: none
	Serverless      *Serverless // nil: Azure's defaults
	Diagnostics     bool
	RoleAssignments []RoleAssignment

	JobUsesWorkspace bool // the job identity is a data scientist of the workspace
	JobUsesBlobs     bool // and reads and writes blobs of the storage account that is made
}

// Names are physical names; the empty ones are made by Pulumi from the child's logical name and a random suffix.
type Names struct {
	ResourceGroup       string
	JobIdentity         string
	WorkspaceIdentity   string
	StorageAccount      string
	KeyVault            string
	LogAnalytics        string
	ApplicationInsights string
	ContainerRegistry   string
	Workspace           string
	ComputeCluster      string
}

// Serverless is where jobs without a cluster run.
type Serverless struct {
	SubnetID   string
	NoPublicIP bool
}

// Workspace is the component.
type Workspace struct {
	pulumi.ResourceState

	ResourceGroup pulumi.StringOutput
	Name          pulumi.StringOutput
	ID            pulumi.StringOutput
	JobIdentity   JobIdentity
	Cluster       pulumi.StringOutput // name of the compute cluster; only with Args.Compute
}

// JobIdentity is the user-assigned identity that jobs run as. The workspace's own identity will not do:
// a job cannot obtain its token (Microsoft, "Enterprise security and governance for Azure Machine Learning").
type JobIdentity struct {
	ID          pulumi.StringOutput // ARM id
	ClientID    pulumi.StringOutput
	PrincipalID pulumi.StringOutput // the oid claim of its tokens
	TenantID    pulumi.StringOutput // the tid claim of its tokens
}

// builder carries what every child needs.
type builder struct {
	ctx    *pulumi.Context
	name   string
	args   Args
	parent *Workspace
	group  pulumi.StringInput
	parts  dependents

	workspaceIdentity  pulumi.StringInput // nil: the workspace has a system-assigned one
	workspacePrincipal pulumi.StringInput
	attached           []pulumi.Resource // roles, diagnostic settings and endpoints, which a lock would hold
}

// New registers the component and its children, which are named after it: <name>-group and so on.
// opts are the component's own and reach no child, so that an alias for one cannot rename the others.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Workspace, error) {
	w := &Workspace{}
	if err := ctx.RegisterComponentResource(Type, name, w, opts...); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: w}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{}) // those of the stack have all
}

func (b *builder) build() error {
	existing := b.args.Existing
	for _, step := range []struct {
		what     string
		register func() error
	}{
		{"resource group", b.resourceGroup},
		{"job identity", b.jobIdentity},
		{"storage account", brought(existing.StorageAccountID, &b.parts.storageAccount, b.storageAccount)},
		{"key vault", brought(existing.KeyVaultID, &b.parts.keyVault, b.keyVault)},
		{"log analytics workspace", brought(existing.LogAnalyticsID, &b.parts.logs, b.logAnalytics)},
		{"application insights", brought(existing.ApplicationInsightsID, &b.parts.insights, b.applicationInsights)},
		{"container registry", brought(existing.ContainerRegistryID, &b.parts.registry, b.containerRegistry)},
		{"workspace identity", b.ownIdentity},
		{"workspace", b.workspace},
		{"compute cluster", b.computeCluster},
		{"diagnostic settings", b.diagnostics},
		{"role assignments", b.roleAssignments},
		{"private endpoints", b.privateEndpoints},
		{"locks", b.locks},
	} {
		if err := step.register(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func (b *builder) workspace() error {
	parts := b.parts
	args := &machinelearningservices.WorkspaceArgs{
		ResourceGroupName:   b.group,
		WorkspaceName:       component.Optional(b.args.Names.Workspace),
		Location:            pulumi.String(b.args.Location),
		Kind:                pulumi.String("Default"),
		Sku:                 machinelearningservices.SkuArgs{Name: pulumi.String("Basic"), Tier: machinelearningservices.SkuTierBasic},
		Identity:            machinelearningservices.ManagedServiceIdentityArgs{Type: pulumi.String(machinelearningservices.ManagedServiceIdentityTypeSystemAssigned)},
		StorageAccount:      parts.storageAccount.ToStringOutput(),
		KeyVault:            parts.keyVault.ToStringOutput(),
		ApplicationInsights: parts.insights.ToStringOutput(),
		PublicNetworkAccess: pulumi.String(b.args.PublicNetworkAccess),
		HbiWorkspace:        pulumi.Bool(b.args.HBIWorkspace),
		Tags:                b.tags(),
	}
	ignored := []string{"storageAccount", "keyVault"}
	cmk := ""
	var opts []pulumi.ResourceOption
	if k := b.args.CustomerManagedKey; k != nil {
		args.Encryption, cmk = k.encryption(), k.KeyVaultID
		ignored = append(ignored, "encryption.keyVaultProperties.keyVaultArmId")
	}
	if parts.registry != nil {
		args.ContainerRegistry = parts.registry.ToStringOutput()
	} else {
		ignored = append(ignored, "containerRegistry") // Azure makes one at the first image build
	}
	if b.workspaceIdentity != nil {
		args.Identity = machinelearningservices.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(machinelearningservices.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{b.workspaceIdentity},
		}
		args.PrimaryUserAssignedIdentity = b.workspaceIdentity.ToStringOutput()
		// To make a workspace Azure reads the key vault and the storage account as this identity.
		opts = append(opts, pulumi.DependsOn(b.attached))
	}
	if n := b.args.ManagedNetwork; n != nil {
		var account pulumi.StringInput
		if b.args.Existing.StorageAccountID == "" && (n.IsolationMode == approvedOnly || n.on() && b.args.PrivateEndpoints != nil) {
			account = parts.storageAccount
		}
		args.ManagedNetwork = n.settings(account)
		if n.VaultHost != nil {
			// ARM answers with it, and the engine masks an output by itself only where the whole input is a secret.
			opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"managedNetwork"}))
		}
	}
	if b.args.PrivateEndpoints != nil && b.args.Compute != nil {
		// A registry without public access cannot build: its builders have no way in.
		args.ImageBuildCompute = pulumi.String(cmp.Or(b.args.Names.ComputeCluster, b.name+clusterSuffix))
	}
	if s := b.args.Serverless; s != nil {
		args.ServerlessComputeSettings = machinelearningservices.ServerlessComputeSettingsArgs{
			ServerlessComputeCustomSubnet: pulumi.String(s.SubnetID),
			ServerlessComputeNoPublicIP:   pulumi.Bool(s.NoPublicIP),
		}
	}
	fixed := pulumi.Sprintf("%s %s %t %s", parts.storageAccount, parts.keyVault, b.args.HBIWorkspace, cmk)
	opts = append(opts, b.replacedBy(fixed, b.args.Names.Workspace != "", ignored...)...)
	workspace, err := machinelearningservices.NewWorkspace(b.ctx, b.name+"-workspace", args, b.keeping(opts...)...)
	if err != nil {
		return err
	}
	b.parent.Name, b.parent.ID = workspace.Name, workspace.ID().ToStringOutput()
	if b.workspacePrincipal == nil {
		b.workspacePrincipal = workspace.Identity.Elem().PrincipalId()
	}
	return nil
}

func (b *builder) child(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Child(b.parent, extra...)
}

// tagged is child for what has tags.
func (b *builder) tagged(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	var ignored []string
	for _, name := range b.args.IgnoreTags {
		ignored = append(ignored, fmt.Sprintf("tags[%q]", name))
	}
	return b.child(append(slices.Clone(extra), pulumi.IgnoreChanges(ignored))...)
}

// keeping is tagged for what holds data.
func (b *builder) keeping(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return b.tagged(append(slices.Clone(extra), pulumi.Protect(b.args.Protect))...)
}

// replacedBy replaces a resource when a value changes that Azure never changes; azure-native would send the change, and
// Azure refuse it. The trigger has the ids that the program knows, and the properties with those that Azure answers are
// ignored: Azure varies their case, and a refresh would make a change of that. What keeps its name is deleted first.
func (b *builder) replacedBy(fixed pulumi.StringInput, keepsName bool, ignored ...string) []pulumi.ResourceOption {
	opts := []pulumi.ResourceOption{pulumi.ReplacementTrigger(fixed), pulumi.IgnoreChanges(ignored)}
	if keepsName {
		return append(opts, pulumi.DeleteBeforeReplace(true))
	}
	return opts // with a name of its own making the provider decides
}

func (b *builder) tags() pulumi.StringMapInput {
	return pulumi.ToStringMap(maps.Clone(b.args.Tags))
}
