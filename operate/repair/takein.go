package repair

import (
	"encoding/json"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// Taken is a state with what was being created when a run died.
type Taken struct {
	// State is the new one. It is the old one, byte by byte, where nothing was pending.
	State []byte
	// Created are now in the state, and a refresh has to look whether they are there.
	Created []Pending
	// Unknown cannot be looked for. The import of the state drops them, so a person has to be told.
	Unknown []Pending
	// Replacements says that some resource waits for [Settle].
	Replacements bool
}

// Pending is a resource that was being created.
type Pending struct {
	URN string
	ID  string
	// Replaces is the id of the resource that this one was to replace, or empty.
	Replaces string
}

// waiting ends the URN of a replacement that is not settled. It is protected, so an `up` before the repair is done
// fails, and its message names the resource.
const waiting = "-run-make-repair"

// TakeIn takes what was being created into a state, which is what `pulumi stack export` prints. To drop it would orphan
// a resource with a random name, and leave what has a fixed one "already in use" for ever. Every other operation was
// on a resource that the state has, and the refresh reads that too. A provider and a stash, the engine's own, are nowhere
// but in the state.
//
// A resource that was to be replaced is still in the state, under the same URN. The new one gets a URN of its own
// until the refresh has found it, since the old one must stay the stack's if the new one was never made.
func TakeIn(state []byte, subscription string) (Taken, error) {
	d, err := parse(state)
	if err != nil {
		return Taken{}, err
	}
	taken := Taken{State: state}
	var left []operation
	for _, pending := range d.pending {
		one := pending.Resource
		kind := text(one, "type")
		if pending.Type != "creating" || strings.HasPrefix(kind, "pulumi:") {
			continue
		}
		created := Pending{URN: text(one, "urn"), ID: idOf(one, subscription)}
		if created.ID == "" {
			taken.Unknown = append(taken.Unknown, created)
			left = append(left, pending)
			continue
		}
		old := d.live(created.URN)
		if old >= 0 && text(d.resources[old], "id") == created.ID {
			continue // the refresh reads it as the old one
		}
		set(one, "id", created.ID)
		one["outputs"] = one["inputs"]
		if old >= 0 && is(d.resources[old], "pendingReplacement") {
			// The old one is deleted already.
			d.resources = slices.Delete(d.resources, old, old+1)
			old = -1
		}
		if old >= 0 {
			created.Replaces = text(d.resources[old], "id")
			set(one, "urn", created.URN+waiting)
			set(one, "protect", true)
		}
		d.resources = append(d.resources, one)
		taken.Created = append(taken.Created, created)
	}
	taken.Replacements = len(waitingIn(d)) > 0 // a repair that was killed may have left some
	if len(left) == len(d.pending) {
		return taken, nil
	}
	d.pending = left
	taken.State, err = d.marshal()
	return taken, err
}

// waitingIn are the places of the replacements that wait.
func waitingIn(d document) []int {
	var places []int
	for i, resource := range d.resources {
		if strings.HasSuffix(text(resource, "urn"), waiting) {
			places = append(places, i)
		}
	}
	return places
}

// Settle makes the state, after the refresh, what the engine would have made of it if the run had gone on for one step
// more: a replacement that is there is the stack's, and the old one waits for its deletion.
func Settle(state []byte) (settled []byte, replaced []Pending, err error) {
	d, err := parse(state)
	if err != nil {
		return nil, nil, err
	}
	places := waitingIn(d)
	if len(places) == 0 {
		return state, nil, nil
	}
	var news []object
	for _, place := range slices.Backward(places) {
		news = append(news, d.resources[place])
		d.resources = slices.Delete(d.resources, place, place+1)
	}
	for _, one := range news {
		urn := strings.TrimSuffix(text(one, "urn"), waiting)
		set(one, "urn", urn)
		delete(one, "protect")
		old := d.live(urn)
		if old < 0 {
			d.resources = append(d.resources, one)
			continue
		}
		if protect, has := d.resources[old]["protect"]; has {
			one["protect"] = protect
		}
		set(d.resources[old], "delete", true)
		replaced = append(replaced, Pending{URN: urn, ID: text(one, "id"), Replaces: text(d.resources[old], "id")})
		// What depends on the old one stands behind it, and depends on this URN.
		d.resources = slices.Insert(d.resources, old, one)
	}
	settled, err = d.marshal()
	return settled, replaced, err
}

func idOf(resource object, subscription string) string {
	var inputs map[string]any
	_ = json.Unmarshal(resource["inputs"], &inputs)
	return settings.IDOf(text(resource, "type"), inputs, subscription)
}
