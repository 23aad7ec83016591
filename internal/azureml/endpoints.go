package azureml

import (
	"fmt"
	"path"

	dns "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20200601"
	network "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20230201"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// PrivateEndpoints lead from a subnet to the workspace and to what is made for it, which then refuse public access.
type PrivateEndpoints struct {
	SubnetID string
	// Zones are the private DNS zones of this cloud, by the part of a resource that an endpoint leads to.
	Zones map[string][]string
	// Where both are empty, a policy of the network's owner enters the endpoints in a DNS.
	ZoneIDs          []string // zones that exist
	VirtualNetworkID string   // zones are made, and linked to this network
}

// privateEndpoints are registered in a fixed order, so that each zone is made once and by the first that needs it.
func (b *builder) privateEndpoints() error {
	if b.args.PrivateEndpoints == nil {
		return nil
	}
	workspace := part{id: b.parent.ID, endpoints: []string{"amlworkspace"}}
	for _, target := range append([]part{workspace}, b.made()...) {
		for _, name := range target.endpoints {
			if err := b.privateEndpoint(name, target.id); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (b *builder) privateEndpoint(part string, target pulumi.StringInput) error {
	settings := b.args.PrivateEndpoints
	endpoint, err := network.NewPrivateEndpoint(b.ctx, b.name+"-"+part+"-endpoint", &network.PrivateEndpointArgs{
		ResourceGroupName: b.group,
		Location:          pulumi.String(b.args.Location),
		Subnet:            network.SubnetTypeArgs{Id: pulumi.String(settings.SubnetID)},
		PrivateLinkServiceConnections: network.PrivateLinkServiceConnectionArray{network.PrivateLinkServiceConnectionArgs{
			Name:                 pulumi.String(part),
			PrivateLinkServiceId: target.ToStringOutput(),
			GroupIds:             pulumi.ToStringArray([]string{part}),
		}},
		Tags: b.tags(),
	}, b.tagged(b.replacedBy(pulumi.Sprintf("%s %s", settings.SubnetID, target), false, "subnet", "privateLinkServiceConnections")...)...)
	if err != nil {
		return err
	}
	b.attached = append(b.attached, endpoint)
	if part == "blob" || part == "file" {
		// The studio shows data of an account without public access through these alone, as the workspace's identity.
		if err := b.grant("-"+part+"-endpoint-reader", endpoint.ID().ToStringOutput(), reader, b.workspacePrincipal); err != nil {
			return err
		}
	}
	var configs network.PrivateDnsZoneConfigArray
	for _, zone := range settings.Zones[part] {
		id, err := b.zone(zone)
		if err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
		if id != nil {
			configs = append(configs, network.PrivateDnsZoneConfigArgs{Name: pulumi.String(zone), PrivateDnsZoneId: id.ToStringOutput()})
		}
	}
	if len(configs) == 0 {
		return nil
	}
	_, err = network.NewPrivateDnsZoneGroup(b.ctx, b.name+"-"+part+"-dns", &network.PrivateDnsZoneGroupArgs{
		ResourceGroupName:       b.group,
		PrivateEndpointName:     endpoint.Name,
		PrivateDnsZoneGroupName: pulumi.String("default"),
		PrivateDnsZoneConfigs:   configs,
	}, b.child()...)
	return err
}

// zone is the id of a private DNS zone that is brought along or made, or nil for one that is left to a policy.
func (b *builder) zone(name string) (pulumi.StringInput, error) {
	for _, id := range b.args.PrivateEndpoints.ZoneIDs {
		if path.Base(id) == name {
			return pulumi.String(id), nil
		}
	}
	if b.args.PrivateEndpoints.VirtualNetworkID == "" {
		return nil, nil
	}
	zone, err := dns.NewPrivateZone(b.ctx, b.name+"-"+name, &dns.PrivateZoneArgs{
		ResourceGroupName: b.group,
		PrivateZoneName:   pulumi.String(name),
		Location:          pulumi.String("global"),
		Tags:              b.tags(),
	}, b.tagged()...)
	if err != nil {
		return nil, err
	}
	_, err = dns.NewVirtualNetworkLink(b.ctx, b.name+"-"+name+"-link", &dns.VirtualNetworkLinkArgs{
		ResourceGroupName:      b.group,
		PrivateZoneName:        zone.Name,
		VirtualNetworkLinkName: pulumi.String(b.name),
		Location:               pulumi.String("global"),
		RegistrationEnabled:    pulumi.Bool(false),
		VirtualNetwork:         dns.SubResourceArgs{Id: pulumi.String(b.args.PrivateEndpoints.VirtualNetworkID)},
		Tags:                   b.tags(),
	}, b.tagged(b.replacedBy(pulumi.String(b.args.PrivateEndpoints.VirtualNetworkID), true, "virtualNetwork")...)...)
	return zone.ID().ToStringOutput(), err
}
