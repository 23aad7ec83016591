package arm

import (
	"fmt"
	"net/http"
)

// Private endpoints, their DNS, and locks.

const (
	typeEndpoint = "Microsoft.Network/privateEndpoints"
	typeZone     = "Microsoft.Network/privateDnsZones"
	typeNetwork  = "Microsoft.Network/virtualNetworks"
	typeLock     = "Microsoft.Authorization/locks"
)

var privateEndpoint = resourceType{
	Token: "azure-native:network/v20230201:PrivateEndpoint", Type: typeEndpoint,
	Path: inGroup(typeEndpoint + "/{privateEndpointName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9][\w.-]*\w$`, Min: 2, Max: 64,
		Source: resourceNameRules + "2-64, alphanumerics, underscores, periods, hyphens; start with alphanumeric, end with " +
			"alphanumeric or underscore"},
	Inputs:   words("customNetworkInterfaceName location privateLinkServiceConnections subnet tags"),
	Computed: words("customDnsConfigs etag networkInterfaces provisioningState"),
	Items:    words("privateLinkServiceConnections subnet"),
	Rules:    []rule{refersTo("properties.subnet.id", typeNetwork+"/subnets"), connected},
	Complete: func(p *put) map[string]any {
		for _, connection := range p.doc.objects(connections) {
			connection.set("properties.provisioningState", "Succeeded")
			connection.set("properties.privateLinkServiceConnectionState.status", "Approved")
			connection.set("properties.privateLinkServiceConnectionState.actionsRequired", "None")
		}
		return nil
	},
}

const connections = "properties.privateLinkServiceConnections"

// connected: an endpoint leads to one part of one resource that exists, and of a registry to a Premium one alone
// (container-registry-private-link: "a feature of the Premium service tier"). (own words).
func connected(p *put) *Error {
	given := p.doc.objects(connections)
	if len(given) != 1 || p.doc.text("properties.subnet.id") == "" {
		return p.refuse(http.StatusBadRequest, "InvalidRequestFormat", "A private endpoint needs a subnet and one connection.")
	}
	id := given[0].text("properties.privateLinkServiceId")
	target := p.state.get(id)
	if target == nil {
		return notFound(http.MethodPut, p.id, id)
	}
	parts, _ := given[0].at("properties.groupIds").([]any)
	if len(parts) != 1 || !hasPart(target, fmt.Sprint(parts[0])) {
		return p.refuse(http.StatusBadRequest, "InvalidPrivateLinkServiceGroupId",
			"%v is not one of the parts of a %s.", parts, target.text("type"))
	}
	if target.is(typeRegistry) && !isPremium(target) {
		return p.bad("Container registry '%s' is not Premium and has no private endpoints.", id)
	}
	return nil
}

var zoneGroup = resourceType{
	Token: "azure-native:network/v20230201:PrivateDnsZoneGroup", Type: typeEndpoint + "/privateDnsZoneGroups",
	Path: inGroup(typeEndpoint + "/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9][\w.-]*$`, Min: 1, Max: 80,
		Source: "privateEndpoint.json 2023-02-01: no rule; as other names of Microsoft.Network"},
	Inputs: words("privateDnsZoneConfigs"), Items: words("privateDnsZoneConfigs"),
	Computed: words("etag provisioningState"),
	Rules: []rule{func(p *put) *Error {
		for _, config := range p.doc.objects("properties.privateDnsZoneConfigs") {
			if refusal := p.refers(config, "properties.privateDnsZoneId", typeZone); refusal != nil {
				return refusal
			}
		}
		return nil
	}},
}

var privateZone = resourceType{
	Token: "azure-native:network/v20200601:PrivateZone", Type: typeZone,
	Path: inGroup(typeZone + "/{privateZoneName}"),
	Name: nameRule{Pattern: `^([a-zA-Z0-9_-]{1,63}\.)+[a-zA-Z0-9_-]{1,63}$`, Min: 1, Max: 253,
		Source: resourceNameRules + "2 to 34 labels of 1-63 characters, separated by periods"},
	Inputs: words("location tags"), Replaces: words("location"),
	Computed: words("etag numberOfRecordSets numberOfVirtualNetworkLinks provisioningState"),
	Rules:    []rule{oneOf("location", "global")},
}

var zoneLink = resourceType{
	Token: "azure-native:network/v20200601:VirtualNetworkLink", Type: typeZone + "/virtualNetworkLinks",
	Path: inGroup(typeZone + "/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}"),
	Name: nameRule{Pattern: `^[a-zA-Z0-9]([\w.-]*\w)?$`, Min: 1, Max: 80,
		Source: resourceNameRules + "1-80, alphanumerics, underscores, periods, hyphens"},
	Inputs: words("location registrationEnabled tags virtualNetwork"), Replaces: words("location"),
	Computed: words("etag provisioningState virtualNetworkLinkState"),
	Rules: []rule{oneOf("location", "global"), refersTo("properties.virtualNetwork.id", typeNetwork),
		immutable("BadRequest", "The property '%s' of a link cannot be changed.", "properties.virtualNetwork.id")}, // (own words).
	Complete: func(*put) map[string]any { return map[string]any{"properties.virtualNetworkLinkState": "Completed"} },
}

var lock = resourceType{
	Token: "azure-native:authorization/v20200501:ManagementLockByScope", Type: typeLock,
	Path: "/{scope}/providers/" + typeLock + "/{lockName}",
	Name: nameRule{Pattern: `^[^<>%&:?/]*[^<>%&:?/. ]$`, Min: 1, Max: 260,
		Source: "locks.json 2020-05-01: at most 260 characters, none of < > % & : \\ ? /"},
	Inputs: words("level notes owners"), Required: words("level"), Computed: words("systemData"),
	Rules: []rule{oneOf("properties.level", "CanNotDelete ReadOnly")},
}
