package arm

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// rule refuses a PUT, or returns nil. A rule sees the resource as it was and as it shall be, and the whole store.
type rule func(*put) *Error

// put is one PUT on its way through the rules.
type put struct {
	row *resourceType
	id  string
	resourceID
	old   Document // nil when the resource is new
	doc   Document // what will be stored
	state *state
	now   string // RFC 3339
	spec  func(armType string, body map[string]any) error
}

func (p *put) refuse(status int, code, format string, args ...any) *Error {
	return &Error{Method: http.MethodPut, ID: p.id, Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// bad is the refusal that services give most.
func (p *put) bad(format string, args ...any) *Error {
	return p.refuse(http.StatusBadRequest, "BadRequest", format, args...)
}

func (p *put) exists(id string) bool {
	return p.state.get(id) != nil || key(id) == key("/subscriptions/"+SubscriptionID)
}

// is tells whether the document is of an ARM type.
func (d Document) is(armType string) bool { return strings.EqualFold(d.text("type"), armType) }

// ---- what ARM checks for every type

// parentExists: the group first, then the resource that this one is part of or attached to.
func parentExists(p *put) *Error {
	for _, above := range []string{p.groupID, p.parent} {
		if above == "" || key(above) == key(p.id) || p.exists(above) {
			continue
		}
		if p.extension || !strings.Contains(above, "/providers/") {
			return notFound(http.MethodPut, p.id, above)
		}
		return p.refuse(http.StatusNotFound, "ParentResourceNotFound",
			"Failed to perform 'write' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
			p.row.Type[strings.Index(p.row.Type, "/")+1:], above)
	}
	return nil
}

func validName(p *put) *Error {
	if p.row.Name.valid(p.name) {
		return nil
	}
	return p.refuse(http.StatusBadRequest, cmp.Or(p.row.Name.Code, "InvalidResourceName"),
		cmp.Or(p.row.Name.Message, "Resource name '%s' is invalid."), p.name) // own words where the service's are not public
}

// nameIsFree: neither a soft-deleted resource nor, where names are global, another resource holds the name.
func nameIsFree(p *put) *Error {
	if p.old != nil {
		return nil
	}
	global := p.row.Name.TakenCode != ""
	same := func(doc Document) bool {
		return key(doc.text("id")) == key(p.id) || global && doc.is(p.row.Type) && strings.EqualFold(doc.text("name"), p.name)
	}
	if deleted := p.row.SoftDelete; deleted != nil && slices.ContainsFunc(slices.Collect(maps.Values(p.state.Deleted)), same) {
		return p.refuse(deleted.Status, deleted.Code, "%s", deleted.Message)
	}
	if global && slices.ContainsFunc(slices.Collect(maps.Values(p.state.Resources)), same) {
		return p.refuse(http.StatusConflict, p.row.Name.TakenCode, p.row.Name.TakenMessage, p.name)
	}
	return nil
}

// fitsSpec is for the tests, which know Microsoft's types.
func fitsSpec(p *put) *Error {
	if p.spec == nil {
		return nil
	}
	if err := p.spec(p.row.Type, p.doc); err != nil {
		return p.refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid: %v.", err)
	}
	return nil
}

// locationStays: a location is needed where there is one, and no PUT moves a resource.
func locationStays(p *put) *Error {
	if !p.row.located() {
		return nil
	}
	location := normalLocation(p.doc.text("location"))
	if location == "" {
		return p.refuse(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	}
	p.doc["location"] = location
	before := cmp.Or(p.old.text("location"), location)
	if before == location {
		return nil
	}
	return p.refuse(http.StatusConflict, "InvalidResourceLocation",
		"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be "+
			"created in location '%s'. Please select a new resource name.", p.name, before, p.group, location)
}

// normalLocation makes "westeurope" of "West Europe", as ARM answers and as azure-native compares.
func normalLocation(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// withDefaults fills in what the service decides when the caller does not. It refuses nothing.
func withDefaults(p *put) *Error {
	for path, value := range p.row.Defaults {
		if p.doc.at(path) == nil {
			p.doc.set(path, value)
		}
	}
	return nil
}

// identities checks the user-assigned identities of a resource and fills in the ids of principals.
func identities(p *put) *Error {
	kind, assigned := p.doc.text("identity.type"), p.doc.object(userAssigned)
	if strings.Contains(kind, "UserAssigned") && len(assigned) == 0 {
		return p.refuse(http.StatusBadRequest, "MissingIdentityIds", // ARM's code and text
			"The identity ids must not be null or empty for '%s' identity type.", kind)
	}
	for _, id := range slices.Sorted(maps.Keys(assigned)) {
		identity := p.state.get(id)
		if !identity.is(typeIdentity) {
			return p.refuse(http.StatusBadRequest, "FailedIdentityOperation",
				"Identity operation for resource '%s' failed with error 'Failed to perform resource identity operation. "+
					"Status: 'BadRequest'. Response: Resource '%s' was not found.'.", p.id, id)
		}
		assigned[id] = map[string]any{
			"principalId": identity.text("properties.principalId"), "clientId": identity.text("properties.clientId"),
		}
	}
	if strings.Contains(kind, "SystemAssigned") {
		p.doc.set("identity.principalId", PrincipalID(p.id))
		p.doc.set("identity.tenantId", TenantID)
	}
	return nil
}

// complete makes the stored document: ARM's envelope and the properties that the service computes. It refuses nothing.
func complete(p *put) *Error {
	p.doc["id"], p.doc["name"], p.doc["type"] = p.id, p.name, p.row.Type
	if slices.Contains(p.row.Computed, "systemData") {
		p.doc["systemData"] = map[string]any{
			"createdAt": p.since("systemData.createdAt"), "createdBy": DeployerID, "createdByType": "Application",
			"lastModifiedAt": p.now, "lastModifiedBy": DeployerID, "lastModifiedByType": "Application",
		}
	}
	if slices.Contains(p.row.Computed, "provisioningState") {
		p.doc.set("properties.provisioningState", "Succeeded")
	}
	if p.row.Complete != nil {
		for path, value := range p.row.Complete(p) {
			p.doc.set(path, value)
		}
	}
	return nil
}

// since keeps the time at path from the first PUT on.
func (p *put) since(path string) string { return cmp.Or(p.old.text(path), p.now) }

// ---- what a row is made of

// required refuses a document without a value at one of the paths, with the service's own answer.
func required(message string, paths ...string) rule {
	return func(p *put) *Error {
		for _, path := range paths {
			if value := p.doc.at(path); value == nil || value == "" {
				return p.bad("%s [%s is not set]", message, path)
			}
		}
		return nil
	}
}

// immutable refuses a change of a value after creation. A %s in the message stands for the property's last step.
func immutable(code, message string, paths ...string) rule {
	return func(p *put) *Error {
		for _, path := range paths {
			if before, after := p.old.at(path), p.doc.at(path); p.old != nil && !sameValue(before, after) {
				named := strings.ReplaceAll(message, "%s", path[strings.LastIndex(path, ".")+1:])
				return p.refuse(http.StatusBadRequest, code, "%s [%s: %v, was %v]", named, path, after, before)
			}
		}
		return nil
	}
}

// sameValue compares ids and enumerations without regard to case, as ARM does, and unset with false.
func sameValue(a, b any) bool {
	if a, ok := a.(string); ok {
		b, ok := b.(string)
		return ok && strings.EqualFold(a, b)
	}
	if a == nil || b == nil {
		return (a == nil || a == false) && (b == nil || b == false)
	}
	return reflect.DeepEqual(a, b)
}

// oneWay refuses to set a value back once it is true, with the service's own answer.
func oneWay(path, message string) rule {
	return func(p *put) *Error {
		if p.old.at(path) == true && p.doc.at(path) != true {
			return p.bad("%s", message)
		}
		return nil
	}
}

// oneOf refuses a value that is not listed. ARM compares without regard to case [own words].
func oneOf(path, list string) rule {
	return func(p *put) *Error {
		value, values := p.doc.at(path), words(list)
		is := func(v string) bool { return strings.EqualFold(v, fmt.Sprint(value)) }
		if value == nil || slices.ContainsFunc(values, is) {
			return nil
		}
		return p.refuse(http.StatusBadRequest, "InvalidRequestContent",
			"The value '%v' of property '%s' is not allowed. Allowed values are: %v.", value, path, values)
	}
}

// within refuses a number outside a range [own words].
func within(path string, low, high float64) rule {
	return func(p *put) *Error {
		if value, set := p.doc.at(path).(float64); set && (value < low || value > high) {
			return p.refuse(http.StatusBadRequest, "InvalidParameter",
				"The value %v of property '%s' is out of range: it must be from %v to %v.", value, path, low, high)
		}
		return nil
	}
}

// refersTo refuses an id at path that is malformed, of another type than armType, or of nothing.
func refersTo(path, armType string) rule {
	return func(p *put) *Error { return p.refers(p.doc, path, armType) }
}

func (p *put) refers(doc Document, path, armType string) *Error {
	id := doc.text(path)
	if id == "" {
		return nil
	}
	target, err := parseID(id)
	if err != nil {
		return p.refuse(http.StatusBadRequest, "LinkedInvalidPropertyId",
			"Property id '%s' at path '%s' is invalid. Expect fully qualified resource Id that start with "+
				"'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.", id, path)
	}
	if !strings.EqualFold(target.armType, armType) {
		return p.refuse(http.StatusBadRequest, "LinkedInvalidPropertyId", // own words
			"Property id '%s' at path '%s' is invalid. Expect the id of a %s.", id, path, armType)
	}
	if !p.exists(id) {
		missing := notFound(http.MethodPut, p.id, id)
		missing.Message += fmt.Sprintf(" [%s: %s]", path, id)
		return missing
	}
	return nil
}
