// Package k8s is the provider that Vault adds to the others by itself.
package k8s

import (
	"log"

	"github.com/hashicorp/go-discover"
)

// Provider returns [discover.ErrLeftOut].
type Provider struct{}

// Addrs returns [discover.ErrLeftOut].
func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, discover.ErrLeftOut
}

// Help says so.
func (*Provider) Help() string { return discover.ErrLeftOut.Error() }
