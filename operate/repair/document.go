package repair

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is a JSON object. Nothing of it is decoded but what is asked for, so that nothing is lost.
type object = map[string]json.RawMessage

// document is what `pulumi stack export` prints.
type document struct {
	whole      object
	deployment object
	resources  []object
	pending    []operation
}

// operation is one that had begun and not ended when the state was written.
type operation struct {
	Resource object `json:"resource"`
	Type     string `json:"type"`
}

const (
	keyDeployment = "deployment"
	keyResources  = "resources"
	keyPending    = "pending_operations"
)

func parse(state []byte) (document, error) {
	var d document
	if err := json.Unmarshal(state, &d.whole); err != nil {
		return document{}, fmt.Errorf("state: %w", err)
	}
	for _, part := range []struct {
		key  string
		from *object
		into any
	}{
		{key: keyDeployment, from: &d.whole, into: &d.deployment},
		{key: keyResources, from: &d.deployment, into: &d.resources},
		{key: keyPending, from: &d.deployment, into: &d.pending},
	} {
		raw := (*part.from)[part.key]
		if raw == nil {
			continue
		}
		if err := json.Unmarshal(raw, part.into); err != nil {
			return document{}, fmt.Errorf("state: %s: %w", part.key, err)
		}
	}
	return d, nil
}

// marshal is the state without what was pending.
func (d document) marshal() ([]byte, error) {
	delete(d.deployment, keyPending) // an import drops them anyway
	raw, err := json.Marshal(inOrder(d.resources))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	d.deployment[keyResources] = raw
	if raw, err = json.Marshal(d.deployment); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	d.whole[keyDeployment] = raw
	if raw, err = json.Marshal(d.whole); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return raw, nil
}

// inOrder has each resource behind what it depends on, and else as they were. An import refuses any
// other order, and what is taken in comes at the end: behind what depends on it.
func inOrder(resources []object) []object {
	places := map[string][]int{} // of each URN
	for i, resource := range resources {
		urn := text(resource, "urn")
		places[urn] = append(places[urn], i)
	}
	var ordered []object
	isPlaced := make([]bool, len(resources))
	var place func(i int)
	place = func(i int) {
		if isPlaced[i] {
			return
		}
		isPlaced[i] = true
		for _, urn := range needs(resources[i]) {
			// The first of several is the live one.
			if found := places[urn]; len(found) > 0 {
				place(found[0])
			}
		}
		ordered = append(ordered, resources[i])
	}
	for i := range resources {
		place(i)
	}
	return ordered
}

// needs are the URNs that a resource has to come behind.
func needs(resource object) []string {
	var dependencies []string
	_ = json.Unmarshal(resource["dependencies"], &dependencies)
	var ofProperties map[string][]string
	_ = json.Unmarshal(resource["propertyDependencies"], &ofProperties)
	for _, name := range slices.Sorted(maps.Keys(ofProperties)) {
		dependencies = append(dependencies, ofProperties[name]...)
	}
	provider := text(resource, "provider")
	if id := strings.LastIndex(provider, "::"); id >= 0 {
		provider = provider[:id]
	}
	return append(dependencies, text(resource, "parent"), text(resource, "deletedWith"), provider)
}

// live is the place of the resource that the state holds under a URN, or -1. What waits for its
// deletion is not it.
func (d document) live(urn string) int {
	for i, resource := range d.resources {
		if text(resource, "urn") == urn && !is(resource, "delete") {
			return i
		}
	}
	return -1
}

// exchange makes the resource at a later place, which waits for its deletion, the live one of its
// URN. The engine wants the live one first. The other one comes next, behind what it depends on and
// before what depends on it.
func (d *document) exchange(live, waits int) {
	one := d.resources[waits]
	delete(one, "delete")
	set(d.resources[live], "delete", true)
	d.resources = slices.Delete(d.resources, waits, waits+1)
	d.resources = slices.Insert(d.resources, live, one)
}

// text is a field of an object that is a string, or empty.
func text(of object, field string) string {
	var value string
	_ = json.Unmarshal(of[field], &value)
	return value
}

// is tells whether a field of an object is true.
func is(of object, field string) bool {
	var value bool
	_ = json.Unmarshal(of[field], &value)
	return value
}

// set gives a field of an object a value that is a string or a boolean.
func set[T string | bool](of object, field string, value T) {
	of[field], _ = json.Marshal(value)
}
