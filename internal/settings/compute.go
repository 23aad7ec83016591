package settings

import "regexp"

// Compute is a cluster of Azure ML that carries the job identity and scales to zero.
type Compute struct {
	// VMSize is Azure's name of a size.
	VMSize   string
	MaxNodes int
	SubnetID string
}

// defaults names a size of a series that stays: those of DSv2 are being retired.
func (c *Compute) defaults() {
	c.VMSize = "Standard_D4ds_v5"
	c.MaxNodes = 1
}

func (c *Compute) fields() []field {
	return []field{
		{
			key:     "vmSize",
			value:   text(&c.VMSize, matching(vmSize, "is not a VM size such as Standard_D4ds_v5")),
			meaning: "Azure's name of a size.",
			change: Change{
				Replaces: []Part{PartCluster},
				Note:     "The old one goes first.",
				Jobs:     JobsThatRun,
				Back:     BackWhole,
			},
		},
		{
			key:     "maxNodes",
			value:   number(&c.MaxNodes, 1, 1000),
			meaning: "How many nodes at most. The cluster scales to zero.",
			change: Change{
				Updates: []Part{PartCluster},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:     "subnetId",
			value:   text(&c.SubnetID, armID(typeSubnet)),
			meaning: "A subnet of your own, where there is no managed network.",
			change: Change{
				Replaces: []Part{PartCluster},
				Note:     "The old one goes first.",
				Jobs:     JobsThatRun,
				Back:     BackWhole,
			},
		},
	}
}

var vmSize = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// matching is a rule of a regular expression that an editor understands too.
func matching(pattern *regexp.Regexp, problem string) textRule {
	return textRule{
		pattern: pattern.String(),
		problem: func(text string) string {
			if pattern.MatchString(text) {
				return ""
			}
			return problem
		},
	}
}
