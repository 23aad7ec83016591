package arm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// pluginVersion is the release of azure-native that the provider imitates.
var pluginVersion = semver.MustParse("2.92.3")

// createBeforeDelete is the input in which azure-native remembers that it made the name up. Only
// then can a replacement be created beside the old resource; a name of the user's own is deleted
// first.
const createBeforeDelete = "__createBeforeDelete"

// provider turns what the engine asks into ARM requests.
type provider struct {
	plugin.UnimplementedProvider

	arm *Server
}

func (p *provider) Attach(string) error { return nil }

func (p *provider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &pluginVersion}, nil
}

// Handshake leaves secrets to the engine, as azure-native does: the provider never receives the
// marks, and the engine puts them back on every output that has the name of a secret input.
func (p *provider) Handshake(
	context.Context, plugin.ProviderHandshakeRequest,
) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, nil
}

func (p *provider) Configure(
	context.Context, plugin.ConfigureRequest,
) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, nil
}

func (p *provider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	row, err := rowOf(req.URN, req.News, "")
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	err = row.defaultName(req)
	return plugin.CheckResponse{Properties: req.News, Failures: row.failures(req.News)}, err
}

// defaultName gives inputs a name where the user gave none, as azure-native's getDefaultName does:
// the name from before, else for a subresource the logical name, and for all others the logical
// name and eight hexadecimal digits (its AutoName).
//
// It does no more than that: azure-native does not make a storage account's name fit, so that a
// logical name with a hyphen or of more than 16 letters is refused here as it is there.
func (r *resourceType) defaultName(req plugin.CheckRequest) error {
	property := resource.PropertyKey(r.nameProperty())
	if req.News.HasValue(property) {
		return nil
	}
	if before, named := req.Olds[property]; named {
		req.News[property] = before
		if flag, set := req.Olds[createBeforeDelete]; set {
			req.News[createBeforeDelete] = flag
		}
		return nil
	}
	if r.subresource() { // it is deleted before it is replaced
		req.News[property] = resource.NewStringProperty(req.URN.Name())
		return nil
	}
	name, err := r.uniqueName(req)
	if err != nil {
		return err
	}
	req.News[createBeforeDelete] = resource.NewBoolProperty(true)
	req.News[property] = resource.NewStringProperty(name)
	return nil
}

func (r *resourceType) uniqueName(req plugin.CheckRequest) (string, error) {
	if r.Name.Pattern != guidName.Pattern {
		return resource.NewUniqueName(req.RandomSeed, req.URN.Name(), 8, 0, nil)
	}
	digits, err := resource.NewUniqueName(req.RandomSeed, "", 32, 0, nil)
	if err != nil {
		return "", err
	}
	return guidString(digits), nil
}

// failures is a bad name, which azure-native finds before anything is sent. The text is its own.
func (r *resourceType) failures(inputs resource.PropertyMap) []plugin.CheckFailure {
	property := resource.PropertyKey(r.nameProperty())
	name := inputs[property]
	if r.Generic { // azure-native knows no rule of its name
		return nil
	}
	if !name.IsString() || r.Name.Valid(name.StringValue()) {
		return nil
	}
	reason := fmt.Sprintf("'%s' value %q does not match expression '%s'",
		property, name.StringValue(), r.Name.Pattern)
	return []plugin.CheckFailure{{Property: property, Reason: reason}}
}

// Diff compares inputs with inputs, as azure-native does: what the service returned plays no part.
func (p *provider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	row, err := rowOf(req.URN, req.NewInputs, req.ID)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	stays := locationOf(req.OldInputs) == locationOf(req.NewInputs)
	changed := req.OldInputs.Diff(req.NewInputs, func(name resource.PropertyKey) bool {
		isInternal := strings.HasPrefix(string(name), "__")
		return isInternal || name == "location" && stays
	})
	diff := plugin.DiffResult{
		Changes:      plugin.DiffNone,
		DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(changed, true),
	}
	replacing := append(row.parameters(), row.Replaces...)
	replaced := false
	for path, change := range diff.DetailedDiff {
		diff.Changes = plugin.DiffSome
		input := path[:strings.IndexAny(path+".", ".[")]
		if slices.Contains(replacing, input) {
			replaced = true
			diff.DetailedDiff[path] = plugin.PropertyDiff{
				Kind:      change.Kind.AsReplace(),
				InputDiff: true,
			}
		}
	}
	diff.DeleteBeforeReplace = replaced && !req.OldInputs.HasValue(createBeforeDelete)
	return diff, nil
}

func locationOf(inputs resource.PropertyMap) string {
	return normalLocation(fmt.Sprint(inputs["location"].V))
}

