// Package vaultplugin is a Pulumi provider for the package "vault", for a sandbox without the genuine
// pulumi-resource-vault (6.7.4). It serves what the program sets of its five types, with the genuine plugin's names of
// properties and ids, and refuses everything else. The engine finds it by PULUMI_DEBUG_PROVIDERS=vault:PORT.
//
// Requests to Vault are the genuine plugin's, operation by operation. What differs, on purpose:
//
//   - of the genuine plugin's log it has one line, the one that holds a payload: see [debugf]. No error holds a payload
//     or a token;
//   - a write whose second step fails gets into the state;
//   - a KV v1 engine is an error when a secret is read back, not a success;
//   - a Mount's changed path replaces the mount;
//   - the child token is revoked by Close instead of living out its TTL.
package vaultplugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Version is the genuine plugin's version whose behaviour this one follows.
const Version = "6.7.4"

// Provider implements pulumirpc.ResourceProviderServer. One serves any number of engine runs.
//
// The engine opens a connection for each provider resource and configures it once, so configurations are kept by
// connection: two provider resources with different Vaults don't mix.
//
// Like azure-native's, it takes no marks of secrets: the engine puts them back on every output that has the name of a
// secret input.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	// Proxy tells the proxy for a request to Vault; nil means the environment's, as for the genuine plugin.
	Proxy func(*http.Request) (*url.URL, error)

	mu       sync.Mutex
	sessions map[string]*session // by the engine's address on the connection
}

// New returns a provider that nothing has configured yet.
func New() *Provider { return &Provider{sessions: map[string]*session{}} }

// Register adds the provider to a gRPC server.
func (p *Provider) Register(server *grpc.Server) { pulumirpc.RegisterResourceProviderServer(server, p) }

// Close revokes the child tokens of every configuration so far. Call it when no engine is running; a token that cannot
// be revoked ends with its TTL. The provider stays usable.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.sessions {
		if err := s.close(ctx); err != nil {
			errs = append(errs, errors.New("revoke a child token: "+describe(err, s.secrets())))
		}
	}
	clear(p.sessions)
	return errors.Join(errs...)
}

// session is that of the connection by which a call came.
func (p *Provider) session(ctx context.Context) *session {
	connection := ""
	if engine, ok := peer.FromContext(ctx); ok {
		connection = engine.Addr.String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions[connection] == nil {
		p.sessions[connection] = &session{proxy: p.Proxy}
	}
	return p.sessions[connection]
}

// Attach says where the engine listens, which is where log lines go.
func (p *Provider) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	if err := p.session(ctx).attach(req.GetAddress()); err != nil {
		return nil, fmt.Errorf("vault provider: attach to the engine: %w", err)
	}
	return &emptypb.Empty{}, nil
}

// GetPluginInfo returns Version.
func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// Configure keeps the configuration for the connection it comes by. It asks Vault nothing.
func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	in, err := receive(req.GetArgs())
	if err == nil {
		err = p.session(ctx).configure(in)
	}
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "vault provider: %s", err)
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

