package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Protected names the resources of the stack that the engine refuses to delete.
func (s *Stack) Protected(ctx context.Context) ([]string, error) {
	deployment, err := s.deployment(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, resource := range deployment.Resources {
		if resource.Protect {
			names = append(names, resource.URN.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// deployment is the stack's state.
func (s *Stack) deployment(ctx context.Context) (apitype.DeploymentV3, error) {
	var deployment apitype.DeploymentV3
	exported, err := s.Export(ctx)
	if err != nil {
		return deployment, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
		return deployment, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	return deployment, nil
}

// Unprotect sets azure.protect to false in the sandbox's copy of the settings, so that the next
// destroy takes the protection off. The next Configure restores the settings. Where they protect
// nothing there is nothing to do: the program takes off what the state has.
//
// `pulumi state unprotect` would not do here. A destroy that runs the program, as every destroy
// here does, puts on again what the settings say (seen on 3.250).
func (s *Stack) Unprotect(ctx context.Context) error {
	if s.Config != nil && !s.Config.Azure.Protect {
		return nil
	}
	no := auto.ConfigValue{Value: "false"}
	atPath := &auto.ConfigOptions{Path: true}
	if err := s.SetConfigWithOptions(ctx, "azure.protect", no, atPath); err != nil {
		return fmt.Errorf("unprotect stack %s: %w", s.Name(), err)
	}
	return nil
}
