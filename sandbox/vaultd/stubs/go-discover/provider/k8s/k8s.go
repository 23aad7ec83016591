// Package k8s is the provider that Vault adds to the others by itself.
package k8s

import "github.com/hashicorp/go-discover"

type Provider struct{ discover.Provider }
