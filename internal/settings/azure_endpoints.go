package settings

import (
	"path"
	"slices"
	"strings"
)

// PrivateEndpoints lead from a subnet of the user's own to the workspace and to what is made for it. All of these then
// refuse public access. The subnet is in the workspace's region.
type PrivateEndpoints struct {
	// SubnetID is where the endpoints are.
	SubnetID string `json:"subnetId" arm:"Microsoft.Network/virtualNetworks/subnets" required:"give the ARM id of the subnet from which people and jobs come"`
	// DNSZoneIDs are private DNS zones that exist, every one that is needed. With neither this nor virtualNetworkId a policy of
	// the network's owner enters the endpoints' names.
	DNSZoneIDs []string `json:"dnsZoneIds" arm:"Microsoft.Network/privateDnsZones"`
	// VirtualNetworkID is the network to which zones that are made here are linked.
	VirtualNetworkID string `json:"virtualNetworkId" arm:"Microsoft.Network/virtualNetworks"`
}

// Serverless is where jobs without a cluster run.
type Serverless struct {
	SubnetID   string `json:"subnetId" arm:"Microsoft.Network/virtualNetworks/subnets" required:"without a subnet of your own, remove azure.serverlessComputeSettings"`
	NoPublicIP bool   `json:"noPublicIp"`
}

// RoleDataScientist and RoleBlobContributor are what the job identity may have; an ordinary command job needs neither.
const (
	// RoleDataScientist is for the workspace: MLClient and datastores need it.
	RoleDataScientist = "AzureML Data Scientist"
	// RoleBlobContributor is for the storage account that is made: data by identity needs it.
	RoleBlobContributor = "Storage Blob Data Contributor"
)

// clouds has the domains of Microsoft's clouds by the prefix of their regions ("Azure Private Endpoint private DNS zone
// values"; of Azure ML: "How to use your workspace with a custom DNS server").
var clouds = []struct {
	regions                                  []string
	api, notebooks, storage, vault, registry string
}{
	{[]string{"usgov", "usdod"}, "api.ml.azure.us", "notebooks.usgovcloudapi.net", "core.usgovcloudapi.net", "vaultcore.usgovcloudapi.net", "azurecr.us"},
	{[]string{"china"}, "api.ml.azure.cn", "notebooks.chinacloudapi.cn", "core.chinacloudapi.cn", "vaultcore.azure.cn", "azurecr.cn"},
	{[]string{""}, "api.azureml.ms", "notebooks.azure.net", "core.windows.net", "vaultcore.azure.net", "azurecr.io"},
}

// PrivateZones are the private DNS zones of the location's cloud, by the part of a resource that an endpoint leads to.
func (cfg *Settings) PrivateZones() map[string][]string {
	region := strings.ToLower(strings.ReplaceAll(cfg.Location, " ", ""))
	for _, cloud := range clouds {
		if !slices.ContainsFunc(cloud.regions, func(prefix string) bool { return strings.HasPrefix(region, prefix) }) {
			continue
		}
		zones := map[string][]string{
			"amlworkspace": {"privatelink." + cloud.api, "privatelink." + cloud.notebooks},
			"vault":        {"privatelink." + cloud.vault}, "registry": {"privatelink." + cloud.registry},
		}
		for _, part := range []string{"blob", "file", "queue", "table"} {
			zones[part] = []string{"privatelink." + part + "." + cloud.storage}
		}
		return zones
	}
	return nil
}

// JobHas tells whether the job identity has a role.
func (a *Azure) JobHas(role string) bool { return slices.Contains(a.JobIdentityRoles, role) }

func (cfg *Settings) validateEndpoints(c *collector) {
	const key = "azure.privateEndpoints"
	a, p := &cfg.Azure, cfg.Azure.PrivateEndpoints
	subnet := ""
	if cfg.Compute != nil {
		subnet = cfg.Compute.SubnetID
		a.excludeSubnet(c, "compute.subnetId", subnet)
	}
	if s := a.ServerlessComputeSettings; s != nil {
		a.excludeSubnet(c, "azure.serverlessComputeSettings.subnetId", s.SubnetID)
	}
	if p == nil {
		return
	}
	if a.PublicNetworkAccess != "Disabled" {
		c.addf("azure.publicNetworkAccess", "is %s, and azure.privateEndpoints closes it; remove one of the two", a.PublicNetworkAccess)
	}
	if cfg.Compute == nil {
		c.addf("compute", "is missing, and %s needs it: a registry without public access builds its images on the cluster", key)
	} else if subnet == "" && !a.ManagedNetwork.on() {
		c.addf("compute.subnetId", "is missing, and %s closes the storage account to all other networks; give a subnet, or set azure.managedNetwork.mode", key)
	}
	if !a.CreateContainerRegistry && a.ContainerRegistryID == "" {
		c.addf(key, "needs a registry, since the one that Azure ML makes is public; set azure.createContainerRegistry, or azure.containerRegistryId")
	}
	cfg.validateZones(c, key, p)
}

func (cfg *Settings) validateZones(c *collector, key string, p *PrivateEndpoints) {
	switch {
	case len(p.DNSZoneIDs) == 0:
		return
	case p.VirtualNetworkID != "":
		c.addf(key+".virtualNetworkId", "is for zones that are made, and dnsZoneIds names some that exist; remove one of the two")
		return
	}
	made := map[string]bool{"amlworkspace": true, "vault": cfg.Azure.KeyVaultID == "", "registry": cfg.Azure.CreateContainerRegistry}
	var lacking []string
	for part, zones := range cfg.PrivateZones() {
		for _, zone := range zones {
			isMade, other := made[part]
			brought := slices.ContainsFunc(p.DNSZoneIDs, func(id string) bool { return path.Base(id) == zone })
			if !brought && (isMade || !other && cfg.Azure.StorageAccountID == "") {
				lacking = append(lacking, zone)
			}
		}
	}
	if slices.Sort(lacking); len(lacking) > 0 {
		c.addf(key+".dnsZoneIds", "lacks %s; without a zone an endpoint has no name", strings.Join(lacking, ", "))
	}
}

func (a *Azure) excludeSubnet(c *collector, key, subnet string) {
	if subnet != "" && a.ManagedNetwork.on() {
		c.addf(key, "and azure.managedNetwork exclude each other: a managed network has its own subnets; remove one of the two")
	}
}

func (a *Azure) validateAccess(c *collector) {
	for i, role := range a.JobIdentityRoles {
		switch key := element("azure.jobIdentityRoles", i); {
		case slices.Contains(a.JobIdentityRoles[:i], role):
			c.addf(key, "is given twice")
		case role == RoleBlobContributor && a.StorageAccountID != "":
			c.addf(key, "is for the storage account that the program makes; its owner gives the role on azure.storageAccountId")
		}
	}
	switch a.Lock {
	case "", "CanNotDelete":
	case "ReadOnly":
		c.addf("azure.lock", "ReadOnly stops clusters from scaling: Azure ML then cannot list the storage account's keys; write CanNotDelete")
	default:
		c.addf("azure.lock", "%s is not CanNotDelete", c.show("azure.lock", a.Lock))
	}
	for i, name := range a.IgnoreTags {
		if key := element("azure.ignoreTags", i); name == "" || slices.Contains(reservedTags, strings.ToLower(name)) || a.Tags[name] != "" {
			c.addf(key, "%s is a tag that the program sets; ignore those of others alone", c.show(key, name))
		}
	}
}
