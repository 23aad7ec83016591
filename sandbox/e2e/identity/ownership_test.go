package identity

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

const leftAlone = "is left alone: it exists in this Vault, and is not what this stack's state knows"

// Two teams have a stack of the same name, each in its own Vault. One sets the other's address and
// a token that is good there.
func TestAStateOfAnotherVaultChangesNothingThere(t *testing.T) {
	ours, theirs := lab.New(t), lab.New(t)
	ours.Up("dev", lab.Sample())
	theirs.Up("dev", lab.Payloads{"ml_api_key": {"api_key": "theirs"}, "feature_store": {"user": "theirs"}})
	before := held(theirs)

	strayed := ours.In(theirs).Prepare("dev", lab.Sample())
	_, err := strayed.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, leftAlone)
	require.Equal(t, before, held(theirs), "after the up")

	// A refresh takes what it reads there for this stack's. The values are safe all the same.
	values := func() []any {
		key, _ := theirs.Read(lab.APIKeyPath)
		store, _ := theirs.Read(lab.StorePath)
		return []any{key, store}
	}
	kept := values()
	_, err = strayed.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	_, err = strayed.Up(t.Context(), optup.SuppressProgress())
	require.Error(t, err)
	_, err = strayed.Destroy(t.Context(), optdestroy.SuppressProgress())
	require.ErrorContains(t, err, leftAlone)
	require.Equal(t, kept, values())
}

// With one prefix for two stacks a credential of one name is one secret.
func TestTwoStacksWithOnePrefixNeitherOverwriteNorDeleteEachOthersSecrets(t *testing.T) {
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, "dev", "qa")})
	shared := lab.With(t, "vault.prefix", "teams/forecasting/ml")
	const path = "secret/data/teams/forecasting/ml/feature_store"

	l.Up("dev", lab.Payloads{"feature_store": {"user": "of dev"}}, shared)
	second := l.Prepare("qa", lab.Payloads{"feature_store": {"user": "of qa"}, "only_qa": {"key": "1"}}, shared)
	_, err := second.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, leftAlone)
	require.ErrorContains(t, err, "vault.prefix")

	l.Up("qa", lab.Payloads{"only_qa": {"key": "1"}}, shared)
	l.Destroy(second)
	data, version := l.Read(path)
	require.Equal(t, map[string]any{"user": "of dev"}, data)
	require.Equal(t, 1, version)
}

// The names of role and policy may be chosen, and so may those of another stack.
func TestAChosenNameOfAnotherStackIsNotTakenOver(t *testing.T) {
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, "dev", "qa")})
	dev, _ := l.Up("dev", lab.Sample())
	before := held(l)
	for _, test := range []struct {
		setting string
		names   map[string]string
	}{
		{setting: "workload.policy", names: map[string]string{"workload.policy": dev.Config.Workload.Policy}},
		{setting: "workload.role", names: map[string]string{
			"workload.role":              dev.Config.Workload.Role,
			"workload.authPath":          dev.Config.Workload.AuthPath,
			"workload.createAuthBackend": "false",
		}},
	} {
		strayed := l.Prepare("qa", lab.Sample(), lab.Settings(t, test.names))
		_, err := strayed.Up(t.Context(), optup.SuppressProgress())
		require.ErrorContains(t, err, leftAlone, test.setting)
		require.ErrorContains(t, err, test.setting)
		l.Destroy(strayed)
		after := held(l)
		for path, found := range before {
			require.Equal(t, found, after[path], "%s: %s", test.setting, path)
		}
	}
}

// A secret that somebody wrote by hand has no mark at all.
func TestTheFirstWriteNeverOverwritesASecretOfSomebodyElse(t *testing.T) {
	l := lab.New(t)
	l.Write(lab.StorePath, map[string]any{"data": map[string]any{"by": "hand"}})
	configured := l.Prepare("dev", lab.Sample())
	_, err := configured.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, leftAlone)
	data, version := l.Read(lab.StorePath)
	require.Equal(t, map[string]any{"by": "hand"}, data)
	require.Equal(t, 1, version)
}

// What a destroy leaves is deleted and can be brought back. The next up has another job identity,
// and the secret is the stack's all the same.
func TestAStackThatWasDestroyedComesBack(t *testing.T) {
	l := lab.New(t)
	first, _ := l.Up("dev", lab.Sample())
	l.Destroy(first)
	_, changes := l.Up("dev", lab.Sample())
	require.NotZero(t, changes["create"])
	_, version := l.Read(lab.StorePath)
	require.Equal(t, 2, version)
}

// Who deploys qa and names a credential of dev gets it when dev lends it, and no sooner. Nothing of
// this needs the preflight.
func TestACredentialOfAnotherStackIsReadOnlyWithItsOwnersConsent(t *testing.T) {
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, "dev", "qa")})
	l.Up("dev", lab.Sample())
	borrows := lab.With(t, "vault.reads.theirs", lab.APIKeyPath)
	own := lab.Payloads{"own": {"key": "1"}}
	qa := l.Prepare("qa", own, borrows)
	_, err := qa.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "which does not list this one as a reader")
	require.Contains(t, sandbox.Explain(err), "whose owner does not lend it")
	policy, err := l.Vault.Root().Logical().ReadWithContext(t.Context(), qa.Config.PolicyPath())
	require.NoError(t, err)
	require.Nil(t, policy)

	l.Up("dev", lab.Sample(), lab.With(t, "vault.readers[0]", "mlvault/qa"))
	lent, _ := l.Up("qa", own, borrows)
	read, err := lent.Job(t.Context())
	require.NoError(t, err)
	require.Equal(t, "own: key\ntheirs: api_key", read)
}
