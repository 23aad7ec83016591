package config

import "regexp"

// Compute is a cluster of Azure ML that carries the job identity and scales to zero.
type Compute struct {
	// VMSize is Azure's name of a size. A change replaces the cluster.
	VMSize string `json:"vmSize"`
	// MaxNodes is how far the cluster scales.
	MaxNodes int `json:"maxNodes"`
	// SubnetID is a subnet of the user's own network.
	SubnetID string `json:"subnetId"`
}

func (compute *Compute) normalise() {
	// DSv2 sizes are being retired.
	defaultTo(&compute.VMSize, "Standard_D4ds_v5")
	defaultTo(&compute.MaxNodes, 1)
}

func (cfg *Config) validateCompute(c *collector) {
	if cfg.Compute == nil {
		return
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_]+$`).MatchString(cfg.Compute.VMSize) {
		c.addf("compute.vmSize", "%s is not a VM size such as Standard_D4ds_v5", c.show("compute.vmSize", cfg.Compute.VMSize))
	}
	if cfg.Compute.MaxNodes < 1 || cfg.Compute.MaxNodes > 1000 {
		c.addf("compute.maxNodes", "%d is not between 1 and 1000", cfg.Compute.MaxNodes)
	}
}
