package config

import "regexp"

// Names are physical names. An empty one lets Pulumi add a random suffix to its own, which never collides with
// a soft-deleted resource of the same name.
type Names struct {
	ResourceGroup       string `json:"resourceGroup"`
	JobIdentity         string `json:"jobIdentity"`
	WorkspaceIdentity   string `json:"workspaceIdentity"`
	StorageAccount      string `json:"storageAccount"`
	KeyVault            string `json:"keyVault"`
	LogAnalytics        string `json:"logAnalytics"`
	ApplicationInsights string `json:"applicationInsights"`
	ContainerRegistry   string `json:"containerRegistry"`
	Workspace           string `json:"workspace"`
	ComputeCluster      string `json:"computeCluster"`
}

// nameRule is Azure's rule for a resource's name, from the resource provider's REST specification
// (github.com/Azure/azure-rest-api-specs) and Microsoft's page "Naming rules and restrictions for Azure resources".
// The length stands beside the pattern and not in it: a counted repetition is a state for each count, and compiling
// those took longer than all else that the program does before its first registration.
type nameRule struct {
	min, max int // characters
	pattern  *regexp.Regexp
	text     string
}

func (r nameRule) valid(name string) bool {
	return len(name) >= r.min && len(name) <= r.max && r.pattern.MatchString(name)
}

var groupRule = nameRule{1, 90, regexp.MustCompile(`^[-\w._()]*[-\w_()]$`),
	"1 to 90 letters, digits, - _ . ( ), not ending in a dot"}

var identityRule = nameRule{3, 128, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`),
	"3 to 128 letters, digits, - _, starting with a letter or digit"}

var nameRules = []struct {
	field string
	of    func(Names) string
	nameRule
}{
	{"resourceGroup", func(n Names) string { return n.ResourceGroup }, groupRule},
	{"jobIdentity", func(n Names) string { return n.JobIdentity }, identityRule},
	{"workspaceIdentity", func(n Names) string { return n.WorkspaceIdentity }, identityRule},
	{"storageAccount", func(n Names) string { return n.StorageAccount }, nameRule{3, 24, regexp.MustCompile(`^[a-z0-9]+$`),
		"3 to 24 lower-case letters and digits, unique in all of Azure"}},
	// No two hyphens in a row: after a hyphen the pattern wants a letter or digit.
	{"keyVault", func(n Names) string { return n.KeyVault }, nameRule{3, 24, regexp.MustCompile(`^[A-Za-z](?:-?[A-Za-z0-9])*$`),
		"3 to 24 letters, digits and single hyphens, starting with a letter, unique in all of Azure"}},
	{"logAnalytics", func(n Names) string { return n.LogAnalytics }, nameRule{4, 63, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$`),
		"4 to 63 letters, digits and hyphens, not at either end"}},
	{"applicationInsights", func(n Names) string { return n.ApplicationInsights }, nameRule{1, 255, regexp.MustCompile(`^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`),
		"1 to 255 letters, digits, - _ . ( ), not ending in a dot"}},
	{"containerRegistry", func(n Names) string { return n.ContainerRegistry }, nameRule{5, 50, regexp.MustCompile(`^[A-Za-z0-9]+$`),
		"5 to 50 letters and digits, unique in all of Azure"}},
	// The service's specification also allows _; Microsoft's naming page does not, so the stricter rule holds.
	{"workspace", func(n Names) string { return n.Workspace }, nameRule{3, 33, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`),
		"3 to 33 letters, digits and hyphens, starting with a letter or digit"}},
	{"computeCluster", func(n Names) string { return n.ComputeCluster }, nameRule{3, 32, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$`),
		"3 to 32 letters, digits and hyphens, starting with a letter, not ending in a hyphen"}},
}

func (n Names) validate(c *collector) {
	for _, rule := range nameRules {
		if name := rule.of(n); name != "" && !rule.valid(name) {
			c.addf("azure.names."+rule.field, "%s is not a name that Azure takes: %s", c.show("azure.names."+rule.field, name), rule.text)
		}
	}
}
