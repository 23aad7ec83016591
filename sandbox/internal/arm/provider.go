package arm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

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
}

// unmarshal reads properties as azure-native does: nulls are dropped, unknowns are kept.
func unmarshal(structs ...*structpb.Struct) ([]resource.PropertyMap, error) {
	all := make([]resource.PropertyMap, len(structs))
	for i, properties := range structs {
		read, err := plugin.UnmarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
		if err != nil {
			return nil, err
		}
		all[i] = read
	}
	return all, nil
}

func marshal(properties resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
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

func (p *provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	properties, err := unmarshal(req.GetOlds(), req.GetNews())
	if err != nil {
		return nil, err
	}
	inputs := properties[1]
	if err := row.defaultName(req, properties[0], inputs); err != nil {
		return nil, err
	}
	checked, err := marshal(inputs)
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
	properties, err := unmarshal(req.GetOldInputs(), req.GetOlds(), req.GetNews())
	if err != nil {
		return nil, err
	}
	return row.diff(properties[0], properties[1], properties[2]), nil
}

func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	properties, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		preview, err := marshal(row.preview(properties[0]))
		return &pulumirpc.CreateResponse{Properties: preview}, err
	}

	wire := properties[0].Mappable()
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
	state, err := marshal(resource.NewPropertyMapFromMap(row.outputs(doc)))
	return &pulumirpc.CreateResponse{Id: doc.text("id"), Properties: state}, err
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

	before, err := unmarshal(req.GetInputs(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	inputs := before[0]
	if len(inputs) == 0 {
		parameters, err := row.inputsOfID(req.GetId())
		if err != nil {
			return nil, err
		}
		maps.Copy(parameters, settable)
		inputs = resource.NewPropertyMapFromMap(parameters)
	} else {
		inputs = withDrift(inputs, resource.NewPropertyMapFromMap(row.settable(before[1].Mappable())),
			resource.NewPropertyMapFromMap(settable))
	}

	properties, err := marshal(resource.NewPropertyMapFromMap(outputs))
	if err != nil {
		return nil, err
	}
	read, err := marshal(inputs)
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: properties, Inputs: read}, err
}

func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	row, err := row(req.GetUrn())
	if err != nil {
		return nil, err
	}
	properties, err := unmarshal(req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		outputs := row.preview(properties[0])
		for _, stable := range []resource.PropertyKey{"name", "location"} { // no update changes these
			if value, ok := properties[1][stable]; ok {
				outputs[stable] = value
			}
		}
		preview, err := marshal(outputs)
		return &pulumirpc.UpdateResponse{Properties: preview}, err
	}

	wire := properties[0].Mappable()
	id, err := row.id(wire)
	if err != nil {
		return nil, err
	}
	doc, err := p.putAndRead(ctx, row, id, row.body(wire))
	if err != nil {
		return nil, err
	}
	state, err := marshal(resource.NewPropertyMapFromMap(row.outputs(doc)))
	return &pulumirpc.UpdateResponse{Properties: state}, err
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
