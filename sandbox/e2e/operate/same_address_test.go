package operate_test

import (
	"context"
	"os"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// An address stays, and the Vault behind it is another one: initialised anew, or that of others. The
// first one comes back from its backup.
func TestAnotherVaultBehindTheSameAddressIsSeenAndLosesNothing(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())
	address := l.Vault.Addr()
	exchangeVault(l, "first", "second")
	require.Equal(t, address, l.Vault.Addr())

	rotated := lab.Payloads{"ml_api_key": {"api_key": lab.Canary + "-new"}, "feature_store": {"user": "new"}}
	l.Prepare("dev", rotated)
	r := newReal(l, l.Path("work"))
	r.asks()
	out := r.operate(false, "check")
	require.Contains(t, out, "Was Vault restored or initialised anew?")
	require.Contains(t, out, "do not run `pulumi up` before you know which Vault this is")
	require.Contains(t, r.operate(true, "check -moved"), "warning   policy mlvault-dev")

	// One secret is of a stack of the same name, whose state is elsewhere. Somebody wrote the other
	// by hand, so that it bears no mark.
	others := lab.New(t).In(l)
	others.Up("dev", lab.Payloads{"ml_api_key": {"api_key": "theirs"}})
	l.Write(lab.StorePath, map[string]any{"data": map[string]any{"user": "by hand"}})
	dev := l.Prepare("dev", rotated)
	r.asks()
	require.Contains(t, r.operate(false, "check -moved"), "bears the mark of another mlvault/dev")
	require.Contains(t, r.operate(false, "check"), "as its accessor says")
	_, err := dev.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "is left alone: it exists in this Vault")
	for path, kept := range map[string]map[string]any{
		lab.APIKeyPath: {"api_key": "theirs"},
		lab.StorePath:  {"user": "by hand"},
	} {
		data, version := l.Read(path)
		require.Equal(t, kept, data)
		require.Equal(t, 1, version)
	}

	exchangeVault(l, "second", "first")
	dev = l.Prepare("dev", rotated)
	r.asks()
	require.Contains(t, r.operate(true, "check"), "No problem found.")
	_, err = dev.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	_, version := l.Read(lab.StorePath)
	require.Equal(t, 2, version)

	// The stack moves to an empty one.
	exchangeVault(l, "first", "third")
	dev = l.Prepare("dev", rotated)
	_, err = dev.Up(t.Context(), optup.Refresh(), optup.SuppressProgress())
	require.NoError(t, err)
	r.asks()
	require.Contains(t, r.operate(true, "check"), "No problem found.")
	read, err := dev.Job(t.Context())
	require.NoError(t, err)
	require.Equal(t, "feature_store: user\nml_api_key: api_key", read)
}

// exchangeVault puts another Vault behind the lab's address: that of a name, or an empty one where
// there is none. The one before is kept under its own name.
func exchangeVault(l *lab.Lab, before, after string) {
	l.T.Helper()
	require.NoError(l.T, l.Vault.Stop(context.WithoutCancel(l.T.Context())))
	for _, part := range []string{"storage", "keys.json"} {
		path := l.Path("vault/" + part)
		require.NoError(l.T, os.Rename(path, path+"-"+before))
		err := os.Rename(path+"-"+after, path)
		if err != nil {
			require.ErrorIs(l.T, err, os.ErrNotExist)
		}
	}
	require.NoError(l.T, l.StartVault(l.T.Context()))
}

// A refresh takes what it reads in another team's Vault into the state: policy, role and backend are
// then the state's own. What the state keeps of the address tells all the same.
func TestAfterARefreshInAnotherTeamsVaultThePreflightStillSaysSo(t *testing.T) {
	ours, theirs := lab.New(t), lab.New(t)
	ours.Up("dev", lab.Sample())
	theirs.Up("dev", lab.Sample())
	strayed := ours.In(theirs).Prepare("dev", lab.Sample())
	_, err := strayed.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	r := newReal(ours, ours.Path("work"))
	r.asks()
	out := r.operate(false, "check -moved")
	require.Contains(t, out, "policy mlvault-dev")
	require.Contains(t, out, "this stack's state is of another Vault")
	require.Contains(t, out, "do not run `pulumi up`")
}
