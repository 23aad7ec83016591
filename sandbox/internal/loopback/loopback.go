// Package loopback listens where no other machine reaches.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"mlvault/sandbox/internal/files"
)

// Listen listens at the address that file holds from the run before, because addresses are part of
// a stack's configuration. Where that port is taken, or there is no file yet, it takes a free one.
// The file then holds the address.
func Listen(ctx context.Context, file string) (net.Listener, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		text, err = []byte("127.0.0.1:0"), nil
	}
	if err != nil {
		return nil, err
	}
	address, err := netip.ParseAddrPort(string(text))
	if err != nil || !address.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s holds %q, which is not a loopback IP address with a port: "+
			"delete the file", file, text)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		listener, err = config.Listen(ctx, "tcp", netip.AddrPortFrom(address.Addr(), 0).String())
	}
	if err != nil {
		return nil, err
	}
	if err := files.Replace(file, []byte(listener.Addr().String())); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}
