package arm

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// The managed network of a workspace: what its outbound rules may be, and what the service makes of them.

const (
	isolationMode = "properties.managedNetwork.isolationMode"
	outboundRules = "properties.managedNetwork.outboundRules"
	approvedOnly  = "AllowOnlyApprovedOutbound"
)

// endpointParts are the services that a managed network reaches by a private endpoint (how-to-managed-network, "Private
// endpoints"), as far as the sandbox has them.
var endpointParts = map[string][]string{
	strings.ToLower(typeStorage):  words("blob file queue table dfs web"),
	strings.ToLower(typeVault):    words("vault"),
	strings.ToLower(typeRegistry): words("registry"),
	strings.ToLower(typeML):       words("amlworkspace"),

	"microsoft.network/applicationgateways": words("appGwPrivateFrontendIpIPv4"), // how-to-access-on-premises-resources
}

var (
	ruleNamePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`) // workspaceRP.json 2024-10-01, parameter ruleName
	hostPattern     = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*$`)
)

// validRules: the rules that a caller may give. How each is refused is in our own words.
func validRules(p *put) *Error {
	mode := p.doc.text(isolationMode)
	rules, _ := p.doc.at(outboundRules).(map[string]any)
	bad := func(name, format string, args ...any) *Error {
		return p.refuse(http.StatusBadRequest, "BadRequest", "Outbound rule '%s': %s", name, fmt.Sprintf(format, args...))
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rule, _ := rules[name].(map[string]any)
		doc, kind := Document(rule), Document(rule).text("type")
		switch {
		case !ruleNamePattern.MatchString(name):
			return bad(name, "the name does not match %s.", ruleNamePattern)
		case slices.Contains(words("Required Recommended Dependency"), doc.text("category")):
			// azure-sdk-for-python drops them from an update "since it would result in bad request".
			return bad(name, "rules of category %s are the service's own.", doc.text("category"))
		case strings.EqualFold(mode, "Disabled") || mode == "":
			return bad(name, "the managed network is disabled.")
		case kind != "PrivateEndpoint" && !strings.EqualFold(mode, approvedOnly):
			return bad(name, "%s rules are for isolation mode %s.", kind, approvedOnly)
		}
		switch kind {
		case "FQDN":
			if host := doc.text("destination"); !hostPattern.MatchString(host) || net.ParseIP(host) != nil {
				return bad(name, "the destination is not a host name; ports 80 and 443 alone are open to it.")
			}
		case "ServiceTag":
			if doc.text("destination.serviceTag") == "" || doc.text("destination.protocol") == "" || doc.text("destination.portRanges") == "" {
				return bad(name, "the destination needs serviceTag, protocol and portRanges.")
			}
		case "PrivateEndpoint":
			id := doc.text("destination.serviceResourceId")
			target, err := parseID(id)
			if err != nil {
				return bad(name, "serviceResourceId '%s' is not a resource id.", id)
			}
			if !p.exists(id) {
				return notFound(http.MethodPut, p.id, id)
			}
			if parts := endpointParts[strings.ToLower(target.armType)]; !slices.Contains(parts, doc.text("destination.subresourceTarget")) {
				return bad(name, "subresourceTarget '%s' is not one of a %s.", doc.text("destination.subresourceTarget"), target.armType)
			}
		default:
			return bad(name, "type '%s' is not one of FQDN, PrivateEndpoint, ServiceTag.", kind)
		}
	}
	return nil
}

// registryIsReachable: in approved-outbound mode the network reaches the registry through a private endpoint, which only
// the Premium tier has (container-registry-private-link). (own words).
func registryIsReachable(p *put) *Error {
	registry := p.state.Resources[key(p.doc.text("properties.containerRegistry"))]
	if !strings.EqualFold(p.doc.text(isolationMode), approvedOnly) || registry == nil || strings.EqualFold(registry.text("sku.name"), "Premium") {
		return nil
	}
	return p.refuse(http.StatusBadRequest, "BadRequest",
		"Container registry '%s' of SKU %s has no private endpoints, which the managed network needs.", registry.text("id"), registry.text("sku.name"))
}

