package settings

import "regexp"

// Names are physical names. An empty one lets Pulumi add a random suffix to its own, which never
// collides with a soft-deleted resource of the same name.
type Names struct {
	// Template names all that has no name here: acme-{stack}-{kind}.
	Template            string
	ResourceGroup       string
	JobIdentity         string
	WorkspaceIdentity   string
	StorageAccount      string
	KeyVault            string
	LogAnalytics        string
	ApplicationInsights string
	ContainerRegistry   string
	Workspace           string
}

func (n *Names) defaults() {}

func (n *Names) fields() []field {
	return []field{
		{
			key:   "template",
			value: text(&n.Template, templateRule),
			meaning: "The names of all that is made and not named here, attachments too: " +
				"`acme-{stack}-{kind}`. `{project}` is the other placeholder. " +
				"[azure](azure.md#names-by-a-template) has the kinds.",
			change: named(movesAzure),
		},
		nameField("resourceGroup", &n.ResourceGroup, GroupName, movesAzure),
		nameField("jobIdentity", &n.JobIdentity, IdentityName, Change{
			Replaces: []Part{PartJobIdentity},
			Updates:  []Part{PartCluster, PartSecrets, PartRole},
			Jobs:     JobsOutdated,
		}),
		nameField("workspaceIdentity", &n.WorkspaceIdentity, IdentityName, Change{
			Replaces: []Part{PartWorkspaceIdentity},
			Updates:  []Part{PartWorkspace},
			Jobs:     JobsGoOn,
		}),
		nameField("storageAccount", &n.StorageAccount, StorageAccountName,
			loses(PartStorage, PartWorkspace, PartCluster)),
		nameField("keyVault", &n.KeyVault, KeyVaultName,
			loses(PartKeyVault, PartWorkspace, PartCluster)),
		nameField("logAnalytics", &n.LogAnalytics, LogAnalyticsName, Change{
			Replaces: []Part{PartLogs},
			Updates:  []Part{PartInsights, PartDiagnostics},
			Jobs:     JobsGoOn,
		}),
		nameField("applicationInsights", &n.ApplicationInsights, InsightsName, Change{
			Replaces: []Part{PartInsights},
			Updates:  []Part{PartWorkspace},
			Jobs:     JobsGoOn,
		}),
		nameField("containerRegistry", &n.ContainerRegistry, RegistryName, Change{
			Replaces: []Part{PartRegistry},
			Updates:  []Part{PartWorkspace},
			Note:     imagesAnew,
			Jobs:     JobsGoOn,
		}),
		nameField("workspace", &n.Workspace, WorkspaceName, loses(PartWorkspace, PartCluster)),
	}
}

func nameField(key string, into *string, rule NameRule, change Change) field {
	return field{
		key:     key,
		value:   text(into, azureName(rule, "a name that Azure takes")),
		meaning: "Its name: " + rule.Text + ".",
		change:  named(change),
	}
}

// named is the change of a name. Without the setting a part keeps the name that it has.
func named(change Change) Change {
	change.Back = BackNamed
	return change
}

// NameRule is Azure's rule for a resource's name, from the resource provider's REST specification
// (github.com/Azure/azure-rest-api-specs) and Microsoft's page "Naming rules and restrictions for
// Azure resources". The lengths stand beside the pattern, because a counted repetition in it takes
// long to compile.
type NameRule struct {
	// Min and Max are numbers of characters.
	Min, Max int
	Pattern  *regexp.Regexp
	// Text is the rule for people.
	Text string
}

// Valid tells whether a name keeps the rule.
func (rule NameRule) Valid(name string) bool {
	return len(name) >= rule.Min && len(name) <= rule.Max && rule.Pattern.MatchString(name)
}

// azureName is a rule for a setting. what is what the text should have been.
func azureName(rule NameRule, what string) textRule {
	return textRule{
		pattern:  rule.Pattern.String(),
		shortest: rule.Min,
		longest:  rule.Max,
		problem: func(name string) string {
			if rule.Valid(name) {
				return ""
			}
			return "is not " + what + ": " + rule.Text
		},
	}
}

// Rules of names, by what is named.
var (
	GroupName = NameRule{
		Min: 1, Max: 90,
		Pattern: regexp.MustCompile(`^[-\w._()]*[-\w_()]$`),
		Text:    "1 to 90 letters, digits, - _ . ( ), not ending in a dot",
	}
	IdentityName = NameRule{
		Min: 3, Max: 128,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`),
		Text:    "3 to 128 letters, digits, - _, starting with a letter or digit",
	}
	StorageAccountName = NameRule{
		Min: 3, Max: 24,
		Pattern: regexp.MustCompile(`^[a-z0-9]+$`),
		Text:    "3 to 24 lower-case letters and digits, unique in all of Azure",
	}
	// No two hyphens in a row: after a hyphen the pattern wants a letter or digit.
	KeyVaultName = NameRule{
		Min: 3, Max: 24,
		Pattern: regexp.MustCompile(`^[A-Za-z](?:-?[A-Za-z0-9])*$`),
		Text: "3 to 24 letters, digits and single hyphens, starting with a letter, unique in all of " +
			"Azure",
	}
	LogAnalyticsName = NameRule{
		Min: 4, Max: 63,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$`),
		Text:    "4 to 63 letters, digits and hyphens, not at either end",
	}
	// PSRule.Rules.Azure, Azure.AppInsights.Name.
	InsightsName = NameRule{
		Min: 1, Max: 255,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`),
		Text:    "1 to 255 letters, digits, - _ . ( ), not ending in a dot",
	}
	RegistryName = NameRule{
		Min: 5, Max: 50,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9]+$`),
		Text:    "5 to 50 letters and digits, unique in all of Azure",
	}
	// The service's specification also allows _; Microsoft's naming page does not, so the stricter
	// rule holds.
	WorkspaceName = NameRule{
		Min: 3, Max: 33,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`),
		Text:    "3 to 33 letters, digits and hyphens, starting with a letter or digit",
	}
	// 24 characters are the limit of a compute instance, not of a cluster.
	ClusterName = NameRule{
		Min: 3, Max: 32,
		Pattern: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$`),
		Text:    "3 to 32 letters, digits and hyphens, starting with a letter, not ending in a hyphen",
	}
	// Of a private endpoint, from Microsoft's page as the four below.
	EndpointName = NameRule{
		Min: 2, Max: 64,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$`),
		Text:    "2 to 64 letters, digits, - _ . , starting with a letter or digit, not ending in - or .",
	}
	InterfaceName = NameRule{
		Min: 1, Max: 80,
		Pattern: EndpointName.Pattern,
		Text:    "1 to 80 letters, digits, - _ . , starting with a letter or digit, not ending in - or .",
	}
	LinkName = NameRule{
		Min: 1, Max: 80,
		Pattern: EndpointName.Pattern,
		Text:    InterfaceName.Text,
	}
	DiagnosticsName = NameRule{
		Min: 1, Max: 260,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9._()-]*[A-Za-z0-9_()-]$`),
		Text:    "1 to 260 letters, digits, - _ . ( ), not ending in a dot",
	}
	LockName = NameRule{
		Min: 1, Max: 90,
		Pattern: DiagnosticsName.Pattern,
		Text:    "1 to 90 letters, digits, - _ . ( ), not ending in a dot",
	}
	// Of an outbound rule: the parameter ruleName of workspaceRP.json 2024-10-01.
	OutboundRuleName = NameRule{
		Min: 3, Max: 33,
		Pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`),
		Text:    "3 to 33 letters, digits, - _, starting with a letter or digit",
	}
)
