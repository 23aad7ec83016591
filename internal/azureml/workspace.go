// Package azureml is the Azure half of the program: the component [Workspace].
//
// It registers a resource group, the job identity, a storage account, a key vault, a Log Analytics workspace with its
// Application Insights, the Azure Machine Learning workspace that is wired to all of them, and optionally a compute
// cluster that runs jobs as the job identity. ARM refuses a workspace without the other four
// ("Missing dependent resources in workspace json"), although neither its schema nor the SDK marks them as required.
package azureml

import (
	"fmt"
	"maps"
	"slices"

	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20200202"
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230201"
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	managedidentity "github.com/pulumi/pulumi-azure-native-sdk/managedidentity/v2/v20230131"
	operationalinsights "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20221001"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20220901"
	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20220901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them all.
const Type = "mlvault:azureml:Workspace"

// Args says what to build. Every value is known before anything exists.
type Args struct {
	Location            string
	Names               Names
	Tags                map[string]string
	PublicNetworkAccess string // Enabled or Disabled, for the workspace
	HBIWorkspace        bool
	Protect             bool     // of what holds data: group, storage account, key vault, workspace
	Compute             *Compute // nil: none
}

// Names are physical names; the empty ones are made by Pulumi from the child's logical name and a random suffix.
type Names struct {
	ResourceGroup       string
	JobIdentity         string
	StorageAccount      string
	KeyVault            string
	LogAnalytics        string
	ApplicationInsights string
	Workspace           string
	ComputeCluster      string
}

// Compute is an AmlCompute cluster that scales to zero.
type Compute struct {
	VMSize   string
	MaxNodes int
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
	w.ResourceGroup, b.group = group.Name, group.Name

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
	account, err := b.storageAccount()
	if err != nil {
		return fmt.Errorf("storage account: %w", err)
	}
	vault, err := b.keyVault(identity.TenantId)
	if err != nil {
		return fmt.Errorf("key vault: %w", err)
	}
	logs, err := b.logAnalytics()
	if err != nil {
		return fmt.Errorf("log analytics workspace: %w", err)
	}
	component, err := b.applicationInsights(logs.ID())
	if err != nil {
		return fmt.Errorf("application insights: %w", err)
	}
	workspace, err := b.workspace(account.ID(), vault.ID(), component.ID())
	if err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	w.Name, w.ID = workspace.Name, workspace.ID().ToStringOutput()
	if b.args.Compute == nil {
		return nil
	}
	cluster, err := b.computeCluster(workspace.Name, identity.ID())
	if err != nil {
		return fmt.Errorf("compute cluster: %w", err)
	}
	w.Cluster = cluster.Name
	return nil
}

func (b *builder) resourceGroup() (*resources.ResourceGroup, error) {
	return resources.NewResourceGroup(b.ctx, b.name+"-group", &resources.ResourceGroupArgs{
		ResourceGroupName: named(b.args.Names.ResourceGroup),
		Location:          pulumi.String(b.args.Location),
		Tags:              b.tags(),
	}, b.keeping()...)
}

func (b *builder) jobIdentity() (*managedidentity.UserAssignedIdentity, error) {
	return managedidentity.NewUserAssignedIdentity(b.ctx, b.name+"-identity", &managedidentity.UserAssignedIdentityArgs{
		ResourceGroupName: b.group,
		ResourceName:      named(b.args.Names.JobIdentity),
		Location:          pulumi.String(b.args.Location),
		Tags:              b.tags(),
	}, b.child()...)
}

// storageAccount is the workspace's default store. Its logical name has no hyphen because Azure takes none in
// the physical name that is made from it. A hierarchical namespace stays off: the workspace supports none here.
func (b *builder) storageAccount() (*storage.StorageAccount, error) {
	return storage.NewStorageAccount(b.ctx, b.name+"storage", &storage.StorageAccountArgs{
		ResourceGroupName:      b.group,
		AccountName:            named(b.args.Names.StorageAccount),
		Location:               pulumi.String(b.args.Location),
		Kind:                   pulumi.String(storage.KindStorageV2),
		Sku:                    storage.SkuArgs{Name: pulumi.String(storage.SkuName_Standard_LRS)},
		EnableHttpsTrafficOnly: pulumi.Bool(true),
		MinimumTlsVersion:      pulumi.String(storage.MinimumTlsVersion_TLS1_2),
		AllowBlobPublicAccess:  pulumi.Bool(false),
		Tags:                   b.tags(),
	}, b.keeping()...)
}

// keyVault is where Azure ML keeps the keys of its own datastores; the credentials of jobs never go there.
func (b *builder) keyVault(tenant pulumi.StringInput) (*keyvault.Vault, error) {
	return keyvault.NewVault(b.ctx, b.name+"-kv", &keyvault.VaultArgs{
		ResourceGroupName: b.group,
		VaultName:         named(b.args.Names.KeyVault),
		Location:          pulumi.String(b.args.Location),
		Properties: keyvault.VaultPropertiesArgs{
			TenantId:                  tenant,
			Sku:                       keyvault.SkuArgs{Family: pulumi.String(keyvault.SkuFamilyA), Name: keyvault.SkuNameStandard},
			EnableRbacAuthorization:   pulumi.Bool(true),
			EnableSoftDelete:          pulumi.Bool(true),
			SoftDeleteRetentionInDays: pulumi.Int(90),
		},
		Tags: b.tags(),
	}, b.keeping()...)
}

func (b *builder) logAnalytics() (*operationalinsights.Workspace, error) {
	return operationalinsights.NewWorkspace(b.ctx, b.name+"-logs", &operationalinsights.WorkspaceArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     named(b.args.Names.LogAnalytics),
		Location:          pulumi.String(b.args.Location),
		Sku:               operationalinsights.WorkspaceSkuArgs{Name: pulumi.String(operationalinsights.WorkspaceSkuNameEnumPerGB2018)},
		RetentionInDays:   pulumi.Int(30),
		Tags:              b.tags(),
	}, b.child()...)
}

