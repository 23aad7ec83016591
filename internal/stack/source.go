package stack

import (
	"encoding/json"
	"maps"
	"os"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/config"
)

// source is the configuration of the running program. The SDK has no list of its keys, but the CLI hands all of them over in
// one variable. The settings file in dir, if there is one, tells which values are encrypted by themselves.
func source(ctx *pulumi.Context, dir string) config.Source {
	var all map[string]string
	_ = json.Unmarshal([]byte(os.Getenv("PULUMI_CONFIG")), &all) // without it, unknown keys are not seen
	keys := slices.Collect(maps.Keys(all))
	for _, name := range config.Keys {
		keys = append(keys, ctx.Project()+":"+name)
	}
	values := map[string]string{}
	for _, key := range append(keys, "azure-native:location") {
		if text, set := ctx.GetConfig(key); set {
			values[key] = text
		}
	}
	return config.Source{
		Project: ctx.Project(), Stack: ctx.Stack(), Values: values,
		Encrypted: ctx.IsConfigSecret, Settings: config.ReadSettings(dir, ctx.Stack()),
	}
}
