package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
)

// refusal is what the program says of credentials, with where they are in the file.
func refusal(t *testing.T, text string) string {
	t.Helper()
	_, err := settings.From(settings.Source{
		Project: "mlvault",
		Stack:   "dev",
		Values: map[string]string{
			"azure-native:location": "westeurope",
			"mlvault:vaultAddress":  "https://vault.example.com:8200",
			"mlvault:workload":      `{"audience":"api://x"}`,
			"mlvault:credentials":   text,
		},
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	require.Error(t, err)
	return inCredentialsFile(err, "my.json", text).Error()
}

func TestAFaultInTheCredentialsFileIsToldWithItsLineAndColumn(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no value", "{\n  \"a\": {\"k\": }\n}", "my.json:2:14: is not valid JSON"},
		{"cut off", "{\"a\": {\"k\": \"v\"}", "my.json:1:17: is not valid JSON"},
		{"empty", "{\n  \"é\": {\"k\": \"v\"},\n  \"a\": {}\n}", "my.json:3:3: a has no keys"},
		{"a text", "{\n  \"a\": \"text\"\n}", "my.json:2:3: a is a text and no object"},
		{"a list", "[]", "my.json:1:1: is not an object of credential names"},
		{"twice", "{\"a\": {\"k\": \"1\",\n\"k\": \"2\"}}", "my.json:2:1: a.k is given twice"},
		{"null", "{\"a\": {\n \"l\": [1,\n  null]}}", "my.json:3:3: a.l[1] is null"},
		{"a name", "{\"a\": {\"k\": \"v\"},\n\n \"b*\": {\"k\": \"v\"}}", "my.json:3:2: b* the name"},
		{"more text", "{\"a\": {\"k\": \"v\"}}\n}", "my.json:2:1: has more text after its end"},
		{"not UTF-8", "{\"a\":\n {\"k\": \"\xff\"}}", "my.json:2:9: is not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := refusal(t, c.text)
			require.Contains(t, said, "\n  "+c.want)
			require.NotContains(t, said, "pulumi config")
			require.NotContains(t, said, "byte ")
		})
	}
}

func TestAProblemOfTheStacksFileIsNotBlamedOnTheCredentials(t *testing.T) {
	problems := settings.Problems{{Key: "vault.mount", Text: "is wrong"}}
	require.Equal(t, error(problems), inCredentialsFile(problems, "my.json", "{}"))
	other := errors.New("other")
	require.Equal(t, other, inCredentialsFile(other, "my.json", "{}"))
}
