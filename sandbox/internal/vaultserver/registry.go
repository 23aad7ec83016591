package vaultserver

import (
	"slices"

	"github.com/hashicorp/vault/sdk/helper/consts"
)

// registry tells Vault's plugin catalog which plugins are built in. Vault's own
// list (helper/builtinplugins) would link every cloud SDK there is; the factories
// themselves are given to the core directly, so the catalog needs only the names.
type registry struct{}

var builtin = map[consts.PluginType][]string{
	consts.PluginTypeSecrets:    {"kv"},
	consts.PluginTypeCredential: {"approle", "jwt"},
}

func (registry) Contains(name string, kind consts.PluginType) bool {
	return slices.Contains(builtin[kind], name)
}

// Get is asked for the factory of a plugin that the core was not given one for.
func (registry) Get(string, consts.PluginType) (func() (any, error), bool) { return nil, false }

func (registry) Keys(kind consts.PluginType) []string { return builtin[kind] }

func (r registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, kind)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
