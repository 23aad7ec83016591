package vaultserver

import (
	"crypto/tls"
	"time"
)

// Certificate is the server's certificate for this machine's loopback names, for the other servers of a sandbox:
// whoever trusts CAFile then trusts them all.
func (s *Server) Certificate() (tls.Certificate, error) {
	return loadOrCreateTLS(s.dir, s.host(), time.Now())
}
