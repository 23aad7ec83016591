package vaultserver_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/vaultserver"
)

const canary = "CANARY-c0ffee"

// The whole life of one server is one test because each step needs what the one before it left
// behind; the subtests are in the order of that life.
func TestServerLife(t *testing.T) {
	// The environment redirects no client.
	t.Setenv("VAULT_ADDR", "https://vault.invalid:8200")
	t.Setenv("VAULT_TOKEN", "not-a-token")
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "vault")
	server := start(t, dir)
	firstAddr := server.Addr()

	t.Run("a secret can be written at once", func(t *testing.T) {
		engine := server.Root().KVv2(vaultserver.KVMount)
		_, err := engine.Put(ctx, "ml/key", map[string]any{"value": canary})
		require.NoError(t, err)
	})

	t.Run("a second server is refused with the way out", func(t *testing.T) {
		_, err := vaultserver.Start(ctx, dir, nil)
		inUse := fmt.Sprintf("%s is in use by process %d: stop it, or use another directory",
			dir, os.Getpid())
		require.ErrorContains(t, err, inUse)
		require.ErrorAs(t, err, new(*vaultserver.InUseError))
	})

	t.Run("every file is private and none holds the payload in the clear", func(t *testing.T) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
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

	t.Run("the second run has the same address, data and token", func(t *testing.T) {
		rootToken := server.Root().Token()
		require.NoError(t, server.Stop(ctx))
		require.NoError(t, server.Stop(ctx), "a second Stop is harmless")

		server = start(t, dir)
		require.Equal(t, firstAddr, server.Addr())
		require.Equal(t, rootToken, server.Root().Token())
		secret, err := server.Root().KVv2(vaultserver.KVMount).Get(ctx, "ml/key")
		require.NoError(t, err)
		require.Equal(t, canary, secret.Data["value"])
	})

	t.Run("a taken port is replaced", func(t *testing.T) {
		require.NoError(t, server.Stop(ctx))
		squatter, err := net.Listen("tcp", strings.TrimPrefix(firstAddr, "https://"))
		require.NoError(t, err)
		defer func() { require.NoError(t, squatter.Close()) }()

		server = start(t, dir)
		require.NotEqual(t, firstAddr, server.Addr())
	})

	t.Run("storage without its key says what to do", func(t *testing.T) {
		require.NoError(t, server.Stop(ctx))
		require.NoError(t, os.Remove(filepath.Join(dir, "keys.json")))
		_, err := vaultserver.Start(ctx, dir, nil)
		require.ErrorContains(t, err, "`make clean` forgets it, then `make up` starts anew")
	})

	t.Run("a first start that was cut off is started anew", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "initialising"), nil, 0o600))
		start(t, dir)
	})
}

func TestAServerThatCannotWorkIsRefusedAndFreesTheDirectory(t *testing.T) {
	t.Setenv("SANDBOX_VAULT", "/bin/false")
	dir := t.TempDir()
	for range 2 {
		_, err := vaultserver.Start(t.Context(), dir, nil)
		require.ErrorContains(t, err, "/bin/false ended")
	}
}

func start(t *testing.T, dir string) *vaultserver.Server {
	t.Helper()
	server, err := vaultserver.Start(t.Context(), dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}
