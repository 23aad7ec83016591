// Package armspec compares the body of a PUT with Microsoft's type of it. Only tests import it:
// compiling the types takes more than a minute of CPU time.
package armspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/applicationinsights/armapplicationinsights"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/privatedns/armprivatedns"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// models are Microsoft's types of the bodies. One of another API version than the program's says
// so.
var models = map[string]any{
	// 2021-04-01
	"Microsoft.Resources/resourceGroups": armresources.ResourceGroup{},
	// 2024-11-30
	"Microsoft.ManagedIdentity/userAssignedIdentities": armmsi.Identity{},
	// 2024-01-01
	"Microsoft.Storage/storageAccounts": armstorage.AccountCreateParameters{},
	// 2026-02-01
	"Microsoft.KeyVault/vaults": armkeyvault.VaultCreateOrUpdateParameters{},
	// 2021-06-01
	"Microsoft.OperationalInsights/workspaces": armoperationalinsights.Workspace{},
	"microsoft.insights/components":            armapplicationinsights.Component{},
	"Microsoft.ContainerRegistry/registries":   armcontainerregistry.Registry{},
	// 2024-04-01
	"Microsoft.MachineLearningServices/workspaces": armmachinelearning.Workspace{},
	// 2024-04-01
	"Microsoft.MachineLearningServices/workspaces/computes": armmachinelearning.ComputeResource{},
	"Microsoft.Authorization/roleAssignments": armauthorization.
		RoleAssignmentCreateParameters{},
	"Microsoft.Insights/diagnosticSettings":                   armmonitor.DiagnosticSettingsResource{},
	"Microsoft.Network/privateEndpoints":                      armnetwork.PrivateEndpoint{},
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups": armnetwork.PrivateDNSZoneGroup{},
	// 2024-06-01
	"Microsoft.Network/privateDnsZones": armprivatedns.PrivateZone{},
	// 2024-06-01
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks": armprivatedns.VirtualNetworkLink{},
	// in no module that is here
	"Microsoft.Authorization/locks": nil,
}

// newer are what the program's API version has and the model's has not.
var newer = []string{
	"properties.managedNetwork.firewallSku", // workspaces, 2024-10-01
	"properties.DisableLocalAuth",           // components, 2020-02-02
}

// values are the enumerations by type and path, which Microsoft's types do not check by themselves.
var values = map[string]map[string][]string{
	"Microsoft.Storage/storageAccounts": {
		"sku.name":                       texts(armstorage.PossibleSKUNameValues()),
		"kind":                           texts(armstorage.PossibleKindValues()),
		"properties.minimumTlsVersion":   texts(armstorage.PossibleMinimumTLSVersionValues()),
		"properties.publicNetworkAccess": texts(armstorage.PossiblePublicNetworkAccessValues()),
	},
	"Microsoft.KeyVault/vaults": {
		"properties.sku.family": texts(armkeyvault.PossibleSKUFamilyValues()),
		"properties.sku.name":   texts(armkeyvault.PossibleSKUNameValues()),
	},
	"Microsoft.OperationalInsights/workspaces": {
		"properties.sku.name": texts(armoperationalinsights.PossibleWorkspaceSKUNameEnumValues()),
	},
	"microsoft.insights/components": {
		"properties.Application_Type": texts(armapplicationinsights.PossibleApplicationTypeValues()),
		"properties.IngestionMode":    texts(armapplicationinsights.PossibleIngestionModeValues()),
	},
	"Microsoft.ContainerRegistry/registries": {
		"sku.name": texts(armcontainerregistry.PossibleSKUNameValues()),
		"properties.publicNetworkAccess": texts(
			armcontainerregistry.PossiblePublicNetworkAccessValues(),
		),
	},
	"Microsoft.MachineLearningServices/workspaces": {
		"identity.type": texts(armmachinelearning.PossibleManagedServiceIdentityTypeValues()),
		"sku.tier":      texts(armmachinelearning.PossibleSKUTierValues()),
		"properties.publicNetworkAccess": texts(
			armmachinelearning.PossiblePublicNetworkAccessTypeValues(),
		),
		"properties.encryption.status": texts(armmachinelearning.PossibleEncryptionStatusValues()),
		"properties.managedNetwork.isolationMode": texts(
			armmachinelearning.PossibleIsolationModeValues(),
		),
	},
	"Microsoft.MachineLearningServices/workspaces/computes": {
		"identity.type": texts(armmachinelearning.PossibleManagedServiceIdentityTypeValues()),
	},
	"Microsoft.Authorization/roleAssignments": {
		"properties.principalType": texts(armauthorization.PossiblePrincipalTypeValues()),
	},
}

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, value := range list {
		all[i] = string(value)
	}
	return all
}

// Check sends a body through Microsoft's type of it and back. A property that does not return is
// one that the type does not have: misspelled, misplaced, or of another API version.
func Check(armType string, body map[string]any) error {
	model, known := models[armType]
	if !known {
		return fmt.Errorf("armspec has no type for %s", armType)
	}
	if model == nil {
		return nil
	}
	typed := reflect.New(reflect.TypeOf(model)).Interface()
	returned := map[string]any{}
	if err := errors.Join(through(body, typed), through(typed, &returned)); err != nil {
		return fmt.Errorf("the content could not be deserialized: %w", err)
	}
	sent := resource.NewPropertyMapFromMap(body)
	lost := sent.Diff(resource.NewPropertyMapFromMap(returned))
	changes := plugin.NewDetailedDiffFromObjectDiff(lost, true)
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		if changes[path].Kind == plugin.DiffDelete && !slices.Contains(newer, path) {
			return fmt.Errorf("could not find member %s on object of type '%s': "+
				"Microsoft's %T has no such property", path, armType, model)
		}
	}
	return checkValues(armType, sent)
}

// checkValues compares with the enumerations. ARM does so without regard to case.
func checkValues(armType string, sent resource.PropertyMap) error {
	for path, allowed := range values[armType] {
		steps, err := resource.ParsePropertyPath(path)
		if err != nil {
			return err
		}
		value, given := steps.Get(resource.NewObjectProperty(sent))
		isValue := func(text string) bool { return strings.EqualFold(text, fmt.Sprint(value.V)) }
		if given && !slices.ContainsFunc(allowed, isValue) {
			return fmt.Errorf("the value '%v' of property '%s' is not allowed. Allowed values are: %v",
				value.V, path, allowed)
		}
	}
	return nil
}

func through(from, to any) error {
	text, err := json.Marshal(from)
	return errors.Join(err, json.Unmarshal(text, to))
}
