package azureml

import (
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ManagedNetwork is the network that Azure ML keeps for the workspace's compute.
type ManagedNetwork struct {
	IsolationMode string // Disabled, AllowInternetOutbound or AllowOnlyApprovedOutbound
	FirewallSKU   string // empty: Azure's default
	OutboundRules []OutboundRule
	VaultHost     pulumi.StringInput // a secret; nil: no rule leads to Vault
}

// OutboundRule is one destination: a host, a service tag, or a resource behind a private endpoint.
type OutboundRule struct {
	Name string

	FQDN string

	ServiceTag string
	Protocol   string // empty: TCP
	PortRanges string

	ServiceResourceID string
	Subresource       string
	SparkEnabled      bool
}

// vaultRule is the name of the rule that leads to Vault. Azure ML knows rules by name, so it is chosen once.
const vaultRule = "vault"

func (n *ManagedNetwork) settings() machinelearningservices.ManagedNetworkSettingsArgs {
	settings := machinelearningservices.ManagedNetworkSettingsArgs{IsolationMode: pulumi.String(n.IsolationMode)}
	if n.FirewallSKU != "" {
		settings.FirewallSku = pulumi.String(n.FirewallSKU)
	}
	rules := pulumi.Map{}
	for _, rule := range n.OutboundRules {
		rules[rule.Name] = rule.input()
	}
	if n.VaultHost != nil {
		rules[vaultRule] = fqdnRule(n.VaultHost)
	}
	if len(rules) > 0 {
		settings.OutboundRules = rules
	}
	return settings
}

// options mask the host in what ARM answers: the engine masks an output by itself only where the whole input is a secret.
func (n *ManagedNetwork) options() []pulumi.ResourceOption {
	if n.VaultHost == nil {
		return nil
	}
	return []pulumi.ResourceOption{pulumi.AdditionalSecretOutputs([]string{"managedNetwork"})}
}

func (r OutboundRule) input() pulumi.Input {
	switch {
	case r.FQDN != "":
		return fqdnRule(pulumi.String(r.FQDN))
	case r.ServiceTag != "":
		protocol := r.Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		return machinelearningservices.ServiceTagOutboundRuleArgs{
			Type:     pulumi.String("ServiceTag"),
			Category: pulumi.String(machinelearningservices.RuleCategoryUserDefined),
			Destination: machinelearningservices.ServiceTagDestinationArgs{
				ServiceTag: pulumi.String(r.ServiceTag),
				Protocol:   pulumi.String(protocol),
				PortRanges: pulumi.String(r.PortRanges),
			},
		}
	default:
		return machinelearningservices.PrivateEndpointOutboundRuleArgs{
			Type:     pulumi.String("PrivateEndpoint"),
			Category: pulumi.String(machinelearningservices.RuleCategoryUserDefined),
			Destination: machinelearningservices.PrivateEndpointDestinationArgs{
				ServiceResourceId: pulumi.String(r.ServiceResourceID),
				SubresourceTarget: pulumi.String(r.Subresource),
				SparkEnabled:      pulumi.Bool(r.SparkEnabled),
			},
		}
	}
}

func fqdnRule(host pulumi.StringInput) pulumi.Input {
	return machinelearningservices.FqdnOutboundRuleArgs{
		Type:        pulumi.String("FQDN"),
		Category:    pulumi.String(machinelearningservices.RuleCategoryUserDefined),
		Destination: host.ToStringOutput(),
	}
}
