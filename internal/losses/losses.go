// Package losses knows what a change takes away: what goes with a resource that is deleted, what
// Azure never changes about one that exists, and which job definitions no longer work. The program
// says it in every plan and the preflight before one. It is plain Go without Pulumi.
package losses

import (
	"fmt"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// Types in Pulumi, without their version.
const (
	Group     = "azure-native:resources:ResourceGroup"
	Storage   = "azure-native:storage:StorageAccount"
	KeyVault  = "azure-native:keyvault:Vault"
	Registry  = "azure-native:containerregistry:Registry"
	Logs      = "azure-native:operationalinsights:Workspace"
	Insights  = "azure-native:insights:Component"
	Workspace = "azure-native:machinelearningservices:Workspace"
	Cluster   = "azure-native:machinelearningservices:Compute"
	Identity  = "azure-native:managedidentity:UserAssignedIdentity"
)

// KindOf is a resource's type without its version: azure-native:storage:StorageAccount of
// azure-native:storage/v20220901:StorageAccount. The key vault is a generic resource, whose
// resourceType says what it is.
func KindOf(pulumiType, resourceType string) string {
	front, name, found := strings.Cut(pulumiType, "/")
	_, name, hasName := strings.Cut(name, ":")
	if !found || !hasName || !strings.HasPrefix(pulumiType, "azure-native") {
		return pulumiType
	}
	kind := front + ":" + name
	if kind == "azure-native:resources:Resource" && resourceType == "vaults" {
		return KeyVault
	}
	return kind
}

// Holding is a kind of resource that holds something.
type Holding struct {
	Kind string
	// What it is, for people.
	What string
	// Holds is what is lost with it.
	Holds string
	// HasData says that azure.protect is for this kind.
	HasData bool
}

// Holdings are all kinds that hold something.
var Holdings = []Holding{
	{
		Kind:    Group,
		What:    "the resource group",
		Holds:   "everything in it, also what this stack did not make",
		HasData: true,
	},
	{
		Kind:    Workspace,
		What:    "the workspace",
		Holds:   "all runs, models, endpoints and schedules",
		HasData: true,
	},
	{
		Kind:    Storage,
		What:    "the storage account",
		Holds:   "all data, and what runs and models have stored",
		HasData: true,
	},
	{
		Kind:    KeyVault,
		What:    "the key vault",
		Holds:   "the keys of the workspace's datastores",
		HasData: true,
	},
	{Kind: Registry, What: "the container registry", Holds: "all images", HasData: true},
	{Kind: Logs, What: "the Log Analytics workspace", Holds: "all logs"},
	{Kind: Insights, What: "Application Insights", Holds: "all traces of endpoints"},
	{Kind: Cluster, What: "the cluster", Holds: "the jobs that run on it"},
	{
		Kind:  Identity,
		What:  "the job identity",
		Holds: "the login of every job, until the role in Vault and the job definitions follow",
	},
}

// Of is what a kind holds, and whether it holds anything.
func Of(kind string) (Holding, bool) {
	at := slices.IndexFunc(Holdings, func(h Holding) bool { return h.Kind == kind })
	if at < 0 {
		return Holding{}, false
	}
	return Holdings[at], true
}

// IsBesideWorkspace tells of a kind that a stack also makes beside a workspace that exists.
func IsBesideWorkspace(kind string) bool {
	return kind == Cluster || kind == Identity
}

// What is done to something in Vault, and what goes with it: texts that "this" or "the next up" may
// stand before.

// DeletesBackend is of an auth backend, by its path.
func DeletesBackend(path string) string {
	return fmt.Sprintf("deletes the auth backend auth/%s with every role in it. Whoever else logs in "+
		"by it loses their access", path)
}

// DeletesSecrets is of one secret or some, whose latest versions go.
func DeletesSecrets(paths string) string {
	return fmt.Sprintf("deletes %s. `vault kv undelete` brings a value back", paths)
}

// PurgesSecrets is of one secret or some, of which nothing is left.
func PurgesSecrets(paths string) string {
	return fmt.Sprintf("purges every version of %s, which nobody can bring back", paths)
}

// NotYetProtected is of what azure.protect is to protect.
func NotYetProtected(what string) string {
	return fmt.Sprintf("azure.protect: is on, and the state does not protect %s yet. Pulumi does "+
		"when an up has ended well. Until then the program alone refuses to delete it", what)
}

// StillProtected is of what azure.protect no longer protects.
func StillProtected(what string) string {
	return fmt.Sprintf("azure.protect: is off, and the state protects %s still. An up takes that "+
		"away, and may delete and replace it in the same run", what)
}

// Refused says what Azure refuses of an update that the settings ask for, of a resource with these
// inputs. Azure itself says so when half of the run is done.
func Refused(kind string, inputs map[string]any, s *settings.Settings) []string {
	switch kind {
	case Workspace:
		return refusedOfWorkspace(inputs, &s.Azure)
	case KeyVault:
		return refusedOfKeyVault(inputs, &s.Azure)
	case Storage:
		return refusedOfStorage(inputs, &s.Azure)
	}
	return nil
}

// RefusedDeletion says why the settings may not delete a resource; empty: they may. A workspace
// that is given away keeps its registry: see package azureml.
func RefusedDeletion(kind string, s *settings.Settings) string {
	if s.Azure.WorkspaceExists() {
		return ""
	}
	hasRegistry := s.Azure.CreateContainerRegistry || s.Azure.ContainerRegistryID != ""
	if kind == Registry && !hasRegistry {
		return "azure.createContainerRegistry: the workspace keeps the registry that it has, and Azure " +
			"documents no way to have none. Set it to true, or name another with " +
			"azure.containerRegistryId"
	}
	return ""
}

func refusedOfWorkspace(inputs map[string]any, azure *settings.Azure) []string {
	var refused []string
	mode := text(at(inputs, "managedNetwork", "isolationMode"))
	if azure.ManagedNetwork.IsLooserThan(mode) {
		refused = append(refused, fmt.Sprintf("azure.managedNetwork.mode: the workspace has %s, and "+
			"Azure lets a mode become stricter only. Set it back", mode))
	}
	identity := text(at(inputs, "identity", "type"))
	if strings.HasPrefix(identity, "UserAssigned") && !azure.HasOwnIdentity() {
		refused = append(refused, "azure.workspaceIdentity: the workspace has an identity of its own, "+
			"and Azure takes none back. Set it to true")
	}
	keyReader := text(at(inputs, "encryption", "identity", "userAssignedIdentity"))
	key := azure.CustomerManagedKey
	hasKey := key != nil && at(inputs, "encryption") != nil
	if hasKey && !strings.EqualFold(keyReader, key.IdentityID) {
		refused = append(refused, "azure.customerManagedKey.identityId: Azure's update of a workspace "+
			"takes no other identity for the key. Set it back")
	}
	return refused
}

func refusedOfKeyVault(inputs map[string]any, azure *settings.Azure) []string {
	was, _ := at(inputs, "properties", "enablePurgeProtection").(bool)
	if was && azure.KeyVaultID == "" && !azure.KeyVaultPurgeProtection {
		return []string{"azure.keyVaultPurgeProtection: the key vault has it, and Azure never switches " +
			"it off. Set it to true"}
	}
	return nil
}

func refusedOfStorage(inputs map[string]any, azure *settings.Azure) []string {
	was, isSaid := at(inputs, "encryption", "requireInfrastructureEncryption").(bool)
	if isSaid && azure.StorageAccountID == "" && was != azure.Storage.InfrastructureEncryption {
		return []string{fmt.Sprintf("azure.storage.infrastructureEncryption: it was %t when the storage "+
			"account was made, and Azure never changes it. Set it back", was)}
	}
	return nil
}

// at is a value deep in inputs, or nil.
func at(inputs map[string]any, path ...string) any {
	var value any = inputs
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func text(value any) string {
	read, _ := value.(string)
	return read
}
