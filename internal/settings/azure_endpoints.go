package settings

import (
	"path"
	"slices"
	"strings"
)

// PrivateEndpoints lead from a subnet of the user's own to the workspace and to what is made for
// it. All of these then refuse public access. The subnet is in the workspace's region.
type PrivateEndpoints struct {
	// SubnetID is where the endpoints are.
	SubnetID string
	// DNSZoneIDs are private DNS zones that exist, every one that is needed. With neither this nor
	// virtualNetworkId a policy of the network's owner enters the endpoints' names.
	DNSZoneIDs []string
	// VirtualNetworkID is the network to which zones that are made here are linked.
	VirtualNetworkID string
}

func (p *PrivateEndpoints) defaults() {}

func (p *PrivateEndpoints) fields() []field {
	return []field{
		{
			key:      "subnetId",
			value:    text(&p.SubnetID, armID(typeSubnet)),
			required: "give the ARM id of the subnet from which people and jobs come",
			meaning:  "ARM id of the subnet where the endpoints are, in the workspace's region.",
			change: Change{
				Replaces: []Part{PartEndpoints},
				Jobs:     JobsThatUse,
				Back:     BackWhole,
			},
		},
		{
			key:   "dnsZoneIds",
			value: texts(&p.DNSZoneIDs, armID(typePrivateZone)),
			meaning: "ARM ids of private DNS zones that exist, every one that is needed. With neither " +
				"this nor `virtualNetworkId` a policy of the network's owner makes the records.",
			change: Change{
				Updates: []Part{PartZones},
				Makes:   []Part{PartZones},
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:     "virtualNetworkId",
			value:   text(&p.VirtualNetworkID, armID(typeVirtualNetwork)),
			meaning: "ARM id of a network: make the zones and link them to it.",
			change: Change{
				Makes:    []Part{PartZones},
				Replaces: []Part{PartZones},
				Jobs:     JobsThatUse,
				Back:     BackWhole,
			},
		},
	}
}

// Serverless is where jobs without a cluster run.
type Serverless struct {
	SubnetID   string
	NoPublicIP bool
}

func (s *Serverless) defaults() {}

func (s *Serverless) fields() []field {
	return []field{
		{
			key:      "subnetId",
			value:    text(&s.SubnetID, armID(typeSubnet)),
			required: "without a subnet of your own, remove azure.serverlessComputeSettings",
			meaning:  "ARM id of a subnet of your own.",
			change:   changesWorkspace,
		},
		{
			key:     "noPublicIp",
			value:   flag(&s.NoPublicIP),
			meaning: "Give the nodes no public address.",
			change:  changesWorkspace,
		},
	}
}

func (s *Settings) validateEndpoints(r *report) {
	for i, cluster := range s.Compute {
		s.excludeSubnet(r, element("compute", i)+".subnetId", cluster.SubnetID)
	}
	if serverless := s.Azure.ServerlessComputeSettings; serverless != nil {
		s.excludeSubnet(r, "azure.serverlessComputeSettings.subnetId", serverless.SubnetID)
	}
	s.validateNodes(r)
	if s.Azure.IsClosed() {
		s.validateClosed(r)
	}
	if s.Azure.PrivateEndpoints == nil {
		return
	}
	const key = "azure.privateEndpoints"
	a := &s.Azure
	if a.PublicNetworkAccess != accessDisabled {
		r.addf("azure.publicNetworkAccess", "is %s, and %s closes it; remove one of the two",
			a.PublicNetworkAccess, key)
	}
	if !a.CreateContainerRegistry && a.ContainerRegistryID == "" {
		r.addf(key, "needs a registry, since the one that Azure ML makes is public; set "+
			"azure.createContainerRegistry, or azure.containerRegistryId")
	}
	s.validateZones(r, key)
}

// validateClosed wants a way in for the cluster and for images, where public access is refused.
func (s *Settings) validateClosed(r *report) {
	a := &s.Azure
	reason := "azure.publicNetworkAccess"
	if a.PrivateEndpoints != nil {
		reason = "azure.privateEndpoints"
	}
	made := s.MadeClusters()
	if len(made) == 0 && (a.CreateContainerRegistry || a.PrivateEndpoints != nil) {
		r.addf("compute", "makes no cluster, and %s needs one: a registry without public access builds "+
			"its images on a cluster", reason)
	}
	isReached := a.ManagedNetwork.IsOn() || a.StorageAccountID != ""
	for i, cluster := range s.Compute {
		if !cluster.Exists() && cluster.SubnetID == "" && !isReached {
			r.addf(element("compute", i)+".subnetId", "is missing, and %s closes the storage account to "+
				"all other networks; give a subnet, or set azure.managedNetwork.mode", reason)
		}
	}
}

// validateNodes refuses nodes without public addresses in a network of the user's own that does not
// lead to the workspace: Azure ML makes none ("Secure an Azure Machine Learning training
// environment with virtual networks"). Without public access somebody made the endpoint, here or
// elsewhere.
func (s *Settings) validateNodes(r *report) {
	if s.Azure.IsClosed() || s.Azure.WorkspaceExists() {
		return // preflight looks at a workspace that exists
	}
	const why = "needs a private endpoint of the workspace: without one Azure ML makes no nodes " +
		"without public addresses; set azure.privateEndpoints, or azure.publicNetworkAccess to " +
		"Disabled where the network's owner makes the endpoint"
	for i, cluster := range s.Compute {
		if cluster.SubnetID != "" {
			r.addf(element("compute", i)+".subnetId", "%s", why)
		}
	}
	serverless := s.Azure.ServerlessComputeSettings
	if serverless != nil && serverless.NoPublicIP && serverless.SubnetID != "" {
		r.addf("azure.serverlessComputeSettings.noPublicIp", "%s", why)
	}
}

// excludeSubnet refuses a subnet beside a managed network.
func (s *Settings) excludeSubnet(r *report, key, subnet string) {
	if subnet != "" && s.Azure.ManagedNetwork.IsOn() {
		r.addf(key, "and azure.managedNetwork exclude each other: a managed network has its own "+
			"subnets; remove one of the two")
	}
}

// validateZones refuses zones of two kinds, and a list of zones that lacks one.
func (s *Settings) validateZones(r *report, key string) {
	endpoints := s.Azure.PrivateEndpoints
	if len(endpoints.DNSZoneIDs) == 0 {
		return
	}
	if endpoints.VirtualNetworkID != "" {
		r.addf(key+".virtualNetworkId", "is for zones that are made, and dnsZoneIds names some that "+
			"exist; remove one of the two")
		return
	}
	given := map[string]bool{}
	for _, id := range endpoints.DNSZoneIDs {
		given[path.Base(id)] = true
	}
	var lacking []string
	for _, zone := range s.neededZones() {
		if !given[zone] {
			lacking = append(lacking, zone)
		}
	}
	if len(lacking) > 0 {
		r.addf(key+".dnsZoneIds", "lacks %s; without a zone an endpoint has no name",
			strings.Join(lacking, ", "))
	}
}

// neededZones are the private DNS zones of what gets an endpoint: the workspace, and what is made.
func (s *Settings) neededZones() []string {
	a := &s.Azure
	needed := map[string]bool{
		"amlworkspace": true,
		"vault":        a.KeyVaultID == "",
		"registry":     a.CreateContainerRegistry,
	}
	for _, part := range []string{"blob", "file", "queue", "table"} {
		needed[part] = a.StorageAccountID == ""
	}
	var zones []string
	for part, names := range s.PrivateZones() {
		if needed[part] {
			zones = append(zones, names...)
		}
	}
	slices.Sort(zones)
	return zones
}
