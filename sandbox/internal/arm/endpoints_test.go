package arm_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a network team brings along, and the endpoints, zones and locks of a closed workspace.
const (
	networkID = groupID + "/providers/Microsoft.Network/virtualNetworks/vnet"
	subnetID  = networkID + "/subnets/endpoints"
	zoneName  = "privatelink.vaultcore.azure.net"
	zoneID    = groupID + "/providers/Microsoft.Network/privateDnsZones/" + zoneName
)

var (
	endpoint = sample{"azure-native:network/v20230201:PrivateEndpoint", "endpoint", object{
		"resourceGroupName": "rg-ml", "privateEndpointName": "pe", "subnet": object{"id": subnetID, "privateEndpointNetworkPolicies": "Disabled"},
		"privateLinkServiceConnections": []any{object{"name": "vault", "privateLinkServiceId": vaultID, "groupIds": []any{"vault"}}},
	}}
	zone      = sample{"azure-native:network/v20200601:PrivateZone", "zone", object{"resourceGroupName": "rg-ml", "privateZoneName": zoneName, "location": "global"}}
	zoneGroup = sample{"azure-native:network/v20230201:PrivateDnsZoneGroup", "records", object{
		"resourceGroupName": "rg-ml", "privateEndpointName": "pe", "privateDnsZoneConfigs": []any{object{"name": "vault", "privateDnsZoneId": zoneID}},
	}}
	link = sample{"azure-native:network/v20200601:VirtualNetworkLink", "link", object{
		"resourceGroupName": "rg-ml", "privateZoneName": zoneName, "location": "global", "registrationEnabled": false, "virtualNetwork": object{"id": networkID},
	}}
	lock = sample{"azure-native:authorization/v20200501:ManagementLockByScope", "lock", object{"scope": vaultID, "level": "CanNotDelete"}}
)

func TestEndpointsZonesAndLocks(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	require.NoError(t, c.Seed(networkID, nil))
	require.NoError(t, c.Seed(subnetID, nil))
	to := func(id, part string) sample {
		return endpoint.edited(object{"privateLinkServiceConnections": []any{object{"name": "x", "privateLinkServiceId": id, "groupIds": []any{part}}}})
	}
	for _, test := range []struct {
		broken sample
		says   string
	}{
		{endpoint.edited(object{"subnet": object{"id": subnetID + "2"}}), "endpoints2"},
		{to(vaultID+"2", "vault"), "kv-ml2"},
		{to(vaultID, "blob"), "is not one of the parts"},
		{zone.edited(object{"location": "westeurope"}), "Allowed values are: [global]"},
		{link, "privateDnsZones/" + zoneName},
		{zoneGroup, "privateEndpoints/pe"},
		{lock.edited(object{"level": "Forever"}), "CanNotDelete ReadOnly"},
	} {
		_, err := c.create(test.broken)
		require.ErrorContains(t, err, test.says)
	}
	for _, s := range []sample{endpoint, zone, zoneGroup, link} {
		d := c.mustCreate(s)
		require.Equal(t, d.outputs, c.read(d).Outputs, s.name)
		if s.name == "records" || s.name == "link" {
			require.Equal(t, s.name, d.outputs["name"].StringValue(), "a subresource is named as the program does")
		}
	}

	held := c.mustCreate(lock)
	require.ErrorContains(t, c.tryDestroy(made["vault"]), `Status=409 Code="ScopeLocked"`)
	require.ErrorContains(t, c.tryDestroy(made["group"]), `Status=409 Code="ScopeLocked"`, "nor what is above it")
	require.NoError(t, c.tryDestroy(held))
	require.NoError(t, c.tryDestroy(made["vault"]))
}
