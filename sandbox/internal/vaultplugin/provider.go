// Package vaultplugin is a Pulumi provider for the package "vault", for a
// sandbox without the genuine pulumi-resource-vault (6.7.4). It speaks to Vault
// through hashicorp/vault/api and attaches to the engine with
// PULUMI_DEBUG_PROVIDERS=vault:PORT. It serves the five types that the program
// has, with the genuine plugin's names of properties and ids, and refuses every property that the program does not set.
//
// Requests to Vault are the genuine plugin's, operation by operation. What
// differs, on purpose:
//
//   - it logs one line only, the one that matters: after each read of a secret the
//     genuine plugin logs the payload, see debug.go; no error holds a
//     payload or a token;
//   - an unknown input, a payload that is not a JSON object, and a name that
//     would leave its mount (..) are refused in the preview;
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
	"strings"
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

// Provider implements pulumirpc.ResourceProviderServer. One serves any number
// of engine runs.
//
// The engine opens a connection for each provider resource and configures it
// once, so configurations are kept by connection: two provider resources with
// different Vaults don't mix. On one connection the last Configure wins.
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
func (p *Provider) Register(server *grpc.Server) {
	pulumirpc.RegisterResourceProviderServer(server, p)
}

// Close revokes the child tokens of every configuration so far. Call it when no
// engine is running; a token that cannot be revoked ends with its TTL. The
// provider stays usable.
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

// Handshake is the engine's first call.
func (p *Provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

// Attach says where the engine listens, which is where log lines go.
func (p *Provider) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	engine, err := grpc.NewClient(req.GetAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("vault provider: attach to the engine: %w", err)
	}
	p.mu.Lock()
	before := p.engines[connection(ctx)]
	p.engines[connection(ctx)] = engine
	p.mu.Unlock()
	if before != nil {
		_ = before.Close()
	}
	return &emptypb.Empty{}, nil
}

// GetPluginInfo returns Version.
func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// Cancel lets requests in flight finish, as the genuine plugin does: each ends
// within a minute, and cutting a write off would leave its outcome unknown.
func (p *Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// CheckConfig refuses settings that the built-in provider does not have.
func (p *Provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	in, err := receive(req.GetNews())
	if err != nil {
		return nil, err
	}
	_, problems := parseConfig(in.values)
	return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: failures(problems)}, nil
}

// DiffConfig never replaces a provider. As with the genuine plugin a new address
// therefore moves no secret there by itself; a refresh finds that out.
func (p *Provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	old, err := receive(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	now, err := receive(req.GetNews())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for _, name := range sortedKeys(mergeValues(old.values, now.values)) {
		if fmt.Sprint(old.values[name]) != fmt.Sprint(now.values[name]) {
			response.Changes = pulumirpc.DiffResponse_DIFF_SOME
			response.Diffs = append(response.Diffs, name)
		}
	}
	return response, nil
}

// Configure keeps the configuration for the connection it comes by. It asks
// Vault nothing.
func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	in, err := receive(req.GetArgs())
	if err != nil {
		return nil, err
	}
	c, problems := parseConfig(in.values)
	if len(problems) > 0 {
		return nil, status.Errorf(codes.InvalidArgument, "vault provider: %s %s", problems[0].property, problems[0].reason)
	}
	p.mu.Lock()
	p.sessions[connection(ctx)] = &session{config: c, proxy: p.Proxy}
	p.mu.Unlock()
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// Check refuses inputs that cannot work and fills in names and fallbacks.
func (p *Provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	in, err := receive(req.GetNews())
	if err != nil {
		return nil, err
	}
	old, err := receive(req.GetOlds())
	if err != nil {
		return nil, err
	}
	for name, f := range c.kind.fields {
		if in.values[name] != nil {
			continue
		}
		switch {
		case f.fallback != nil:
			in.values[name] = f.fallback
		case f.autoname && old.values[name] != nil:
			in.values[name] = old.values[name] // a name once given stays
		case f.autoname:
			unique, err := resource.NewUniqueName(req.GetRandomSeed(), resource.URN(req.GetUrn()).Name()+"-", 7, 0, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: name: %w", c.label, err)
			}
			in.values[name] = unique
		}
	}
	inputs, err := c.send(in.values, in)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures(check(c.kind.fields, in.values))}, nil
}