// Check refuses inputs that the program does not set, and marks those that the genuine plugin marks.
func (p *Provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	c, in, err := p.call(ctx, req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{}
	for _, name := range unknownInputs("", c.fields, in[0]) {
		response.Failures = append(response.Failures, &pulumirpc.CheckFailure{
			Property: name, Reason: "the built-in Vault provider does not know this input: look for a typo, or install the genuine plugin",
		})
	}
	response.Inputs, err = c.send(in[0])
	return response, err
}

// Diff compares the inputs; a refresh has put what Vault holds into the old ones. A replacement deletes first: the new
// object often has the old one's name, and Vault can hold only one of them.
func (p *Provider) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	c, in, err := p.call(ctx, req.GetUrn(), req.GetOldInputs(), req.GetNews())
	if err != nil {
		return nil, err
	}
	old, now := in[0], in[1]
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	for _, name := range slices.Sorted(maps.Keys(c.fields)) {
		f := c.fields[name]
		if f.output || now[name] != any(unknown{}) && f.equal(old[name], now[name]) {
			continue
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		difference := pulumirpc.PropertyDiff_UPDATE
		if f.replace {
			response.Replaces = append(response.Replaces, name)
			response.DeleteBeforeReplace = true
			difference = pulumirpc.PropertyDiff_UPDATE_REPLACE
		}
		response.DetailedDiff[name] = &pulumirpc.PropertyDiff{Kind: difference, InputDiff: true}
	}
	return response, nil
}

// Create writes the object and reads it back.
func (p *Provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	id, outputs, err := p.apply(ctx, req.GetUrn(), "", nil, req.GetProperties(), req.GetPreview())
	return &pulumirpc.CreateResponse{Id: id, Properties: outputs}, err
}

// Update brings the object to the new inputs and reads it back.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	_, outputs, err := p.apply(ctx, req.GetUrn(), req.GetId(), req.GetOlds(), req.GetNews(), req.GetPreview())
	return &pulumirpc.UpdateResponse{Properties: outputs}, err
}

// apply creates the object where there is no id yet.
func (p *Provider) apply(ctx context.Context, urn, id string, olds, news *structpb.Struct, preview bool) (string, *structpb.Struct, error) {
	c, in, err := p.call(ctx, urn, olds, news)
	if err != nil {
		return "", nil, err
	}
	old, now := in[0], in[1]
	if preview {
		out := maps.Clone(now)
		for name, f := range c.fields {
			if f.output {
				out[name] = unknown{} // before anything is written
			}
		}
		outputs, err := c.send(out)
		return id, outputs, err
	}
	if id == "" {
		id, old = c.idOf(now), nil
	}
	outputs, err := c.write(ctx, id, old, now)
	return id, outputs, err
}

// Read is a refresh or, with no state, an import. An object that is gone has no id in the answer.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	c, before, err := p.call(ctx, req.GetUrn(), req.GetProperties(), req.GetInputs())
	if err != nil {
		return nil, err
	}
	state, inputs := c.identify(req.GetId()), before[1]
	if len(inputs) == 0 {
		inputs = maps.Clone(state)
	}
	maps.Copy(state, before[0])
	vault, err := c.vault(ctx)
	if err != nil {
		return nil, err
	}
	live, err := c.read(ctx, vault, req.GetId(), state)
	if err != nil {
		return nil, c.fail(req.GetId(), "refresh", err)
	}
	if live == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	response := &pulumirpc.ReadResponse{Id: req.GetId()}
	if response.Properties, err = c.send(live); err != nil {
		return nil, err
	}
	response.Inputs, err = c.send(project(c.fields, inputs, live))
	return response, err
}

// Delete removes the object from Vault.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	c, before, err := p.call(ctx, req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	vault, err := c.vault(ctx)
	if err != nil {
		return nil, err
	}
	state := c.identify(req.GetId())
	maps.Copy(state, before[0])
	if err := vault.delete(ctx, c.deletePath(req.GetId(), state)); err != nil {
		return nil, c.fail(req.GetId(), "delete", err)
	}
	return &emptypb.Empty{}, nil
}

// call is one request for one resource.
type call struct {
	kind

	session *session
	label   string   // the resource in messages
	words   []string // that no message may hold
}

// call begins a request: it finds the type, and reads the properties that came with it.
func (p *Provider) call(ctx context.Context, urn string, wires ...*structpb.Struct) (call, []values, error) {
	u := resource.URN(urn)
	k, known := kinds[string(u.Type())]
	if !known {
		return call{}, nil, status.Errorf(codes.Unimplemented,
			"vault provider: the built-in provider has no type %s: install the genuine plugin (pulumi plugin install resource vault %s)", u.Type(), Version)
	}
	c := call{kind: k, session: p.session(ctx), label: fmt.Sprintf("%s %q", u.Type(), u.Name())}
	all := make([]values, len(wires))
	for i, wire := range wires {
		var err error
		if all[i], err = receive(wire); err != nil {
			return call{}, nil, status.Errorf(codes.InvalidArgument, "%s: %s", c.label, err)
		}
		for name, f := range k.fields {
			if f.secret {
				c.words = leaves(c.words, all[i][name])
			}
		}
	}
	return c, all, nil
}

