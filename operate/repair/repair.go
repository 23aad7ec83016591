// Package repair mends a stack's state after a run that was killed, which `pulumi up` by itself does not: locks of
// processes that are gone, a file backend's files that were cut off, and creations that no state knows of.
package repair

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Adopt takes what was being created when a run died into the state, under the id that it has if it was made. The refresh
// that must follow reads it, and drops it if it is not there. Dropping it here would orphan a resource with a random name,
// and make what exists "already in use" for ever. Every other operation in flight was on something that the state knows,
// and the refresh reads that too. A provider is nowhere but in the state. A creation without a known id stays pending, and its
// URN is among the unknown.
//
// state is what `pulumi stack export` prints. Nothing of it is decoded but what is needed, so that nothing is lost.
func Adopt(state []byte, subscription string) (repaired []byte, adopted, unknown []string, err error) {
	var document, deployment map[string]json.RawMessage
	if err := json.Unmarshal(state, &document); err != nil {
		return nil, nil, nil, fmt.Errorf("state: %w", err)
	}
	if err := json.Unmarshal(document["deployment"], &deployment); err != nil {
		return nil, nil, nil, fmt.Errorf("state: %w", err)
	}
	var resources, pending []map[string]json.RawMessage
	for key, list := range map[string]*[]map[string]json.RawMessage{"resources": &resources, "pending_operations": &pending} {
		if text := deployment[key]; text != nil {
			if err := json.Unmarshal(text, list); err != nil {
				return nil, nil, nil, fmt.Errorf("state: %s: %w", key, err)
			}
		}
	}
	known := map[string]bool{}
	for _, r := range resources {
		known[text(r["urn"])] = true
	}
	var left []map[string]json.RawMessage
	for _, operation := range pending {
		var r map[string]json.RawMessage
		if err := json.Unmarshal(operation["resource"], &r); err != nil {
			return nil, nil, nil, fmt.Errorf("state: pending_operations: %w", err)
		}
		urn, kind := text(r["urn"]), text(r["type"])
		if text(operation["type"]) == "creating" && !known[urn] && !strings.HasPrefix(kind, "pulumi:providers:") {
			var inputs map[string]any
			_ = json.Unmarshal(r["inputs"], &inputs)
			id := ID(kind, inputs, subscription)
			if id == "" {
				unknown, left = append(unknown, urn), append(left, operation)
				continue
			}
			r["id"], _ = json.Marshal(id)
			r["outputs"] = r["inputs"]
			resources, adopted = append(resources, r), append(adopted, urn)
		}
	}
	if len(left) == len(pending) {
		return state, nil, unknown, nil
	}
	delete(deployment, "pending_operations")
	if len(left) > 0 {
		if deployment["pending_operations"], err = json.Marshal(left); err != nil {
			return nil, nil, nil, fmt.Errorf("state: %w", err)
		}
	}
	if deployment["resources"], err = json.Marshal(resources); err == nil {
		document["deployment"], err = json.Marshal(deployment)
	}
	if err == nil {
		repaired, err = json.Marshal(document)
	}
	return repaired, adopted, unknown, err
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

// Subscription is the one that the state's resources are in, or empty.
func Subscription(state []byte) string {
	if found := subscription.FindSubmatch(state); found != nil {
		return string(found[1])
	}
	return ""
}

const group = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"

// ids are the templates of the ids that the program's resources get, by type without its version. Names that Azure does
// not take from the configuration are in the inputs too, since the provider's check puts them there.
var ids = map[string]string{
	"azure-native:authorization:ManagementLockByScope":  "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
	"azure-native:authorization:RoleAssignment":         "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	"azure-native:containerregistry:Registry":           group + "/providers/Microsoft.ContainerRegistry/registries/{registryName}",
	"azure-native:insights:Component":                   group + "/providers/microsoft.insights/components/{resourceName}",
	"azure-native:insights:DiagnosticSetting":           "/{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}",
	"azure-native:keyvault:Vault":                       group + "/providers/Microsoft.KeyVault/vaults/{vaultName}",
	"azure-native:machinelearningservices:Compute":      group + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}/computes/{computeName}",
	"azure-native:machinelearningservices:Workspace":    group + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}",
	"azure-native:managedidentity:UserAssignedIdentity": group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
	"azure-native:network:PrivateDnsZoneGroup":          group + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}",
	"azure-native:network:PrivateEndpoint":              group + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}",
	"azure-native:network:PrivateZone":                  group + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}",
	"azure-native:network:VirtualNetworkLink":           group + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}",
	"azure-native:operationalinsights:Workspace":        group + "/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}",
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

// ID is the id that a resource gets, from its type and its checked inputs, or empty where that is not known.
func ID(kind string, inputs map[string]any, subscription string) string {
	id := ids[version.ReplaceAllString(kind, ":")]
	missing := false
	id = parameter.ReplaceAllStringFunc(id, func(match string) string {
		value, _ := inputs[strings.Trim(match, "{}")].(string)
		if match == "{subscriptionId}" {
			value = subscription
		}
		missing = missing || value == ""
		return strings.Trim(value, "/") // a scope comes with its own slash
	})
	if missing {
		return ""
	}
	return id
}
