// Package azureml is the Azure half of the program: the component [Workspace].
//
// It registers a resource group, the job identity, a storage account, a key vault, a Log Analytics workspace with its
// Application Insights, optionally a container registry, the Azure Machine Learning workspace that is wired to all of
// them, and optionally a compute cluster that runs jobs as the job identity, diagnostic settings and role assignments.
// What [Existing] names is used and not made. ARM refuses a workspace without storage account, key vault and
// Application Insights ("Missing dependent resources in workspace json"), although neither its schema nor the SDK marks
// them as required.
//
// The parts: dependents.go is what the workspace needs beside it, network.go its managed network, encryption.go its key,
// access.go who may use it, diagnostics.go its logs, compute.go its cluster.
package azureml

import (
	"fmt"
	"maps"
	"slices"

	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them all.
const Type = "mlvault:azureml:Workspace"

// Args says what to build. Every value but the network's Vault host is known before anything exists.
type Args struct {
	Location string
	Names    Names
	Existing Existing
	Tags     map[string]string
	Protect  bool // of what holds data: group, storage account, key vault, registry, workspace

	ContainerRegistrySKU    string // empty: no registry is made
	KeyVaultPurgeProtection bool   // of the key vault that is made

	PublicNetworkAccess string              // Enabled or Disabled, for the workspace
	ManagedNetwork      *ManagedNetwork     // nil: none
	HBIWorkspace        bool                //
	CustomerManagedKey  *CustomerManagedKey // nil: Microsoft's key

	Compute         *Compute // nil: none
	Diagnostics     bool
	RoleAssignments []RoleAssignment
}

// Names are physical names; the empty ones are made by Pulumi from the child's logical name and a random suffix.
type Names struct {
	ResourceGroup       string
	JobIdentity         string
	StorageAccount      string
	KeyVault            string
	LogAnalytics        string
	ApplicationInsights string
	ContainerRegistry   string
	Workspace           string
	ComputeCluster      string
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
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{
		"resourceGroup":     w.ResourceGroup,
		"name":              w.Name,
		"id":                w.ID,
		"jobIdentityId":     w.JobIdentity.ID,
		"jobIdentityClient": w.JobIdentity.ClientID,
	})
}

func (b *builder) build() error {
	w := b.parent
	group, err := b.resourceGroup()
	if err != nil {
		return fmt.Errorf("resource group: %w", err)
	}
	w.ResourceGroup, b.group = group, group

	identity, err := b.jobIdentity()
	if err != nil {
		return fmt.Errorf("job identity: %w", err)
	}
	w.JobIdentity = JobIdentity{
		ID:          identity.ID().ToStringOutput(),
		ClientID:    identity.ClientId,
		PrincipalID: identity.PrincipalId,
		TenantID:    identity.TenantId,
	}
	parts, err := b.dependents(w.JobIdentity)
	if err != nil {
		return err
	}
	workspace, err := b.workspace(parts)
	if err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	w.Name, w.ID = workspace.Name, workspace.ID().ToStringOutput()
	if b.args.Compute != nil {
		cluster, err := b.computeCluster(workspace.Name, identity.ID())
		if err != nil {
			return fmt.Errorf("compute cluster: %w", err)
		}
		w.Cluster = cluster.Name
	}
	if b.args.Diagnostics {
		if err := b.diagnostics(w.ID, parts); err != nil {
			return fmt.Errorf("diagnostic settings: %w", err)
		}
	}
	if err := b.roleAssignments(w.ID); err != nil {
		return fmt.Errorf("role assignments: %w", err)
	}
	return nil
}

func (b *builder) workspace(parts dependents) (*machinelearningservices.Workspace, error) {
	args := &machinelearningservices.WorkspaceArgs{
		ResourceGroupName:   b.group,
		WorkspaceName:       named(b.args.Names.Workspace),
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
	if parts.registry != nil {
		args.ContainerRegistry = parts.registry.ToStringOutput()
	}
	// Azure never changes these, and the provider would send them in an update that the service refuses. Of a customer's
	// key it changes the version, within its key vault.
	fixed := []string{"storageAccount", "keyVault", "hbiWorkspace"}
	if k := b.args.CustomerManagedKey; k != nil {
		args.Encryption = k.encryption()
		fixed = append(fixed, "encryption.keyVaultProperties.keyVaultArmId")
	}
	opts := []pulumi.ResourceOption{pulumi.ReplaceOnChanges(fixed)}
	if n := b.args.ManagedNetwork; n != nil {
		args.ManagedNetwork = n.settings()
		opts = append(opts, n.options()...)
	}
	return machinelearningservices.NewWorkspace(b.ctx, b.name+"-workspace", args, b.keeping(opts...)...)
}

// child builds a child's options, a fresh slice each time: two children never share a backing array.
func (b *builder) child(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return slices.Concat([]pulumi.ResourceOption{pulumi.Parent(b.parent)}, extra)
}

// keeping is child for what holds data.
func (b *builder) keeping(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	if b.args.Protect {
		extra = append(slices.Clone(extra), pulumi.Protect(true))
	}
	return b.child(extra...)
}

func (b *builder) tags() pulumi.StringMapInput {
	return pulumi.ToStringMap(maps.Clone(b.args.Tags))
}

// named is a physical name, or nil, which tells the provider to make one.
func named(name string) pulumi.StringPtrInput {
	if name == "" {
		return nil
	}
	return pulumi.String(name)
}
