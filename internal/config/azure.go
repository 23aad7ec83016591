package config

import (
	"regexp"
	"slices"
	"strings"
)

// nameRule is Azure's rule for a resource's name, from the resource provider's REST specification
// (github.com/Azure/azure-rest-api-specs) and Microsoft's page "Naming rules and restrictions for Azure resources".
type nameRule struct {
	field   string
	pattern *regexp.Regexp
	text    string
}

var nameRules = []struct {
	nameRule
	of func(Names) string
}{
	{nameRule{"resourceGroup", regexp.MustCompile(`^[-\w._()]{0,89}[-\w_()]$`),
		"1 to 90 letters, digits, - _ . ( ), not ending in a dot"}, func(n Names) string { return n.ResourceGroup }},
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
	// The service's specification also allows _; Microsoft's naming page does not, so the stricter rule holds.
	{nameRule{"workspace", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,32}$`),
		"3 to 33 letters, digits and hyphens, starting with a letter or digit"}, func(n Names) string { return n.Workspace }},
	{nameRule{"computeCluster", regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]$`),
		"3 to 32 letters, digits and hyphens, starting with a letter, not ending in a hyphen"}, func(n Names) string { return n.ComputeCluster }},
}

// keyVaultMaxLength holds what the pattern cannot count, since a hyphen and what follows match as one.
const keyVaultMaxLength = 24

var location = regexp.MustCompile(`^[A-Za-z0-9 ]+$`)

// reservedTags are the program's own: a resource says which stack made it, and a query by them finds all of a stack.
var reservedTags = []string{"project", "stack", "managed-by"}

func (cfg *Config) validateAzure(c *collector) {
	switch {
	case cfg.Location == "":
		c.addf("azure-native:location", "is missing; set it with `pulumi config set azure-native:location westeurope`")
	case !location.MatchString(cfg.Location):
		c.addf("azure-native:location", "%s is not an Azure region such as westeurope", c.show("azure-native:location", cfg.Location))
	}
	for _, rule := range nameRules {
		name := rule.of(cfg.Azure.Names)
		if name == "" {
			continue
		}
		tooLong := rule.field == "keyVault" && len(name) > keyVaultMaxLength
		if !rule.pattern.MatchString(name) || tooLong {
			c.addf("azure.names."+rule.field, "%s is not a name that Azure takes: %s", c.show("azure.names."+rule.field, name), rule.text)
		}
	}
	if access := cfg.Azure.PublicNetworkAccess; !slices.Contains([]string{"Enabled", "Disabled"}, access) {
		c.addf("azure.publicNetworkAccess", "%s is neither Enabled nor Disabled", c.show("azure.publicNetworkAccess", access))
	}
	cfg.validateTags(c)
}

// validateTags applies the narrowest limits of the tagged resources: storage accounts take names of 128 characters
// at most, and 50 tags are a resource's limit (Azure Resource Manager, "Use tags to organize your resources").
func (cfg *Config) validateTags(c *collector) {
	tags := cfg.Azure.Tags
	if most := 50 - len(reservedTags); len(tags) > most {
		c.addf("azure.tags", "has %d tags; at most %d, the program adds %d of its own", len(tags), most, len(reservedTags))
	}
	seen := map[string]bool{}
	for name, value := range tags {
		key, folded := "azure.tags."+name, strings.ToLower(name)
		switch {
		case slices.Contains(reservedTags, folded):
			c.addf(key, "is set by the program; choose another name")
		case name == "" || len(name) > 128 || strings.ContainsAny(name, `<>%&\?/`):
			c.addf(key, `has a name that Azure refuses: 1 to 128 characters, none of < > %% & \ ? /`)
		case seen[folded]:
			c.addf(key, "differs from another tag by case only, and Azure's tag names have none")
		case len(value) > 256:
			c.addf(key, "has a value of more than 256 characters")
		}
		seen[folded] = true
	}
}
