package azureml

import (
	"fmt"

	containerregistry "github.com/pulumi/pulumi-azure-native-sdk/containerregistry/v2/v20230701"
	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20200202"
	managedidentity "github.com/pulumi/pulumi-azure-native-sdk/managedidentity/v2/v20230131"
	logs "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20221001"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20220901"
	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20220901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// dependents are the ARM ids of what the workspace is wired to.
type dependents struct {
	storageAccount pulumi.StringInput
	keyVault       pulumi.StringInput
	insights       pulumi.StringInput
	// registry is nil where Azure ML makes one of its own at the first image build.
	registry pulumi.StringInput
	// logs is nil where nothing writes there.
	logs pulumi.StringInput
}

// ownedPart is something beside the workspace that the stack makes. Roles, diagnostic settings,
// endpoints and locks are for these alone: what exists already is its owner's.
type ownedPart struct {
	name string
	id   pulumi.StringInput
	// dataRole is the role on what it holds, and empty where Contributor is enough.
	dataRole string
	// endpoints are the groups that private endpoints lead to. What has any holds data.
	endpoints []string
}

func (b *builder) ownedParts() []ownedPart {
	var owned []ownedPart
	if b.azure.StorageAccountID == "" {
		owned = append(owned, ownedPart{
			name:      "storage",
			id:        b.dependents.storageAccount,
			dataRole:  settings.RoleIDBlobContributor,
			endpoints: []string{"blob", "file", "queue", "table"},
		})
	}
	if b.azure.KeyVaultID == "" {
		owned = append(owned, ownedPart{
			name:      "kv",
			id:        b.dependents.keyVault,
			dataRole:  settings.RoleIDKeyVaultAdministrator,
			endpoints: []string{"vault"},
		})
	}
	if b.azure.ApplicationInsightsID == "" {
		owned = append(owned, ownedPart{name: "insights", id: b.dependents.insights})
	}
	if b.azure.CreateContainerRegistry {
		owned = append(owned, ownedPart{
			name:      "registry",
			id:        b.dependents.registry,
			endpoints: []string{"registry"},
		})
	}
	return owned
}

// makeDependents takes each dependent that the settings name, and makes the others.
func (b *builder) makeDependents() error {
	var err error
	if b.dependents.storageAccount, err = b.storageAccount(); err != nil {
		return fmt.Errorf("storage account: %w", err)
	}
	if b.dependents.keyVault, err = b.keyVault(); err != nil {
		return fmt.Errorf("key vault: %w", err)
	}
	if b.dependents.logs, err = b.logAnalytics(); err != nil {
		return fmt.Errorf("log analytics workspace: %w", err)
	}
	if b.dependents.insights, err = b.applicationInsights(); err != nil {
		return fmt.Errorf("application insights: %w", err)
	}
	if b.dependents.registry, err = b.containerRegistry(); err != nil {
		return fmt.Errorf("container registry: %w", err)
	}
	return nil
}

func (b *builder) resourceGroup() error {
	if name := b.azure.ExistingResourceGroup; name != "" {
		b.group = pulumi.String(name)
		b.parent.ResourceGroup = pulumi.String(name).ToStringOutput()
		return nil
	}
	group, err := resources.NewResourceGroup(b.ctx, b.name+"-group", &resources.ResourceGroupArgs{
		ResourceGroupName: component.Optional(b.azure.Names.ResourceGroup),
		Location:          pulumi.String(b.settings.Location),
		Tags:              b.tags(),
	}, b.dataOptions()...)
	if err != nil {
		return err
	}
	b.group = group.Name
	b.parent.ResourceGroup = group.Name
	return nil
}

func (b *builder) jobIdentity() error {
	identity, err := b.identityOfJobs()
	if err != nil {
		return err
	}
	b.parent.JobIdentity = JobIdentity{
		ID:          identity.ID().ToStringOutput(),
		ClientID:    identity.ClientId,
		PrincipalID: identity.PrincipalId,
		TenantID:    identity.TenantId,
	}
	return nil
}

// identityOfJobs is the one that exists, or a new one. Beside a workspace that exists it is in that
// one's group, or in the group that the settings name.
func (b *builder) identityOfJobs() (*managedidentity.UserAssignedIdentity, error) {
	if id := b.settings.Workload.IdentityID; id != "" {
		return b.existingIdentity(jobIdentitySuffix, id)
	}
	group := b.group
	if name := b.azure.ExistingResourceGroup; name != "" {
		group = pulumi.String(name)
	}
	name := b.azure.Names.JobIdentity
	return b.newIdentity(jobIdentitySuffix, name, group, b.ownTaggedOptions())
}

// ownIdentity takes the place of the workspace's system-assigned identity.
func (b *builder) ownIdentity() error {
	if !b.azure.HasOwnIdentity() {
		return nil
	}
	identity, err := b.identityForWorkspace()
	if err != nil {
		return err
	}
	b.workspaceIdentity = identity.ID().ToStringOutput()
	b.workspacePrincipal = identity.PrincipalId
	return b.rolesOfOwnIdentity()
}

// identityForWorkspace is the one that exists, which is read and never changed, or a new one.
func (b *builder) identityForWorkspace() (*managedidentity.UserAssignedIdentity, error) {
	const suffix = settings.WorkspaceIdentitySuffix
	id := b.azure.WorkspaceIdentityID
	if id == "" {
		return b.newIdentity(suffix, b.azure.Names.WorkspaceIdentity, b.group, b.taggedOptions())
	}
	return b.existingIdentity(suffix, id)
}

func (b *builder) newIdentity(
	suffix, physicalName string, group pulumi.StringInput, options []pulumi.ResourceOption,
) (*managedidentity.UserAssignedIdentity, error) {
	args := &managedidentity.UserAssignedIdentityArgs{
		ResourceGroupName: group,
		ResourceName:      component.Optional(physicalName),
		Location:          b.location,
		Tags:              b.tags(),
	}
	return managedidentity.NewUserAssignedIdentity(b.ctx, b.name+suffix, args, options...)
}

// storageAccount is the workspace's default store. Its logical name has no hyphen because Azure
// takes none in the physical name that is made from it. A hierarchical namespace stays off: the
// workspace supports none here.
func (b *builder) storageAccount() (pulumi.StringInput, error) {
	if id := b.azure.StorageAccountID; id != "" {
		return pulumi.String(id), nil
	}
	args := &storage.StorageAccountArgs{
		ResourceGroupName:      b.group,
		AccountName:            component.Optional(b.azure.Names.StorageAccount),
		Location:               pulumi.String(b.settings.Location),
		Kind:                   pulumi.String(storage.KindStorageV2),
		Sku:                    storage.SkuArgs{Name: pulumi.String(storage.SkuName_Standard_LRS)},
		EnableHttpsTrafficOnly: pulumi.Bool(true),
		MinimumTlsVersion:      pulumi.String(storage.MinimumTlsVersion_TLS1_2),
		AllowBlobPublicAccess:  pulumi.Bool(false),
		AllowSharedKeyAccess:   pulumi.Bool(b.azure.Storage.SharedKeys),
		// Nothing of Azure ML replicates, and a key that is stolen copies nothing to another tenant.
		AllowCrossTenantReplication: pulumi.Bool(false),
		Encryption: storage.EncryptionArgs{
			KeySource:                       pulumi.String(storage.KeySource_Microsoft_Storage),
			RequireInfrastructureEncryption: pulumi.Bool(b.azure.Storage.InfrastructureEncryption),
		},
		Tags: b.tags(),
	}
	if b.azure.IsClosed() {
		args.PublicNetworkAccess = pulumi.String(storage.PublicNetworkAccessDisabled)
		// Azure ML itself comes in as a trusted service, to make the containers of its datastores.
		args.NetworkRuleSet = storage.NetworkRuleSetArgs{
			Bypass:        pulumi.String(storage.BypassAzureServices),
			DefaultAction: storage.DefaultActionDeny,
		}
	}
	account, err := storage.NewStorageAccount(b.ctx, b.name+"storage", args, b.dataOptions()...)
	if err != nil {
		return nil, err
	}
	return account.ID().ToStringOutput(), nil
}

// logAnalytics is nil where nothing writes there.
func (b *builder) logAnalytics() (pulumi.StringInput, error) {
	if id := b.azure.LogAnalyticsWorkspaceID; id != "" {
		return pulumi.String(id), nil
	}
	if !b.azure.NeedsLogAnalytics() {
		return nil, nil
	}
	access := b.azure.Logs
	workspace, err := logs.NewWorkspace(b.ctx, b.name+"-logs", &logs.WorkspaceArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     component.Optional(b.azure.Names.LogAnalytics),
		Location:          pulumi.String(b.settings.Location),
		Sku:               logs.WorkspaceSkuArgs{Name: pulumi.String(logs.WorkspaceSkuNameEnumPerGB2018)},
		RetentionInDays:   pulumi.Int(30),
		// Diagnostic settings and Application Insights write as Azure, and no agent is there.
		Features:                        logs.WorkspaceFeaturesArgs{DisableLocalAuth: pulumi.Bool(true)},
		PublicNetworkAccessForIngestion: publicAccess(access.PublicIngestion),
		PublicNetworkAccessForQuery:     publicAccess(access.PublicQuery),
		Tags:                            b.tags(),
	}, b.taggedOptions()...)
	if err != nil {
		return nil, err
	}
	return workspace.ID().ToStringOutput(), nil
}

