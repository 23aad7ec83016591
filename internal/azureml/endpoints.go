package azureml

import (
	"cmp"
	"fmt"
	"path"

	dns "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20200601"
	network "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20230201"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

// privateEndpoints lead from the user's subnet to the workspace and to what is made for it. No two
// of them need the same zone, so each zone is made once.
func (b *builder) privateEndpoints() error {
	if b.azure.PrivateEndpoints == nil {
		return nil
	}
	if err := b.privateEndpoint("amlworkspace", b.parent.ID); err != nil {
		return fmt.Errorf("amlworkspace: %w", err)
	}
	for _, part := range b.ownedParts() {
		for _, groupID := range part.endpoints {
			if err := b.privateEndpoint(groupID, part.id); err != nil {
				return fmt.Errorf("%s: %w", groupID, err)
			}
		}
	}
	return nil
}

// privateEndpoint leads to a part of a resource, such as the blobs of a storage account.
func (b *builder) privateEndpoint(groupID string, target pulumi.StringInput) error {
	subnet := b.azure.PrivateEndpoints.SubnetID
	suffix := "-" + groupID + "-endpoint"
	group, err := b.groupFixed(suffix, pulumi.Sprintf("subnetId %s, of %s", subnet, target))
	if err != nil {
		return err
	}
	connection := network.PrivateLinkServiceConnectionArgs{
		Name:                 pulumi.String(groupID),
		PrivateLinkServiceId: target.ToStringOutput(),
		GroupIds:             pulumi.ToStringArray([]string{groupID}),
	}
	args := &network.PrivateEndpointArgs{
		ResourceGroupName:             group,
		PrivateEndpointName:           component.Optional(b.settings.PrivateEndpointName(groupID)),
		CustomNetworkInterfaceName:    component.Optional(b.settings.NetworkInterfaceName(groupID)),
		Location:                      pulumi.String(b.settings.Location),
		Subnet:                        network.SubnetTypeArgs{Id: pulumi.String(subnet)},
		PrivateLinkServiceConnections: network.PrivateLinkServiceConnectionArray{connection},
		Tags:                          b.tags(),
	}
	fixed := pulumi.IgnoreChanges([]string{"subnet", "privateLinkServiceConnections"})
	options := b.taggedOptions(fixed, b.nameStays())
	endpoint, err := network.NewPrivateEndpoint(b.ctx, b.name+suffix, args, options...)
	if err != nil {
		return err
	}
	b.attachments = append(b.attachments, endpoint)
	b.endpoints = append(b.endpoints, endpoint)
	if groupID == "blob" || groupID == "file" {
		// The studio shows data of an account without public access through these alone, as the
		// workspace's identity.
		id := endpoint.ID().ToStringOutput()
		err := b.grant(suffix+"-reader", settings.RoleIDReader, id, b.workspacePrincipal)
		if err != nil {
			return err
		}
	}
	return b.zoneGroup(groupID, endpoint.Name)
}

// zoneGroup enters an endpoint in the private DNS zones of its part.
func (b *builder) zoneGroup(groupID string, endpointName pulumi.StringInput) error {
	var configs network.PrivateDnsZoneConfigArray
	for _, zone := range b.settings.PrivateZones()[groupID] {
		id, err := b.zone(zone)
		if err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
		if id == nil {
			continue
		}
		configs = append(configs, network.PrivateDnsZoneConfigArgs{
			Name:             pulumi.String(zone),
			PrivateDnsZoneId: id.ToStringOutput(),
		})
	}
	if len(configs) == 0 {
		return nil
	}
	args := &network.PrivateDnsZoneGroupArgs{
		ResourceGroupName:       b.group,
		PrivateEndpointName:     endpointName,
		PrivateDnsZoneGroupName: pulumi.String("default"),
		PrivateDnsZoneConfigs:   configs,
	}
	name := b.name + "-" + groupID + "-dns"
	_, err := network.NewPrivateDnsZoneGroup(b.ctx, name, args, b.childOptions()...)
	return err
}

// zone is the id of a private DNS zone: one that exists, or one that is made and linked to the
// user's network. It is nil where a policy of the network's owner enters the endpoints in a DNS.
func (b *builder) zone(name string) (pulumi.StringInput, error) {
	for _, id := range b.azure.PrivateEndpoints.DNSZoneIDs {
		if path.Base(id) == name {
			return pulumi.String(id), nil
		}
	}
	if b.azure.PrivateEndpoints.VirtualNetworkID == "" {
		return nil, nil
	}
	zone, err := dns.NewPrivateZone(b.ctx, b.name+"-"+name, &dns.PrivateZoneArgs{
		ResourceGroupName: b.group,
		PrivateZoneName:   pulumi.String(name),
		Location:          pulumi.String("global"),
		Tags:              b.tags(),
	}, b.taggedOptions()...)
	if err != nil {
		return nil, err
	}
	return zone.ID().ToStringOutput(), b.zoneLink(name, zone.Name)
}

// zoneLink makes a zone known in the user's network.
func (b *builder) zoneLink(zone string, zoneName pulumi.StringInput) error {
	virtualNetwork := pulumi.String(b.azure.PrivateEndpoints.VirtualNetworkID)
	suffix := "-" + zone + "-link"
	group, err := b.groupFixed(suffix, pulumi.Sprintf("virtualNetworkId %s", virtualNetwork))
	if err != nil {
		return err
	}
	options := b.taggedOptions(
		pulumi.IgnoreChanges([]string{"virtualNetwork"}), // fixed
		pulumi.DeleteBeforeReplace(true),                 // the new one has the same name
	)
	_, err = dns.NewVirtualNetworkLink(b.ctx, b.name+suffix, &dns.VirtualNetworkLinkArgs{
		ResourceGroupName:      group,
		PrivateZoneName:        zoneName,
		VirtualNetworkLinkName: pulumi.String(cmp.Or(b.settings.ZoneLinkName(), b.name)),
		Location:               pulumi.String("global"),
		RegistrationEnabled:    pulumi.Bool(false),
		VirtualNetwork:         dns.SubResourceArgs{Id: virtualNetwork},
		Tags:                   b.tags(),
	}, options...)
	return err
}
