package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// Protected names the resources of the stack that the engine refuses to delete.
func (s *Stack) Protected(ctx context.Context) ([]string, error) {
	exported, err := s.Export(ctx)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", s.Name(), err)
	}
	var deployment struct {
		Resources []struct {
			URN     string `json:"urn"`
			Protect bool   `json:"protect"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
		return nil, fmt.Errorf("state of stack %s: %w", s.Name(), err)
	}
	var names []string
	for _, resource := range deployment.Resources {
		if resource.Protect {
			names = append(names, resource.URN[strings.LastIndex(resource.URN, "::")+2:])
		}
	}
	slices.Sort(names)
	return names, nil
}

// Unprotect sets azure.protect to false in the sandbox's copy of the settings, so that the next destroy takes the
// protection off. `pulumi state unprotect` would not do here: a destroy that runs the program, as is the rule, puts on
// again what the settings say (seen on 3.250). The next Configure restores the settings.
func (s *Stack) Unprotect(ctx context.Context) error {
	err := s.SetConfigWithOptions(ctx, "azure.protect", auto.ConfigValue{Value: "false"}, &auto.ConfigOptions{Path: true})
	if err != nil {
		return fmt.Errorf("unprotect stack %s: %w", s.Name(), err)
	}
	return nil
}
