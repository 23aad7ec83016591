package config

import "regexp"

// Names are physical names. An empty one lets Pulumi add a random suffix to its own, which never collides with
// a soft-deleted resource of the same name.
type Names struct {
	ResourceGroup       string `json:"resourceGroup"`
	JobIdentity         string `json:"jobIdentity"`
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
type nameRule struct {
	field   string
	pattern *regexp.Regexp
	text    string
}

var groupRule = nameRule{"resourceGroup", regexp.MustCompile(`^[-\w._()]{0,89}[-\w_()]$`),
	"1 to 90 letters, digits, - _ . ( ), not ending in a dot"}

var nameRules = []struct {
	nameRule
	of func(Names) string
}{
	{groupRule, func(n Names) string { return n.ResourceGroup }},
	{nameRule{"jobIdentity", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`),
		"3 to 128 letters, digits, - _, starting with a letter or digit"}, func(n Names) string { return n.JobIdentity }},
	{nameRule{"storageAccount", regexp.MustCompile(`^[a-z0-9]{3,24}$`),
		"3 to 24 lower-case letters and digits, unique in all of Azure"}, func(n Names) string { return n.StorageAccount }},
	// No two hyphens in a row: after a hyphen the pattern wants a letter or digit.
	{nameRule{"keyVault", regexp.MustCompile(`^[A-Za-z](?:-?[A-Za-z0-9]){2,23}$`),
		"3 to 24 letters, digits and single hyphens, starting with a letter, unique in all of Azure"}, func(n Names) string { return n.KeyVault }},
	{nameRule{"logAnalytics", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`),
		"4 to 63 letters, digits and hyphens, not at either end"}, func(n Names) string { return n.LogAnalytics }},
	{nameRule{"applicationInsights", regexp.MustCompile(`^[A-Za-z0-9._()-]{0,254}[A-Za-z0-9_()-]$`),
		"1 to 255 letters, digits, - _ . ( ), not ending in a dot"}, func(n Names) string { return n.ApplicationInsights }},
	{nameRule{"containerRegistry", regexp.MustCompile(`^[A-Za-z0-9]{5,50}$`),
		"5 to 50 letters and digits, unique in all of Azure"}, func(n Names) string { return n.ContainerRegistry }},
	// The service's specification also allows _; Microsoft's naming page does not, so the stricter rule holds.
	{nameRule{"workspace", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,32}$`),
		"3 to 33 letters, digits and hyphens, starting with a letter or digit"}, func(n Names) string { return n.Workspace }},
	{nameRule{"computeCluster", regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]$`),
		"3 to 32 letters, digits and hyphens, starting with a letter, not ending in a hyphen"}, func(n Names) string { return n.ComputeCluster }},
}

// keyVaultMaxLength holds what the pattern cannot count, since a hyphen and what follows match as one.
const keyVaultMaxLength = 24

func (n Names) validate(c *collector) {
	for _, rule := range nameRules {
		name := rule.of(n)
		if name == "" {
			continue
		}
		tooLong := rule.field == "keyVault" && len(name) > keyVaultMaxLength
		if !rule.pattern.MatchString(name) || tooLong {
			c.addf("azure.names."+rule.field, "%s is not a name that Azure takes: %s", c.show("azure.names."+rule.field, name), rule.text)
		}
	}
}
