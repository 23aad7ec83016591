package settings

import (
	"regexp"
	"slices"
	"strings"
)

// Kinds of what has a name in Azure, as a template writes them. The abbreviations are those of
// Microsoft's page "Abbreviation recommendations for Azure resources" (Cloud Adoption Framework),
// which has none for links, diagnostic settings and locks. What there may be several of has behind
// it what it belongs to: pep-blob, lock-kv, id-mlw.
const (
	kindGroup       = "rg"
	kindIdentity    = "id"
	kindStorage     = "st"
	kindKeyVault    = "kv"
	kindLogs        = "log"
	kindInsights    = "appi"
	kindRegistry    = "cr"
	kindWorkspace   = "mlw"
	kindEndpoint    = "pep"
	kindInterface   = "nic"
	kindLink        = "link"
	kindDiagnostics = "diag"
	kindLock        = "lock"
)

// Placeholders of a template.
const (
	placeProject = "{project}"
	placeStack   = "{stack}"
	placeKind    = "{kind}"
)

// templateRule is the rule of a template as it is written.
var templateRule = textRule{
	problem: templateProblem,
	pattern: `^[A-Za-z0-9._{}-]*\{kind\}[A-Za-z0-9._{}-]*$`,
}

// templateText is what may be in a template, apart from Azure's rules for each kind.
var templateText = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

func templateProblem(template string) string {
	places := strings.NewReplacer(placeProject, "", placeStack, "", placeKind, "")
	switch {
	case !templateText.MatchString(places.Replace(template)):
		return "has something else than letters, digits, - _ . and the placeholders " +
			"{project}, {stack} and {kind}"
	case !strings.Contains(template, placeKind):
		return "has no {kind}, so that everything would have one name; write for example " +
			"acme-{stack}-{kind}"
	}
	return ""
}

// templateName is the name of a kind by the template, and empty without one. Where a kind takes no
// hyphen, and nothing like it, that is left out.
func (s *Settings) templateName(kind string) string {
	if s.Azure.Names.Template == "" {
		return ""
	}
	places := strings.NewReplacer(
		placeProject, s.Project,
		placeStack, s.Stack,
		placeKind, kind,
	)
	name := places.Replace(s.Azure.Names.Template)
	switch kind {
	case kindStorage:
		return strings.ToLower(withoutHyphens.Replace(name))
	case kindRegistry:
		return withoutHyphens.Replace(name)
	}
	return name
}

var withoutHyphens = strings.NewReplacer("-", "", "_", "", ".", "")

// PrivateEndpointName is the name of the private endpoint to a group such as blob; empty: Pulumi
// makes one.
func (s *Settings) PrivateEndpointName(group string) string {
	return s.templateName(kindEndpoint + "-" + group)
}

// NetworkInterfaceName is the name of a private endpoint's network interface; empty: Azure makes
// one.
func (s *Settings) NetworkInterfaceName(group string) string {
	return s.templateName(kindInterface + "-" + group)
}

// ZoneLinkName is the name of the link of each private DNS zone, which has one; empty: there is no
// template.
func (s *Settings) ZoneLinkName() string {
	return s.templateName(kindLink)
}

// DiagnosticsName is the name of the diagnostic setting of a part: workspace, kv, registry; empty:
// Pulumi makes one.
func (s *Settings) DiagnosticsName(part string) string {
	return s.templateName(kindDiagnostics + "-" + kindOfPart[part])
}

// LockName is the name of the lock of a part: storage, kv, registry; empty: Pulumi makes one.
func (s *Settings) LockName(part string) string {
	return s.templateName(kindLock + "-" + kindOfPart[part])
}

// kindOfPart are kinds by the names that parts have in Pulumi.
var kindOfPart = map[string]string{
	"workspace": kindWorkspace,
	"storage":   kindStorage,
	"kv":        kindKeyVault,
	"registry":  kindRegistry,
}

// templated is a name that a template gives.
type templated struct {
	what string
	kind string
	rule NameRule
	// isMade tells whether the program makes it.
	isMade bool
	// key and into are the setting that names it too, which wins; nil: there is none.
	key  string
	into *string
}

