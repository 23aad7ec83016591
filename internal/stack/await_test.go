package stack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
)

// awaitOutput gives an output's value and whether it is secret, which ApplyT does not tell.
func awaitOutput(ctx *pulumi.Context, output pulumi.Output) (value any, isSecret bool, err error) {
	result, err := internals.UnsafeAwaitOutput(ctx.Context(), output)
	return result.Value, result.Secret, err
}
