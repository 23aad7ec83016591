package repair

import (
	"regexp"
	"strings"
)

const group = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"

// ids are the templates of the ids that the program's resources get, by type without its version. Names that Azure does
// not take from the configuration are in the inputs too, since the provider's check puts them there.
var ids = map[string]string{
	"azure-native:authorization:ManagementLockByScope":  "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
	"azure-native:authorization:RoleAssignment":         "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	"azure-native:containerregistry:Registry":           group + "/providers/Microsoft.ContainerRegistry/registries/{registryName}",
	"azure-native:insights:Component":                   group + "/providers/microsoft.insights/components/{resourceName}",
	"azure-native:insights:DiagnosticSetting":           "/{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}",
	"azure-native:machinelearningservices:Compute":      group + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}/computes/{computeName}",
	"azure-native:machinelearningservices:Workspace":    group + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}",
	"azure-native:managedidentity:UserAssignedIdentity": group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
	"azure-native:network:PrivateDnsZoneGroup":          group + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}",
	"azure-native:network:PrivateEndpoint":              group + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}",
	"azure-native:network:PrivateZone":                  group + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}",
	"azure-native:network:VirtualNetworkLink":           group + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}",
	"azure-native:operationalinsights:Workspace":        group + "/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}",
	"azure-native:resources:Resource":                   group + "/providers/{resourceProviderNamespace}/{resourceType}/{resourceName}",
	"azure-native:resources:ResourceGroup":              group,
	"azure-native:storage:StorageAccount":               group + "/providers/Microsoft.Storage/storageAccounts/{accountName}",
	"vault:index/mount:Mount":                           "{path}",
	"vault:index/policy:Policy":                         "{name}",
	"vault:jwt/authBackend:AuthBackend":                 "{path}",
	"vault:jwt/authBackendRole:AuthBackendRole":         "auth/{backend}/role/{roleName}",
	"vault:kv/secretV2:SecretV2":                        "{mount}/data/{name}",
}

var (
	subscription = regexp.MustCompile(`(?i)"id": ?"/subscriptions/([0-9a-f-]{36})/`)
	version      = regexp.MustCompile(`/v\d+(preview)?:`)
	parameter    = regexp.MustCompile(`\{\w+\}`)
)

// SubscriptionOf is the one that the state's resources are in, or empty.
func SubscriptionOf(state []byte) string {
	found := subscription.FindSubmatch(state)
	if found == nil {
		return ""
	}
	return string(found[1])
}

// ID is the id that a resource gets, from its type and its checked inputs, or empty where that is not known.
func ID(kind string, inputs map[string]any, subscription string) string {
	id := ids[version.ReplaceAllString(kind, ":")]
	for _, match := range parameter.FindAllString(id, -1) {
		value, _ := inputs[strings.Trim(match, "{}")].(string)
		if match == "{subscriptionId}" {
			value = subscription
		}
		if value == "" {
			return ""
		}
		// A scope comes with its own slash.
		id = strings.Replace(id, match, strings.Trim(value, "/"), 1)
	}
	return id
}
