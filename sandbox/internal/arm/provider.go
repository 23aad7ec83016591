package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// pluginVersion is the release of azure-native that the provider imitates.
const pluginVersion = "2.92.3"

// provider speaks the engine's protocol and turns it into ARM requests.
//
// Like azure-native it leaves secrets to the engine: it never receives the marks, and the engine puts them back on every
// output that has the name of a secret input. And like azure-native it has no Handshake, which the engine allows.
type provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	arm *Server

	mu     sync.Mutex
	config map[string]string // without the prefix "azure-native:config:"
}

// unmarshal reads properties as azure-native does: nulls are dropped, unknowns are kept.
func unmarshal(label string, properties *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(properties, plugin.MarshalOptions{Label: label, KeepUnknowns: true, SkipNulls: true})
}

func marshal(label string, properties resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(properties, plugin.MarshalOptions{Label: label, KeepUnknowns: true, SkipNulls: true})
}

// row finds the table's row for a resource.
func row(urn string) (*resourceType, error) { return rowOfToken(string(resource.URN(urn).Type())) }

func (p *provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: pluginVersion}, nil
}

func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{}, nil
}

// Configure keeps the configuration. All the engine's azure-native providers share one attached server, so the last one
// configured decides the default location; a program with two explicit providers must set locations itself.
func (p *provider) Configure(_ context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config = map[string]string{}
	for name, value := range req.GetVariables() { //nolint:staticcheck // SA1019: the engine sends it still, and as texts, which is all that is needed.
		p.config[strings.TrimPrefix(name, "azure-native:config:")] = value
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true, SupportsAutonamingConfiguration: true}, nil
}

func (p *provider) configured(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config[name]
}

func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) Invoke(_ context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	if req.GetTok() != "azure-native:authorization:getClientConfig" {
		return nil, fmt.Errorf("the sandbox's ARM has no function %s; it has azure-native:authorization:getClientConfig",
			req.GetTok())
	}
	result, err := marshal(req.GetTok(), resource.NewPropertyMapFromMap(map[string]any{
		"clientId": DeployerID, "objectId": DeployerID, "subscriptionId": SubscriptionID, "tenantId": TenantID,
	}))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.InvokeResponse{Return: result}, nil
}

func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal("olds", req.GetOlds())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal("news", req.GetNews())
	if err != nil {
		return nil, err
	}
	if err := row.defaultName(req, olds, inputs); err != nil {
		return nil, err
	}
	p.defaultLocation(row, olds, inputs)

	checked, err := marshal("inputs", inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: checked, Failures: row.failures(inputs)}, nil
}

func (p *provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	oldInputs, err := unmarshal("oldInputs", req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	oldState, err := unmarshal("olds", req.GetOlds())
	if err != nil {
		return nil, err
	}
	newInputs, err := unmarshal("news", req.GetNews())
	if err != nil {
		return nil, err
	}
	return row.diff(oldInputs, oldState, newInputs), nil
}

func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal("inputs", req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		preview, err := marshal("preview", row.preview(inputs))
		if err != nil {
			return nil, err
		}
		return &pulumirpc.CreateResponse{Properties: preview}, nil
	}

	wire := inputs.Mappable()
	id, err := row.id(wire)
	if err != nil {
		return nil, err
	}
	// A PUT would take an existing resource over; azure-native looks first.
	if _, err := p.arm.get(ctx, row, id); err == nil {
		return nil, fmt.Errorf("cannot create already existing resource '%s'", id)
	} else if !isNotFound(err) {
		return nil, fmt.Errorf("cannot check existence of resource '%s': %w", id, err)
	}
	doc, err := p.putAndRead(ctx, row, id, row.body(wire))
	if err != nil {
		return nil, err
	}
	state, err := marshal("outputs", resource.NewPropertyMapFromMap(row.outputs(doc)))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: doc.text("id"), Properties: state}, nil
}

// putAndRead reads what it put, as azure-native does, so that the state has the shape that a refresh will see.
func (p *provider) putAndRead(ctx context.Context, row *resourceType, id string, body Document) (Document, error) {
	doc, err := p.arm.put(ctx, row, id, body)
	if err != nil {
		return nil, err
	}
	return p.arm.get(ctx, row, doc.text("id"))
}

// Read refreshes a resource, or, without inputs, imports it.
func (p *provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	doc, err := p.arm.get(ctx, row, req.GetId())
	if isNotFound(err) {
		return &pulumirpc.ReadResponse{}, nil // gone: the engine drops it from the state
	}
	if err != nil {
		return nil, err
	}
	outputs := row.outputs(doc)
	settable := row.settable(outputs)

	inputs, err := unmarshal("inputs", req.GetInputs())
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 {
		parameters, err := row.inputsOfID(req.GetId())
		if err != nil {
			return nil, err
		}
		for name, value := range settable {
			parameters[name] = value
		}
		inputs = resource.NewPropertyMapFromMap(parameters)
	} else {
		state, err := unmarshal("olds", req.GetProperties())
		if err != nil {
			return nil, err
		}
		inputs = withDrift(inputs, resource.NewPropertyMapFromMap(row.settable(state.Mappable())),
			resource.NewPropertyMapFromMap(settable))
	}

	properties, err := marshal("outputs", resource.NewPropertyMapFromMap(outputs))
	if err != nil {
		return nil, err
	}
	read, err := marshal("inputs", inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: properties, Inputs: read}, nil
}

func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal("news", req.GetNews())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		state, err := unmarshal("olds", req.GetOlds())
		if err != nil {
			return nil, err
		}
		outputs := row.preview(inputs)
		for _, stable := range []resource.PropertyKey{"name", "location"} { // no update changes these
			if value, ok := state[stable]; ok {
				outputs[stable] = value
			}
		}
		preview, err := marshal("preview", outputs)
		if err != nil {
			return nil, err
		}
		return &pulumirpc.UpdateResponse{Properties: preview}, nil
	}

	wire := inputs.Mappable()
	id, err := row.id(wire)
	if err != nil {
		return nil, err
	}
	doc, err := p.putAndRead(ctx, row, id, row.body(wire))
	if err != nil {
		return nil, err
	}
	state, err := marshal("outputs", resource.NewPropertyMapFromMap(row.outputs(doc)))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: state}, nil
}

func (p *provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, p.arm.delete(ctx, row, req.GetId())
}

// preview is what is known of the outputs before the service has answered: the inputs that come back unchanged. An
// object may come back with more inside, so but for tags it is unknown. azure-native, which has the schema, knows a
// little more.
func (r *resourceType) preview(inputs resource.PropertyMap) resource.PropertyMap {
	outputs := resource.PropertyMap{}
	for _, output := range slices.Concat(r.Inputs, r.Computed, words("name type")) {
		name := resource.PropertyKey(output)
		value, given := inputs[name]
		if given && (name == "tags" || value.IsString() || value.IsBool() || value.IsNumber()) {
			outputs[name] = value
			continue
		}
		outputs[name] = resource.MakeComputed(resource.NewStringProperty(""))
	}
	return outputs
}

func isNotFound(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Status == http.StatusNotFound
}