// Diff compares the inputs; a refresh has put what Vault holds into the old
// ones. A replacement deletes first: the new object often has the old one's
// name, and Vault can hold only one of them.
func (p *Provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	before := req.GetOldInputs()
	if before == nil {
		before = req.GetOlds()
	}
	old, err := receive(before)
	if err != nil {
		return nil, err
	}
	now, err := receive(req.GetNews())
	if err != nil {
		return nil, err
	}

	response := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	for _, name := range changed(c.kind.fields, old.values, now.values) {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		difference := pulumirpc.PropertyDiff_UPDATE
		if c.kind.fields[name].replace {
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
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	in, err := receive(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		properties, err := c.preview(in)
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	id := c.kind.id(in.values)
	properties, err := c.write(ctx, id, nil, in)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, nil
}

// Update brings the object to the new inputs and reads it back.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	in, err := receive(req.GetNews())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		properties, err := c.preview(in)
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	old, err := receive(req.GetOlds())
	if err != nil {
		return nil, err
	}
	properties, err := c.write(ctx, req.GetId(), &old, in)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: properties}, nil
}

// Read is a refresh or, with no state, an import. An object that is gone has no
// id in the answer.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	state, err := receive(req.GetProperties())
	if err != nil {
		return nil, err
	}
	in, err := receive(req.GetInputs())
	if err != nil {
		return nil, err
	}
	if len(in.values) == 0 {
		in.values = c.kind.identify(req.GetId())
	}
	state.values = mergeValues(c.kind.identify(req.GetId()), state.values)

	vault, words, err := c.vault(ctx, state)
	if err != nil {
		return nil, err
	}
	live, err := c.kind.read(p.logging(ctx), vault, req.GetId(), state.values)
	if err != nil {
		return nil, c.fail(req.GetId(), "refresh", err, words)
	}
	if live == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	keepNamespace(live, state.values)
	properties, err := c.send(live, state, in)
	if err != nil {
		return nil, err
	}
	inputs, err := c.send(project(c.kind.fields, in.values, live), in)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: properties, Inputs: inputs}, nil
}

// Delete removes the object from Vault.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	c, err := p.call(req.GetUrn())
	if err != nil {
		return nil, err
	}
	state, err := receive(req.GetProperties())
	if err != nil {
		return nil, err
	}
	vault, words, err := c.vault(ctx, state)
	if err != nil {
		return nil, err
	}
	state.values = mergeValues(c.kind.identify(req.GetId()), state.values)
	if err := c.kind.delete(ctx, vault, req.GetId(), state.values); err != nil {
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

func (p *Provider) call(urn string) (call, error) {
	u := resource.URN(urn)
	k, known := kinds[string(u.Type())]
	if !known {
		return call{}, status.Errorf(codes.Unimplemented,
			"vault provider: the built-in provider has no type %s: install the genuine plugin (pulumi plugin install resource vault %s)", u.Type(), Version)
	}
	return call{provider: p, kind: k, label: fmt.Sprintf("%s %q", u.Type(), u.Name())}, nil
}

// vault returns a client for the call's connection and its resource's
// namespace, and the strings that messages about the call must not hold.
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
		words = append(words, b.secrets(c.kind)...)
	}
	if err != nil {
		// Nothing has been asked of the resource yet, so its state is known.
		return nil, nil, status.Errorf(codes.FailedPrecondition, "%s: %s", c.label, describe(err, words))
	}
	for _, b := range about {
		if namespace := str(b.values, "namespace"); namespace != "" {
			client = client.WithNamespace(strings.Trim(s.config.namespace+"/"+namespace, "/"))
			break
		}
	}
	return client, words, nil
}

// write makes (old nil) or updates the object, reads it back and returns its
// outputs. If Vault took a write and a later step failed, the error carries the
// outputs as far as known: the engine then keeps the resource and repairs it in
// the next update, where a plain error would orphan the object. A failed update
// does so always, as the genuine plugin's: whether Vault took it may be unknown,
// and the next update writes again even if nothing in the program changed.
func (c call) write(ctx context.Context, id string, old *bag, now bag) (*structpb.Struct, error) {
	about := []bag{now}
	var oldValues values
	if old != nil {
		about, oldValues = append(about, *old), old.values
	}
	vault, words, err := c.vault(ctx, about...)
	if err != nil {
		if old != nil {
			return nil, c.unfinished(id, status.Convert(err).Message(), now, about)
		}
		return nil, err
	}

	err = c.kind.write(ctx, vault, id, oldValues, now.values)
	if err != nil && old == nil && !errors.Is(err, errHalfDone) {
		return nil, c.fail(id, "write", err, words)
	}
	var live values
	if err == nil {
		live, err = c.kind.read(c.provider.logging(ctx), vault, id, now.values)
		if err == nil && live == nil {
			err = errors.New("it was written and is not there: look for what deletes it")
		}
	}
	if err != nil {
		return nil, c.unfinished(id, c.message(id, "write", err, words), now, about)
	}
	keepNamespace(live, now.values)
	return c.send(live, about...)
}

