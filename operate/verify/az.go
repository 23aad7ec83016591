package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// AzureCLI is the `az` on PATH, as its user is logged in.
type AzureCLI struct{}

// longest is how much of an error of the CLI is worth reading.
const longest = 300

// Ask runs a command and reads its answer.
func (AzureCLI) Ask(ctx context.Context, into any, args ...string) error {
	path, err := exec.LookPath("az")
	if err != nil {
		return errors.New("there is no Azure CLI on PATH. Install it, and run `az login`")
	}
	args = append(args, "--output", "json")
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // G204: arguments of this package.
	cmd.Stderr = &said
	answer, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("`az %s` failed: %s", firstWords(args), shortened(said.String()))
	}
	if into == nil {
		return nil
	}
	if json.Unmarshal(answer, into) != nil {
		return fmt.Errorf("`az %s` did not print JSON", firstWords(args))
	}
	return nil
}

// firstWords are a command without its arguments, some of which are ids.
func firstWords(args []string) string {
	var words []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			break
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

func shortened(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "ERROR:"))
	runes := []rune(text)
	if len(runes) > longest {
		return string(runes[:longest]) + "..."
	}
	return text
}