// network is what the service answers of a managed network: the caller's rules with their status, and in approved-outbound
// mode its own, one for each part of what the workspace is wired to, whatever access that has from elsewhere
// (how-to-managed-network, "List of required rules"; the names as in templates that Azure exports).
func network(p *put) map[string]any {
	mode := p.doc.text(isolationMode)
	if strings.EqualFold(mode, "Disabled") {
		return nil
	}
	provisioned := p.old.text("properties.managedNetwork.status.status") == "Active"
	rules := map[string]any{}
	given, _ := p.doc.at(outboundRules).(map[string]any)
	maps.Copy(rules, given)
	if strings.EqualFold(mode, approvedOnly) {
		for property, parts := range map[string][]string{
			"storageAccount": words("blob file"), "keyVault": words("vault"), "containerRegistry": words("registry"),
		} {
			id := p.doc.text("properties." + property)
			target, err := parseID(id)
			if err != nil {
				continue
			}
			for _, part := range parts {
				rules[fmt.Sprintf("__SYS_PE_%s_%s_%s", target.name, part, guid("rule", id+part)[:8])] = map[string]any{
					"type": "PrivateEndpoint", "category": "Required",
					"destination": map[string]any{"serviceResourceId": id, "subresourceTarget": part, "sparkEnabled": false, "sparkStatus": "Inactive"},
				}
			}
		}
	}
	computed := map[string]any{
		outboundRules:                         withStatus(rules, provisioned),
		"properties.managedNetwork.networkId": guid("network", p.id),
		"properties.managedNetwork.status":    map[string]any{"sparkReady": false, "status": status(provisioned)},
	}
	if strings.EqualFold(mode, approvedOnly) {
		computed["properties.managedNetwork.firewallSku"] = cmp.Or(p.doc.text("properties.managedNetwork.firewallSku"), "Standard")
	}
	return computed
}

// provisionsNetwork: the network is made when the first compute is ("The creation of the managed VNet is deferred until a
// compute resource is created"). It refuses nothing.
func provisionsNetwork(p *put) *Error {
	workspace := p.state.Resources[key(p.parent)].clone()
	if mode := workspace.text(isolationMode); mode == "" || strings.EqualFold(mode, "Disabled") {
		return nil
	}
	rules, _ := workspace.at(outboundRules).(map[string]any)
	workspace.set(outboundRules, withStatus(rules, true))
	workspace.set("properties.managedNetwork.status.status", status(true))
	p.state.Resources[key(p.parent)] = workspace
	return nil
}

// Reach tells whether a job of a workspace reaches a host: in approved-outbound mode Microsoft's
// registry, by the rules that are required, and what a rule names (how-to-managed-network, "List of required rules").
func (s *Server) Reach(workspaceID, host string) bool {
	workspace, _ := s.Resource(workspaceID)
	rules, _ := workspace.at(outboundRules).(map[string]any)
	named := slices.ContainsFunc(slices.Collect(maps.Values(rules)), func(rule any) bool {
		object, _ := rule.(map[string]any)
		allowed := Document(object).text("destination")
		return allowed == host || strings.HasPrefix(allowed, "*.") && strings.HasSuffix(host, allowed[1:])
	})
	return named || !strings.EqualFold(workspace.text(isolationMode), approvedOnly) || host == "mcr.microsoft.com"
}

func withStatus(rules map[string]any, provisioned bool) map[string]any {
	said := make(map[string]any, len(rules))
	for name, rule := range rules {
		rule, _ := rule.(map[string]any)
		rule = maps.Clone(rule)
		rule["status"] = status(provisioned)
		said[name] = rule
	}
	return said
}

func status(provisioned bool) string {
	if provisioned {
		return "Active"
	}
	return "Inactive"
}
