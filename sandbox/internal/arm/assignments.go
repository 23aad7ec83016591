package arm

import (
	"net/http"
	"path"
	"strings"
)

// principalHasItsType: an identity is a service principal
// (role-based-access-control/troubleshooting). Principals that the sandbox does not know are taken
// at their word: it has no directory of people.
func principalHasItsType(p *put) *Error {
	principal := p.doc.text("properties.principalId")
	said := p.doc.text("properties.principalType")
	if said == "ServicePrincipal" || !p.state.isIdentity(principal) {
		return nil
	}
	// The misspelling is the service's.
	const message = "The PrincipalId '%s' has type 'ServicePrincipal' , which is different from " +
		"specified PrinciaplType '%s'."
	return p.refuse(http.StatusBadRequest, "UnmatchedPrincipalType", message,
		strings.ReplaceAll(principal, "-", ""), said)
}

// definitionOfScope: ARM answers with the role's definition below the subscription of the scope,
// whatever it was given (azure-rest-api-specs#10939).
func definitionOfScope(p *put) *Error {
	const field = "properties.roleDefinitionId"
	const definitions = "/providers/Microsoft.Authorization/roleDefinitions/"
	_, below, _ := strings.Cut(p.id, "/subscriptions/")
	subscription, _, _ := strings.Cut(below, "/")
	role := path.Base(p.doc.text(field))
	p.doc.set(field, "/subscriptions/"+subscription+definitions+role)
	return nil
}

// isIdentity tells whether a principal is a managed identity of the store.
func (s *state) isIdentity(principal string) bool {
	for _, doc := range s.Resources {
		isSystemAssigned := doc.text("identity.principalId") == principal
		isUserAssigned := doc.is(typeIdentity) && doc.text("properties.principalId") == principal
		if isSystemAssigned || isUserAssigned {
			return true
		}
	}
	return false
}

// assignedOnce: one principal has a role on a scope once, whatever the assignment's name (the same
// page).
func assignedOnce(p *put) *Error {
	scope := key(above(p.id))
	for k, other := range p.state.Resources {
		isItself := k == key(p.id)
		if isItself || !other.is(typeAssignment) || key(above(k)) != scope {
			continue
		}
		if !sameText(other, p.doc, "properties.principalId") ||
			!sameText(other, p.doc, "properties.roleDefinitionId") {
			continue
		}
		return p.refuse(http.StatusConflict, "RoleAssignmentExists",
			"The role assignment already exists. The ID of the conflicting role assignment is %s.",
			strings.ReplaceAll(other.text("name"), "-", ""))
	}
	return nil
}

func sameText(one, other Document, path string) bool {
	return strings.EqualFold(one.text(path), other.text(path))
}
