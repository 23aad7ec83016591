package component

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Fixed are values that a resource is made with and that nobody can change afterwards. When they
// differ, the resources that use [Fixed.Known] are deleted and made again, with what is below them.
//
// The engine keeps the values in the state, as the input of a stash that replaces itself when the
// input changes. An option of the resource itself cannot do that:
//   - a replacement trigger is taken into the state by every refresh that runs the program, and so
//     by the end of a repair. The replacement is then forgotten, and each later run fails;
//   - to replace on a changed id, as the provider reads it, would replace a workspace because Azure
//     spells the id in another case.
//
// The stash goes first, and takes with it what depends on it, in one plan. Wherever a run dies, the
// stash still differs, or the state says of the resource that it is deleted and has to be made.
type Fixed struct {
	stash *pulumi.Stash
}

// NewFixed registers the values, which stand in the plan when they change.
func NewFixed(
	ctx *pulumi.Context, name string, values pulumi.StringInput, options ...pulumi.ResourceOption,
) (Fixed, error) {
	args := &pulumi.StashArgs{Input: values}
	replaced := []pulumi.ResourceOption{
		pulumi.ReplaceOnChanges([]string{"input"}),
		pulumi.DeleteBeforeReplace(true),
	}
	stash, err := pulumi.NewStash(ctx, name, args, slices.Concat(options, replaced)...)
	return Fixed{stash: stash}, err
}

// First makes another resource wait until those that are no longer as they were made are deleted.
func (f Fixed) First() pulumi.ResourceOption {
	return pulumi.DependsOn([]pulumi.Resource{f.stash})
}

// Known is a text that is known only when the values are. It belongs into an input that replaces
// its resource, such as a part of the resource's path.
func (f Fixed) Known(text pulumi.StringInput) pulumi.StringOutput {
	// The precision prints nothing of the values.
	return pulumi.Sprintf("%s%.0s", text, f.stash.Output)
}
