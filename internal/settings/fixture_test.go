package settings

import (
	"strings"
	"testing"
)

// canary stands in every secret of the fixture. No text for people may have it.
const canary = "canary-5f1d7c"

// fake is a stack's configuration as the CLI hands it over.
type fake map[string]string

// valid is a configuration that is right. Each refusal breaks it in one place.
func valid() fake {
	return fake{
		"azure-native:location": "westeurope",
		"mlvault:vaultAddress":  "https://vault.example.com:8200",
		"mlvault:vaultToken":    "hvs." + canary,
		"mlvault:credentials":   `{"ml_api_key":{"api_key":"` + canary + `"}}`,
		"mlvault:workload":      `{"audience":"api://mlvault"}`,
	}
}

func (f fake) source() Source {
	return Source{
		Project:   "mlvault",
		Stack:     "dev",
		Values:    f,
		Encrypted: IsSecretKey,
		Trusted:   true,
	}
}

// keptIn is a source with a settings file.
func (f fake) keptIn(file string) Source {
	src := f.source()
	src.Settings = []byte(file)
	src.Trusted = false
	return src
}

// load reads a configuration that is right.
func (f fake) load(t *testing.T) *Settings {
	t.Helper()
	loaded, err := From(f.source())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// with is the valid configuration with changes.
func with(edits ...func(fake)) fake {
	values := valid()
	for _, edit := range edits {
		edit(values)
	}
	return values
}

// set writes a key of the project.
func set(key, value string) func(fake) {
	return func(f fake) { f["mlvault:"+key] = value }
}

// unset takes a key away, with its namespace.
func unset(key string) func(fake) {
	return func(f fake) { delete(f, key) }
}

// alter is a change with one of its texts replaced.
func alter(change func(fake), key, old, text string) func(fake) {
	return func(f fake) {
		change(f)
		f["mlvault:"+key] = strings.Replace(f["mlvault:"+key], old, text, 1)
	}
}

// azure is what a section of Azure becomes, beside an address that every network takes.
func azure(t *testing.T, section string) Azure {
	t.Helper()
	address := set("vaultAddress", "https://Vault.example.com")
	return with(address, set("azure", section)).load(t).Azure
}

// Parts of settings, right as they stand.
const (
	aGUID     = "5a9db0c5-0000-4000-8000-000000000009"
	aKey      = "https://mine.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	providers = "/subscriptions/" + aGUID + "/resourceGroups/rg/providers/"

	storageID  = providers + "Microsoft.Storage/storageAccounts/mine"
	identityID = providers + "Microsoft.ManagedIdentity/userAssignedIdentities/mine"
	vaultID    = providers + "Microsoft.KeyVault/vaults/mine"
	insightsID = providers + "Microsoft.Insights/components/mine"
	logsID     = providers + "Microsoft.OperationalInsights/workspaces/mine"
	registryID = providers + "Microsoft.ContainerRegistry/registries/mine"
	zoneID     = providers + "Microsoft.Network/privateDnsZones/mine"
	aNetwork   = providers + "Microsoft.Network/virtualNetworks/hub"

	aCluster     = providers + "Microsoft.MachineLearningServices/workspaces/mine/computes/gpu"
	aSubnet      = `"subnetId":"` + aNetwork + `/subnets/ml"`
	aCertificate = `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`

	aRole = `{"role":"AzureML Data Scientist","principalId":"` + aGUID + `","principalType":"Group"}`
)

// approved gives a network that lets nothing out, with an address that may stand there.
func approved(network string) func(fake) {
	return func(f fake) {
		set("vaultAddress", "https://vault.example.com")(f)
		set("azure", `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound",`+network+`}}`)(f)
	}
}

// rule gives such a network one outbound rule.
func rule(fields string) func(fake) {
	return approved(`"outboundRules":[{` + fields + `}]`)
}

// closed puts Vault at an address behind such a network.
func closed(address string) func(fake) {
	return func(f fake) {
		approved(`"firewallSku":"Basic"`)(f)
		set("vaultAddress", address)(f)
	}
}

// endpoints is all that a network team asks for, with some fields of privateEndpoints.
func endpoints(fields string) func(fake) {
	return func(f fake) {
		set("compute", `[{"maxNodes":2}]`)(f)
		set("azure", `{"createContainerRegistry":true,"managedNetwork":{"mode":"AllowInternetOutbound"},`+
			`"privateEndpoints":{`+fields+`}}`)(f)
	}
}

// zones has the endpoints' zones made, and some tags on them.
func zones(tags string) func(fake) {
	made := endpoints(aSubnet + `,"virtualNetworkId":"` + aNetwork + `"`)
	return alter(made, "azure", `{`, `{"tags":{`+tags+`},`)
}

// issuer is one of aGUID's tenant.
func issuer(host, rest string) func(fake) {
	return set("workload", `{"audience":"a","issuer":"https://`+host+"/"+aGUID+rest+`"}`)
}

// read lets the jobs read a path as x.
func read(path string) func(fake) {
	return set("vault", `{"reads":{"x":"`+path+`"}}`)
}

// ownKey gives a key of the user's own, with some fields beside its vault.
func ownKey(fields string) func(fake) {
	return set("azure", `{"customerManagedKey":{"keyVaultId":"`+vaultID+`"`+fields+`}}`)
}

// assign gives one role.
func assign(fields string) func(fake) {
	return set("azure", `{"roleAssignments":[{`+fields+`}]}`)
}

// requireRefused wants this one problem, which quotes no secret.
func requireRefused(t *testing.T, src Source, want string) {
	t.Helper()
	_, err := From(src)
	problems, _ := AsProblems(err)
	if len(problems) != 1 || !strings.Contains(err.Error(), want) {
		t.Errorf("want one problem with %q, got %v", want, err)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes a secret: %v", err)
	}
}
