package adopt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"mlvault/operate/cli"
	"mlvault/operate/verify"
)

// PulumiCLI is the stack as the CLI on PATH sees it.
type PulumiCLI struct {
	cli.Stack
}

// Configure implements [Stack].
func (p PulumiCLI) Configure(ctx context.Context, path, value string) error {
	_, err := p.CLI.Run(ctx, nil, "config", "set", "--path", path, value, "--stack", p.Name)
	return err
}

// Wanted implements [Stack].
func (p PulumiCLI) Wanted(ctx context.Context) ([]byte, error) {
	folder, err := os.MkdirTemp("", "mlvault-adopt-")
	if err != nil {
		return nil, fmt.Errorf("the import file: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // It holds names and types, nothing secret.
	file := filepath.Join(folder, "wanted.json")
	_, err = p.CLI.Diagnosed(ctx, "preview", "--import-file", file, "--stack", p.Name)
	if err != nil {
		return nil, err
	}
	wanted, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the import file: %w", err)
	}
	return wanted, nil
}

// Take implements [Stack].
func (p PulumiCLI) Take(ctx context.Context, resources []byte) error {
	folder, err := os.MkdirTemp("", "mlvault-adopt-")
	if err != nil {
		return fmt.Errorf("the import file: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // It holds names and ids, nothing secret.
	file := filepath.Join(folder, "adopt.json")
	if err := os.WriteFile(file, resources, 0o600); err != nil {
		return fmt.Errorf("the import file: %w", err)
	}
	_, err = p.CLI.Diagnosed(ctx, "import", "--file", file, "--generate-code=false",
		"--protect=false", "--yes", "--skip-preview", "--stack", p.Name)
	return err
}

// Plan implements [Stack].
func (p PulumiCLI) Plan(ctx context.Context) ([]verify.Change, error) {
	previewed, err := p.CLI.Diagnosed(ctx, "preview", "--json", "--suppress-outputs",
		"--stack", p.Name)
	if err != nil {
		return nil, err
	}
	return verify.ParsePreview(previewed)
}
