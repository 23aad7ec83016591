package azureml

import (
	"cmp"

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

func (n *ManagedNetwork) on() bool { return n != nil && n.IsolationMode != "Disabled" }

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

const approvedOnly = "AllowOnlyApprovedOutbound"

// storageParts are reached by batch endpoints and parallel jobs; Azure makes the endpoints to blob and file by itself.
var storageParts = []string{"queue", "table"}

// vaultRule is the name of the rule that leads to Vault. Azure ML knows rules by name, so it is chosen once.
const vaultRule = "vault"

func (n *ManagedNetwork) settings(account pulumi.StringInput) machinelearningservices.ManagedNetworkSettingsArgs {
	settings := machinelearningservices.ManagedNetworkSettingsArgs{IsolationMode: pulumi.String(n.IsolationMode)}
	if n.FirewallSKU != "" {
		settings.FirewallSku = pulumi.String(n.FirewallSKU)
	}
	rules := pulumi.Map{}
	for _, rule := range n.OutboundRules {
		rules[rule.Name] = rule.input()
	}
	if account != nil {
		for _, part := range storageParts {
			rules["storage-"+part] = endpointRule(account, part, false)
		}
	}
	if n.VaultHost != nil {
		rules[vaultRule] = fqdnRule(n.VaultHost)
	}
	if len(rules) > 0 {
		settings.OutboundRules = rules
	}
	return settings
}

func (r OutboundRule) input() pulumi.Input {
	switch {
	case r.FQDN != "":
		return fqdnRule(pulumi.String(r.FQDN))
	case r.ServiceTag != "":
		return machinelearningservices.ServiceTagOutboundRuleArgs{
			Type:     pulumi.String("ServiceTag"),
			Category: pulumi.String(machinelearningservices.RuleCategoryUserDefined),
			Destination: machinelearningservices.ServiceTagDestinationArgs{
				ServiceTag: pulumi.String(r.ServiceTag),
				Protocol:   pulumi.String(cmp.Or(r.Protocol, "TCP")),
				PortRanges: pulumi.String(r.PortRanges),
			},
		}
	default:
		return endpointRule(pulumi.String(r.ServiceResourceID), r.Subresource, r.SparkEnabled)
	}
}

func endpointRule(resource pulumi.StringInput, part string, spark bool) pulumi.Input {
	return machinelearningservices.PrivateEndpointOutboundRuleArgs{
		Type:     pulumi.String("PrivateEndpoint"),
		Category: pulumi.String(machinelearningservices.RuleCategoryUserDefined),
		Destination: machinelearningservices.PrivateEndpointDestinationArgs{
			ServiceResourceId: resource.ToStringOutput(),
			SubresourceTarget: pulumi.String(part),
			SparkEnabled:      pulumi.Bool(spark),
		},
	}
}

func fqdnRule(host pulumi.StringInput) pulumi.Input {
	return machinelearningservices.FqdnOutboundRuleArgs{
		Type:        pulumi.String("FQDN"),
		Category:    pulumi.String(machinelearningservices.RuleCategoryUserDefined),
		Destination: host.ToStringOutput(),
	}
}
