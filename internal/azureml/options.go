package azureml

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// childOptions are those of every child.
func (b *builder) childOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Child(b.parent, extra...)
}

// taggedOptions are childOptions of what has tags.
func (b *builder) taggedOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	var ignored []string
	for _, name := range b.azure.IgnoreTags {
		ignored = append(ignored, fmt.Sprintf("tags[%q]", name))
	}
	options := append(slices.Clone(extra), pulumi.IgnoreChanges(ignored))
	return b.childOptions(options...)
}

// dataOptions are taggedOptions of what holds data.
func (b *builder) dataOptions(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	options := append(slices.Clone(extra), pulumi.Protect(b.azure.Protect))
	return b.taggedOptions(options...)
}

// replaceFor replaces a resource when a value changes that Azure never changes; azure-native would
// send the change, and Azure refuse it. fixed has the ids that the program knows, and the
// properties with those that Azure answers are ignored: Azure varies their case, and a refresh
// would make a change of that.
func replaceFor(fixed pulumi.StringInput, ignored ...string) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{
		pulumi.ReplacementTrigger(fixed),
		pulumi.IgnoreChanges(ignored),
	}
}

// tags are the stack's own and those of the settings.
func (b *builder) tags() pulumi.StringMapInput {
	tags := pulumi.StringMap{
		"project":    pulumi.String(b.settings.Project),
		"stack":      pulumi.String(b.settings.Stack),
		"managed-by": pulumi.String("pulumi"),
	}
	for name, value := range b.azure.Tags {
		tags[name] = pulumi.String(value)
	}
	return tags
}
