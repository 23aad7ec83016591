package settings

import (
	"regexp"
	"strings"
)

// inGroup is where the resources of a resource group are.
const inGroup = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"

// idTemplates are the ids that the program's resources get, by their type in Pulumi without the API
// version. What is in braces is an input; names that no setting gives are inputs too, since the
// provider's check puts them there.
var idTemplates = map[string]string{
	"azure-native:authorization:ManagementLockByScope": "/{scope}/providers/" +
		"Microsoft.Authorization/locks/{lockName}",
	"azure-native:authorization:RoleAssignment": "/{scope}/providers/" +
		"Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	"azure-native:containerregistry:Registry": inGroup + "/providers/" +
		"Microsoft.ContainerRegistry/registries/{registryName}",
	"azure-native:insights:Component": inGroup + "/providers/" +
		"microsoft.insights/components/{resourceName}",
	"azure-native:insights:DiagnosticSetting": "/{resourceUri}/providers/" +
		"microsoft.insights/diagnosticSettings/{name}",
	"azure-native:machinelearningservices:Compute": inGroup + "/providers/" +
		"Microsoft.MachineLearningServices/workspaces/{workspaceName}/computes/{computeName}",
	"azure-native:machinelearningservices:Workspace": inGroup + "/providers/" +
		"Microsoft.MachineLearningServices/workspaces/{workspaceName}",
	"azure-native:managedidentity:UserAssignedIdentity": inGroup + "/providers/" +
		"Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
	"azure-native:network:PrivateDnsZoneGroup": inGroup + "/providers/" +
		"Microsoft.Network/privateEndpoints/{privateEndpointName}" +
		"/privateDnsZoneGroups/{privateDnsZoneGroupName}",
	"azure-native:network:PrivateEndpoint": inGroup + "/providers/" +
		"Microsoft.Network/privateEndpoints/{privateEndpointName}",
	"azure-native:network:PrivateZone": inGroup + "/providers/" +
		"Microsoft.Network/privateDnsZones/{privateZoneName}",
	"azure-native:network:VirtualNetworkLink": inGroup + "/providers/" +
		"Microsoft.Network/privateDnsZones/{privateZoneName}" +
		"/virtualNetworkLinks/{virtualNetworkLinkName}",
	"azure-native:operationalinsights:Workspace": inGroup + "/providers/" +
		"Microsoft.OperationalInsights/workspaces/{workspaceName}",
	"azure-native:resources:Resource": inGroup + "/providers/" +
		"{resourceProviderNamespace}/{resourceType}/{resourceName}",
	"azure-native:resources:ResourceGroup": inGroup,
	"azure-native:storage:StorageAccount": inGroup + "/providers/" +
		"Microsoft.Storage/storageAccounts/{accountName}",
	"vault:index/mount:Mount":                   "{path}",
	"vault:index/policy:Policy":                 "{name}",
	"vault:jwt/authBackend:AuthBackend":         "{path}",
	"vault:jwt/authBackendRole:AuthBackendRole": "auth/{backend}/role/{roleName}",
	"vault:kv/secretV2:SecretV2":                "{mount}/data/{name}",
}

var (
	versionOfType = regexp.MustCompile(`/v\d+(preview)?:`)
	parameterOfID = regexp.MustCompile(`\{\w+\}`)
)

// IDTemplate is how the id of a resource of a type in Pulumi is made, or empty where the program
// makes no such resource. What is in braces is an input of the resource.
func IDTemplate(kind string) string {
	return idTemplates[versionOfType.ReplaceAllString(kind, ":")]
}

// IDOf is the id that a resource gets, from its type in Pulumi and its checked inputs, or empty
// where that is not known. An input that is no plain text is as none.
func IDOf(kind string, inputs map[string]any, subscription string) string {
	id := IDTemplate(kind)
	for _, parameter := range parameterOfID.FindAllString(id, -1) {
		value, _ := inputs[strings.Trim(parameter, "{}")].(string)
		if parameter == "{subscriptionId}" {
			value = subscription
		}
		if value == "" {
			return ""
		}
		// A scope comes with its own slash.
		id = strings.Replace(id, parameter, strings.Trim(value, "/"), 1)
	}
	return id
}
