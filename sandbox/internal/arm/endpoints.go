package arm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/privatedns/armprivatedns"
)

// Private endpoints, their DNS, and locks.

const (
	typeEndpoint = "Microsoft.Network/privateEndpoints"
	typeZone     = "Microsoft.Network/privateDnsZones"
	typeNetwork  = "Microsoft.Network/virtualNetworks"
	typeLock     = "Microsoft.Authorization/locks"
)

var privateEndpoint = resourceType{
	Token: "azure-native:network/v20230201:PrivateEndpoint", Type: typeEndpoint, APIVersion: "2023-02-01",
	Path: inGroup + typeEndpoint + "/{privateEndpointName}",
	Name: nameRule{Property: "privateEndpointName", Pattern: `^[a-zA-Z0-9][\w.-]*\w$`, Min: 2, Max: 64,
		Source: resourceNameRules + ": 2-64, alphanumerics, underscores, periods, hyphens; start with alphanumeric, end with alphanumeric or underscore"},
	Inputs:   words("customNetworkInterfaceName location privateLinkServiceConnections subnet tags"),
	Required: words("resourceGroupName"),
	Computed: words("customDnsConfigs etag networkInterfaces provisioningState"), Envelope: words("location tags"),
	Items: words("privateLinkServiceConnections subnet"),
	Rules: []rule{refersTo("properties.subnet.id", typeNetwork+"/subnets"), connected},
	Complete: func(p *put) map[string]any {
		connections, _ := p.doc.at("properties.privateLinkServiceConnections").([]any)
		completed := make([]any, len(connections))
		for i, connection := range connections {
			doc, _ := cloneValue(connection).(map[string]any)
			Document(doc).set("properties.provisioningState", "Succeeded")
			Document(doc).set("properties.privateLinkServiceConnectionState", map[string]any{"status": "Approved", "actionsRequired": "None"})
			completed[i] = doc
		}
		return map[string]any{
			"properties.provisioningState": "Succeeded", "properties.privateLinkServiceConnections": completed,
		}
	},
}

// connected: an endpoint leads to one part of one resource that exists, and of a registry to a Premium one alone
// (container-registry-private-link: "a feature of the Premium service tier"). (own words).
func connected(p *put) *Error {
	connections, _ := p.doc.at("properties.privateLinkServiceConnections").([]any)
	if len(connections) != 1 || p.doc.text("properties.subnet.id") == "" {
		return p.refuse(http.StatusBadRequest, "InvalidRequestFormat", "A private endpoint needs a subnet and one connection.")
	}
	connection, _ := connections[0].(map[string]any)
	id := Document(connection).text("properties.privateLinkServiceId")
	target, found := p.state.Resources[key(id)]
	if !found {
		return notFound(http.MethodPut, p.id, id)
	}
	parts, _ := Document(connection).at("properties.groupIds").([]any)
	if len(parts) != 1 || !slices.Contains(endpointParts[strings.ToLower(target.text("type"))], fmt.Sprint(parts[0])) {
		return p.refuse(http.StatusBadRequest, "InvalidPrivateLinkServiceGroupId", "%v is not one of the parts of a %s.", parts, target.text("type"))
	}
	if strings.EqualFold(target.text("type"), typeRegistry) && !strings.EqualFold(target.text("sku.name"), "Premium") {
		return p.refuse(http.StatusBadRequest, "BadRequest", "Container registry '%s' is not Premium and has no private endpoints.", id)
	}
	return nil
}