// named are what the settings name one by one, too.
func (s *Settings) named() []templated {
	a := &s.Azure
	n := &a.Names
	isNew := !a.WorkspaceExists()
	return []templated{
		{
			what: "the resource group", kind: kindGroup, rule: GroupName,
			key: "resourceGroup", into: &n.ResourceGroup,
			isMade: isNew && a.ExistingResourceGroup == "",
		},
		{
			what: "the job identity", kind: kindIdentity, rule: IdentityName,
			key: "jobIdentity", into: &n.JobIdentity,
			isMade: !s.Workload.IdentityExists(),
		},
		{
			what: "the workspace's identity", kind: kindIdentity + "-" + kindWorkspace, rule: IdentityName,
			key: "workspaceIdentity", into: &n.WorkspaceIdentity,
			isMade: isNew && a.WorkspaceIdentity,
		},
		{
			what: "the storage account", kind: kindStorage, rule: StorageAccountName,
			key: "storageAccount", into: &n.StorageAccount,
			isMade: isNew && a.StorageAccountID == "",
		},
		{
			what: "the key vault", kind: kindKeyVault, rule: KeyVaultName,
			key: "keyVault", into: &n.KeyVault,
			isMade: isNew && a.KeyVaultID == "",
		},
		{
			what: "the Log Analytics workspace", kind: kindLogs, rule: LogAnalyticsName,
			key: "logAnalytics", into: &n.LogAnalytics,
			isMade: isNew && a.NeedsLogAnalytics() && a.LogAnalyticsWorkspaceID == "",
		},
		{
			what: "Application Insights", kind: kindInsights, rule: InsightsName,
			key: "applicationInsights", into: &n.ApplicationInsights,
			isMade: isNew && a.ApplicationInsightsID == "",
		},
		{
			what: "the registry", kind: kindRegistry, rule: RegistryName,
			key: "containerRegistry", into: &n.ContainerRegistry,
			isMade: isNew && a.CreateContainerRegistry,
		},
		{
			what: "the workspace", kind: kindWorkspace, rule: WorkspaceName,
			key: "workspace", into: &n.Workspace,
			isMade: isNew,
		},
	}
}

// attached are what has no setting of its own for its name, each by the longest one.
func (s *Settings) attached() []templated {
	a := &s.Azure
	hasEndpoints := a.PrivateEndpoints != nil
	longestGroup := "amlworkspace"
	return []templated{
		{
			what: "a private endpoint", kind: kindEndpoint + "-" + longestGroup, rule: EndpointName,
			isMade: hasEndpoints,
		},
		{
			what: "a network interface", kind: kindInterface + "-" + longestGroup, rule: InterfaceName,
			isMade: hasEndpoints,
		},
		{
			what: "the link of a DNS zone", kind: kindLink, rule: LinkName,
			isMade: a.makesZones(),
		},
		{
			what: "a diagnostic setting", kind: kindDiagnostics + "-" + kindWorkspace, rule: DiagnosticsName,
			isMade: a.Diagnostics,
		},
		{
			what: "a lock", kind: kindLock + "-" + kindStorage, rule: LockName,
			isMade: a.Lock != "",
		},
	}
}

// validateTemplate reports every name of the template that Azure would refuse, not only the first.
func (s *Settings) validateTemplate(r *report) {
	const key = "azure.names.template"
	if s.Azure.Names.Template == "" || r.has(key) {
		return
	}
	for _, each := range slices.Concat(s.named(), s.attached()) {
		isGiven := each.into != nil && *each.into != ""
		name := s.templateName(each.kind)
		if !each.isMade || isGiven || each.rule.Valid(name) {
			continue
		}
		instead := "choose another template"
		if each.key != "" {
			instead += ", or set azure.names." + each.key
		}
		r.addf(key, "gives %s the name %q, and Azure takes %s; %s",
			each.what, name, each.rule.Text, instead)
	}
}

// nameByTemplate names what is made and not named one by one. From here on such a name is as one of
// the settings.
func (s *Settings) nameByTemplate() {
	if s.Azure.Names.Template == "" {
		return
	}
	for _, each := range s.named() {
		if each.isMade && *each.into == "" {
			*each.into = s.templateName(each.kind)
		}
	}
}
