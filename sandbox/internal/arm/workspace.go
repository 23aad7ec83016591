package arm

import (
	"net/http"
	"strings"

	"mlvault/internal/settings"
)

// The rules of a workspace, besides those of its managed network. Where a comment says so, the text
// of the refusal is ours, because the service's is not public.

// dependents: a workspace has a storage account, a key vault, application insights and an identity
// (Azure/azure-rest-api-specs#15878, Azure/azure-service-operator#5696).
func dependents(p *put) *Error {
	for _, path := range []string{
		"properties.storageAccount",
		"properties.keyVault",
		"properties.applicationInsights",
		"identity.type",
	} {
		if p.doc.text(path) == "" {
			return p.bad("Missing dependent resources in workspace json [%s is not set]", path)
		}
	}
	return nil
}

// workspaceStays: workspaceRP.json 2024-10-01 says "This cannot be changed once the workspace has
// been created" of the key vault and the storage account. The others are absent from the service's
// PATCH model, WorkspacePropertiesUpdateParameters. The text is ours.
var workspaceStays = immutable("workspace",
	"properties.keyVault",
	"properties.storageAccount",
	"properties.hbiWorkspace",
	"properties.encryption.status",
	"properties.encryption.keyVaultProperties.keyVaultArmId",
)

// defaultStoreIsFlat: "premium storage accounts and storage accounts with a hierarchical namespace
// are not supported as the default storage account" (how-to-create-workspace-template). The text is
// ours.
func defaultStoreIsFlat(p *put) *Error {
	account := p.state.get(p.doc.text("properties.storageAccount"))
	isDataLake := account.at("properties.isHnsEnabled") == true
	isPremium := strings.HasPrefix(account.text("sku.name"), "Premium")
	if isDataLake || isPremium {
		return p.bad("Storage account '%s' cannot be the default storage account of a workspace: "+
			"premium accounts and accounts with a hierarchical namespace are not supported.",
			account.text("id"))
	}
	return nil
}

// keyIsSafe: "The key vault must enable soft delete and purge protection"
// (concept-customer-managed-keys). The text is ours.
func keyIsSafe(p *put) *Error {
	vault := p.state.get(p.doc.text("properties.encryption.keyVaultProperties.keyVaultArmId"))
	if vault == nil || vault.at("properties.enablePurgeProtection") == true {
		return nil
	}
	return p.bad("Key vault '%s' has no purge protection, which a customer-managed key needs.",
		vault.text("id"))
}

// primaryMayRead: Azure gives its roles to a system-assigned identity alone. As a user-assigned one
// the service reads the key vault and the storage account before it makes a workspace
// (how-to-identity-based-service-authentication). The text is ours.
func primaryMayRead(p *put) *Error {
	identity := p.state.get(p.doc.text("properties.primaryUserAssignedIdentity"))
	if identity == nil {
		return nil
	}
	for _, need := range []struct{ part, role string }{
		{part: "keyVault", role: settings.RoleIDKeyVaultAdministrator},
		{part: "storageAccount", role: settings.RoleIDContributor},
	} {
		target := p.doc.text("properties." + need.part)
		if p.state.isAssigned(identity.text("properties.principalId"), need.role, target) {
			continue
		}
		return p.refuse(http.StatusForbidden, "AuthorizationFailed",
			"The identity '%s' has not the role %s on the workspace's %s.",
			identity.text("id"), need.role, need.part)
	}
	return nil
}

// isAssigned tells whether a principal has a role on a resource, or on what is above it.
func (s *state) isAssigned(principal, role, target string) bool {
	for _, doc := range s.Resources {
		if !doc.is(typeAssignment) || doc.text("properties.principalId") != principal {
			continue
		}
		isRole := strings.HasSuffix(doc.text("properties.roleDefinitionId"), role)
		scope := above(doc.text("id"))
		if isRole && strings.HasPrefix(key(target)+"/", key(scope)+"/") {
			return true
		}
	}
	return false
}

// workspaceHasID refuses nothing: the service gives each workspace a GUID of its own.
func workspaceHasID(p *put) *Error {
	p.doc.set("properties.workspaceId", guid("workspace", p.id))
	return nil
}