// applicationInsights is workspace-based: Azure has retired the classic kind, and refuses it at this API version.
func (b *builder) applicationInsights(logs pulumi.IDOutput) (*insights.Component, error) {
	return insights.NewComponent(b.ctx, b.name+"-insights", &insights.ComponentArgs{
		ResourceGroupName:   b.group,
		ResourceName:        named(b.args.Names.ApplicationInsights),
		Location:            pulumi.String(b.args.Location),
		Kind:                pulumi.String("web"),
		ApplicationType:     pulumi.String(insights.ApplicationTypeWeb),
		WorkspaceResourceId: logs.ToStringOutput(),
		Tags:                b.tags(),
	}, b.child()...)
}

func (b *builder) workspace(account, vault, component pulumi.IDOutput) (*machinelearningservices.Workspace, error) {
	args := &machinelearningservices.WorkspaceArgs{
		ResourceGroupName:   b.group,
		WorkspaceName:       named(b.args.Names.Workspace),
		Location:            pulumi.String(b.args.Location),
		Kind:                pulumi.String("Default"),
		Sku:                 machinelearningservices.SkuArgs{Name: pulumi.String("Basic"), Tier: machinelearningservices.SkuTierBasic},
		Identity:            machinelearningservices.ManagedServiceIdentityArgs{Type: pulumi.String(machinelearningservices.ManagedServiceIdentityTypeSystemAssigned)},
		StorageAccount:      account.ToStringOutput(),
		KeyVault:            vault.ToStringOutput(),
		ApplicationInsights: component.ToStringOutput(),
		PublicNetworkAccess: pulumi.String(b.args.PublicNetworkAccess),
		HbiWorkspace:        pulumi.Bool(b.args.HBIWorkspace),
		Tags:                b.tags(),
	}
	// Azure never changes these three, and the provider would send them in an update that the service refuses.
	immutable := pulumi.ReplaceOnChanges([]string{"storageAccount", "keyVault", "hbiWorkspace"})
	return machinelearningservices.NewWorkspace(b.ctx, b.name+"-workspace", args, b.keeping(immutable)...)
}

// computeCluster carries the job identity: a job on it asks for that identity's token and for no other.
func (b *builder) computeCluster(workspace pulumi.StringInput, identity pulumi.IDOutput) (*machinelearningservices.Compute, error) {
	return machinelearningservices.NewCompute(b.ctx, b.name+"-cluster", &machinelearningservices.ComputeArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     workspace,
		ComputeName:       named(b.args.Names.ComputeCluster),
		Location:          pulumi.String(b.args.Location),
		Identity: machinelearningservices.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(machinelearningservices.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{identity.ToStringOutput()},
		},
		Properties: machinelearningservices.AmlComputeArgs{
			ComputeType:      pulumi.String("AmlCompute"),
			DisableLocalAuth: pulumi.Bool(true),
			Properties: machinelearningservices.AmlComputePropertiesArgs{
				VmSize:                      pulumi.String(b.args.Compute.VMSize),
				RemoteLoginPortPublicAccess: pulumi.String("Disabled"),
				ScaleSettings: machinelearningservices.ScaleSettingsArgs{
					MinNodeCount:                pulumi.Int(0),
					MaxNodeCount:                pulumi.Int(b.args.Compute.MaxNodes),
					NodeIdleTimeBeforeScaleDown: pulumi.String("PT2M"),
				},
			},
		},
		Tags: b.tags(),
	}, b.child()...)
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
