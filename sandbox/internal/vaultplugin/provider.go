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
	"google.golang.org/grpc/credentials/insecure"
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
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	// Proxy tells the proxy for a request to Vault; nil means the environment's, as for the genuine plugin.
	Proxy func(*http.Request) (*url.URL, error)

	mu       sync.Mutex
	sessions map[string]*session         // by the engine's address on the connection
	engines  map[string]*grpc.ClientConn // where the same connection's engine takes log lines
}

// New returns a provider that nothing has configured yet.
func New() *Provider {
	return &Provider{sessions: map[string]*session{}, engines: map[string]*grpc.ClientConn{}}
}

// Register adds the provider to a gRPC server.
func (p *Provider) Register(server *grpc.Server) { pulumirpc.RegisterResourceProviderServer(server, p) }

// Close revokes the child tokens of every configuration so far. Call it when no engine is running; a token that cannot
// be revoked ends with its TTL. The provider stays usable.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	sessions, engines := slices.Collect(maps.Values(p.sessions)), slices.Collect(maps.Values(p.engines))
	clear(p.sessions)
	clear(p.engines)
	p.mu.Unlock()
	var errs []error
	for _, engine := range engines {
		errs = append(errs, engine.Close())
	}
	for _, s := range sessions {
		if err := s.close(ctx); err != nil {
			errs = append(errs, errors.New("revoke a child token: "+describe(err, s.secrets())))
		}
	}
	return errors.Join(errs...)
}

// Attach says where the engine listens, which is where log lines go.
func (p *Provider) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	engine, err := grpc.NewClient(req.GetAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("vault provider: attach to the engine: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.engines[connection(ctx)] = engine
	return &emptypb.Empty{}, nil
}

// engineKey is the context's key for the engine that takes a call's log lines.
type engineKey struct{}

// debugf logs a line for the engine, as the bridge forwards a line of the genuine plugin: for no resource, at debug
// level. A normal run hides it; --json, --debug and the event log show it, and the engine replaces in it what equals a
// configuration secret. After each read of a secret the line holds the whole payload in Go's syntax
// (terraform-provider-vault 4.8.0). A plugin here that kept quiet would let every test of masking pass.
func debugf(ctx context.Context, format string, args ...any) {
	if engine, _ := ctx.Value(engineKey{}).(*grpc.ClientConn); engine != nil {
		_, _ = pulumirpc.NewEngineClient(engine).Log(ctx, &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_DEBUG, Message: fmt.Sprintf(format, args...),
		})
	}
}

// GetPluginInfo returns Version.
func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// Configure keeps the configuration for the connection it comes by. It asks Vault nothing.
func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	in, err := receive(req.GetArgs())
	if err != nil {
		return nil, err
	}
	s, err := newSession(in.values)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "vault provider: %s", err)
	}
	s.proxy = p.Proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[connection(ctx)] = s
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// Check refuses inputs that the program does not set, and marks those that the genuine plugin marks.
func (p *Provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	c, bags, err := p.call(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{}
	for _, name := range unknownInputs("", c.kind.fields, bags[0].values) {
		response.Failures = append(response.Failures, &pulumirpc.CheckFailure{
			Property: name, Reason: "the built-in Vault provider does not know this input: look for a typo, or install the genuine plugin",
		})
	}
	response.Inputs, err = c.send(bags[0].values, bags[0])
	return response, err
}

// Diff compares the inputs; a refresh has put what Vault holds into the old ones. A replacement deletes first: the new
// object often has the old one's name, and Vault can hold only one of them.
func (p *Provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	c, bags, err := p.call(req.GetUrn(), req.GetOldInputs(), req.GetNews())
	if err != nil {
		return nil, err
	}
	old, now := bags[0].values, bags[1].values
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	for _, name := range slices.Sorted(maps.Keys(c.kind.fields)) {
		f := c.kind.fields[name]
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
	c, bags, err := p.call(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CreateResponse{}
	if req.GetPreview() {
		response.Properties, err = c.preview(bags[0])
		return response, err
	}
	response.Id = c.kind.id(bags[0].values)
	response.Properties, err = c.write(ctx, response.GetId(), bags[0], nil)
	return response, err
}

// Update brings the object to the new inputs and reads it back.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	c, bags, err := p.call(req.GetUrn(), req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.UpdateResponse{}
	if req.GetPreview() {
		response.Properties, err = c.preview(bags[0])
		return response, err
	}
	response.Properties, err = c.write(ctx, req.GetId(), bags[0], &bags[1])
	return response, err
}

// Read is a refresh or, with no state, an import. An object that is gone has no id in the answer.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	c, bags, err := p.call(req.GetUrn(), req.GetProperties(), req.GetInputs())
	if err != nil {
		return nil, err
	}
	state, in, identity := bags[0], bags[1], c.kind.identify(req.GetId())
	if len(in.values) == 0 {
		in.values = identity
	}
	maps.Copy(identity, state.values)
	vault, words, err := c.vault(ctx, state)
	if err != nil {
		return nil, err
	}
	live, err := c.kind.read(c.logging(ctx), vault, req.GetId(), identity)
	if err != nil {
		return nil, c.fail(req.GetId(), "refresh", err, words)
	}
	if live == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	response := &pulumirpc.ReadResponse{Id: req.GetId()}
	if response.Properties, err = c.send(live, state, in); err != nil {
		return nil, err
	}
	response.Inputs, err = c.send(project(c.kind.fields, in.values, live), in)
	return response, err
}

// Delete removes the object from Vault.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	c, bags, err := p.call(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	vault, words, err := c.vault(ctx, bags[0])
	if err != nil {
		return nil, err
	}
	state := c.kind.identify(req.GetId())
	maps.Copy(state, bags[0].values)
	if err := c.kind.delete(ctx, vault, req.GetId(), state); err != nil {
		return nil, c.fail(req.GetId(), "delete", err, words)
	}
	return &emptypb.Empty{}, nil
}

