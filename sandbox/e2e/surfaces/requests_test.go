package surfaces

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// showing are the ways to make the CLI or the plugin show secrets; TestProveWhatTheCLIShowsOnRequest runs them.
var showing = regexp.MustCompile(`--show-secrets|--logtostderr|--logflow|(?:^|\s)(?:-v|--verbose)[ =]?\d|(?:pulumi|up|preview|refresh|destroy)\b[^\n]*\s(?:-d|--debug)\b|` +
	`PULUMI_DEBUG_|--tracing|--otel-traces|\bTF_LOG|TERRAFORM_VAULT_LOG|(?m:^\s*(?:debug|log-verbosity|show-secrets):)`)

func TestTheRecipesAndTheWorkflowsNeverAskForSecrets(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(lab.Repository(), ".github", "workflows", "*.y*ml"))
	require.NoError(t, err)
	for _, file := range append(files, filepath.Join(lab.Repository(), "Makefile"), filepath.Join(lab.Repository(), ".ci", "run")) {
		require.Empty(t, showing.FindAllString(lab.ReadFile(t, file), -1), file)
	}
}

func TestEveryWayToAskForSecretsIsRecognised(t *testing.T) {
	for _, line := range []string{
		"pulumi stack output --show-secrets", "pulumi up --logtostderr", "pulumi up -v=9", "pulumi up -v 9", "pulumi preview --verbose=3",
		"pulumi up --debug", "pulumi refresh --yes -d", "PULUMI_DEBUG_GRPC=x pulumi up", "pulumi up --tracing file:x", "pulumi up --otel-traces file://x",
		"TF_LOG=DEBUG pulumi up", "  debug: true", "        log-verbosity: 9",
	} {
		require.Regexp(t, showing, line)
	}
	for _, line := range []string{"go test -v ./...", "pulumi preview --diff", "pulumi up --yes --stack dev", "mkdir -p x", "actions/checkout@v4"} {
		require.NotRegexp(t, showing, line)
	}
}
