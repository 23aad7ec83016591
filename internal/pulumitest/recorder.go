// Package pulumitest runs the program against mocks and records every registration, so that a test
// asserts on what the program asked for after the run has ended, and never inside an Apply that may
// not run.
package pulumitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Registration is one resource that the program asked for. Its JSON is what the golden files hold.
type Registration struct {
	Type string `json:"type"`
	Name string `json:"name"`
	// Parent is the parent's name, and Provider that of an explicit provider. Without a parent it is
	// the stack's.
	Parent   string `json:"parent,omitempty"`
	Provider string `json:"provider,omitempty"`
	// Read is the id of what exists already. The program reads it and asks for nothing else.
	Read             string   `json:"read,omitempty"`
	Protect          bool     `json:"protect,omitempty"`
	RetainOnDelete   bool     `json:"retainOnDelete,omitempty"`
	ReplaceOnChanges []string `json:"replaceOnChanges,omitempty"`
	IgnoreChanges    []string `json:"ignoreChanges,omitempty"`
	// SecretOutputs are those that the provider would leave in the clear.
	SecretOutputs []string `json:"secretOutputs,omitempty"`
	// DeleteFirst holds when the resource is replaced.
	DeleteFirst bool     `json:"deleteFirst,omitempty"`
	DependsOn   []string `json:"dependsOn,omitempty"`
	// Hooks are run before a create, an update or a delete: <step> <name>.
	Hooks []string `json:"hooks,omitempty"`
	// Inputs show a secret as {"secret": value}.
	Inputs map[string]any `json:"inputs,omitempty"`
}

// Recorder implements [pulumi.MockResourceMonitor]. It gives each resource outputs made from its
// inputs: an id that reads <type>/<name>, and for names that the provider would make, the logical
// name.
type Recorder struct {
	// Outputs adds computed outputs to a resource of a type.
	Outputs map[string]resource.PropertyMap

	mu            sync.Mutex
	registrations []Registration
}

// NewResource implements pulumi.MockResourceMonitor.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.ReadRPC != nil {
		return r.readResource(args)
	}
	rpc := args.RegisterRPC
	r.mu.Lock()
	r.registrations = append(r.registrations, Registration{
		Type:             args.TypeToken,
		Name:             args.Name,
		Parent:           nameOf(rpc.GetParent()),
		Provider:         nameOf(args.Provider),
		Protect:          rpc.GetProtect(),
		RetainOnDelete:   rpc.GetRetainOnDelete(),
		ReplaceOnChanges: rpc.GetReplaceOnChanges(),
		IgnoreChanges:    rpc.GetIgnoreChanges(),
		SecretOutputs:    rpc.GetAdditionalSecretOutputs(),
		DeleteFirst:      rpc.GetDeleteBeforeReplace(),
		DependsOn:        namesOf(rpc.GetDependencies(), rpc.GetPropertyDependencies()),
		Hooks:            hooksOf(rpc.GetHooks()),
		Inputs:           plain(args.Inputs),
	})
	r.mu.Unlock()

	outputs := r.outputsOf(args, args.Name)
	if input, isStash := outputs["input"]; isStash && args.TypeToken == "pulumi:index:Stash" {
		outputs["output"] = input
	}
	return fmt.Sprintf("%s/%s", tokens.Type(args.TypeToken).Name(), args.Name), outputs, nil
}

// readResource answers for what exists.
func (r *Recorder) readResource(
	args pulumi.MockResourceArgs,
) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	r.registrations = append(r.registrations, Registration{
		Type:      args.TypeToken,
		Name:      args.Name,
		Parent:    nameOf(args.ReadRPC.GetParent()),
		Provider:  nameOf(args.Provider),
		Read:      args.ID,
		DependsOn: namesOf(args.ReadRPC.GetDependencies(), nil),
	})
	r.mu.Unlock()
	return args.ID, r.outputsOf(args, path.Base(args.ID)), nil
}

// outputsOf are a resource's inputs, and what the provider computes.
func (r *Recorder) outputsOf(args pulumi.MockResourceArgs, name string) resource.PropertyMap {
	outputs := args.Inputs.Copy()
	maps.Copy(outputs, r.Outputs[args.TypeToken])
	if _, named := outputs["name"]; !named {
		outputs["name"] = resource.NewStringProperty(name)
	}
	return outputs
}

func hooksOf(binding *pulumirpc.RegisterResourceRequest_ResourceHooksBinding) []string {
	var hooks []string
	for _, name := range binding.GetBeforeCreate() {
		hooks = append(hooks, "create "+name)
	}
	for _, name := range binding.GetBeforeUpdate() {
		hooks = append(hooks, "update "+name)
	}
	for _, name := range binding.GetBeforeDelete() {
		hooks = append(hooks, "delete "+name)
	}
	return hooks
}

// Call implements pulumi.MockResourceMonitor. The program calls no function of a provider.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the program called %s, which no test expects", args.Token)
}

// Registrations returns what was registered, sorted by type and name; the engine's own order varies
// from run to run.
func (r *Recorder) Registrations() []Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	sorted := slices.Clone(r.registrations)
	slices.SortFunc(sorted, func(a, b Registration) int {
		return strings.Compare(a.Type+" "+a.Name, b.Type+" "+b.Name)
	})
	return sorted
}

// Find returns the one registration of a type and name.
func (r *Recorder) Find(typ, name string) (Registration, bool) {
	for _, registration := range r.Registrations() {
		if registration.Type == typ && registration.Name == name {
			return registration, true
		}
	}
	return Registration{}, false
}

// Golden is the text of the golden file: JSON with a line for each registration.
func (r *Recorder) Golden() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, registration := range r.Registrations() {
		if err := encoder.Encode(registration); err != nil {
			return nil, fmt.Errorf("golden of %s: %w", registration.Name, err)
		}
	}
	return text.Bytes(), nil
}

// Run runs the program under mocks with a stack's configuration. The keys named in secrets are
// config secrets.
func (r *Recorder) Run(
	program pulumi.RunFunc, project, stack string, config map[string]string, secrets ...string,
) error {
	return pulumi.RunErr(program, pulumi.WithMocks(project, stack, r), func(info *pulumi.RunInfo) {
		info.Config = config
		info.ConfigSecretKeys = secrets
	})
}

// nameOf is the last part of a URN, or of a provider reference (URN::id).
func nameOf(reference string) string {
	urn, _, _ := strings.Cut(reference, "::unknown")
	parts := strings.Split(urn, "::")
	if len(parts) < 4 || parts[2] == string(resource.RootStackType) {
		return ""
	}
	return parts[3]
}

// propertyDependencies are the URNs that each property of a resource comes from.
type propertyDependencies = map[string]*pulumirpc.RegisterResourceRequest_PropertyDependencies

func namesOf(urns []string, properties propertyDependencies) []string {
	names := map[string]bool{}
	for _, urn := range urns {
		names[nameOf(urn)] = true
	}
	for _, property := range properties {
		for _, urn := range property.GetUrns() {
			names[nameOf(urn)] = true
		}
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}

func plain(properties resource.PropertyMap) map[string]any {
	return properties.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() {
			return map[string]any{"secret": v.SecretValue().Element.MapRepl(nil, nil)}, true
		}
		return nil, false
	})
}
