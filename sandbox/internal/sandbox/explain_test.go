package sandbox

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachCauseIsOneSentenceThatSaysWhatToDo(t *testing.T) {
	for _, cause := range causes {
		require.Regexp(t, `: |[.,;] `, cause.sentence, "a cause, and what to do")
		require.Regexp(t, `run up again|run the command again|up --refresh|make policy|make preflight`, cause.sentence)
	}
}

// Both plugins' words for one cause; the genuine one's are of 6.7.4.
func TestTheGenuinePluginsErrorsAreExplainedToo(t *testing.T) {
	for text, want := range map[string]string{
		"failed to lookup token, err=Error making API request.\n\nURL: GET [secret]/v1/auth/token/lookup-self\nCode: 403. Errors:\n\n* permission denied\n* invalid token": "Make a new one",
		"error writing JWT auth backend role \"auth/jwt-mlvault-dev/role/mlvault-dev\": Error making API request.\n\nCode: 404. Errors:\n\n* no handler for route":         "--refresh",
		"Code: 503. Errors:\n\n* Vault is sealed": "unsealed",
		`error writing to path "secret/data/x", err=Put "[secret]/v1/secret/data/x": stream error: stream ID 21; INTERNAL_ERROR; received from peer`: "connection to Vault broke",
	} {
		require.Contains(t, Explain(errors.New(text)), want)
	}
	require.Empty(t, Explain(errors.New("something else")))
	require.Empty(t, Explain(nil))
}