// call is one request for one resource.
type call struct {
	provider *Provider
	kind     kind
	label    string // the resource in messages
}

// call begins a request: it finds the type, and reads the properties that came with it.
func (p *Provider) call(urn string, wires ...*structpb.Struct) (call, []bag, error) {
	u := resource.URN(urn)
	k, known := kinds[string(u.Type())]
	if !known {
		return call{}, nil, status.Errorf(codes.Unimplemented,
			"vault provider: the built-in provider has no type %s: install the genuine plugin (pulumi plugin install resource vault %s)", u.Type(), Version)
	}
	var bags []bag
	for _, wire := range wires {
		b, err := receive(wire)
		if err != nil {
			return call{}, nil, err
		}
		bags = append(bags, b)
	}
	return call{provider: p, kind: k, label: fmt.Sprintf("%s %q", u.Type(), u.Name())}, bags, nil
}

// logging gives a call the engine's end of its own connection for log lines.
func (c call) logging(ctx context.Context) context.Context {
	c.provider.mu.Lock()
	defer c.provider.mu.Unlock()
	return context.WithValue(ctx, engineKey{}, c.provider.engines[connection(ctx)])
}

// vault returns a client for the call's connection, and the strings that messages about the call must not hold.
func (c call) vault(ctx context.Context, about ...bag) (*api.Client, []string, error) {
	c.provider.mu.Lock()
	s := c.provider.sessions[connection(ctx)]
	c.provider.mu.Unlock()
	if s == nil {
		// Another connection's configuration may be another Vault's.
		return nil, nil, status.Errorf(codes.FailedPrecondition,
			"%s: this connection of the engine has no configuration (it may have been idle for long): run the command again", c.label)
	}
	client, err := s.vault(ctx)
	words := s.secrets()
	for _, b := range about {
		for name, v := range b.values {
			if b.secret[name] || c.kind.fields[name].secret {
				words = leaves(words, v)
			}
		}
	}
	if err != nil {
		// Nothing has been asked of the resource yet, so its state is known.
		return nil, nil, status.Errorf(codes.FailedPrecondition, "%s: %s", c.label, describe(err, words))
	}
	return client, words, nil
}

