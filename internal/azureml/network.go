package azureml

import (
	"cmp"

	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// managedNetwork is the network that Azure ML keeps for the workspace's compute.
func (b *builder) managedNetwork() ml.ManagedNetworkSettingsArgs {
	network := b.azure.ManagedNetwork
	args := ml.ManagedNetworkSettingsArgs{IsolationMode: pulumi.String(network.Mode)}
	if network.FirewallSKU != "" {
		args.FirewallSku = pulumi.String(network.FirewallSKU)
	}
	rules := pulumi.Map{}
	for _, rule := range network.OutboundRules {
		rules[rule.Name] = outboundRule(rule)
	}
	if b.storageNeedsRules() {
		// Batch endpoints and parallel jobs use these. Azure makes those to blob and file by itself.
		for _, service := range []string{"queue", "table"} {
			rules["storage-"+service] = endpointRule(b.dependents.storageAccount, service, false)
		}
	}
	if host := b.settings.VaultHost(); !host.Empty() {
		rules[settings.VaultRule] = hostRule(component.Secret(host))
	}
	if len(rules) > 0 {
		args.OutboundRules = rules
	}
	return args
}

// storageNeedsRules tells whether the network reaches the storage account that is made here through
// private endpoints alone.
func (b *builder) storageNeedsRules() bool {
	if b.azure.StorageAccountID != "" {
		return false
	}
	network := b.azure.ManagedNetwork
	accountIsClosed := b.azure.IsClosed()
	return network.IsApprovedOnly() || network.IsOn() && accountIsClosed
}

func outboundRule(rule settings.OutboundRule) pulumi.Input {
	switch {
	case rule.FQDN != "":
		return hostRule(pulumi.String(rule.FQDN))
	case rule.ServiceTag != "":
		return serviceTagRule(rule)
	default:
		target := pulumi.String(rule.ServiceResourceID)
		return endpointRule(target, rule.Subresource, rule.SparkEnabled)
	}
}

func hostRule(host pulumi.StringInput) pulumi.Input {
	return ml.FqdnOutboundRuleArgs{
		Type:        pulumi.String("FQDN"),
		Category:    pulumi.String(ml.RuleCategoryUserDefined),
		Destination: host.ToStringOutput(),
	}
}

func serviceTagRule(rule settings.OutboundRule) pulumi.Input {
	return ml.ServiceTagOutboundRuleArgs{
		Type:     pulumi.String("ServiceTag"),
		Category: pulumi.String(ml.RuleCategoryUserDefined),
		Destination: ml.ServiceTagDestinationArgs{
			ServiceTag: pulumi.String(rule.ServiceTag),
			Protocol:   pulumi.String(cmp.Or(rule.Protocol, "TCP")),
			PortRanges: pulumi.String(rule.PortRanges),
		},
	}
}

func endpointRule(target pulumi.StringInput, subresource string, spark bool) pulumi.Input {
	return ml.PrivateEndpointOutboundRuleArgs{
		Type:     pulumi.String("PrivateEndpoint"),
		Category: pulumi.String(ml.RuleCategoryUserDefined),
		Destination: ml.PrivateEndpointDestinationArgs{
			ServiceResourceId: target.ToStringOutput(),
			SubresourceTarget: pulumi.String(subresource),
			SparkEnabled:      pulumi.Bool(spark),
		},
	}
}