var zoneGroup = resourceType{
	Token: "azure-native:network/v20230201:PrivateDnsZoneGroup", Type: typeEndpoint + "/privateDnsZoneGroups", APIVersion: "2023-02-01",
	Path: inGroup + typeEndpoint + "/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}",
	Name: nameRule{Property: "privateDnsZoneGroupName", Pattern: `^[a-zA-Z0-9][\w.-]*$`, Min: 1, Max: 80,
		Source: "privateEndpoint.json 2023-02-01: no rule; as other names of Microsoft.Network"},
	Inputs: words("privateDnsZoneConfigs"), Items: words("privateDnsZoneConfigs"),
	Required: words("resourceGroupName privateEndpointName"), Computed: words("etag provisioningState"),
	Rules: []rule{func(p *put) *Error {
		configs, _ := p.doc.at("properties.privateDnsZoneConfigs").([]any)
		for _, config := range configs {
			config, _ := config.(map[string]any)
			zone := &put{id: p.id, row: p.row, doc: config, state: p.state}
			if refusal := refersTo("properties.privateDnsZoneId", typeZone)(zone); refusal != nil {
				return refusal
			}
		}
		return nil
	}},
	Complete: func(*put) map[string]any { return map[string]any{"properties.provisioningState": "Succeeded"} },
}

var privateZone = resourceType{
	Token: "azure-native:network/v20200601:PrivateZone", Type: typeZone, APIVersion: "2020-06-01",
	Path: inGroup + typeZone + "/{privateZoneName}",
	Name: nameRule{Property: "privateZoneName", Pattern: `^([a-zA-Z0-9_-]{1,63}\.)+[a-zA-Z0-9_-]{1,63}$`, Min: 1, Max: 253,
		Source: resourceNameRules + ": 2 to 34 labels of 1-63 characters, separated by periods"},
	Inputs: words("location tags"), Required: words("resourceGroupName"), Replaces: words("location"), Envelope: words("location tags"),
	Computed: words("etag numberOfRecordSets numberOfVirtualNetworkLinks provisioningState"),
	Model:    func() any { return new(armprivatedns.PrivateZone) }, ModelVersion: "2024-06-01", // APIVersion's, and more
	Rules:    []rule{oneOf("location", words("global"))},
	Complete: func(*put) map[string]any { return map[string]any{"properties.provisioningState": "Succeeded"} },
}

var zoneLink = resourceType{
	Token: "azure-native:network/v20200601:VirtualNetworkLink", Type: typeZone + "/virtualNetworkLinks", APIVersion: "2020-06-01",
	Path: inGroup + typeZone + "/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}",
	Name: nameRule{Property: "virtualNetworkLinkName", Pattern: `^[a-zA-Z0-9]([\w.-]*\w)?$`, Min: 1, Max: 80,
		Source: resourceNameRules + ": 1-80, alphanumerics, underscores, periods, hyphens"},
	Inputs: words("location registrationEnabled tags virtualNetwork"), Required: words("resourceGroupName privateZoneName"),
	Replaces: words("location"), Envelope: words("location tags"),
	Computed: words("etag provisioningState virtualNetworkLinkState"),
	Model:    func() any { return new(armprivatedns.VirtualNetworkLink) }, ModelVersion: "2024-06-01",
	Rules: []rule{oneOf("location", words("global")), refersTo("properties.virtualNetwork.id", typeNetwork),
		immutable("BadRequest", "The property '%s' of a link cannot be changed.", "properties.virtualNetwork.id")}, // (own words).
	Complete: func(*put) map[string]any {
		return map[string]any{"properties.provisioningState": "Succeeded", "properties.virtualNetworkLinkState": "Completed"}
	},
}

var lock = resourceType{
	Token: "azure-native:authorization/v20200501:ManagementLockByScope", Type: typeLock, APIVersion: "2020-05-01",
	Path: "/{scope}/providers/" + typeLock + "/{lockName}",
	Name: nameRule{Property: "lockName", Pattern: `^[^<>%&:?/]*[^<>%&:?/. ]$`, Min: 1, Max: 260,
		Source: "locks.json 2020-05-01: at most 260 characters, none of < > % & : \\ ? /"},
	Inputs: words("level notes owners"), Required: words("level scope"), Computed: words("systemData"),
	Rules: []rule{oneOf("properties.level", words("CanNotDelete ReadOnly"))},
}
