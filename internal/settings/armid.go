package settings

import (
	"regexp"
	"strings"
)

// ARM's types of what a setting may name by its id.
const (
	typeStorageAccount   = "Microsoft.Storage/storageAccounts"
	typeKeyVault         = "Microsoft.KeyVault/vaults"
	typeInsights         = "Microsoft.Insights/components"
	typeLogAnalytics     = "Microsoft.OperationalInsights/workspaces"
	typeRegistry         = "Microsoft.ContainerRegistry/registries"
	typeMLWorkspace      = "Microsoft.MachineLearningServices/workspaces"
	typeCompute          = "Microsoft.MachineLearningServices/workspaces/computes"
	typeIdentity         = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeVirtualNetwork   = "Microsoft.Network/virtualNetworks"
	typeSubnet           = "Microsoft.Network/virtualNetworks/subnets"
	typePrivateZone      = "Microsoft.Network/privateDnsZones"
	typeOfAnyResource    = ""
	exampleSubscription  = "/subscriptions/<subscription id>"
	patternOfIDInAnyCase = `^/[Ss][Uu][Bb][Ss][Cc][Rr][Ii][Pp][Tt][Ii][Oo][Nn][Ss]/`
)

// armID is the rule of an ARM id of a type.
func armID(armType string) textRule {
	return textRule{
		pattern: patternOfIDInAnyCase,
		problem: func(id string) string { return armIDProblem(id, armType) },
		canonical: func(id string) string {
			parsed, _ := parseARMID(id)
			return parsed.canonical(armType)
		},
	}
}

// armIDProblem tells why an id is not that of a resource of a type, in words that follow the id.
func armIDProblem(id, armType string) string {
	parsed, ok := parseARMID(id)
	wantsPart := strings.Count(armType, "/") == 2
	switch {
	case !ok:
		return "is not an ARM id, " + armIDForm(armType)
	case parsed.hasPart() && !wantsPart && parsed.isOrIsBelow(armType):
		return "is not an ARM id, " + armIDForm(armType)
	case armType != typeOfAnyResource && !strings.EqualFold(parsed.armType(), armType):
		return "is the id of a " + parsed.armType() + ", not of a " + armType
	}
	return ""
}

// armIDForm shows how an id of a type is written.
func armIDForm(armType string) string {
	if armType == typeOfAnyResource {
		armType = "<type>"
	}
	return exampleSubscription + "/resourceGroups/<group>/providers/" + armType + "/<name>"
}

// resourceID is the ARM id of a resource in a group, or of a part of one.
type resourceID struct {
	subscription, group string
	namespace           string
	kind, name          string
	partKind, partName  string // empty where the resource itself is meant
}

// parseARMID takes apart
//
//	/subscriptions/<id>/resourceGroups/<group>/providers/<namespace>/<type>/<name>
//
// and the same with /<part's type>/<part's name> behind it.
func parseARMID(id string) (resourceID, bool) {
	const steps, stepsOfPart = 9, 11 // the first is empty: an id begins with a slash
	step := strings.Split(id, "/")
	if len(step) != steps && len(step) != stepsOfPart {
		return resourceID{}, false
	}
	isForm := step[0] == "" &&
		strings.EqualFold(step[1], "subscriptions") &&
		strings.EqualFold(step[3], "resourceGroups") &&
		strings.EqualFold(step[5], "providers")
	if !isForm {
		return resourceID{}, false
	}
	parsed := resourceID{
		subscription: strings.ToLower(step[2]),
		group:        step[4],
		namespace:    step[6],
		kind:         step[7],
		name:         step[8],
	}
	if len(step) == stepsOfPart {
		parsed.partKind = step[9]
		parsed.partName = step[10]
	}
	if !guid.MatchString(parsed.subscription) || !GroupName.Valid(parsed.group) {
		return resourceID{}, false
	}
	for _, name := range step[6:] {
		if !stepOfID.MatchString(name) {
			return resourceID{}, false
		}
	}
	return parsed, true
}

// stepOfID has no character that would make the path another one.
var stepOfID = regexp.MustCompile(`^[^\x00-\x20\x7f-\x{10ffff}/?#%\\<>&:*]+$`)

func (id resourceID) hasPart() bool {
	return id.partKind != ""
}

// isOrIsBelow tells whether the id is that of a resource of a type, or of a part of one.
func (id resourceID) isOrIsBelow(armType string) bool {
	return armType == typeOfAnyResource || strings.EqualFold(id.namespace+"/"+id.kind, armType)
}

func (id resourceID) armType() string {
	armType := id.namespace + "/" + id.kind
	if id.hasPart() {
		armType += "/" + id.partKind
	}
	return armType
}

// canonical writes an id as ARM's documentation does in all that does not name anything. ARM
// compares ids without regard to case, but Pulumi compares texts, and for a storage account or key
// vault a difference replaces the workspace: the portal, the CLI and ARM's answers all spell
// differently.
func (id resourceID) canonical(armType string) string {
	if armType == typeOfAnyResource {
		armType = id.armType()
	}
	types := strings.Split(armType, "/") // a namespace, a type, and that of a part
	text := "/subscriptions/" + id.subscription + "/resourceGroups/" + id.group +
		"/providers/" + types[0] + "/" + types[1] + "/" + id.name
	if id.hasPart() {
		text += "/" + types[2] + "/" + id.partName
	}
	return text
}
