package sandbox

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnErrorIsExplainedWithTheSandboxsCommands(t *testing.T) {
	sealed := errors.New("code: 255\nCode: 503. Errors:\n\n* Vault is sealed")
	require.Contains(t, Explain(sealed), "run `make up` again")
	require.ErrorContains(t, Explained("down", sealed), "run `make down` again")
	require.Contains(t, Explain(errors.New("signal: killed")), "Run `make up` again, which looks first")
	require.ErrorContains(t, Explained("up", errors.New("code: 255\n  error: x is wrong")), "x is wrong. Mend that")
	require.Empty(t, Explain(errors.New("something else")))
	require.Empty(t, Explain(nil))
}
