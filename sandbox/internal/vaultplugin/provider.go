// Package vaultplugin is a Pulumi provider for the package "vault", for a sandbox without the
// genuine pulumi-resource-vault (6.7.4). It serves what the program sets of its five types, with
// the genuine plugin's names of properties and ids, and refuses everything else. The engine finds
// it by PULUMI_DEBUG_PROVIDERS=vault:PORT.
//
// Requests to Vault are the genuine plugin's, operation by operation. What differs, on purpose:
//
//   - of the genuine plugin's log it has one line, the one that holds a payload: see [debugf];
//   - no error holds Vault's address;
//   - a Mount's changed path replaces the mount. The genuine plugin moves the engine, after which
//     every secret in it fails to delete at its old path.
package vaultplugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

// Version is the genuine plugin's version whose behaviour this one follows.
const Version = "6.7.4"

const notKnown = "the built-in Vault provider does not know this: " +
	"look for a typo, or install the genuine plugin"

// Provider serves any number of engine runs.
//
// The engine opens a connection for each provider resource and configures it once, so
// configurations are kept by connection: two provider resources with different Vaults don't mix.
type Provider struct {
	plugin.UnimplementedProvider

	proxy func(*http.Request) (*url.URL, error)

	mu       sync.Mutex
	sessions map[string]*session // by the engine's address on the connection
}

// New returns a provider that nothing has configured yet. proxy tells the proxy for a request to
// Vault.
func New(proxy func(*http.Request) (*url.URL, error)) *Provider {
	return &Provider{proxy: proxy, sessions: map[string]*session{}}
}

// Register adds the provider to a gRPC server.
func (p *Provider) Register(server *grpc.Server) {
	pulumirpc.RegisterResourceProviderServer(server, plugin.NewProviderServer(p))
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
		p.sessions[connection] = &session{proxy: p.proxy}
	}
	return p.sessions[connection]
}

// Handshake says where the engine listens, which is where log lines go. Like azure-native's, this
// provider takes no marks of secrets: the engine puts them back on every output that has the name
// of a secret input.
func (p *Provider) Handshake(
	ctx context.Context, req plugin.ProviderHandshakeRequest,
) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, p.session(ctx).attach(req.EngineAddress)
}

// Attach repeats the handshake's address.
func (p *Provider) Attach(string) error { return nil }

// GetPluginInfo returns Version.
func (p *Provider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	version, err := semver.Parse(Version)
	return plugin.PluginInfo{Version: &version}, err
}

// Configure keeps the configuration for the connection it comes by. It asks Vault nothing.
func (p *Provider) Configure(
	ctx context.Context, req plugin.ConfigureRequest,
) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, p.session(ctx).configure(req.Inputs.Mappable())
}

// Check refuses inputs that the program does not set.
func (p *Provider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	k, err := kindOf(req.URN)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	response := plugin.CheckResponse{Properties: req.News}
	for _, name := range req.News.StableKeys() {
		if _, known := k.fields[string(name)]; !known {
			failure := plugin.CheckFailure{Property: name, Reason: notKnown}
			response.Failures = append(response.Failures, failure)
		}
	}
	return response, nil
}

// Diff compares the inputs; a refresh has put what Vault holds into the old ones. A replacement
// deletes first: the new object often has the old one's name, and Vault can hold only one of them.
func (p *Provider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	k, err := kindOf(req.URN)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	diff := plugin.DiffResult{Changes: plugin.DiffNone}
	for name := range k.fields {
		key := resource.PropertyKey(name)
		if same(req.OldInputs[key], req.NewInputs[key]) {
			continue
		}
		diff.Changes = plugin.DiffSome
		diff.ChangedKeys = append(diff.ChangedKeys, key)
		if slices.Contains(k.names, name) {
			diff.ReplaceKeys = append(diff.ReplaceKeys, key)
			diff.DeleteBeforeReplace = true
		}
	}
	return diff, nil
}

// same compares two values as Vault would: JSON has no spacing. Numbers in it are compared as
// 64-bit floats, because that is how the KV engine reads them back: one beyond 2^53 would otherwise
// differ from itself after a refresh.
func same(a, b resource.PropertyValue) bool {
	if !a.IsString() || !b.IsString() {
		return a.DeepEquals(b)
	}
	one, oneIsJSON := parseObject(a.StringValue())
	other, otherIsJSON := parseObject(b.StringValue())
	if oneIsJSON && otherIsJSON {
		return reflect.DeepEqual(one, other)
	}
	return a.StringValue() == b.StringValue()
}