// applicationInsights is workspace-based: Azure has retired the classic kind, and refuses it at
// this API version.
func (b *builder) applicationInsights() (pulumi.StringInput, error) {
	if id := b.azure.ApplicationInsightsID; id != "" {
		return pulumi.String(id), nil
	}
	access := b.azure.Logs
	made, err := insights.NewComponent(b.ctx, b.name+"-insights", &insights.ComponentArgs{
		ResourceGroupName:   b.group,
		ResourceName:        component.Optional(b.azure.Names.ApplicationInsights),
		Location:            pulumi.String(b.settings.Location),
		Kind:                pulumi.String("web"),
		ApplicationType:     pulumi.String(insights.ApplicationTypeWeb),
		WorkspaceResourceId: b.dependents.logs.ToStringOutput(),
		DisableLocalAuth:    pulumi.Bool(!access.LocalAuth),

		PublicNetworkAccessForIngestion: publicAccess(access.PublicIngestion),
		PublicNetworkAccessForQuery:     publicAccess(access.PublicQuery),

		Tags: b.tags(),
	}, b.taggedOptions()...)
	if err != nil {
		return nil, err
	}
	return made.ID().ToStringOutput(), nil
}

// publicAccess is in the words of Azure Monitor.
func publicAccess(isOpen bool) pulumi.String {
	if isOpen {
		return "Enabled"
	}
	return "Disabled"
}

