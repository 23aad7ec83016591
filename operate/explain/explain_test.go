package explain_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/operate/explain"
)

// The logs are as the CLI 3.274.1, the Vault plugin 6.7.4 and azure-native 2.92.3 print them.
func TestALogIsExplainedByItsFirstCause(t *testing.T) {
	for _, row := range []struct{ log, remedy string }{
		{
			log: "failed to lookup token, err=Error making API request.\n\n" +
				"URL: GET [secret]/v1/auth/token/lookup-self\nCode: 403. Errors:\n\n* permission denied\n* " +
				"invalid token",
			remedy: "Make a new one",
		},
		{
			log: "error writing JWT auth backend role \"auth/jwt-mlvault-dev/role/mlvault-dev\": " +
				"Error making API request.\n\nCode: 404. Errors:\n\n* no handler for route",
			remedy: "--refresh",
		},
		{log: "Code: 503. Errors:\n\n* Vault is sealed", remedy: "unsealed"},
		{
			log: `error writing to path "secret/data/x", err=Put "[secret]/v1/secret/data/x": ` +
				`stream error: stream ID 21; INTERNAL_ERROR; received from peer`,
			remedy: "Check that Vault runs",
		},
		{
			log: `error: autorest/azure: Service returned an error. Status=409 ` +
				`Code="RoleAssignmentExists" Message="The role assignment already exists."`,
			remedy: "make adopt",
		},
		{
			log: "error: the stack is currently locked by 1 lock(s). Either wait for the other " +
				"process(es) to end or delete the lock file with `pulumi cancel`.",
			remedy: "run `make repair`",
		},
	} {
		found, known := explain.Find(row.log)
		require.True(t, known, row.log)
		require.Contains(t, found.Remedy, row.remedy)
	}
	for _, log := range []string{"", "something else"} {
		_, known := explain.Find(log)
		require.False(t, known)
	}
}

func TestTheLastErrorOfTheCLIIsFound(t *testing.T) {
	const log = "  error: first\n    Resources:\n  error:   update failed  \n"
	require.Equal(t, "update failed", explain.LastError(log))
	require.Empty(t, explain.LastError("Updating (dev)"))
}

// docs/operate.md has the same table. UPDATE_GOLDEN=1 writes it.
func TestTheDocumentationHasEveryExplanation(t *testing.T) {
	const (
		page  = "../../docs/operate.md"
		begin = "<!-- table: explanations, written by UPDATE_GOLDEN=1 go -C operate test ./explain -->\n"
		end   = "<!-- end: explanations -->"
	)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s lacks %s", page, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s lacks %s", page, end)
	var table strings.Builder
	require.NoError(t, explain.Table(&table))
	want := before + begin + table.String() + end + after
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text), "UPDATE_GOLDEN=1 go -C operate test ./explain writes it")
}
