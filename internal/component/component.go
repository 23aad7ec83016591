// Package component has what both components use to register their children.
package component

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Child builds a child's options, a fresh slice each time: two children never share a backing array.
func Child(parent pulumi.Resource, extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return slices.Concat([]pulumi.ResourceOption{pulumi.Parent(parent)}, extra)
}

// Optional is an input, or nil for an empty text, which leaves the value to the provider.
func Optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}