// write makes (old nil) or updates the object, reads it back and returns its outputs. If Vault took a write and a later
// step failed, the error carries the outputs as far as known: the engine then keeps the resource and repairs it in the
// next update, where a plain error would orphan the object. A failed update does so always, as the genuine plugin's:
// whether Vault took it may be unknown, and the next update writes again even if nothing in the program changed.
func (c call) write(ctx context.Context, id string, now bag, old *bag) (*structpb.Struct, error) {
	about, before := []bag{now}, values(nil)
	if old != nil {
		about, before = append(about, *old), old.values
	}
	vault, words, err := c.vault(ctx, about...)
	if err != nil {
		if old != nil {
			return nil, c.unfinished(id, status.Convert(err).Message(), now, about)
		}
		return nil, err
	}
	err = c.kind.write(ctx, vault, id, before, now.values)
	if err != nil && old == nil && !errors.Is(err, errHalfDone) {
		return nil, c.fail(id, "write", err, words)
	}
	var live values
	if err == nil {
		live, err = c.kind.read(c.logging(ctx), vault, id, now.values)
		if err == nil && live == nil {
			err = errors.New("it was written and is not there: look for what deletes it")
		}
	}
	if err != nil {
		return nil, c.unfinished(id, c.message(id, "write", err, words), now, about)
	}
	return c.send(live, about...)
}

// unfinished is the error that keeps the resource in the state, to be repaired.
func (c call) unfinished(id, message string, now bag, about []bag) error {
	outputs, err := c.send(now.values, about...)
	if err != nil {
		return err
	}
	failed, err := status.New(codes.Unknown, message).WithDetails(
		&pulumirpc.ErrorResourceInitFailed{Id: id, Properties: outputs, Reasons: []string{message}})
	if err != nil {
		return err
	}
	return failed.Err()
}

// preview returns the outputs that are known before anything is written.
func (c call) preview(in bag) (*structpb.Struct, error) {
	out := maps.Clone(in.values)
	for name, f := range c.kind.fields {
		if f.output {
			out[name] = unknown{}
		}
	}
	return c.send(out, in)
}

func (c call) message(id, action string, err error, words []string) string {
	return fmt.Sprintf("%s: %s %s: %s", c.label, action, redact(id, words), describe(err, words))
}

// fail is an error with a gRPC code. What Vault answered is known to have failed; anything else, such as a lost
// connection, leaves open what happened, which Unknown tells the engine.
func (c call) fail(id, action string, err error, words []string) error {
	code := codes.Unknown
	if answer := (*api.ResponseError)(nil); errors.As(err, &answer) {
		code = codes.FailedPrecondition
	}
	return status.Error(code, c.message(id, action, err, words))
}

// bag is a set of properties with the names of those that hold secrets.
type bag struct {
	values values
	secret map[string]bool
}

// receive reads properties off the wire, without the engine's own.
func receive(wire *structpb.Struct) (bag, error) {
	properties, err := plugin.UnmarshalProperties(wire, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, SkipNulls: true, SkipInternalKeys: true,
	})
	if err != nil {
		// The message could quote a property.
		return bag{}, status.Error(codes.InvalidArgument, "vault provider: the engine sent properties that cannot be read")
	}
	b := bag{values: values{}, secret: map[string]bool{}}
	for name, v := range properties {
		b.values[string(name)] = plain(v)
		b.secret[string(name)] = v.ContainsSecrets()
	}
	return b, nil
}

// send puts values on the wire. A property is secret if its field is, or if one of its name was in any of the bags that
// the values come from.
func (c call) send(v values, from ...bag) (*structpb.Struct, error) {
	properties := resource.NewPropertyMapFromMapRepl(v, nil, func(v any) (resource.PropertyValue, bool) {
		_, isUnknown := v.(unknown)
		return resource.MakeComputed(resource.NewProperty("")), isUnknown
	})
	for key, property := range properties {
		name := string(key)
		if c.kind.fields[name].secret || slices.ContainsFunc(from, func(b bag) bool { return b.secret[name] }) {
			properties[key] = resource.MakeSecret(property)
		}
	}
	wire, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
	if err != nil {
		return nil, status.Errorf(codes.Internal, "%s: properties that cannot be sent", c.label)
	}
	return wire, nil
}

func plain(v resource.PropertyValue) any {
	return v.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		switch {
		case v.IsSecret():
			return plain(v.SecretValue().Element), true
		case v.IsComputed(), v.IsOutput():
			return unknown{}, true
		}
		return nil, false
	})
}

// connection names the engine's end of the connection that a call came by.
func connection(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
