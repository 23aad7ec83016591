package azureml

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// childOptions are those of every child that is made.
func (b *builder) childOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	options := append(slices.Clone(extra), pulumi.RetainOnDelete(b.azure.Retain))
	if b.guard != nil {
		options = append(options, b.guard)
	}
	return component.Child(b.parent, options...)
}

// existingOptions are those of what is somebody else's.
func (b *builder) existingOptions() []pulumi.ResourceOption {
	return component.Child(b.parent)
}

// taggedOptions are childOptions of what has tags.
func (b *builder) taggedOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	var ignored []string
	for _, name := range b.azure.IgnoreTags {
		ignored = append(ignored, fmt.Sprintf("tags[%q]", name))
	}
	options := append(slices.Clone(extra), pulumi.IgnoreChanges(ignored), b.watched)
	return b.childOptions(options...)
}

// dataOptions are taggedOptions of what holds data.
func (b *builder) dataOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	options := append(slices.Clone(extra), pulumi.Protect(b.azure.Protect))
	return b.taggedOptions(options...)
}

// nameStays is of what a template names and nothing else can: when it is replaced, the new one has
// the same name, so that the old one goes first.
func (b *builder) nameStays() pulumi.ResourceOption {
	return pulumi.DeleteBeforeReplace(b.azure.Names.Template != "")
}

// fixed are the values of a child that Azure never changes.
func (b *builder) fixed(child string, values pulumi.StringInput) (component.Fixed, error) {
	return component.NewFixed(b.ctx, b.name+child+"-fixed", values, b.childOptions()...)
}

// groupFixed is the resource group of a child that is made again when the values change, since
// Azure never changes them: azure-native would send the change, and Azure refuse it. Every resource
// is replaced with its group. Properties with ids are ignored beside it, because Azure varies their
// case, and a refresh would make a change of that.
func (b *builder) groupFixed(child string, values pulumi.StringInput) (pulumi.StringOutput, error) {
	fixed, err := b.fixed(child, values)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return fixed.Known(b.group), nil
}

// tags are the stack's own and those of the settings.
func (b *builder) tags() pulumi.StringMapInput {
	return pulumi.ToStringMap(b.settings.ResourceTags())
}