func (p *provider) Create(
	ctx context.Context, req plugin.CreateRequest,
) (plugin.CreateResponse, error) {
	row, err := rowOf(req.URN, req.Properties, "")
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if req.Preview {
		return plugin.CreateResponse{Properties: preview(req.Properties)}, nil
	}
	// A PUT would take an existing resource over; azure-native looks first, with the version of its
	// module.
	id := row.id(req.Properties)
	_, err = p.arm.get(ctx, row, id, row.moduleVersion())
	if err == nil {
		return plugin.CreateResponse{}, fmt.Errorf("cannot create already existing resource '%s'", id)
	}
	if !isNotFound(err) {
		return plugin.CreateResponse{}, fmt.Errorf("cannot check existence of resource '%s': %w", id, err)
	}
	outputs, err := p.putAndRead(ctx, row, req.Properties, nil)
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, err
}

// putAndRead reads what it put, as azure-native does, so that the state has the shape that a
// refresh will see. It reads with the version of the inputs from before, of which a create has
// none: a generic resource is then asked for with a version that its type may not have,
// azure-native warns, and the answer of the PUT stays in the state (#4692 mended that in v3;
// whether 2.92.3 has it is not known).
func (p *provider) putAndRead(
	ctx context.Context, row *resourceType, inputs, before resource.PropertyMap,
) (resource.PropertyMap, error) {
	id := row.id(inputs)
	answer, err := p.arm.put(ctx, row, id, row.version(inputs), row.body(inputs.Mappable()))
	if err != nil {
		return nil, err
	}
	doc, err := p.arm.get(ctx, row, id, row.version(before))
	if err != nil && row.Generic {
		return row.outputs(answer), nil
	}
	return row.outputs(doc), err
}

// Read refreshes a resource, or, without inputs, imports it.
func (p *provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	row, err := rowOf(req.URN, req.Inputs, req.ID)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	// Without inputs azure-native asks with the version of its module: a generic resource cannot be
	// imported (#4109).
	doc, err := p.arm.get(ctx, row, string(req.ID), row.version(req.Inputs))
	if isNotFound(err) {
		return plugin.ReadResponse{}, nil // gone: the engine drops it from the state
	}
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	result := plugin.ReadResult{ID: req.ID, Outputs: row.outputs(doc)}
	now := row.settable(result.Outputs)
	if len(req.Inputs) > 0 {
		result.Inputs = withDrift(req.Inputs, row.settable(req.State), now)
		return plugin.ReadResponse{ReadResult: result}, nil
	}
	result.Inputs, err = row.inputsOfID(string(req.ID))
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	maps.Copy(result.Inputs, now)
	return plugin.ReadResponse{ReadResult: result}, nil
}

// withDrift carries into the user's inputs what changed in Azure since the last read: the
// difference between two sets of outputs, both in the shape of inputs. What did not change stays as
// the user wrote it, casing and all.
func withDrift(inputs, before, after resource.PropertyMap) resource.PropertyMap {
	drift := before.Diff(after)
	if drift == nil {
		return inputs
	}
	result := inputs.Copy()
	for name := range drift.Deletes {
		delete(result, name)
	}
	maps.Copy(result, drift.Adds)
	for name, update := range drift.Updates {
		mine, set := inputs[name]
		if set && mine.IsObject() && update.Old.IsObject() && update.New.IsObject() {
			inner := withDrift(mine.ObjectValue(), update.Old.ObjectValue(), update.New.ObjectValue())
			result[name] = resource.NewObjectProperty(inner)
			continue
		}
		result[name] = update.New
	}
	return result
}

func (p *provider) Update(
	ctx context.Context, req plugin.UpdateRequest,
) (plugin.UpdateResponse, error) {
	row, err := rowOf(req.URN, req.NewInputs, req.ID)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if req.Preview {
		outputs := preview(req.NewInputs)
		outputs["name"] = req.OldOutputs["name"] // no update changes it
		return plugin.UpdateResponse{Properties: outputs}, nil
	}
	outputs, err := p.putAndRead(ctx, row, req.NewInputs, req.OldInputs)
	return plugin.UpdateResponse{Properties: outputs}, err
}

func (p *provider) Delete(
	ctx context.Context, req plugin.DeleteRequest,
) (plugin.DeleteResponse, error) {
	row, err := rowOf(req.URN, req.Inputs, req.ID)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	err = p.arm.delete(ctx, row, string(req.ID), row.version(req.Inputs))
	return plugin.DeleteResponse{}, err
}

// preview is what is known of the outputs before the service has answered: the inputs that come
// back unchanged. An object may come back with more inside, so but for tags it is unknown, which
// the SDK takes an absent output for. azure-native, which has the schema, knows a little more.
func preview(inputs resource.PropertyMap) resource.PropertyMap {
	outputs := inputs.Copy()
	maps.DeleteFunc(outputs, func(name resource.PropertyKey, value resource.PropertyValue) bool {
		return name != "tags" && !value.IsString() && !value.IsBool() && !value.IsNumber()
	})
	return outputs
}

func isNotFound(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Status == http.StatusNotFound
}
