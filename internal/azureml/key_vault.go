package azureml

import (
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20220901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// keyVault is where Azure ML keeps the keys of its own datastores; the credentials of jobs never go
// there. It is a generic resource, because the typed one of this SDK has no API version that Azure
// serves after 27 February 2027: docs/decisions/0018-key-vault-api.md.
func (b *builder) keyVault() (pulumi.StringInput, error) {
	if id := b.azure.KeyVaultID; id != "" {
		return pulumi.String(id), nil
	}
	properties := keyVaultProperties{
		TenantID:                  b.parent.JobIdentity.TenantID,
		SKU:                       keyVaultSKU{Family: "A", Name: "standard"},
		EnableRBACAuthorization:   true,
		EnableSoftDelete:          true,
		SoftDeleteRetentionInDays: 90,
		EnablePurgeProtection:     b.azure.KeyVaultPurgeProtection,
	}
	if b.azure.IsClosed() {
		properties.PublicNetworkAccess = "Disabled"
		properties.NetworkACLs = &keyVaultNetworkACLs{Bypass: "AzureServices", DefaultAction: "Deny"}
	}
	options := b.dataOptions(pulumi.IgnoreChanges(notOurs))
	vault, err := resources.NewResource(b.ctx, b.name+"-kv", &resources.ResourceArgs{
		ResourceGroupName:         b.group,
		ResourceProviderNamespace: pulumi.String("Microsoft.KeyVault"),
		ParentResourcePath:        pulumi.String(""),
		ResourceType:              pulumi.String("vaults"),
		ResourceName:              component.Optional(b.azure.Names.KeyVault),
		ApiVersion:                pulumi.String(settings.KeyVaultAPI),
		Location:                  pulumi.String(b.settings.Location),
		Properties:                properties.input(),
		Tags:                      b.tags(),
	}, options...)
	if err != nil {
		return nil, err
	}
	return vault.ID().ToStringOutput(), nil
}

// notOurs are properties that Azure sets, and the access policies that an adopted vault may have.
// A generic resource does not know that they are read-only: a refresh takes them for settings, and
// the next `up` would show an update that removes them.
var notOurs = []string{
	"properties.accessPolicies",
	"properties.hsmPoolResourceId",
	"properties.privateEndpointConnections",
	"properties.provisioningState",
	"properties.vaultUri",
}

// keyVaultProperties are those of Microsoft.KeyVault/vaults at settings.KeyVaultAPI that are set
// here. The names are Microsoft's. A test of the sandbox holds what is sent to Microsoft's type.
type keyVaultProperties struct {
	TenantID                  pulumi.StringInput
	SKU                       keyVaultSKU
	EnableRBACAuthorization   bool
	EnableSoftDelete          bool
	SoftDeleteRetentionInDays int
	// EnablePurgeProtection is sent only as true: Azure takes false for an attempt to switch it off.
	EnablePurgeProtection bool
	// PublicNetworkAccess is Enabled or Disabled; empty leaves it to Azure, which enables it.
	PublicNetworkAccess string
	// NetworkACLs is nil where every network is let in.
	NetworkACLs *keyVaultNetworkACLs
}

type keyVaultSKU struct {
	Family string
	Name   string
}

type keyVaultNetworkACLs struct {
	Bypass        string
	DefaultAction string
}

// input has the properties as they are sent. accessPolicies is required, and nobody reads it where
// Azure RBAC authorizes.
func (p keyVaultProperties) input() pulumi.Map {
	properties := pulumi.Map{
		"tenantId": p.TenantID,
		"sku": pulumi.Map{
			"family": pulumi.String(p.SKU.Family),
			"name":   pulumi.String(p.SKU.Name),
		},
		"accessPolicies":            pulumi.Array{},
		"enableRbacAuthorization":   pulumi.Bool(p.EnableRBACAuthorization),
		"enableSoftDelete":          pulumi.Bool(p.EnableSoftDelete),
		"softDeleteRetentionInDays": pulumi.Int(p.SoftDeleteRetentionInDays),
	}
	if p.EnablePurgeProtection {
		properties["enablePurgeProtection"] = pulumi.Bool(true)
	}
	if p.PublicNetworkAccess != "" {
		properties["publicNetworkAccess"] = pulumi.String(p.PublicNetworkAccess)
	}
	if p.NetworkACLs != nil {
		properties["networkAcls"] = pulumi.Map{
			"bypass":        pulumi.String(p.NetworkACLs.Bypass),
			"defaultAction": pulumi.String(p.NetworkACLs.DefaultAction),
		}
	}
	return properties
}
