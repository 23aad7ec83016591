package sandbox

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Empty is a stack of the same project, CLI, backend and secrets provider whose program registers nothing: what a run
// costs that does nothing, against which benchmarks measure. Configure must have run once, for the project's files.
func (s *Sandbox) Empty(ctx context.Context) (auto.Stack, error) {
	nothing := func(*pulumi.Context) error { return nil }
	open := func(
		ctx context.Context, name, project string, _ pulumi.RunFunc, opts ...auto.LocalWorkspaceOption,
	) (auto.Stack, error) {
		return auto.UpsertStackInlineSource(ctx, name, project, nothing, opts...)
	}
	file, err := s.OpenStackFile("dev")
	if err != nil {
		return auto.Stack{}, err
	}
	// The CLI asks for the settings that the project requires, whatever the program does with them.
	file.path = s.Path("work/Pulumi.empty.yaml")
	file.secrets["vaultAddress"], file.secrets["credentials.unused.key"] = "https://unused", "unused"
	if err := s.save(ctx, file); err != nil {
		return auto.Stack{}, fmt.Errorf("empty stack: %w", err)
	}
	return s.open(ctx, "empty", open)
}
