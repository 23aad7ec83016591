package repair

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// Taken is a state with what was being created when a run died.
type Taken struct {
	// State is the new one. It is the old one, byte by byte, where nothing was pending.
	State []byte
	// Created are now in the state, and a refresh has to look whether they are there.
	Created []Pending
	// Unknown cannot be looked for, and are in no state from now on. A person has to be told.
	Unknown []Pending
	// Replacements says that some resource has to be looked for before [Settle].
	Replacements bool
}

// Pending is a resource that was being created.
type Pending struct {
	URN string
	ID  string
	// Replaces is the id of the resource that this one was to replace, or empty.
	Replaces string
}

// waiting ends the URN of a replacement that is not settled. It is protected, so an `up` before the
// repair is done fails, and its message names the resource.
const waiting = "-run-make-repair"

// TakeIn takes what was being created into a state, which is what `pulumi stack export` prints. To
// drop it would orphan a resource with a random name, and leave what has a fixed one "already in
// use" for ever. Every other operation was on a resource that the state has, and the refresh reads
// that too. A provider and a stash, the engine's own, are nowhere but in the state.
//
// A resource that was to be replaced is still in the state, under the same URN. The new one gets a
// URN of its own until the refresh has found it, since the old one must stay the stack's if the new
// one was never made.
func TakeIn(state []byte, subscription string) (Taken, error) {
	d, err := parse(state)
	if err != nil {
		return Taken{}, err
	}
	taken := Taken{State: state}
	for _, pending := range d.pending {
		one := pending.Resource
		kind := text(one, "type")
		if pending.Type != "creating" || strings.HasPrefix(kind, "pulumi:") {
			continue
		}
		created := Pending{URN: text(one, "urn"), ID: idOf(one, subscription)}
		if created.ID == "" {
			taken.Unknown = append(taken.Unknown, created)
			continue
		}
		old := d.live(created.URN)
		if old >= 0 && is(d.resources[old], "pendingReplacement") {
			// The old one is deleted already. Under the same id too: a refresh would find the new one and
			// keep the mark, and each later up would make it once more.
			d.resources = slices.Delete(d.resources, old, old+1)
			old = -1
		}
		if old >= 0 && text(d.resources[old], "id") == created.ID {
			continue // the refresh reads it as the old one
		}
		set(one, "id", created.ID)
		if kind == rights.TypeSecret {
			if err := forgetUnread(one); err != nil {
				return Taken{}, err
			}
		}
		one["outputs"] = one["inputs"]
		if old >= 0 {
			created.Replaces = text(d.resources[old], "id")
			set(one, "urn", created.URN+waiting)
			set(one, "protect", true)
		}
		d.resources = append(d.resources, one)
		taken.Created = append(taken.Created, created)
	}
	taken.Replacements = len(waitingIn(d)) > 0 // a repair that was killed may have left some
	if len(d.pending) == 0 {
		return taken, nil
	}
	taken.State, err = d.marshal()
	return taken, err
}

// forgetUnread takes value and mark out of a secret that is never read back. A refresh does not see
// whether they were written, and with them in the state the next `up` would find nothing to do.
func forgetUnread(secret object) error {
	var inputs object
	if err := json.Unmarshal(secret["inputs"], &inputs); err != nil {
		return fmt.Errorf("state: inputs of %s: %w", text(secret, "urn"), err)
	}
	if !is(inputs, "disableRead") {
		return nil
	}
	delete(inputs, "dataJson")
	delete(inputs, "customMetadata")
	left, err := json.Marshal(inputs)
	secret["inputs"] = left
	return err
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

// Settled is a state in which each URN has at most one resource that does not wait for its
// deletion.
type Settled struct {
	State []byte
	// Kept are the stack's own from now on, each in place of another one that the next `up` deletes.
	Kept []Choice
}

// Choice is which of two resources of one URN is the stack's.
type Choice struct {
	URN     string
	Kept    string
	Deleted string
}

// Settle decides, after the refresh, which of an old resource and its replacement is the stack's.
// The other one waits for its deletion, as the engine writes it, so that the next `up` deletes it.
//
// The new one is it where the configuration asks for its id, since the next `up` could not make it
// a second time. Otherwise the old one is it, which may hold data: the next `up` replaces it anew
// if it has to.
//
// What a failed run left waiting for its deletion is the stack's again where the configuration asks
// for its id by now: else the next `up` would write it, and then delete it under the same id.
func Settle(state []byte, wants func(id string) bool) (Settled, error) {
	d, err := parse(state)
	if err != nil {
		return Settled{}, err
	}
	var found []string // URNs of replacements that the refresh has found
	for _, place := range waitingIn(d) {
		one := d.resources[place]
		urn := strings.TrimSuffix(text(one, "urn"), waiting)
		isReplacement := d.live(urn) >= 0
		set(one, "urn", urn)
		delete(one, "protect")
		if isReplacement {
			set(one, "delete", true)
		}
		found = append(found, urn)
	}
	settled := Settled{State: state}
	for place, one := range slices.Clone(d.resources) {
		urn := text(one, "urn")
		live := d.live(urn)
		if !is(one, "delete") || live < 0 {
			continue
		}
		keeps := d.resources[live]
		deletes := one
		isWanted := wants(text(one, "id")) && !wants(text(keeps, "id"))
		if isWanted {
			d.exchange(live, place)
			keeps, deletes = deletes, keeps
		}
		if isWanted || slices.Contains(found, urn) {
			choice := Choice{URN: urn, Kept: text(keeps, "id"), Deleted: text(deletes, "id")}
			settled.Kept = append(settled.Kept, choice)
		}
	}
	if len(found) == 0 && len(settled.Kept) == 0 {
		return settled, nil
	}
	settled.State, err = d.marshal()
	return settled, err
}

func idOf(resource object, subscription string) string {
	var inputs map[string]any
	_ = json.Unmarshal(resource["inputs"], &inputs)
	return settings.IDOf(text(resource, "type"), inputs, subscription)
}
