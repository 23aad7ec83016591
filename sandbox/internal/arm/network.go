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

// isolated tells whether a workspace has a managed network, and closed whether that lets out what is approved only.
func isolated(workspace Document) bool {
	return !strings.EqualFold(cmp.Or(workspace.text(isolationMode), "Disabled"), "Disabled")
}

func closed(workspace Document) bool {
	return strings.EqualFold(workspace.text(isolationMode), approvedOnly)
}

// endpointParts are the services that a managed network reaches by a private endpoint (how-to-managed-network, "Private
// endpoints"), as far as the sandbox has them.
var endpointParts = map[string]string{
	strings.ToLower(typeStorage):  "blob file queue table dfs web",
	strings.ToLower(typeVault):    "vault",
	strings.ToLower(typeRegistry): "registry",
	strings.ToLower(typeML):       "amlworkspace",

	"microsoft.network/applicationgateways": "appGwPrivateFrontendIpIPv4", // how-to-access-on-premises-resources
}

func hasPart(target Document, part string) bool {
	return slices.Contains(words(endpointParts[strings.ToLower(target.text("type"))]), part)
}

var (
	ruleNamePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`) // workspaceRP.json 2024-10-01, parameter ruleName
	hostPattern     = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*$`)
)

// validRules: the rules that a caller may give. How each is refused is in our own words.
func validRules(p *put) *Error {
	rules := p.doc.object(outboundRules)
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rule := rules.object(name)
		kind, to := rule.text("type"), rule.object("destination")
		bad := func(format string, args ...any) *Error {
			return p.bad("Outbound rule '%s': %s", name, fmt.Sprintf(format, args...))
		}
		switch {
		case !ruleNamePattern.MatchString(name):
			return bad("the name does not match %s.", ruleNamePattern)
		case slices.Contains(words("Required Recommended Dependency"), rule.text("category")):
			// azure-sdk-for-python drops them from an update "since it would result in bad request".
			return bad("rules of category %s are the service's own.", rule.text("category"))
		case !isolated(p.doc):
			return bad("the managed network is disabled.")
		case kind != "PrivateEndpoint" && !closed(p.doc):
			return bad("%s rules are for isolation mode %s.", kind, approvedOnly)
		}
		switch kind {
		case "FQDN":
			if host := rule.text("destination"); !hostPattern.MatchString(host) || net.ParseIP(host) != nil {
				return bad("the destination is not a host name; ports 80 and 443 alone are open to it.")
			}
		case "ServiceTag":
			if to.text("serviceTag") == "" || to.text("protocol") == "" || to.text("portRanges") == "" {
				return bad("the destination needs serviceTag, protocol and portRanges.")
			}
		case "PrivateEndpoint":
			id, part := to.text("serviceResourceId"), to.text("subresourceTarget")
			target := p.state.get(id)
			if target == nil {
				return notFound(http.MethodPut, p.id, id)
			}
			if !hasPart(target, part) {
				return bad("subresourceTarget '%s' is not one of a %s.", part, target.text("type"))
			}
		default:
			return bad("type '%s' is not one of FQDN, PrivateEndpoint, ServiceTag.", kind)
		}
	}
	return nil
}

// registryIsReachable: in approved-outbound mode the network reaches the registry through a private endpoint, which only
// the Premium tier has (container-registry-private-link). (own words).
func registryIsReachable(p *put) *Error {
	registry := p.state.get(p.doc.text("properties.containerRegistry"))
	if !closed(p.doc) || registry == nil || isPremium(registry) {
		return nil
	}
	return p.bad("Container registry '%s' of SKU %s has no private endpoints, which the managed network needs.",
		registry.text("id"), registry.text("sku.name"))
}

func isPremium(registry Document) bool {
	return strings.EqualFold(registry.text("sku.name"), "Premium")
}

// network is what the service answers of a managed network: the caller's rules with their status, and in approved-outbound
// mode its own, one for each part of what the workspace is wired to, whatever access that has from elsewhere
// (how-to-managed-network, "List of required rules"; the names as in templates that Azure exports).
func network(p *put) {
	if !isolated(p.doc) {
		return
	}
	p.doc.set("properties.managedNetwork.networkId", guid("network", p.id))
	if closed(p.doc) {
		const sku = "properties.managedNetwork.firewallSku"
		p.doc.set(sku, cmp.Or(p.doc.text(sku), "Standard"))
		rules := p.doc.object(outboundRules).clone()
		if rules == nil {
			rules = Document{}
		}
		for property, parts := range map[string]string{
			"storageAccount": "blob file", "keyVault": "vault", "containerRegistry": "registry",
		} {
			id := p.doc.text("properties." + property)
			target, err := parseID(id)
			if err != nil {
				continue
			}
			for _, part := range words(parts) {
				rules[fmt.Sprintf("__SYS_PE_%s_%s_%s", target.name, part, guid("rule", id+part)[:8])] = map[string]any{
					"type": "PrivateEndpoint", "category": "Required",
					"destination": map[string]any{
						"serviceResourceId": id, "subresourceTarget": part, "sparkEnabled": false, "sparkStatus": "Inactive",
					},
				}
			}
		}
		p.doc.set(outboundRules, map[string]any(rules))
	}
	p.doc.set("properties.managedNetwork.status.sparkReady", false)
	setStatus(p.doc, cmp.Or(p.old.text("properties.managedNetwork.status.status"), "Inactive"))
}

// provisionsNetwork: the network is made when the first compute is ("The creation of the managed VNet is deferred until a
// compute resource is created"). It refuses nothing.
func provisionsNetwork(p *put) *Error {
	if workspace := p.state.get(p.parent).clone(); isolated(workspace) {
		setStatus(workspace, "Active")
		p.state.Resources[key(p.parent)] = workspace
	}
	return nil
}

// setStatus says of a workspace's network and of each of its rules whether they are there.
func setStatus(workspace Document, status string) {
	workspace.set("properties.managedNetwork.status.status", status)
	rules := workspace.object(outboundRules)
	for name := range rules {
		rules.object(name).set("status", status)
	}
}

// Reach tells whether a job of a workspace reaches a host: in approved-outbound mode Microsoft's
// registry, by the rules that are required, and what a rule names (how-to-managed-network, "List of required rules").
func (s *Server) Reach(workspaceID, host string) bool {
	workspace, _ := s.Resource(workspaceID)
	rules := workspace.object(outboundRules)
	for name := range rules {
		allowed := rules.object(name).text("destination")
		if allowed == host || strings.HasPrefix(allowed, "*.") && strings.HasSuffix(host, allowed[1:]) {
			return true
		}
	}
	return !closed(workspace) || host == "mcr.microsoft.com"
}
