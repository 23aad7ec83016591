// Package component has what both components use to register their children.
package component

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/settings"
)

// Child builds a child's options, a fresh slice each time: two children never share an array.
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

// Secret hands a secret setting to Pulumi. From here on the engine encrypts it in the state and
// masks it in what it prints. It is the only way from settings to an input.
func Secret(text settings.Secret) pulumi.StringOutput {
	marked := pulumi.ToSecret(pulumi.String(text.Reveal()))
	return marked.(pulumi.StringOutput) //nolint:forcetypeassert // ToSecret keeps the type.
}