// containerRegistry holds the images of jobs, and is nil where the settings want none. It has no
// admin user, whose password would be a key that everybody shares: Azure gives the workspace's
// identity its role there, and the job identity, as which a cluster pulls, gets its own. The
// logical name has no hyphen, because Azure takes none in the physical name that is made from it.
func (b *builder) containerRegistry() (pulumi.StringInput, error) {
	if id := b.azure.ContainerRegistryID; id != "" {
		return pulumi.String(id), nil
	}
	if !b.azure.CreateContainerRegistry {
		return nil, nil
	}
	args := &containerregistry.RegistryArgs{
		ResourceGroupName: b.group,
		RegistryName:      component.Optional(b.azure.Names.ContainerRegistry),
		Location:          pulumi.String(b.settings.Location),
		Sku:               containerregistry.SkuArgs{Name: pulumi.String(b.azure.ContainerRegistrySKU)},
		AdminUserEnabled:  pulumi.Bool(false),
		Tags:              b.tags(),
	}
	if b.azure.IsClosed() {
		args.PublicNetworkAccess = pulumi.String(containerregistry.PublicNetworkAccessDisabled)
	}
	name := b.name + "registry"
	registry, err := containerregistry.NewRegistry(b.ctx, name, args, b.dataOptions()...)
	if err != nil {
		return nil, err
	}
	id := registry.ID().ToStringOutput()
	return id, b.grant("-registry-pull", settings.RoleIDAcrPull, id, b.parent.JobIdentity.PrincipalID)
}
