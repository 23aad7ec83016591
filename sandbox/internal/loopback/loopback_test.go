package loopback

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheAddressIsKeptWhileItIsFree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "address")
	first, err := Listen(t.Context(), file)
	require.NoError(t, err)
	second, err := Listen(t.Context(), file)
	require.NoError(t, err)
	require.NotEqual(t, first.Addr(), second.Addr(), "taken")
	require.NoError(t, second.Close())
	again, err := Listen(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, second.Addr(), again.Addr())
	require.NoError(t, again.Close())
	require.NoError(t, first.Close())
}

func TestAnAddressThatOtherMachinesReachIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "address")
	for _, address := range []string{"0.0.0.0:0", ":0", "localhost:0", "127.0.0.1", "[::]:0", ""} {
		require.NoError(t, os.WriteFile(file, []byte(address), 0o600))
		_, err := Listen(t.Context(), file)
		require.ErrorContains(t, err, "delete the file", address)
	}
}
