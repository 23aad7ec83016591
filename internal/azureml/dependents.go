package azureml

import (
	containerregistry "github.com/pulumi/pulumi-azure-native-sdk/containerregistry/v2/v20230701"
	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20200202"
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230201"
	managedidentity "github.com/pulumi/pulumi-azure-native-sdk/managedidentity/v2/v20230131"
	operationalinsights "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20221001"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20220901"
	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20220901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// Existing is what is brought along: the name of a resource group, and ARM ids. What is empty is made, but for the
// registry. What is named stays as its owner has it: no tag, no protection, no diagnostic setting, and no deletion.
type Existing struct {
	ResourceGroup         string
	StorageAccountID      string
	KeyVaultID            string
	ApplicationInsightsID string
	LogAnalyticsID        string
	ContainerRegistryID   string
}

// dependents are the ARM ids of what the workspace is wired to.
type dependents struct {
	storageAccount, keyVault, insights pulumi.StringInput
	registry                           pulumi.StringInput // nil: Azure ML makes one of its own at the first image build
	logs                               pulumi.StringInput // nil: nothing writes there
}

// part is something beside the workspace that is made here: roles, logs, endpoints and locks of the stack are for no other.
type part struct {
	name string
	id   pulumi.StringInput
	// data is the role on what it holds; empty: Contributor is enough.
	data string
	// endpoints are the parts of it that private endpoints lead to. What has any holds data.
	endpoints []string
}

func (b *builder) made() []part {
	var made []part
	add := func(isMade bool, p part) {
		if isMade {
			made = append(made, p)
		}
	}
	existing := b.args.Existing
	add(existing.StorageAccountID == "", part{"storage", b.parts.storageAccount, blobContributor, []string{"blob", "file", "queue", "table"}})
	add(existing.KeyVaultID == "", part{"kv", b.parts.keyVault, keyVaultAdmin, []string{"vault"}})
	add(existing.ApplicationInsightsID == "", part{"insights", b.parts.insights, "", nil})
	add(b.args.ContainerRegistrySKU != "", part{"registry", b.parts.registry, "", []string{"registry"}})
	return made
}

func (b *builder) resourceGroup() error {
	if name := b.args.Existing.ResourceGroup; name != "" {
		b.parent.ResourceGroup = pulumi.String(name).ToStringOutput()
		b.group = b.parent.ResourceGroup
		return nil
	}
	group, err := resources.NewResourceGroup(b.ctx, b.name+"-group", &resources.ResourceGroupArgs{
		ResourceGroupName: component.Optional(b.args.Names.ResourceGroup),
		Location:          pulumi.String(b.args.Location),
		Tags:              b.tags(),
	}, b.keeping()...)
	if err != nil {
		return err
	}
	b.parent.ResourceGroup, b.group = group.Name, group.Name
	return nil
}

func (b *builder) jobIdentity() error {
	identity, err := b.identity("-identity", b.args.Names.JobIdentity)
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

// ownIdentity takes the place of the workspace's system-assigned identity.
func (b *builder) ownIdentity() error {
	if !b.args.WorkspaceIdentity {
		return nil
	}
	own, err := b.identity("-workspace-identity", b.args.Names.WorkspaceIdentity)
	if err != nil {
		return err
	}
	b.workspaceIdentity, b.workspacePrincipal = own.ID().ToStringOutput(), own.PrincipalId
	return b.workspaceRoles()
}

func (b *builder) identity(suffix, physical string) (*managedidentity.UserAssignedIdentity, error) {
	return managedidentity.NewUserAssignedIdentity(b.ctx, b.name+suffix, &managedidentity.UserAssignedIdentityArgs{
		ResourceGroupName: b.group,
		ResourceName:      component.Optional(physical),
		Location:          pulumi.String(b.args.Location),
		Tags:              b.tags(),
	}, b.tagged()...)
}

// brought takes the id of what exists, or else that of what register makes, if it makes anything.
func brought(existing string, id *pulumi.StringInput, register func() (pulumi.CustomResource, error)) func() error {
	return func() error {
		if existing != "" {
			*id = pulumi.String(existing)
			return nil
		}
		made, err := register()
		if err == nil && made != nil {
			*id = made.ID().ToStringOutput()
		}
		return err
	}
}

// storageAccount is the workspace's default store. Its logical name has no hyphen because Azure takes none in
// the physical name that is made from it. A hierarchical namespace stays off: the workspace supports none here.
func (b *builder) storageAccount() (pulumi.CustomResource, error) {
	args := &storage.StorageAccountArgs{
		ResourceGroupName:      b.group,
		AccountName:            component.Optional(b.args.Names.StorageAccount),
		Location:               pulumi.String(b.args.Location),
		Kind:                   pulumi.String(storage.KindStorageV2),
		Sku:                    storage.SkuArgs{Name: pulumi.String(storage.SkuName_Standard_LRS)},
		EnableHttpsTrafficOnly: pulumi.Bool(true),
		MinimumTlsVersion:      pulumi.String(storage.MinimumTlsVersion_TLS1_2),
		AllowBlobPublicAccess:  pulumi.Bool(false),
		Tags:                   b.tags(),
	}
	if b.args.PrivateEndpoints != nil {
		args.PublicNetworkAccess = pulumi.String(storage.PublicNetworkAccessDisabled)
		// Azure ML itself comes in as a trusted service, to make the containers of its datastores.
		args.NetworkRuleSet = storage.NetworkRuleSetArgs{
			Bypass: pulumi.String(storage.BypassAzureServices), DefaultAction: storage.DefaultActionDeny,
		}
	}
	return storage.NewStorageAccount(b.ctx, b.name+"storage", args, b.keeping()...)
}

// keyVault is where Azure ML keeps the keys of its own datastores; the credentials of jobs never go there.
func (b *builder) keyVault() (pulumi.CustomResource, error) {
	properties := keyvault.VaultPropertiesArgs{
		TenantId:                  b.parent.JobIdentity.TenantID,
		Sku:                       keyvault.SkuArgs{Family: pulumi.String(keyvault.SkuFamilyA), Name: keyvault.SkuNameStandard},
		EnableRbacAuthorization:   pulumi.Bool(true),
		EnableSoftDelete:          pulumi.Bool(true),
		SoftDeleteRetentionInDays: pulumi.Int(90),
	}
	if b.args.KeyVaultPurgeProtection {
		// Never false: Azure takes it for an attempt to switch it off.
		properties.EnablePurgeProtection = pulumi.Bool(true)
	}
	if b.args.PrivateEndpoints != nil {
		properties.PublicNetworkAccess = pulumi.String("Disabled")
		properties.NetworkAcls = keyvault.NetworkRuleSetArgs{
			Bypass: pulumi.String(keyvault.NetworkRuleBypassOptionsAzureServices), DefaultAction: pulumi.String(keyvault.NetworkRuleActionDeny),
		}
	}
	return keyvault.NewVault(b.ctx, b.name+"-kv", &keyvault.VaultArgs{
		ResourceGroupName: b.group,
		VaultName:         component.Optional(b.args.Names.KeyVault),
		Location:          pulumi.String(b.args.Location),
		Properties:        properties,
		Tags:              b.tags(),
	}, b.keeping()...)
}

// logAnalytics is made for what writes to it: an Application Insights that is made too, and diagnostic settings.
func (b *builder) logAnalytics() (pulumi.CustomResource, error) {
	if b.args.Existing.ApplicationInsightsID != "" && !b.args.Diagnostics {
		return nil, nil
	}
	return operationalinsights.NewWorkspace(b.ctx, b.name+"-logs", &operationalinsights.WorkspaceArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     component.Optional(b.args.Names.LogAnalytics),
		Location:          pulumi.String(b.args.Location),
		Sku:               operationalinsights.WorkspaceSkuArgs{Name: pulumi.String(operationalinsights.WorkspaceSkuNameEnumPerGB2018)},
		RetentionInDays:   pulumi.Int(30),
		Tags:              b.tags(),
	}, b.tagged()...)
}

// applicationInsights is workspace-based: Azure has retired the classic kind, and refuses it at this API version.
func (b *builder) applicationInsights() (pulumi.CustomResource, error) {
	return insights.NewComponent(b.ctx, b.name+"-insights", &insights.ComponentArgs{
		ResourceGroupName:   b.group,
		ResourceName:        component.Optional(b.args.Names.ApplicationInsights),
		Location:            pulumi.String(b.args.Location),
		Kind:                pulumi.String("web"),
		ApplicationType:     pulumi.String(insights.ApplicationTypeWeb),
		WorkspaceResourceId: b.parts.logs.ToStringOutput(),
		Tags:                b.tags(),
	}, b.tagged()...)
}

// containerRegistry holds the images of jobs. It has no admin user, whose password would be a key that everybody shares:
// Azure gives the workspace's identity its role there, and the job identity, as which a cluster pulls, gets its own.
// The logical name has no hyphen, because Azure takes none in the physical name that is made from it.
func (b *builder) containerRegistry() (pulumi.CustomResource, error) {
	if b.args.ContainerRegistrySKU == "" {
		return nil, nil
	}
	args := &containerregistry.RegistryArgs{
		ResourceGroupName: b.group,
		RegistryName:      component.Optional(b.args.Names.ContainerRegistry),
		Location:          pulumi.String(b.args.Location),
		Sku:               containerregistry.SkuArgs{Name: pulumi.String(b.args.ContainerRegistrySKU)},
		AdminUserEnabled:  pulumi.Bool(false),
		Tags:              b.tags(),
	}
	if b.args.PrivateEndpoints != nil {
		args.PublicNetworkAccess = pulumi.String(containerregistry.PublicNetworkAccessDisabled)
	}
	registry, err := containerregistry.NewRegistry(b.ctx, b.name+"registry", args, b.keeping()...)
	if err != nil {
		return nil, err
	}
	return registry, b.grant("-registry-pull", registry.ID().ToStringOutput(), acrPull, b.parent.JobIdentity.PrincipalID)
}
