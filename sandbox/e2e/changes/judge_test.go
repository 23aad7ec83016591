package changes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"mlvault/internal/settings"
)

// verb is what the engine does to a part of a stack.
type verb string

const (
	updates  verb = "updates"
	replaces verb = "replaces"
	makes    verb = "makes or deletes"
)

// verbs are the engine's operations that change something.
var verbs = map[apitype.OpType]verb{
	apitype.OpUpdate:            updates,
	apitype.OpReplace:           replaces,
	apitype.OpCreateReplacement: replaces,
	apitype.OpDeleteReplaced:    replaces,
	apitype.OpCreate:            makes,
	apitype.OpDelete:            makes,
}

// deed is one thing that a run does.
type deed struct {
	verb verb
	part settings.Part
}

// deeds are all of a run, each once.
type deeds map[deed]bool

// note takes one step of the engine's.
func (d deeds) note(step apitype.StepEventMetadata) {
	verb, changes := verbs[step.Op]
	if !changes {
		return
	}
	name := step.URN[strings.LastIndex(step.URN, ":")+1:]
	if part := partOf(step.Type, name); part != "" {
		d[deed{verb: verb, part: part}] = true
	}
}

// partsByType are parts that are all resources of a type, without its version.
var partsByType = map[string]settings.Part{
	"azure-native:resources:ResourceGroup":             settings.PartGroup,
	"azure-native:storage:StorageAccount":              settings.PartStorage,
	"azure-native:resources:Resource":                  settings.PartKeyVault,
	"azure-native:operationalinsights:Workspace":       settings.PartLogs,
	"azure-native:insights:Component":                  settings.PartInsights,
	"azure-native:containerregistry:Registry":          settings.PartRegistry,
	"azure-native:machinelearningservices:Workspace":   settings.PartWorkspace,
	"azure-native:machinelearningservices:Compute":     settings.PartCluster,
	"azure-native:authorization:RoleAssignment":        settings.PartRoles,
	"azure-native:insights:DiagnosticSetting":          settings.PartDiagnostics,
	"azure-native:network:PrivateEndpoint":             settings.PartEndpoints,
	"azure-native:network:PrivateDnsZoneGroup":         settings.PartZones,
	"azure-native:network:PrivateZone":                 settings.PartZones,
	"azure-native:network:VirtualNetworkLink":          settings.PartZones,
	"azure-native:authorization:ManagementLockByScope": settings.PartLocks,

	"pulumi:providers:vault":                    settings.PartConnection,
	"vault:index/mount:Mount":                   settings.PartMount,
	"vault:kv/secretV2:SecretV2":                settings.PartSecrets,
	"vault:index/policy:Policy":                 settings.PartPolicy,
	"vault:jwt/authBackend:AuthBackend":         settings.PartBackend,
	"vault:jwt/authBackendRole:AuthBackendRole": settings.PartRole,
}

// ofNoPart are types that are in the engine alone.
var ofNoPart = []string{
	"pulumi:pulumi:Stack", "pulumi:providers:azure-native", "pulumi:providers:pulumi",
	"pulumi:index:Stash",
	"mlvault:azureml:Workspace", "mlvault:credentials:Store",
}

// version is that of a type of azure-native.
var version = regexp.MustCompile(`^(azure-native:\w+)/v\d{8}(?:preview)?:`)

// partOf is empty for what is no part.
func partOf(kind, name string) settings.Part {
	kind = version.ReplaceAllString(kind, "$1:")
	if kind == "azure-native:managedidentity:UserAssignedIdentity" {
		if strings.HasSuffix(name, "-workspace-identity") {
			return settings.PartWorkspaceIdentity
		}
		return settings.PartJobIdentity
	}
	if slices.Contains(ofNoPart, kind) {
		return ""
	}
	part, isKnown := partsByType[kind]
	if !isKnown {
		panic("no part of a stack has the type " + kind)
	}
	return part
}

// hanging are parts that go along with what they are on.
var hanging = []settings.Part{
	settings.PartRoles, settings.PartDiagnostics, settings.PartEndpoints, settings.PartZones,
	settings.PartLocks,
}

func isInVault(part settings.Part) bool {
	return slices.Contains([]settings.Part{
		settings.PartConnection, settings.PartMount, settings.PartSecrets, settings.PartPolicy,
		settings.PartBackend, settings.PartRole,
	}, part)
}

// said are the parts to which a row says that something happens. To move is to replace, for the
// engine.
func said(row settings.Change, does verb) []settings.Part {
	switch does {
	case updates:
		return row.Updates
	case makes:
		return row.Makes
	default:
		return slices.Concat(row.Replaces, row.Moves)
	}
}

// unsaid is what a run does and the row does not say.
func unsaid(row settings.Change, run deeds) []string {
	takesAlong := len(row.Replaces)+len(row.Moves)+len(row.Makes) > 0
	var lines []string
	for each := range run {
		parts := said(row, each.verb)
		isSaid := slices.Contains(parts, each.part) ||
			slices.Contains(parts, settings.PartAzure) && !isInVault(each.part)
		goesAlong := takesAlong && slices.Contains(hanging, each.part)
		if !isSaid && !goesAlong {
			lines = append(lines, fmt.Sprintf("%s %s", each.verb, each.part))
		}
	}
	slices.Sort(lines)
	return lines
}

// undone is what a row says and no run does.
func undone(row settings.Change, run deeds) []string {
	var lines []string
	for _, does := range []verb{updates, replaces, makes} {
		for _, part := range said(row, does) {
			if !run.has(does, part) {
				lines = append(lines, fmt.Sprintf("%s %s", does, part))
			}
		}
	}
	return lines
}

// has tells whether a run does something to a part. Everything in Azure is the workspace, for one.
func (d deeds) has(does verb, part settings.Part) bool {
	if part == settings.PartAzure {
		part = settings.PartWorkspace
	}
	return d[deed{verb: does, part: part}]
}

// endsJobs tells whether a run takes away what a job runs on, or what its token may read.
func (d deeds) endsJobs() bool {
	for _, part := range []settings.Part{
		settings.PartWorkspace, settings.PartCluster, settings.PartPolicy,
	} {
		if d.has(replaces, part) || d.has(makes, part) {
			return true
		}
	}
	return false
}

// add takes what another run does.
func (d deeds) add(other deeds) { maps.Copy(d, other) }
