package arm

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// The managed network of a workspace: what its outbound rules may be, and what the service makes of
// them.

const (
	isolationMode = "properties.managedNetwork.isolationMode"
	outboundRules = "properties.managedNetwork.outboundRules"
)

// strictness has the modes of a managed network, the looser ones first.
var strictness = words("Disabled AllowInternetOutbound AllowOnlyApprovedOutbound")

// isolation is how strict a workspace's network is, and closed tells whether it lets out what is
// approved only.
func isolation(workspace Document) int {
	return max(slices.Index(strictness, workspace.text(isolationMode)), 0)
}

func closed(workspace Document) bool { return isolation(workspace) == len(strictness)-1 }

// isolationOnlyTightens: once on, the managed network cannot be switched off or loosened
// (how-to-managed-network). The text is ours.
func isolationOnlyTightens(p *put) *Error {
	before := isolation(p.old)
	after := isolation(p.doc)
	if after >= before {
		return nil
	}
	return p.bad("Managed network isolation mode cannot be changed from '%s' to '%s': "+
		"it cannot be disabled or loosened.", strictness[before], strictness[after])
}

// endpointParts are the services that a managed network reaches by a private endpoint
// (how-to-managed-network, "Private endpoints"), as far as the sandbox has them.
var endpointParts = map[string]string{
	strings.ToLower(typeStorage):  "blob file queue table dfs web",
	strings.ToLower(typeVault):    "vault",
	strings.ToLower(typeRegistry): "registry",
	strings.ToLower(typeML):       "amlworkspace",

	// how-to-access-on-premises-resources
	"microsoft.network/applicationgateways": "appGwPrivateFrontendIpIPv4",
}

// endpointRules: a private endpoint leads to a part of something that exists (the same page). The
// text is ours.
func endpointRules(p *put) *Error {
	rules := p.doc.object(outboundRules)
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		destination := rules.object(name).object("destination")
		id := destination.text("serviceResourceId")
		if id == "" {
			continue // a host or a service tag
		}
		target := p.state.get(id)
		if target == nil {
			return notFound(http.MethodPut, p.id, id)
		}
		part := destination.text("subresourceTarget")
		armType := target.text("type")
		if !slices.Contains(words(endpointParts[strings.ToLower(armType)]), part) {
			return p.bad("Outbound rule '%s': subresourceTarget '%s' is not one of a %s.",
				name, part, armType)
		}
	}
	return nil
}

// registryIsReachable: in approved-outbound mode the network reaches the registry through a private
// endpoint, which only the Premium tier has (container-registry-private-link). The text is ours.
func registryIsReachable(p *put) *Error {
	registry := p.state.get(p.doc.text("properties.containerRegistry"))
	if !closed(p.doc) || registry == nil {
		return nil
	}
	sku := registry.text("sku.name")
	if strings.EqualFold(sku, "Premium") {
		return nil
	}
	return p.bad("Container registry '%s' of SKU %s has no private endpoints, "+
		"which the managed network needs.", registry.text("id"), sku)
}

// network is what the service answers of a managed network: the caller's rules with their status,
// and in approved-outbound mode its own, one for each part of what the workspace is wired to,
// whatever access that has from elsewhere (how-to-managed-network, "List of required rules"; the
// names as in templates that Azure exports). It refuses nothing.
func network(p *put) *Error {
	if isolation(p.doc) == 0 {
		return nil
	}
	if closed(p.doc) {
		requireEndpoints(p.doc, "properties.storageAccount", "blob", "file")
		requireEndpoints(p.doc, "properties.keyVault", "vault")
		requireEndpoints(p.doc, "properties.containerRegistry", "registry")
	}
	setStatus(p.doc, cmp.Or(p.old.text("properties.managedNetwork.status.status"), "Inactive"))
	return nil
}

// requireEndpoints adds the service's own rule for each part of what a property of the workspace
// names. It names nothing where Azure ML is yet to make the registry.
func requireEndpoints(workspace Document, property string, parts ...string) {
	id := workspace.text(property)
	if id == "" {
		return
	}
	for _, part := range parts {
		suffix := guid("rule", id+part)[:8]
		name := fmt.Sprintf("__SYS_PE_%s_%s_%s", path.Base(id), part, suffix)
		workspace.set(outboundRules+"."+name, map[string]any{
			"type":     "PrivateEndpoint",
			"category": "Required",
			"destination": map[string]any{
				"serviceResourceId": id,
				"subresourceTarget": part,
			},
		})
	}
}

// provisionsNetwork: the network is made when the first compute is ("The creation of the managed
// VNet is deferred until a compute resource is created"). It refuses nothing.
func provisionsNetwork(p *put) *Error {
	if workspace := p.state.get(above(p.id)).clone(); isolation(workspace) > 0 {
		setStatus(workspace, "Active")
		p.state.Resources[key(above(p.id))] = workspace
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
// registry, by the rules that are required, and what a rule names (how-to-managed-network, "List of
// required rules").
func (s *Server) Reach(workspaceID, host string) bool {
	workspace, _ := s.Resource(workspaceID)
	if !closed(workspace) || host == "mcr.microsoft.com" {
		return true
	}
	rules := workspace.object(outboundRules)
	for name := range rules {
		allowed := rules.object(name).text("destination")
		isBelow := strings.HasPrefix(allowed, "*.") && strings.HasSuffix(host, allowed[1:])
		if allowed == host || isBelow {
			return true
		}
	}
	return false
}
