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
// else what the engine's autonaming configuration says, else for a subresource the logical name, and for all others
// the logical name and eight hexadecimal digits (its AutoName).
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

	options := req.GetAutonaming()
	proposed := options.GetProposedName()
	switch {
	case options == nil:
	case options.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
		return nil // Check then reports the name as missing
	case options.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_PROPOSE && r.Name.GUID:
		proposed = "" // no proposal is a GUID
	}

	name := proposed
	var err error
	switch {
	case proposed != "":
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

// defaultLocation gives inputs a location where the user gave none, as azure-native's getDefaultLocation does: the one
// from before, else azure-native:location, else the resource group's.
func (p *provider) defaultLocation(row *resourceType, olds, news resource.PropertyMap) {
	if !row.located() || news.HasValue("location") {
		return
	}
	if before, ok := olds["location"]; ok {
		news["location"] = before
		return
	}
	if configured := p.configured("location"); configured != "" {
		news["location"] = resource.NewStringProperty(configured)
		return
	}
	group, ok := news["resourceGroupName"]
	switch {
	case !ok:
	case group.ContainsUnknowns():
		news["location"] = resource.MakeComputed(resource.NewStringProperty(""))
	case group.IsString():
		id, err := resourceGroup.id(map[string]any{"resourceGroupName": group.StringValue()})
		if err != nil {
			return
		}
		if doc, found := p.arm.Resource(id); found {
			news["location"] = resource.NewStringProperty(doc.text("location"))
		}
	}
}

// failures is what is wrong with inputs before anything is sent. The texts are azure-native's, and a bad name is told where
// its rule is published.
func (r *resourceType) failures(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	var failures []*pulumirpc.CheckFailure
	for _, name := range append(slices.Clone(r.Required), r.Name.Property) {
		if inputs.HasValue(resource.PropertyKey(name)) {
			continue
		}
		reason := fmt.Sprintf("missing required property '%s'", name)
		if name == "location" {
			reason += ". Either set it explicitly or configure it with 'pulumi config set azure-native:location <value>'."
		}
		failures = append(failures, &pulumirpc.CheckFailure{Property: name, Reason: reason})
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
