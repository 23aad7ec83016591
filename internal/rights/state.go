package rights

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// Pulumi's types of what a stack has in Vault.
const (
	TypeMount   = "vault:index/mount:Mount"
	TypeBackend = "vault:jwt/authBackend:AuthBackend"
	TypePolicy  = "vault:index/policy:Policy"
	TypeRole    = "vault:jwt/authBackendRole:AuthBackendRole"
	TypeSecret  = "vault:kv/secretV2:SecretV2" //nolint:gosec // G101: a type, no credential.
)

// plainPath has no character that means something in a policy.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// State is what a stack has made, as `pulumi stack export` tells it. The zero State is that of a
// stack which has made nothing.
type State struct {
	Resources []Resource
}

// Resource is something that a stack has made, is about to delete, or was making when a run ended.
type Resource struct {
	URN, Type string
	// ID is the provider's name of it, without slashes at its ends. It is empty where a run was killed
	// before the provider answered.
	ID     string
	Inputs map[string]any
	// Outputs are plain but for what is secret, which is ciphertext. The stack itself is a resource
	// too, whose outputs are the stack's.
	Outputs map[string]any
	// Protected says that Pulumi refuses to delete it.
	Protected bool
	// Replaced says that another resource took its place, and that the next run deletes it.
	Replaced bool
	// Retained says that Azure or Vault keeps it when the engine deletes it.
	Retained bool
	// External says that it is somebody else's, and that the program reads it alone.
	External bool
	// Pending is what a run was doing when it ended: "creating", "updating", "deleting" and so on.
	// It is empty for all that the state has as finished.
	Pending string
}

// ParseState reads the JSON of `pulumi stack export`. The export needs no `--show-secrets`: all
// that is asked for here is plain in it, and what is secret stays ciphertext. A place in Vault that
// a policy would read otherwise than it is written is refused. No error quotes the text.
func ParseState(export []byte) (State, error) {
	type resource struct {
		URN     string         `json:"urn"`
		Type    string         `json:"type"`
		ID      string         `json:"id"`
		Inputs  map[string]any `json:"inputs"`
		Outputs map[string]any `json:"outputs"`
		Protect bool           `json:"protect"`
		Delete  bool           `json:"delete"`
		Retain  bool           `json:"retainOnDelete"`
		// External is what a program reads and does not make.
		External bool `json:"external"`
	}
	var file struct {
		Deployment struct {
			Resources []resource `json:"resources"`
			Pending   []struct {
				Resource resource `json:"resource"`
				Type     string   `json:"type"`
			} `json:"pending_operations"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(export, &file); err != nil {
		return State{}, errors.New("the state is not what `pulumi stack export` prints")
	}
	var state State
	add := func(r resource, pending string) {
		state.Resources = append(state.Resources, Resource{
			URN:       r.URN,
			Type:      r.Type,
			ID:        strings.Trim(r.ID, "/"),
			Inputs:    r.Inputs,
			Outputs:   r.Outputs,
			Protected: r.Protect,
			Replaced:  r.Delete,
			Retained:  r.Retain,
			External:  r.External,
			Pending:   pending,
		})
	}
	for _, r := range file.Deployment.Resources {
		add(r, "")
	}
	for _, operation := range file.Deployment.Pending {
		add(operation.Resource, operation.Type)
	}
	for _, grant := range state.heldGrants() {
		if !plainPath.MatchString(grant.Path) || strings.Contains(grant.Path, "..") {
			return State{}, fmt.Errorf("the state has something of the stack's at a path of Vault that the "+
				"program never uses: %q. Look at it with `pulumi stack export`", grant.Path)
		}
	}
	return state, nil
}

// Has tells whether the stack owns a resource now. What was replaced, or is only being made, it
// does not own.
func (s State) Has(kind, id string) bool {
	return slices.Contains(s.IDs(kind), id)
}

// IDs are the ids of what the stack owns of a type.
func (s State) IDs(kind string) []string {
	var ids []string
	for _, r := range s.Resources {
		if r.Type == kind && !r.External && !r.Replaced && r.Pending == "" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Knows tells whether the state has a resource of this URN.
func (s State) Knows(urn string) bool {
	for _, r := range s.Resources {
		if r.URN == urn && r.Pending == "" {
			return true
		}
	}
	return false
}

// is tells whether an input is true. One that cannot be read is not known to be. One without a
// value is as if it were not there: an import by the genuine plugin writes null.
func (r Resource) is(name string) (value, known bool) {
	input := r.Inputs[name]
	if input == nil {
		return false, true
	}
	value, known = input.(bool)
	return value, known
}

// heldGrants are the rights to look at what the state has, where it has it, and to take it away: a
// refresh reads there, and the next run deletes what the settings no longer ask for. Names and
// paths come from the state alone, so that they are right after another setting, another name of
// the stack or of the project, and after a run that was killed.
func (s State) heldGrants() []Grant {
	var grants []Grant
	for _, r := range s.Resources {
		grants = append(grants, r.heldGrants()...)
	}
	return Merge(grants)
}

func (r Resource) heldGrants() []Grant {
	switch r.Type {
	case TypeSecret:
		return r.secretGrants()
	case TypePolicy:
		return grantsAt("sys/policies/acl/", r.place(), "read", "delete")
	case TypeRole:
		return grantsAt("", r.place(), "read", "delete")
	case TypeBackend:
		return backendGrants(r.place(), "delete")
	case TypeMount:
		// A mount is never deleted: it may hold other people's secrets.
		return grantsAt("sys/mounts/", r.place(), "read")
	default:
		return nil // in Azure, or no object of its own in Vault
	}
}

// place is where a resource is: its id, or what its inputs say while it has none yet.
func (r Resource) place() string {
	if r.ID != "" {
		return r.ID
	}
	return settings.IDOf(r.Type, r.Inputs, "")
}

func (r Resource) secretGrants() []Grant {
	mount, name, isPath := strings.Cut(r.place(), "/data/") // no mount has a part called data
	if !isPath {
		return nil
	}
	// deleteAllVersions says at which of the two paths the plugin deletes.
	purges, known := r.is("deleteAllVersions")
	var data, metadata []string
	if writeOnly, _ := r.is("disableRead"); !writeOnly {
		data = append(data, "read")
	}
	metadata = append(metadata, "read")
	if !purges || !known {
		data = append(data, "delete")
	}
	if purges || !known {
		metadata = append(metadata, "delete")
	}
	var grants []Grant
	if len(data) > 0 {
		grants = append(grants, Grant{Path: mount + "/data/" + name, Capabilities: data})
	}
	return append(grants, Grant{Path: mount + "/metadata/" + name, Capabilities: metadata})
}

// grantsAt is one grant, or none where the place is not known.
func grantsAt(prefix, place string, capabilities ...string) []Grant {
	if place == "" {
		return nil
	}
	return []Grant{{Path: prefix + place, Capabilities: capabilities}}
}
