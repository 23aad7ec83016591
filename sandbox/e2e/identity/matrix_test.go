package identity

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
)

// vaultGUID is the audience of the stack with version 2 tokens, which name theirs by a GUID, always.
const vaultGUID = "7c1e9a44-52b8-4f0d-b6c3-2a8f4e5d6071"

// TestIdentityMatrix holds what this program promises about identities: who gets in at a stack's door in Vault, what one
// who got in may do, and that Vault refuses all else, each for its own reason. Three stacks share one Vault: dev and prod
// with the same audience, so that only the object id tells their jobs apart, and one that takes version 2 tokens.
func TestIdentityMatrix(t *testing.T) {
	l := newLabWith(t, "dev", "prod", "v2")
	dev, prod := l.door("dev", issuer.V1), l.door("prod", issuer.V1)
	v2 := l.door("v2", issuer.V2, lab.With(t, "workload.audience", vaultGUID))

	t.Run("each job reads its own credentials and nothing else", func(t *testing.T) {
		accepted, refused := 0, 0
		for _, pair := range [][2]*door{{dev, prod}, {prod, dev}, {v2, dev}} {
			d, neighbour := pair[0], pair[1]
			matrix := d.matrix(neighbour)
			for _, failure := range run(matrix) {
				t.Errorf("%s: %s", d.role, failure)
			}
			yes, no := count(matrix)
			t.Logf("%s, tokens of version %s: %d accepted, %d refused", d.role, d.version, yes, no)
			accepted, refused = accepted+yes, refused+no
		}
		if !t.Failed() {
			t.Logf("identity matrix: %d accepted, %d refused, as expected", accepted, refused)
		}
	})

	t.Run("a mutation of what is deployed turns its rows red and no other", func(t *testing.T) {
		for _, m := range mutations(dev, prod) {
			opened := l.opened(dev.matrix(prod), m.changes)
			require.Equal(t, m.opens, opened, m.name)
			t.Logf("%s: red: %s", m.name, cmp.Or(strings.Join(opened, "; "), "none"))
			require.Empty(t, run(dev.matrix(prod)), "all is as it was before: %s", m.name)
		}
	})

	t.Run("a token is dead when its time is over", func(t *testing.T) {
		restore := l.mutate(dev.rolePath(), func(role map[string]any) { role["token_ttl"], role["token_max_ttl"] = 2, 2 })
		defer restore()
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		require.Eventually(t, func() bool { return strings.Contains(answer(read()), deadToken) }, 10*time.Second, 200*time.Millisecond)
	})

	t.Run("a token cannot be revoked but without its policy opens nothing", func(t *testing.T) {
		as := dev.job()
		read := dev.reads(as, "ml_api_key")
		job, err := as()
		require.NoError(t, err)
		root := l.Vault.Root()
		require.Equal(t, "400 batch tokens cannot be revoked", answer(root.Auth().Token().RevokeTreeWithContext(t.Context(), job.Token())))
		require.Equal(t, granted, answer(read()))

		restore := l.mutate(dev.rolePath(), func(role map[string]any) { role["token_policies"] = []string{"nothing"} })
		require.Equal(t, granted, answer(read()), "the role counts at the login only")
		restore()
		restore = l.mutate(dev.policyPath(), func(policy map[string]any) { policy["policy"] = "# nothing" })
		require.Contains(t, answer(read()), denied, "the policy counts at each request: this stops a job at once")
		restore()
		require.Equal(t, granted, answer(read()), "it is the same token")
	})

	t.Run("an operator may do all that a job is refused", func(t *testing.T) {
		// Otherwise a row may be refused because what it asks for is not there. This deletes the stack's credentials.
		for _, row := range v2.requests(dev, l.operator) {
			require.Equal(t, granted, answer(row.try()), row.name)
		}
	})

	t.Run("without its auth method a stack lets nobody in, and a token that is out lives on", func(t *testing.T) {
		read := dev.reads(dev.job(), "ml_api_key")
		require.Equal(t, granted, answer(read()))
		require.NoError(t, l.Vault.Root().Sys().DisableAuthWithContext(t.Context(), strings.TrimPrefix(dev.authPath(), "auth/")))
		require.Equal(t, "403 permission denied", answer(dev.login(dev.role, dev.token())()))
		require.Equal(t, granted, answer(prod.login(prod.role, prod.token())()), "another stack's is another")
		require.Equal(t, granted, answer(read()), "a batch token hangs on no auth method; its policy is what stops it")
	})
}
