package settings

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// Cluster is a cluster of Azure ML that carries the job identity: one that is made, or one of the
// workspace that exists.
type Cluster struct {
	// Name is its name in Azure, by which jobs ask for it. Its name in Pulumi is made from it, so that
	// no cluster moves in the state when another one goes.
	Name string
	// VMSize is Azure's name of a size.
	VMSize   string
	MaxNodes int
	// MinNodes are kept, and paid, whether there are jobs or not.
	MinNodes int
	// IdleSeconds is how long a node waits for another job.
	IdleSeconds int
	// LowPriority nodes are cheap, and Azure takes them back when it needs them.
	LowPriority bool
	SubnetID    string

	// ComputeID is the ARM id of a cluster that exists. Then nothing else is said of it.
	ComputeID string
}

// DefaultCluster is the name of a cluster that has none in the settings.
const DefaultCluster = "ml-cluster"

// defaults names a size of a series that stays: those of DSv2 are being retired.
func (c *Cluster) defaults() {
	c.Name = DefaultCluster
	c.VMSize = "Standard_D4ds_v5"
	c.MaxNodes = 1
	c.IdleSeconds = 120
}

func (c *Cluster) fields() []field {
	const mostNodes = 1000
	isMadeAnew := Change{
		Replaces: []Part{PartCluster},
		Note:     "The old one goes first.",
		Jobs:     JobsThatRun,
		Back:     BackWhole,
	}
	isUpdated := Change{Updates: []Part{PartCluster}, Jobs: JobsGoOn, Back: BackWhole}
	isAnother := Change{Makes: []Part{PartCluster}, Jobs: JobsOutdated, Back: BackWhole}
	return []field{
		{
			key:     "name",
			value:   text(&c.Name, azureName(ClusterName, "a name that Azure takes")),
			meaning: "Its name, by which jobs ask for it: " + ClusterName.Text + ".",
			change:  isAnother,
		},
		{
			key:     "vmSize",
			value:   text(&c.VMSize, matching(vmSize, "is not a VM size such as Standard_D4ds_v5")),
			meaning: "Azure's name of a size.",
			change:  isMadeAnew,
		},
		{
			key:     "maxNodes",
			value:   number(&c.MaxNodes, 1, mostNodes),
			meaning: "How many nodes at most.",
			change:  isUpdated,
		},
		{
			key:     "minNodes",
			value:   number(&c.MinNodes, 0, mostNodes),
			meaning: "How many nodes are kept and paid without a job. The cluster scales to zero.",
			change:  isUpdated,
		},
		{
			key:     "idleSeconds",
			value:   number(&c.IdleSeconds, 30, 86399),
			meaning: "How long a node waits for another job before it goes.",
			change:  isUpdated,
		},
		{
			key:     "lowPriority",
			value:   flag(&c.LowPriority),
			meaning: "Take nodes that are cheaper, and that Azure may take back in the middle of a job.",
			change:  isMadeAnew,
		},
		{
			key:     "subnetId",
			value:   text(&c.SubnetID, armID(typeSubnet)),
			meaning: "A subnet of your own, where there is no managed network.",
			change:  isMadeAnew,
		},
		{
			key:   "computeId",
			value: text(&c.ComputeID, armID(typeCompute)),
			meaning: "ARM id of a cluster of the workspace that exists, in place of all the others. Its " +
				"owner gives it the job identity.",
			change: isAnother,
		},
	}
}

var vmSize = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// Exists tells whether the cluster is somebody else's.
func (c *Cluster) Exists() bool {
	return c.ComputeID != ""
}

// AzureName is the cluster's name in its workspace.
func (c *Cluster) AzureName() string {
	if c.Exists() {
		return path.Base(c.ComputeID)
	}
	return c.Name
}

// WorkspaceName is the workspace that has a cluster that exists.
func (c *Cluster) WorkspaceName() string {
	id, _ := parseARMID(c.ComputeID)
	return id.name
}

// WorkspaceGroup is the resource group of the workspace that has a cluster that exists.
func (c *Cluster) WorkspaceGroup() string {
	id, _ := parseARMID(c.ComputeID)
	return id.group
}

// IdleTime is IdleSeconds as ISO 8601 writes it, in the one spelling that Azure answers with: PT2M,
// and not PT120S. Another one would differ at every refresh. A day has another form, and is more
// than the setting takes.
func (c *Cluster) IdleTime() string {
	idle := time.Duration(c.IdleSeconds) * time.Second
	text := "PT"
	if hours := int(idle.Hours()); hours > 0 {
		text += fmt.Sprintf("%dH", hours)
	}
	if minutes := int(idle.Minutes()) % 60; minutes > 0 {
		text += fmt.Sprintf("%dM", minutes)
	}
	if seconds := int(idle.Seconds()) % 60; seconds > 0 {
		text += fmt.Sprintf("%dS", seconds)
	}
	return text
}

// MadeClusters are those that the program makes.
func (s *Settings) MadeClusters() []Cluster {
	var made []Cluster
	for _, cluster := range s.Compute {
		if !cluster.Exists() {
			made = append(made, cluster)
		}
	}
	return made
}

// validateClusters refuses two clusters of one name, and what is said of a cluster that exists.
func (s *Settings) validateClusters(r *report) {
	seen := map[string]bool{}
	for i := range s.Compute {
		cluster := &s.Compute[i]
		key := element("compute", i)
		name := cluster.AzureName()
		folded := strings.ToLower(name)
		if seen[folded] {
			r.addf(key+".name", "%s is the name of another cluster, and a workspace has each once; give "+
				"every cluster a name of its own", r.show(key+".name", name))
		}
		seen[folded] = true
		cluster.validate(r, key)
	}
}

func (c *Cluster) validate(r *report, key string) {
	alone := Cluster{}
	alone.defaults()
	alone.ComputeID = c.ComputeID
	switch {
	case c.Exists() && *c != alone:
		r.addf(key+".computeId", "names a cluster that exists, and beside it stands what is for one "+
			"that the program makes; remove one of the two")
	case c.MinNodes > c.MaxNodes:
		r.addf(key+".minNodes", "%d is more than maxNodes, which is %d", c.MinNodes, c.MaxNodes)
	case c.LowPriority && c.MinNodes > 0:
		r.addf(key+".minNodes", "%d nodes cannot be kept of a low priority: Azure takes them back when "+
			"it needs them. Remove minNodes or lowPriority", c.MinNodes)
	}
}

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