// vault returns a client for the call's connection.
func (c call) vault(ctx context.Context) (vault, error) {
	v, err := c.session.vault(ctx)
	if err != nil {
		// Nothing has been asked of the resource yet, so its state is known.
		return vault{}, status.Errorf(codes.FailedPrecondition, "%s: %s", c.label, c.describe(err))
	}
	return v, nil
}

// write makes (old nil) or updates the object, reads it back and returns its outputs. If Vault took a write and a later
// step failed, the error carries the outputs as far as known: the engine then keeps the resource and repairs it in the
// next update, where a plain error would orphan the object. A failed update does so always, as the genuine plugin's:
// whether Vault took it may be unknown, and the next update writes again even if nothing in the program changed.
func (c call) write(ctx context.Context, id string, old, now values) (*structpb.Struct, error) {
	live, exists, err := c.writeAndRead(ctx, id, old, now)
	if err == nil {
		return c.send(live)
	}
	if old == nil && !exists {
		return nil, err
	}
	outputs, sendErr := c.send(now)
	failure := status.New(codes.Unknown, status.Convert(err).Message())
	failed, detailErr := failure.WithDetails(
		&pulumirpc.ErrorResourceInitFailed{Id: id, Properties: outputs, Reasons: []string{failure.Message()}})
	if err := errors.Join(sendErr, detailErr); err != nil {
		return nil, err
	}
	return nil, failed.Err()
}

func (c call) writeAndRead(ctx context.Context, id string, old, now values) (live values, exists bool, err error) {
	vault, err := c.vault(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := c.kind.write(ctx, vault, id, old, now); err != nil {
		return nil, errors.Is(err, errHalfDone), c.fail(id, "write", err)
	}
	live, err = c.read(ctx, vault, id, now)
	if err == nil && live == nil {
		err = errors.New("it was written and is not there: look for what deletes it")
	}
	if err != nil {
		return nil, true, c.fail(id, "write", err)
	}
	return live, true, nil
}

func (c call) describe(err error) string {
	return describe(err, append(c.session.secrets(), c.words...))
}

// fail is an error with a gRPC code. What Vault answered is known to have failed; anything else, such as a lost
// connection, leaves open what happened, which Unknown tells the engine.
func (c call) fail(id, action string, err error) error {
	code := codes.Unknown
	if answer := (*api.ResponseError)(nil); errors.As(err, &answer) {
		code = codes.FailedPrecondition
	}
	return status.Error(code, c.label+": "+c.describe(fmt.Errorf("%s %s: %w", action, id, err)))
}

// receive reads properties off the wire, without the engine's own.
func receive(wire *structpb.Struct) (values, error) {
	properties, err := plugin.UnmarshalProperties(wire, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true, SkipInternalKeys: true})
	if err != nil {
		return nil, errors.New("the engine sent properties that cannot be read") // the error could quote one
	}
	return properties.MapRepl(nil, func(v resource.PropertyValue) (any, bool) { return unknown{}, v.IsComputed() || v.IsOutput() }), nil
}

// send puts values on the wire.
func (c call) send(v values) (*structpb.Struct, error) {
	properties := resource.NewPropertyMapFromMapRepl(v, nil, func(v any) (resource.PropertyValue, bool) {
		_, isUnknown := v.(unknown)
		return resource.MakeComputed(resource.NewProperty("")), isUnknown
	})
	for name, property := range properties {
		if c.fields[string(name)].secret {
			properties[name] = resource.MakeSecret(property)
		}
	}
	wire, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
	if err != nil {
		return nil, status.Errorf(codes.Internal, "%s: properties that cannot be sent", c.label)
	}
	return wire, nil
}
