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
	lost := errors.New("read: connection reset by peer")
	require.Contains(t, Explain(lost), "run `make up` again")
	require.ErrorContains(t, Explained("down", lost), "run `make down` again")
	killed := errors.New("signal: killed")
	require.Contains(t, Explain(killed), "Run `make up` again, which looks first")
	unknown := errors.New("code: 255\n  error: x is wrong")
	require.ErrorContains(t, Explained("up", unknown), "x is wrong. Mend that")
	require.Empty(t, Explain(errors.New("something else")))
	require.Empty(t, Explain(nil))
}
