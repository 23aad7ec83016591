package arm

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// createBeforeDelete is the input in which azure-native remembers that it made the name up. Only then can a replacement
// be created beside the old resource; a name of the user's own is deleted first.
const createBeforeDelete = "__createBeforeDelete"

// defaultName gives inputs a name where the user gave none, as azure-native's getDefaultName does: the name from before,
// else for a subresource the logical name, and for all others the logical name and eight hexadecimal digits (its AutoName).
//
// It does no more than that: azure-native does not make a storage account's name fit, so that a logical name with a
// hyphen or of more than 16 letters is refused here as it is there.
func (r *resourceType) defaultName(req *pulumirpc.CheckRequest, olds, news resource.PropertyMap) error {
	property := resource.PropertyKey(r.Name.Property)
	if news.HasValue(property) {
		return nil
	}
	if before, named := olds[property]; named {
		news[property] = before
		if flag, set := olds[createBeforeDelete]; set {
			news[createBeforeDelete] = flag
		}
		return nil
	}

	var name string
	var err error
	switch {
	case r.subresource(): // named as the program does, without the flag: it is deleted before it is replaced
		news[property] = resource.NewStringProperty(resource.URN(req.GetUrn()).Name())
		return nil
	case r.Name.GUID:
		if name, err = resource.NewUniqueName(req.GetRandomSeed(), "", 32, 0, nil); err == nil {
			name = guidString(name)
		}
	default:
		name, err = resource.NewUniqueName(req.GetRandomSeed(), resource.URN(req.GetUrn()).Name(), 8, 0, nil)
	}
	if err != nil {
		return err
	}
	news[property] = resource.NewStringProperty(name)
	news[createBeforeDelete] = resource.NewBoolProperty(true)
	return nil
}

// failures is what is wrong with inputs before anything is sent. The texts are azure-native's, and a bad name is told where
// its rule is published.
func (r *resourceType) failures(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	var failures []*pulumirpc.CheckFailure
	for _, name := range append(slices.Clone(r.Required), r.Name.Property) {
		if inputs.HasValue(resource.PropertyKey(name)) {
			continue
		}
		failures = append(failures, &pulumirpc.CheckFailure{Property: name, Reason: fmt.Sprintf("missing required property '%s'", name)})
	}
	name := inputs[resource.PropertyKey(r.Name.Property)]
	if name.IsString() && !r.Name.valid(name.StringValue()) {
		failures = append(failures, &pulumirpc.CheckFailure{
			Property: r.Name.Property,
			Reason: fmt.Sprintf("'%s' value %q does not match expression '%s', %d to %d characters (%s)",
				r.Name.Property, name.StringValue(), r.Name.Pattern, r.Name.Min, r.Name.Max, r.Name.Source),
		})
	}
	return failures
}
