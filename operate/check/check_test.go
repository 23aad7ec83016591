package check

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
)

func TestAReportMasksWhatAnAnswerQuotes(t *testing.T) {
	c := &checker{
		stack: Stack{Token: settings.NewSecret("hvs.token-canary")},
		settings: &settings.Settings{
			Address: settings.NewSecret("https://host-canary.example.com:8200"),
			Credentials: []settings.Credential{
				{Payload: settings.NewSecret(`{"k":"payload-canary"}`)},
			},
		},
	}
	text := `Get "https://host-canary.example.com:8200/v1/x": dial host-canary.example.com:8200: ` +
		`lookup host-canary.example.com: hvs.token-canary {"k":"payload-canary"}`
	c.problem("%s", text)
	c.warning("%s", text)
	c.unseen("%s", text)
	c.passed("%s", text)
	report := c.masked()
	for _, texts := range [][]string{report.Problems, report.Warnings, report.Unseen, report.Passed} {
		require.NotContains(t, texts[0], "canary")
		require.Contains(t, texts[0], "[secret]")
	}
}

// A host that is called as plainly as vault would blot out every setting and command of that name.
func TestAHostOfOneWordLeavesTheReportReadable(t *testing.T) {
	c := &checker{settings: &settings.Settings{Address: settings.NewSecret("https://vault:8200")}}
	c.problem("vault.mount: nothing is mounted. Run `vault secrets enable`. dial vault:8200")
	require.Equal(t, []string{"vault.mount: nothing is mounted. Run `vault secrets enable`. dial [secret]"},
		c.masked().Problems)
}

func TestTheVerdictSaysWhatAnUpWouldDo(t *testing.T) {
	for _, row := range []struct {
		name    string
		report  Report
		ready   bool
		verdict string
	}{
		{name: "all is well", ready: true, verdict: "`pulumi up` should succeed"},
		{
			name: "a problem", report: Report{Problems: []string{"x"}},
			verdict: "`pulumi up` would fail. Problems: 1",
		},
		{
			name: "a secret of others", report: Report{Problems: []string{"x"}, Overwrites: true},
			verdict: "do not run `pulumi up`: it would overwrite or delete",
		},
		{
			name: "owners that were not seen", report: Report{OwnersUnseen: true},
			verdict: "it could not be seen whose it is",
		},
	} {
		require.Equal(t, row.ready, row.report.Ready(), row.name)
		require.Contains(t, row.report.Verdict(), row.verdict, row.name)
	}
}

// What is asked in place of a value, with and without a look at the mount.
func TestAPathIsAskedForWithoutItsValue(t *testing.T) {
	for _, row := range []struct {
		path string
		on   mount
		ask  string
	}{
		{path: "kv/data/team/warehouse", ask: "kv/metadata/team/warehouse"},
		{path: "database/creds/ml-reader", ask: "database/roles/ml-reader"},
		{path: "kvm-database/creds/x", on: mount{path: "kvm-database", kind: "database"}, ask: "kvm-database/roles/x"},
		{path: "a/b/static-creds/x", ask: "a/b/static-roles/x"},
		{path: "kv1/plain"},
		{path: "kv1/data/x", on: mount{path: "kv1", kind: "kv", version: "1"}},
		{path: "cubby/data/x", on: mount{path: "cubby", kind: "other"}},
	} {
		ask, look := askInstead(row.path, row.on)
		require.Equal(t, row.ask, ask, row.path)
		require.NotContains(t, look, " kv get ")
	}
}
