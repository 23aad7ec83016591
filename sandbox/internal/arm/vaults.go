package arm

import (
	"net/http"
	"path"
)

// The rules of a key vault.

// vaultNameIsValid: the service itself says so, because azure-native has no rule for a generic
// resource.
func vaultNameIsValid(p *put) *Error {
	name := path.Base(p.id)
	if p.row.Name.Valid(name) {
		return nil
	}
	return p.refuse(http.StatusBadRequest, "VaultNameNotValid",
		"The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. "+
			"The name must begin with a letter, end with a letter or digit, and not contain "+
			"consecutive hyphens.", name)
}

// vaultHasPolicies: openapi.json 2026-02-01, VaultProperties.accessPolicies: "When `createMode` is
// set to `recover`, access policies are not required. Otherwise, access policies are required." The
// text is ours.
func vaultHasPolicies(p *put) *Error {
	if _, isList := p.doc.at("properties.accessPolicies").([]any); !isList {
		return p.bad("The parameter accessPolicies is not specified.")
	}
	return nil
}

// vaultIsServed sets what only the service sets (the same file, createVault.json). It refuses
// nothing.
func vaultIsServed(p *put) *Error {
	p.doc.set("properties.provisioningState", "Succeeded")
	p.doc.set("properties.vaultUri", "https://"+path.Base(p.id)+".vault.azure.net")
	delete(p.doc.object("properties"), "privateEndpointConnections")
	return nil
}

// purgeProtectionStays: openapi.json 2026-02-01, VaultProperties.enablePurgeProtection.
func purgeProtectionStays(p *put) *Error {
	const path = "properties.enablePurgeProtection"
	if p.old.at(path) == true && p.doc.at(path) != true {
		return p.bad("The property \"enablePurgeProtection\" cannot be set to false. " +
			"Enabling the purge protection for a vault is an irreversible action.")
	}
	return nil
}
