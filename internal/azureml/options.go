package azureml

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// childOptions are those of every child that is made and goes with the workspace.
func (b *builder) childOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	stays := b.guard
	if b.azure.Retain {
		stays = pulumi.RetainOnDelete(true) // to leave the program is no loss then
	}
	return component.Child(b.parent, append(slices.Clone(extra), stays)...)
}

// ownOptions are those of the clusters and of the job identity, which stay the stack's when it
// gives its workspace away. Where they are deleted they are deleted in Azure too: kept there, a
// cluster would hold the name of the one that takes its place.
func (b *builder) ownOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Child(b.parent, append(slices.Clone(extra), b.guard)...)
}

// existingOptions are those of what is somebody else's.
func (b *builder) existingOptions() []pulumi.ResourceOption {
	return component.Child(b.parent)
}

// taggedOptions are childOptions of what has tags.
func (b *builder) taggedOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return b.childOptions(b.tagged(extra)...)
}

// ownTaggedOptions are ownOptions of what has tags.
func (b *builder) ownTaggedOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return b.ownOptions(b.tagged(extra)...)
}

func (b *builder) tagged(extra []pulumi.ResourceOption) []pulumi.ResourceOption {
	var ignored []string
	for _, name := range b.azure.IgnoreTags {
		ignored = append(ignored, fmt.Sprintf("tags[%q]", name))
	}
	return append(slices.Clone(extra), pulumi.IgnoreChanges(ignored), b.watched)
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

// fixed are the values of a child that Azure never changes, with the child's options.
func (b *builder) fixed(
	child string, values pulumi.StringInput, options []pulumi.ResourceOption,
) (component.Fixed, error) {
	return component.NewFixed(b.ctx, b.name+child+"-fixed", values, options...)
}

// groupFixed is the resource group of a child that is made again when the values change, since
// Azure never changes them: azure-native would send the change, and Azure refuse it. Every resource
// is replaced with its group. Properties with ids are ignored beside it, because Azure varies their
// case, and a refresh would make a change of that.
func (b *builder) groupFixed(child string, values pulumi.StringInput) (pulumi.StringOutput, error) {
	fixed, err := b.fixed(child, values, b.childOptions())
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return fixed.Known(b.group), nil
}

// tags are the stack's own and those of the settings.
func (b *builder) tags() pulumi.StringMapInput {
	return pulumi.ToStringMap(b.settings.ResourceTags())
}
