package vaultserver_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/vaultserver"
)

const canary = "CANARY-c0ffee"

// The whole life of one server is one test because each step needs what the one before it left behind; the subtests are
// in the order of that life.
func TestServerLife(t *testing.T) {
	ctx := t.Context()
	opts := vaultserver.Options{Dir: filepath.Join(t.TempDir(), "vault")}
	server := start(t, opts)
	firstAddr := server.Addr()

	t.Run("a secret can be written at once", func(t *testing.T) {
		_, err := server.Root().KVv2(vaultserver.KVMount).Put(ctx, "ml/key", map[string]any{"value": canary})
		require.NoError(t, err)
	})

	t.Run("a token has its policy and nothing else", func(t *testing.T) {
		token, err := server.Token(ctx, "reader", `path "secret/data/ml/key" { capabilities = ["read"] }`, time.Minute)
		require.NoError(t, err)
		client, err := server.Client(token)
		require.NoError(t, err)

		_, err = client.KVv2(vaultserver.KVMount).Get(ctx, "ml/key")
		require.NoError(t, err)
		for _, path := range []string{"sys/mounts", "sys/policies/acl/reader", "secret/metadata/ml/key", "auth/token/lookup-self"} {
			_, err = client.Logical().ReadWithContext(ctx, path)
			var answer *api.ResponseError
			require.ErrorAs(t, err, &answer, path)
			require.Equal(t, http.StatusForbidden, answer.StatusCode, path)
		}

		secret, err := server.Root().Auth().Token().LookupWithContext(ctx, token)
		require.NoError(t, err)
		require.Equal(t, []any{"reader"}, secret.Data["policies"])
		require.Equal(t, true, secret.Data["orphan"])
		require.Equal(t, false, secret.Data["renewable"])
	})

	t.Run("the environment does not redirect a client", func(t *testing.T) {
		t.Setenv("VAULT_ADDR", "https://vault.invalid:8200")
		t.Setenv("VAULT_TOKEN", "not-a-token")
		t.Setenv("VAULT_NAMESPACE", "elsewhere")
		client, err := server.Client(server.Root().Token())
		require.NoError(t, err)
		_, err = client.KVv2(vaultserver.KVMount).Get(ctx, "ml/key")
		require.NoError(t, err)
	})

	t.Run("a second server is refused with the way out", func(t *testing.T) {
		_, err := vaultserver.Start(ctx, vaultserver.Options{Dir: opts.Dir})
		require.ErrorContains(t, err, fmt.Sprintf("%s is in use by process %d: stop it, or use another directory", opts.Dir, os.Getpid()))
		require.ErrorAs(t, err, new(*vaultserver.InUseError))
	})

	t.Run("every file is private and none holds the payload in the clear", func(t *testing.T) {
		require.NoError(t, filepath.WalkDir(opts.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, path)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(data), canary, path)
			return nil
		}))
	})

	t.Run("a client without the CA does not connect", func(t *testing.T) {
		client := &http.Client{Timeout: 5 * time.Second}
		response, err := client.Get(server.Addr() + "/v1/sys/health")
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		require.ErrorContains(t, err, "certificate")
	})

	t.Run("the second run has the same address, data and token", func(t *testing.T) {
		rootToken := server.Root().Token()
		require.NoError(t, server.Stop(ctx))
		require.NoError(t, server.Stop(ctx), "a second Stop is harmless")

		server = start(t, opts)
		require.Equal(t, firstAddr, server.Addr())
		require.Equal(t, rootToken, server.Root().Token())
		secret, err := server.Root().KVv2(vaultserver.KVMount).Get(ctx, "ml/key")
		require.NoError(t, err)
		require.Equal(t, canary, secret.Data["value"])
		require.Empty(t, server.Root().Headers().Get("X-Vault-Namespace"))
	})

	t.Run("a taken port is replaced", func(t *testing.T) {
		require.NoError(t, server.Stop(ctx))
		squatter, err := net.Listen("tcp", strings.TrimPrefix(firstAddr, "https://"))
		require.NoError(t, err)
		defer func() { require.NoError(t, squatter.Close()) }()

		server = start(t, opts)
		require.NotEqual(t, firstAddr, server.Addr())
	})

	t.Run("storage without its key says what to do", func(t *testing.T) {
		require.NoError(t, server.Stop(ctx))
		require.NoError(t, os.Remove(filepath.Join(opts.Dir, "keys.json")))
		_, err := vaultserver.Start(ctx, opts)
		require.ErrorContains(t, err, "`make clean` forgets it, then `make up` starts anew")
	})

	t.Run("a first start that was cut off is started anew", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(opts.Dir, "initialising"), nil, 0o600))
		start(t, opts)
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		opts vaultserver.Options
		want string
	}{
		"no server":    {vaultserver.Options{Dir: dir, Binary: "/no/such/vault"}, "no such file"},
		"not a server": {vaultserver.Options{Dir: dir, Binary: "/bin/false"}, "/bin/false ended"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vaultserver.Start(t.Context(), test.opts)
			require.ErrorContains(t, err, test.want)
			var inUse *vaultserver.InUseError
			require.False(t, errors.As(err, &inUse), "a failed start must free the directory")
		})
	}
}

func start(t *testing.T, opts vaultserver.Options) *vaultserver.Server {
	t.Helper()
	server, err := vaultserver.Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}
