package arm

import (
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
}

func (p *put) refuse(status int, code, format string, args ...any) *Error {
	return &Error{Method: http.MethodPut, ID: p.id, Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (p *put) exists(id string) bool {
	_, found := p.state.Resources[key(id)]
	return found || key(id) == key("/subscriptions/"+SubscriptionID)
}

// ---- what ARM checks for every type

// parentExists: the group first, then the resource that this one is part of or attached to.
func parentExists(p *put) *Error {
	for _, above := range []string{p.groupID, p.parent} {
		if above == "" || key(above) == key(p.id) || p.exists(above) {
			continue
		}
		parsed, err := parseID(above)
		if err == nil && parsed.armType != typeResourceGroup && parsed.armType != typeSubscription && !p.extension {
			return p.refuse(http.StatusNotFound, "ParentResourceNotFound",
				"Failed to perform 'write' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
				p.row.Type[strings.Index(p.row.Type, "/")+1:], above)
		}
		return notFound(http.MethodPut, p.id, above)
	}
	return nil
}

func validName(p *put) *Error {
	if p.row.Name.valid(p.name) {
		return nil
	}
	if p.row.Name.Code == "" { // own words: the service's are not public
		return p.refuse(http.StatusBadRequest, "InvalidResourceName", "Resource name '%s' is invalid.", p.name)
	}
	return p.refuse(http.StatusBadRequest, p.row.Name.Code, p.row.Name.Message, p.name)
}

// nameIsFree: neither a soft-deleted resource nor, where names are global, another resource holds the name.
func nameIsFree(p *put) *Error {
	if p.old != nil {
		return nil
	}
	same := func(k string, doc Document) bool {
		return k == key(p.id) || p.row.Name.Global && strings.EqualFold(doc.text("type"), p.row.Type) &&
			strings.EqualFold(doc.text("name"), p.name)
	}
	for k, doc := range p.state.Deleted {
		if p.row.SoftDelete != nil && same(k, doc) {
			return p.refuse(p.row.SoftDelete.Status, p.row.SoftDelete.Code, "%s", p.row.SoftDelete.Message)
		}
	}
	for k, doc := range p.state.Resources {
		if p.row.Name.Global && same(k, doc) {
			return p.refuse(http.StatusConflict, p.row.Name.TakenCode, p.row.Name.TakenMessage, p.name)
		}
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
	if before := p.old.text("location"); p.old != nil && before != location {
		if p.row.Type == typeResourceGroup {
			return p.refuse(http.StatusConflict, "InvalidResourceGroupLocation",
				"Invalid resource group location '%s'. The Resource group already exists in location '%s'.", location, before)
		}
		return p.refuse(http.StatusConflict, "InvalidResourceLocation",
			"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be "+
				"created in location '%s'. Please select a new resource name.", p.name, before, p.group, location)
	}
	return nil
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
	kind := p.doc.text("identity.type")
	if kind == "" {
		return nil
	}
	assigned, _ := p.doc.at("identity.userAssignedIdentities").(map[string]any)
	if strings.Contains(kind, "UserAssigned") && len(assigned) == 0 {
		return p.refuse(http.StatusBadRequest, "MissingIdentityIds", // ARM's code and text
			"The identity ids must not be null or empty for '%s' identity type.", kind)
	}
	for _, id := range slices.Sorted(maps.Keys(assigned)) {
		identity, found := p.state.Resources[key(id)]
		if !found || !strings.EqualFold(identity.text("type"), typeIdentity) {
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
	created := p.old.text("systemData.createdAt")
	if created == "" {
		created = p.now
	}
	if slices.Contains(p.row.Computed, "systemData") {
		p.doc["systemData"] = map[string]any{
			"createdAt": created, "createdBy": DeployerID, "createdByType": "Application",
			"lastModifiedAt": p.now, "lastModifiedBy": DeployerID, "lastModifiedByType": "Application",
		}
	}
	if p.row.Complete != nil {
		for path, value := range p.row.Complete(p) {
			p.doc.set(path, value)
		}
	}
	return nil
}

// ---- what a row is made of

// required refuses a document without a value at path, with the service's own answer.
func required(path, message string) rule {
	return func(p *put) *Error {
		if value := p.doc.at(path); value == nil || value == "" {
			return p.refuse(http.StatusBadRequest, "BadRequest", "%s [%s is not set]", message, path)
		}
		return nil
	}
}

// immutable refuses a change of a value after creation. A %s in the message stands for the property's last step.
func immutable(code, message string, paths ...string) rule {
	return func(p *put) *Error {
		if p.old == nil {
			return nil
		}
		for _, path := range paths {
			if before, after := p.old.at(path), p.doc.at(path); !sameValue(before, after) {
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
func oneWay(path, code, message string) rule {
	return func(p *put) *Error {
		if p.old.at(path) == true && p.doc.at(path) != true {
			return p.refuse(http.StatusBadRequest, code, "%s", message)
		}
		return nil
	}
}

// oneOf refuses a value that Microsoft's SDK does not list. ARM compares without regard to case [own words].
func oneOf[T ~string](path string, values []T) rule {
	return func(p *put) *Error {
		value := p.doc.at(path)
		if value == nil {
			return nil
		}
		text, isText := value.(string)
		if !isText || !slices.ContainsFunc(values, func(v T) bool { return strings.EqualFold(string(v), text) }) {
			return p.refuse(http.StatusBadRequest, "InvalidRequestContent",
				"The value '%v' of property '%s' is not allowed. Allowed values are: %v.", value, path, values)
		}
		return nil
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
	return func(p *put) *Error {
		id := p.doc.text(path)
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
}
