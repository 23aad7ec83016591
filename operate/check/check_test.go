package check

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
)

func TestAReportMasksWhatAnAnswerQuotes(t *testing.T) {
	c := &checker{stack: Stack{Token: settings.NewSecret("hvs.token-canary")}, cfg: &settings.Settings{
		Address: settings.NewSecret("https://host-canary.example.com:8200"), Credentials: []settings.Credential{{Payload: settings.NewSecret(`{"k":"payload-canary"}`)}},
	}}
	text := `Get "https://host-canary.example.com:8200/v1/x": dial host-canary.example.com:8200: lookup host-canary.example.com: hvs.token-canary {"k":"payload-canary"}`
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

// What is asked in place of a value, with and without a look at the mount.
func TestAPathIsAskedForWithoutItsValue(t *testing.T) {
	for path, want := range map[string]string{
		"kv/data/team/warehouse": "kv/metadata/team/warehouse", "database/creds/ml-reader": "database/roles/ml-reader",
		"a/b/static-creds/x": "a/b/static-roles/x", "kv1/plain": "",
	} {
		ask, look := readsAsk(path, mount{})
		require.Equal(t, want, ask)
		require.NotContains(t, look, " kv get ")
	}
	ask, _ := readsAsk("cubby/data/x", mount{kind: "other"})
	require.Empty(t, ask)
}
