package settings

import (
	"reflect"
	"regexp"
)

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
// The length stands beside the pattern, because a counted repetition in it takes long to compile.
type nameRule struct {
	min, max int // characters
	pattern  string
	text     string
}

func (r nameRule) valid(name string) bool {
	return len(name) >= r.min && len(name) <= r.max && regexp.MustCompile(r.pattern).MatchString(name)
}

var (
	groupRule    = nameRule{1, 90, `^[-\w._()]*[-\w_()]$`, "1 to 90 letters, digits, - _ . ( ), not ending in a dot"}
	identityRule = nameRule{3, 128, `^[A-Za-z0-9][A-Za-z0-9_-]*$`, "3 to 128 letters, digits, - _, starting with a letter or digit"}
)

var nameRules = map[string]nameRule{
	"resourceGroup":     groupRule,
	"jobIdentity":       identityRule,
	"workspaceIdentity": identityRule,
	"storageAccount":    {3, 24, `^[a-z0-9]+$`, "3 to 24 lower-case letters and digits, unique in all of Azure"},
	// No two hyphens in a row: after a hyphen the pattern wants a letter or digit.
	"keyVault": {3, 24, `^[A-Za-z](?:-?[A-Za-z0-9])*$`,
		"3 to 24 letters, digits and single hyphens, starting with a letter, unique in all of Azure"},
	"logAnalytics":        {4, 63, `^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$`, "4 to 63 letters, digits and hyphens, not at either end"},
	"applicationInsights": {1, 255, `^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`, "1 to 255 letters, digits, - _ . ( ), not ending in a dot"},
	"containerRegistry":   {5, 50, `^[A-Za-z0-9]+$`, "5 to 50 letters and digits, unique in all of Azure"},
	// The service's specification also allows _; Microsoft's naming page does not, so the stricter rule holds.
	"workspace": {3, 33, `^[A-Za-z0-9][A-Za-z0-9-]*$`, "3 to 33 letters, digits and hyphens, starting with a letter or digit"},
	"computeCluster": {3, 32, `^[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$`,
		"3 to 32 letters, digits and hyphens, starting with a letter, not ending in a hyphen"},
}

func (n Names) validate(c *collector) {
	eachField("azure.names", reflect.ValueOf(n), func(key string, field reflect.Value, tag reflect.StructTag) {
		if rule, name := nameRules[tag.Get("json")], field.String(); name != "" && !rule.valid(name) {
			c.addf(key, "%s is not a name that Azure takes: %s", c.show(key, name), rule.text)
		}
	})
}
