package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mlvault/internal/losses"
	"mlvault/internal/settings"
)

// size is a size of virtual machines, as Azure ML lists it.
type size struct {
	Name   string
	Family string
	Cores  int `json:"vCPUs"`
}

// usage is one of Azure ML's quotas.
type usage struct {
	Name  string
	Used  int
	Limit int
}

// lowPriorityQuota is one for all families.
const lowPriorityQuota = "Total Cluster LowPriority Regional vCPUs"

// quotaOf is the name of the quota that a cluster of a size counts against.
func quotaOf(cluster settings.Cluster, s size) string {
	if cluster.LowPriority {
		return lowPriorityQuota
	}
	family := strings.TrimSuffix(strings.TrimPrefix(s.Family, "standard"), "Family")
	return "Standard " + family + " Family Cluster Dedicated vCPUs"
}

// demand is what the clusters that are made need of one quota.
type demand struct {
	quota string
	cores int
	// oneNode are the cores of the smallest node.
	oneNode int
	// clusters say what the cores are for.
	clusters []string
}

func (d *demand) add(cluster settings.Cluster, s size) {
	d.cores += s.Cores * cluster.MaxNodes
	if d.oneNode == 0 || s.Cores < d.oneNode {
		d.oneNode = s.Cores
	}
	d.clusters = append(d.clusters, fmt.Sprintf("%d nodes of %s", cluster.MaxNodes, s.Name))
}

// quota compares the cores of the clusters with Azure ML's own quotas for their families of sizes,
// which are others than those of virtual machines (learn.microsoft.com/rest/api/azureml: Virtual
// Machine Sizes - List, Usages - List).
func (c *checker) quota(ctx context.Context) {
	if len(c.settings.MadeClusters()) == 0 {
		return
	}
	var sizes []size
	var usages []usage
	const (
		sizesQuery  = "value[].{name: name, family: family, vCPUs: vCPUs}"
		usagesQuery = "value[].{name: name.value, used: currentValue, limit: limit}"
	)
	err := c.ofLocation(ctx, &sizes, "vmSizes", sizesQuery)
	if err == nil {
		err = c.ofLocation(ctx, &usages, "usages", usagesQuery)
	}
	if err != nil {
		c.unseen("quota of the clusters: Azure ML's lists of sizes and usages could not be read")
		return
	}
	for _, demand := range c.demands(sizes) {
		c.supply(*demand, usages)
	}
}

// demands are what the clusters need, a row for each quota.
func (c *checker) demands(sizes []size) []*demand {
	var all []*demand
	for i, cluster := range c.settings.Compute {
		if cluster.Exists() {
			continue
		}
		at := slices.IndexFunc(sizes, func(s size) bool {
			return strings.EqualFold(s.Name, cluster.VMSize)
		})
		if at < 0 {
			location := c.settings.Location
			c.problem("compute[%d].vmSize: Azure ML has no size %s in %s. List them: "+
				"`az ml compute list-sizes --location %s`", i, cluster.VMSize, location, location)
			continue
		}
		quota := quotaOf(cluster, sizes[at])
		known := slices.IndexFunc(all, func(d *demand) bool { return d.quota == quota })
		if known < 0 {
			known = len(all)
			all = append(all, &demand{quota: quota})
		}
		all[known].add(cluster, sizes[at])
	}
	return all
}

// ofLocation reads a list of Azure ML's for the stack's location.
func (c *checker) ofLocation(ctx context.Context, into any, list, query string) error {
	url := "/subscriptions/{subscriptionId}/providers/Microsoft.MachineLearningServices/locations/" +
		region(c.settings.Location) + "/" + list + "?api-version=" + settings.MachineLearningAPI
	return az(ctx, into, "rest", "--method", "get", "--query", query, "--url", url)
}

func (c *checker) supply(d demand, usages []usage) {
	at := slices.IndexFunc(usages, func(u usage) bool { return strings.EqualFold(u.Name, d.quota) })
	if at < 0 {
		c.unseen("quota of the clusters: Azure ML lists no %q", d.quota)
		return
	}
	found := usages[at]
	free := found.Limit - found.Used
	if len(c.made(losses.Cluster)) > 0 {
		free = found.Limit // some of what is used may be the stack's own
	}
	const lacking = "compute: the clusters need %d cores (%s), and the quota of %q has %d free of " +
		"%d. Request more: ml.azure.com, Quota"
	clusters := strings.Join(d.clusters, ", ")
	isUnlimited := found.Limit < 0
	switch {
	case isUnlimited || free >= d.cores:
		c.passed("quota: %d cores needed, %d free of %d", d.cores, free, found.Limit)
	case free < d.oneNode:
		c.problem(lacking, d.cores, clusters, found.Name, free, found.Limit)
	default:
		c.warning(lacking, d.cores, clusters, found.Name, free, found.Limit)
	}
}
