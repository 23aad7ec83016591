package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mlvault/internal/outputs"
	"mlvault/operate/cli"
	"mlvault/operate/handover"
)

// PulumiCLI is the stack as the CLI on PATH sees it.
type PulumiCLI struct {
	CLI   cli.CLI
	Stack string
}

// Version is that of the CLI.
func (p PulumiCLI) Version(ctx context.Context) (string, error) {
	said, err := p.CLI.Run(ctx, nil, "version")
	return strings.TrimSpace(string(said)), err
}

// Outputs are the stack's. Vault's address is decrypted, and nothing else.
func (p PulumiCLI) Outputs(ctx context.Context) (map[string]any, error) {
	var given map[string]any
	if err := p.CLI.JSON(ctx, &given, "stack", "output", "--json", "--stack", p.Stack); err != nil {
		return nil, err
	}
	if given[outputs.VaultAddress] != handover.Hidden {
		return given, nil
	}
	var address string
	err := p.CLI.JSON(ctx, &address, "stack", "output", outputs.VaultAddress, "--show-secrets",
		"--json", "--stack", p.Stack)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", handover.ErrHidden, err)
	}
	given[outputs.VaultAddress] = address
	return given, nil
}

// Resources are those of the state that exist outside Pulumi.
func (p PulumiCLI) Resources(ctx context.Context) ([]Resource, error) {
	exported, err := p.CLI.Run(ctx, nil, "stack", "export", "--stack", p.Stack)
	if err != nil {
		return nil, err
	}
	return ParseState(exported)
}

// ParseState reads what `pulumi stack export` prints.
func ParseState(exported []byte) ([]Resource, error) {
	var state struct {
		Deployment struct {
			Resources []struct {
				URN    string
				Type   string
				ID     string
				Inputs map[string]any
				// External is what a program reads and does not make.
				External bool
			}
		}
	}
	if err := json.Unmarshal(exported, &state); err != nil {
		return nil, fmt.Errorf("the state is no JSON: %w", err)
	}
	var resources []Resource
	for _, each := range state.Deployment.Resources {
		if each.ID == "" {
			continue
		}
		resources = append(resources, Resource{
			Type:     each.Type,
			Name:     nameOf(each.URN),
			ID:       each.ID,
			Inputs:   each.Inputs,
			External: each.External,
		})
	}
	return resources, nil
}

// nameOf is the logical name at the end of a URN.
func nameOf(urn string) string {
	return urn[strings.LastIndex(urn, "::")+len("::"):]
}

// Changes are what an `up` after a refresh would do.
func (p PulumiCLI) Changes(ctx context.Context) ([]Change, error) {
	previewed, err := p.CLI.Diagnosed(ctx, "preview", "--refresh", "--run-program", "--json",
		"--suppress-outputs", "--stack", p.Stack)
	if err != nil {
		return nil, err
	}
	return ParsePreview(previewed)
}

// ParsePreview reads what `pulumi preview --json` prints.
func ParsePreview(previewed []byte) ([]Change, error) {
	var preview struct {
		Steps []struct {
			Op           string
			URN          string
			DetailedDiff map[string]any
			DiffReasons  []string
		}
	}
	if err := json.Unmarshal(previewed, &preview); err != nil {
		return nil, fmt.Errorf("the preview is no JSON: %w", err)
	}
	var changes []Change
	for _, step := range preview.Steps {
		if slices.Contains([]string{"same", "read", "refresh"}, step.Op) {
			continue
		}
		change := Change{Name: nameOf(step.URN), Operation: step.Op, Properties: step.DiffReasons}
		for path := range step.DetailedDiff {
			if !slices.Contains(change.Properties, path) {
				change.Properties = append(change.Properties, path)
			}
		}
		slices.Sort(change.Properties)
		changes = append(changes, change)
	}
	return changes, nil
}

// HandOver writes the definitions of jobs into a folder, from the client beside the project.
func (p PulumiCLI) HandOver(_ context.Context, given map[string]any, folder string) error {
	return handover.Render(given, filepath.Join(p.CLI.Root, "job"), folder)
}
