// Package discover stands in for hashicorp/go-discover, by a replace line of the sandbox's go.mod. Vault's raft storage
// can ask a cloud for its peers with it; the sandbox never does, and the SDKs of eleven clouds would be a quarter of all
// packages that the sandbox compiles. Asking it is an error.
package discover

import (
	"errors"
	"log"
)

// Provider finds the addresses of a cloud's nodes.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Providers are those that there are: none.
var Providers = map[string]Provider{}

// Config is what auto_join says.
type Config map[string]string

// String is there because Vault calls it.
func (Config) String() string { return "" }

// Parse returns ErrLeftOut.
func Parse(string) (Config, error) { return nil, ErrLeftOut }

// Discover asks none.
type Discover struct{}

// Option changes nothing.
type Option func(*Discover) error

// New makes one whose only answer is an error.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// WithProviders is there because Vault calls it.
func WithProviders(map[string]Provider) Option { return func(*Discover) error { return nil } }

// ErrLeftOut is the answer to auto_join in the sandbox.
var ErrLeftOut = errors.New("the sandbox is built without the discovery of raft peers in a cloud: name them with leader_api_addr")

// Addrs returns ErrLeftOut.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) { return nil, ErrLeftOut }