func parseObject(text string) (object map[string]any, isObject bool) {
	err := json.Unmarshal([]byte(text), &object)
	return object, err == nil
}

// Create writes the object and reads it back.
func (p *Provider) Create(
	ctx context.Context, req plugin.CreateRequest,
) (plugin.CreateResponse, error) {
	k, err := kindOf(req.URN)
	if err != nil || req.Preview {
		return plugin.CreateResponse{Properties: req.Properties}, err
	}
	id := k.id(req.Properties)
	outputs, err := p.write(ctx, k, id, nil, req.Properties)
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, err
}

// Update brings the object to the new inputs and reads it back.
func (p *Provider) Update(
	ctx context.Context, req plugin.UpdateRequest,
) (plugin.UpdateResponse, error) {
	k, err := kindOf(req.URN)
	if err != nil || req.Preview {
		return plugin.UpdateResponse{Properties: req.NewInputs}, err
	}
	outputs, err := p.write(ctx, k, string(req.ID), req.OldOutputs.Mappable(), req.NewInputs)
	return plugin.UpdateResponse{Properties: outputs}, err
}

// write makes the object (old is nil) or updates it, and reads it back. If only reading fails, the
// error carries the inputs: the engine then keeps the resource and repairs it in the next update,
// where a plain error would orphan the object. A failed update does so always: whether Vault took
// it may be unknown, and the next update writes again even if nothing in the program changed.
func (p *Provider) write(
	ctx context.Context, k kind, id string, old values, inputs resource.PropertyMap,
) (resource.PropertyMap, error) {
	s := p.session(ctx)
	live, written, err := s.write(ctx, k, id, old, inputs.Mappable())
	if err == nil {
		return marked(resource.NewPropertyMapFromMap(live)), nil
	}
	err = s.fail("write "+id, err)
	exists := written || old != nil
	kept, marshalErr := plugin.MarshalProperties(inputs, plugin.MarshalOptions{})
	if !exists || marshalErr != nil {
		return nil, err
	}
	reason := err.Error()
	return nil, rpcerror.WithDetails(rpcerror.New(codes.Unknown, reason),
		&pulumirpc.ErrorResourceInitFailed{Id: id, Properties: kept, Reasons: []string{reason}})
}

// Read is a refresh or, with no inputs, an import. An object that is gone has no id in the answer.
func (p *Provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	k, err := kindOf(req.URN)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	s := p.session(ctx)
	found, err := s.read(ctx, k, string(req.ID), req.State.Mappable())
	if err != nil {
		return plugin.ReadResponse{}, s.fail("refresh "+string(req.ID), err)
	}
	if found == nil {
		return plugin.ReadResponse{}, nil
	}
	live := resource.NewPropertyMapFromMap(found)
	inputs := resource.PropertyMap{}
	for name := range k.fields {
		key := resource.PropertyKey(name)
		given, set := req.Inputs[key]
		switch {
		case set && same(given, live[key]):
			inputs[key] = given // the program's own spelling of the same value
		case set || len(req.Inputs) == 0:
			inputs[key] = live[key]
		}
	}
	result := plugin.ReadResult{ID: req.ID, Inputs: marked(inputs), Outputs: marked(live)}
	return plugin.ReadResponse{ReadResult: result}, nil
}

// Delete removes the object from Vault.
func (p *Provider) Delete(
	ctx context.Context, req plugin.DeleteRequest,
) (plugin.DeleteResponse, error) {
	k, err := kindOf(req.URN)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	path := k.at + string(req.ID)
	state := req.Outputs.Mappable()
	if state["deleteAllVersions"] == true {
		path = metadataPath(state)
	}
	s := p.session(ctx)
	if err := s.delete(ctx, path); err != nil {
		return plugin.DeleteResponse{}, s.fail("delete "+string(req.ID), err)
	}
	return plugin.DeleteResponse{}, nil
}

// marked marks what the genuine plugin marks as secret.
func marked(properties resource.PropertyMap) resource.PropertyMap {
	for _, name := range []resource.PropertyKey{"data", "dataJson"} {
		if properties.HasValue(name) {
			properties[name] = resource.MakeSecret(properties[name])
		}
	}
	return properties
}

func kindOf(urn resource.URN) (kind, error) {
	k, known := kinds[string(urn.Type())]
	if !known {
		return kind{}, fmt.Errorf("%s: %s (pulumi plugin install resource vault %s)",
			urn.Type(), notKnown, Version)
	}
	return k, nil
}
