package arm

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// diff compares inputs with inputs, as azure-native does: what the service returned plays no part, but for one case. A
// property that replaces and was not set before, and is now set to the value that the service had chosen, replaces
// nothing.
func (r *resourceType) diff(oldInputs, oldState, newInputs resource.PropertyMap) *pulumirpc.DiffResponse {
	none := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	// The flag says how a name came about; it is not a property of the resource.
	internal := func(k resource.PropertyKey) bool { return strings.HasPrefix(string(k), "__") }
	changed := oldInputs.Diff(newInputs, internal)
	if changed == nil {
		return none
	}
	if at, ok := changed.Updates["location"]; ok && at.Old.IsString() && at.New.IsString() &&
		normalLocation(at.Old.StringValue()) == normalLocation(at.New.StringValue()) {
		delete(changed.Updates, "location")
	}

	replacing := append(r.parameters(), r.Replaces...)
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_SOME, HasDetailedDiff: true, DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	detailed := plugin.NewDetailedDiffFromObjectDiff(changed, true)
	for _, path := range slices.Sorted(maps.Keys(detailed)) {
		property, _, _ := strings.Cut(strings.ReplaceAll(path, "[", "."), ".")
		name := resource.PropertyKey(property)
		kind := detailed[path].Kind
		settled := kind == plugin.DiffAdd && oldState[name].DeepEquals(newInputs[name])
		if slices.Contains(replacing, property) && !settled {
			kind = kind.AsReplace()
			if !slices.Contains(response.Replaces, property) {
				response.Replaces = append(response.Replaces, property)
			}
		}
		if !slices.Contains(response.Diffs, property) {
			response.Diffs = append(response.Diffs, property)
		}
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_Kind(kind), InputDiff: true} //nolint:gosec // G115: a constant of an enum.
	}
	if len(response.DetailedDiff) == 0 {
		return none
	}
	madeUp := oldInputs[createBeforeDelete]
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && (!madeUp.IsBool() || !madeUp.BoolValue())
	return response
}

// withDrift carries into the user's inputs what changed in Azure since the last read: the difference between two sets of
// outputs, both in the shape of inputs. What did not change stays as the user wrote it, casing and all.
func withDrift(inputs, before, after resource.PropertyMap) resource.PropertyMap {
	drift := before.Diff(after)
	if drift == nil {
		return inputs
	}
	result := maps.Clone(inputs)
	for name := range drift.Deletes {
		delete(result, name)
	}
	maps.Copy(result, drift.Adds)
	for name, update := range drift.Updates {
		mine, set := inputs[name]
		if set && mine.IsObject() && update.Old.IsObject() && update.New.IsObject() {
			result[name] = resource.NewObjectProperty(
				withDrift(mine.ObjectValue(), update.Old.ObjectValue(), update.New.ObjectValue()))
			continue
		}
		result[name] = update.New
	}
	return result
}
