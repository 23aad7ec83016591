package arm

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// rule refuses a PUT, or returns nil. A rule sees the resource as it was and as it shall be, and
// the whole store.
type rule func(*put) *Error

// put is one PUT on its way through the rules.
type put struct {
	row   *resourceType
	id    string
	old   Document // nil when the resource is new
	doc   Document // what will be stored
	state *state
	spec  func(armType string, body map[string]any) error
}

func (p *put) refuse(status int, code, format string, args ...any) *Error {
	return &Error{
		Method:  http.MethodPut,
		ID:      p.id,
		Status:  status,
		Code:    code,
		Message: fmt.Sprintf(format, args...),
	}
}

// bad is the refusal that services give most.
func (p *put) bad(format string, args ...any) *Error {
	return p.refuse(http.StatusBadRequest, "BadRequest", format, args...)
}

// is tells whether the document is of an ARM type.
func (d Document) is(armType string) bool { return strings.EqualFold(d.text("type"), armType) }

// ---- what ARM does for every type

// parentExists: the group, or the resource that this one is part of or attached to.
func parentExists(p *put) *Error {
	parent := above(p.id)
	if p.state.get(parent) == nil && key(parent) != key("/subscriptions/"+SubscriptionID) {
		return notFound(http.MethodPut, p.id, parent)
	}
	return nil
}

// nameIsFree: neither a soft-deleted resource nor, where names are global, another resource holds
// the name.
func nameIsFree(p *put) *Error {
	if p.old != nil {
		return nil
	}
	if p.row.SoftDelete != nil && p.holdsName(p.state.Deleted) {
		return p.refuseName(p.row.SoftDelete)
	}
	if p.row.Taken != nil && p.holdsName(p.state.Resources) {
		return p.refuseName(p.row.Taken)
	}
	return nil
}

// holdsName tells whether one of some documents has the id of the new resource or, where names are
// global, its name.
func (p *put) holdsName(documents map[string]Document) bool {
	name := path.Base(p.id)
	for _, doc := range documents {
		if key(doc.text("id")) == key(p.id) {
			return true
		}
		isGlobal := p.row.Taken != nil && doc.is(p.row.Type)
		if isGlobal && strings.EqualFold(doc.text("name"), name) {
			return true
		}
	}
	return false
}

// refuseName is a row's refusal with the name in it.
func (p *put) refuseName(refusal *Error) *Error {
	message := strings.ReplaceAll(refusal.Message, "%s", path.Base(p.id))
	return p.refuse(refusal.Status, refusal.Code, "%s", message)
}

// fitsSpec is for the tests, which know Microsoft's types.
func fitsSpec(p *put) *Error {
	if p.spec == nil {
		return nil
	}
	if err := p.spec(p.row.Type, p.doc); err != nil {
		return p.refuse(http.StatusBadRequest, "InvalidRequestContent",
			"The request content was invalid: %v.", err)
	}
	return nil
}

// locationStays: no PUT moves a resource.
func locationStays(p *put) *Error {
	location := normalLocation(p.doc.text("location"))
	if location == "" {
		return nil
	}
	p.doc["location"] = location
	before := cmp.Or(p.old.text("location"), location)
	if before == location {
		return nil
	}
	const message = "The resource '%s' already exists in location '%s' in resource group '%s'. " +
		"A resource with the same name cannot be created in location '%s'. " +
		"Please select a new resource name."
	return p.refuse(http.StatusConflict, "InvalidResourceLocation", message,
		path.Base(p.id), before, groupOf(p.id), location)
}

// normalLocation makes "westeurope" of "West Europe", as ARM answers and as azure-native compares.
func normalLocation(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// complete makes the stored document: ARM's envelope and the system-assigned identity. It refuses
// nothing.
func complete(p *put) *Error {
	p.doc["id"] = p.id
	p.doc["name"] = path.Base(p.id)
	p.doc["type"] = p.row.Type
	if strings.Contains(p.doc.text("identity.type"), "SystemAssigned") {
		p.doc.set("identity.principalId", PrincipalID(p.id))
	}
	return nil
}

// ---- what several rows are made of

// immutable refuses a change of a value after creation. ARM compares ids and enumerations without
// regard to case, and takes unset for false.
func immutable(what string, paths ...string) rule {
	return func(p *put) *Error {
		if p.old == nil {
			return nil
		}
		for _, path := range paths {
			before := p.old.at(path)
			after := p.doc.at(path)
			if asCompared(before) == asCompared(after) {
				continue
			}
			property := path[strings.LastIndex(path, ".")+1:]
			return p.bad("The property '%s' cannot be changed once the %s has been created. "+
				"[%s: %v, was %v]", property, what, path, after, before)
		}
		return nil
	}
}

// asCompared is a value as ARM compares it with another.
func asCompared(value any) string {
	if value == nil {
		value = false
	}
	return strings.ToLower(fmt.Sprint(value))
}

// refersTo refuses an id of nothing.
func refersTo(paths ...string) rule {
	return func(p *put) *Error {
		for _, path := range paths {
			if refusal := p.refers(p.doc, path); refusal != nil {
				return refusal
			}
		}
		return nil
	}
}

func (p *put) refers(doc Document, path string) *Error {
	id := doc.text(path)
	if id == "" || p.state.get(id) != nil {
		return nil
	}
	missing := notFound(http.MethodPut, p.id, id)
	missing.Message += fmt.Sprintf(" [%s: %s]", path, id)
	return missing
}
