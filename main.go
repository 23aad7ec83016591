// Command mlvault is the Pulumi program; everything that it does is in package stack.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/stack"
)

func main() {
	pulumi.Run(stack.Run)
}