// unfinished is the error that keeps the resource in the state, to be repaired.
func (c call) unfinished(id, message string, now bag, about []bag) error {
	outputs, err := c.send(now.values, about...)
	if err != nil {
		return err
	}
	failed := status.New(codes.Unknown, message)
	detailed, err := failed.WithDetails(&pulumirpc.ErrorResourceInitFailed{Id: id, Properties: outputs, Reasons: []string{message}})
	if err != nil {
		return failed.Err()
	}
	return detailed.Err()
}

// preview returns the outputs that are known before anything is written.
func (c call) preview(in bag) (*structpb.Struct, error) {
	out := maps.Clone(in.values)
	for name, f := range c.kind.fields {
		if f.output || (f.server && out[name] == nil) {
			out[name] = unknown{}
		}
	}
	return c.send(out, in)
}

func (c call) message(id, action string, err error, words []string) string {
	return fmt.Sprintf("%s: %s %s: %s", c.label, action, redact(id, words), describe(err, words))
}

func (c call) fail(id, action string, err error, words []string) error {
	return status.Error(code(err), c.message(id, action, err, words))
}

// bag is a set of properties with the names of those that hold secrets.
type bag struct {
	values values
	secret map[string]bool
}

// receive reads properties off the wire, without the engine's and the bridge's
// own (those that begin with two underscores).
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
		if strings.HasPrefix(string(name), "__") {
			continue
		}
		b.values[string(name)] = plain(v)
		b.secret[string(name)] = v.ContainsSecrets()
	}
	return b, nil
}

// send puts values on the wire. A property is secret if its field is, or if one
// of its name was in any of the bags that the values come from.
func (c call) send(v values, from ...bag) (*structpb.Struct, error) {
	properties := resource.PropertyMap{}
	for name, value := range v {
		if value == nil {
			continue
		}
		property := fromPlain(value)
		secret := c.kind.fields[name].secret
		for _, b := range from {
			secret = secret || b.secret[name]
		}
		if secret {
			property = resource.MakeSecret(property)
		}
		properties[resource.PropertyKey(name)] = property
	}
	wire, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		return nil, status.Errorf(codes.Internal, "%s: properties that cannot be sent", c.label)
	}
	return wire, nil
}

// secrets lists every string in the bag's secret properties.
func (b bag) secrets(k kind) []string {
	var words []string
	for name, v := range b.values {
		if b.secret[name] || k.fields[name].secret {
			words = leaves(words, v)
		}
	}
	return words
}

func plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsComputed(), v.IsOutput():
		return unknown{}
	case v.IsArray():
		out := []any{}
		for _, item := range v.ArrayValue() {
			out = append(out, plain(item))
		}
		return out
	case v.IsObject():
		out := values{}
		for name, item := range v.ObjectValue() {
			if !strings.HasPrefix(string(name), "__") {
				out[string(name)] = plain(item)
			}
		}
		return out
	}
	return v.V // string, bool, float64 or nil
}

func fromPlain(v any) resource.PropertyValue {
	switch v := v.(type) {
	case unknown:
		return resource.MakeComputed(resource.NewProperty(""))
	case []any:
		items := []resource.PropertyValue{}
		for _, item := range v {
			items = append(items, fromPlain(item))
		}
		return resource.NewProperty(items)
	case map[string]any:
		properties := resource.PropertyMap{}
		for name, item := range v {
			properties[resource.PropertyKey(name)] = fromPlain(item)
		}
		return resource.NewProperty(properties)
	}
	return resource.NewPropertyValue(v)
}

// keepNamespace copies the one property that Vault itself does not return.
func keepNamespace(live, known values) {
	if namespace := known["namespace"]; namespace != nil {
		live["namespace"] = namespace
	}
}

func failures(problems []problem) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	for _, p := range problems {
		out = append(out, &pulumirpc.CheckFailure{Property: p.property, Reason: p.reason})
	}
	return out
}

// connection names the engine's end of the connection that a call came by.
func connection(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
