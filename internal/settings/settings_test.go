package settings

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

const canary = "canary-5f1d7c"

// fake is a stack's configuration as the CLI hands it over.
type fake map[string]string

func (f fake) source() Source {
	return Source{Project: "mlvault", Stack: "dev", Values: f, Encrypted: IsSecretKey, Trusted: true}
}

// load reads a configuration that is right.
func (f fake) load(t *testing.T) *Settings {
	t.Helper()
	cfg, err := From(f.source())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func valid() fake {
	return fake{
		"azure-native:location": "westeurope",
		"mlvault:vaultAddress":  "https://vault.example.com:8200",
		"mlvault:vaultToken":    "hvs." + canary,
		"mlvault:credentials":   `{"ml_api_key":{"api_key":"` + canary + `"}}`,
		"mlvault:workload":      `{"audience":"api://mlvault"}`,
	}
}

// with is the valid configuration with changes.
func with(edits ...func(fake)) fake {
	values := valid()
	for _, edit := range edits {
		edit(values)
	}
	return values
}

func set(key, value string) func(fake) { return func(f fake) { f["mlvault:"+key] = value } }

func TestAValidConfigurationGetsItsDefaults(t *testing.T) {
	cfg := valid().load(t)
	got := fmt.Sprintln(cfg.Vault, cfg.Workload.AuthPath, *cfg.Workload.CreateAuthBackend, cfg.Workload.TokenTTLSeconds, cfg.Compute, cfg.VaultName())
	want := "{secret false mlvault/dev map[]   false 1200 false false} jwt-mlvault-dev-ae5143b98a56bf8e true 900 <nil> mlvault-dev-ae5143b98a56bf8e\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// All else of Azure is off or made by the program.
	if want := (Azure{PublicNetworkAccess: "Enabled"}); !reflect.DeepEqual(cfg.Azure, want) {
		t.Errorf("azure is %+v, want %+v", cfg.Azure, want)
	}
	if !cfg.VaultHost().Empty() {
		t.Error("a rule for Vault's host is wanted where nothing is closed")
	}
	if slash := with(set("vaultAddress", cfg.Address.Reveal()+"/")).load(t); !reflect.DeepEqual(slash, cfg) {
		t.Error("a slash at the address's end changes something")
	}
}

func TestACredentialOfOthersIsEnough(t *testing.T) {
	for _, own := range []string{"", "{}"} {
		reads := set("vault", `{"reads":{"warehouse":"kv/data/team/warehouse","features":"database/creds/ml-reader"}}`)
		cfg, err := From(with(set("credentials", own), reads).source())
		if err != nil || fmt.Sprint(cfg.CredentialPaths()) != "map[features:database/creds/ml-reader warehouse:kv/data/team/warehouse]" {
			t.Errorf("with credentials %q: %v", own, err)
		}
	}
}

func azure(t *testing.T, settings string) Azure {
	t.Helper()
	return with(set("vaultAddress", "https://Vault.example.com"), set("azure", settings)).load(t).Azure
}

func TestARegistryIsStandardUnlessItIsSaid(t *testing.T) {
	if sku := azure(t, `{"createContainerRegistry":true}`).ContainerRegistrySKU; sku != "Standard" {
		t.Errorf("a registry is %q", sku)
	}
}

// The portal, the CLI and ARM's answers spell an id differently, and for a storage account a difference of texts would
// replace the workspace.
func TestAnIDIsTheSameInEverySpelling(t *testing.T) {
	const want = "/subscriptions/5a9db0c5-0000-4000-8000-00000000000a/resourceGroups/Data/providers/Microsoft.Storage/storageAccounts/mlstore"
	for _, given := range []string{want, strings.ToUpper(want[:51]) + "/resourcegroups/Data/providers/microsoft.storage/StorageAccounts/mlstore"} {
		if got := azure(t, `{"storageAccountId":"`+given+`"}`).StorageAccountID; got != want {
			t.Errorf("%s\nbecame %s", given, got)
		}
		endpoint := `{"managedNetwork":{"mode":"AllowInternetOutbound","outboundRules":[{"name":"store","serviceResourceId":"` + given + `","subresource":"blob"}]}}`
		if got := azure(t, endpoint).ManagedNetwork.OutboundRules[0].ServiceResourceID; !strings.EqualFold(got, want) || !strings.HasPrefix(got, want[:57]) {
			t.Errorf("%s\nbecame %s", given, got)
		}
	}
}

func TestARuleLeadsToVaultWhereNothingElseDoes(t *testing.T) {
	for mode, want := range map[string]string{
		"Disabled": "", "AllowInternetOutbound": "", "AllowOnlyApprovedOutbound": "vault.example.com",
	} {
		for _, port := range []string{"", ":443"} {
			cfg := with(set("vaultAddress", "https://vault.example.com"+port), set("azure", `{"managedNetwork":{"mode":"`+mode+`"}}`)).load(t)
			if got := cfg.VaultHost().Reveal(); got != want {
				t.Errorf("%s: the rule leads to %q, want %q", mode, got, want)
			}
		}
	}
}

// refusals break the valid configuration in one place each. Values of secret keys carry the canary.
var refusals = []struct {
	name string
	edit func(fake)
	want string // the problem: key and text, or a part of it
}{
	{"no location", func(f fake) { delete(f, "azure-native:location") }, "azure-native:location: is missing"},
	{"a location with a slash", func(f fake) { f["azure-native:location"] = "west/europe" }, `azure-native:location: "west/europe" is not an Azure region`},

	{"no address", set("vaultAddress", ""), "vaultAddress: is missing"},
	{"an address without a scheme", set("vaultAddress", canary+":8200"), "vaultAddress: "},
	{"an address of another scheme", set("vaultAddress", "ftp://"+canary), "vaultAddress: does not start with https://"},
	{"plain http to another machine", set("vaultAddress", "http://"+canary+":8200"), "vaultAddress: uses plain http"},
	{"plain http to a name that begins like this machine", set("vaultAddress", "http://localhost."+canary), "vaultAddress: uses plain http"},
	{"plain http to an address that looks like loopback", set("vaultAddress", "http://127.0.0.1."+canary), "vaultAddress: uses plain http"},
	{"an address with a path", set("vaultAddress", "https://"+canary+"/v1"), "vaultAddress: ends in a path"},
	{"an address with a query", set("vaultAddress", "https://"+canary+"?a=b"), "vaultAddress: has more than"},
	{"an address with a password", set("vaultAddress", "https://u:"+canary+"@h"), "vaultAddress: has more than"},
	{"an address with a line break", set("vaultAddress", "https://"+canary+"\n"), "vaultAddress: is not a URL"},

	{"a token with a line break", set("vaultToken", canary+"\n"), "vaultToken: has a space or a line break"},

	{"a token with a byte-order mark", set("vaultToken", "\ufeff"+canary), "vaultToken: begins with a byte-order mark"},
	{"an address with a byte-order mark", set("vaultAddress", "\ufeffhttps://"+canary), "vaultAddress: begins with a byte-order mark"},
	{"credentials with a byte-order mark", set("credentials", "\ufeff{\"a\":{\"k\":\"v\"}}"), "credentials: begins with a byte-order mark"},
	{"a payload with a byte-order mark", set("credentials", "{\"a\":\"\ufeff{}\"}"), "credentials.a: begins with a byte-order mark"},

	{"no credentials", func(f fake) { delete(f, "mlvault:credentials") }, "credentials: is empty, and so is vault.reads"},
	{"empty credentials", set("credentials", "{}"), "credentials: is empty, and so is vault.reads"},
	{"credentials that are no JSON", set("credentials", canary), "credentials: is not valid JSON"},
	{"credentials that end too early", set("credentials", `{"a":{"k":"`+canary), "credentials: is not valid JSON"},
	{"credentials with more behind them", set("credentials", `{"a":{"k":"v"}} "`+canary+`"`), "credentials: has more text after its end"},
	{"credentials that are a list", set("credentials", `["`+canary+`"]`), "credentials: is not an object"},
	{"a payload that is a text", set("credentials", `{"a":"`+canary+`"}`), "credentials.a: is a text and no object of keys and values. Set each value with `pulumi config set --path --secret credentials.a.<key>`"},
	{"a payload that is a list", set("credentials", `{"a":["`+canary+`"]}`), "credentials.a: is not an object"},
	{"a payload that is null", set("credentials", `{"a":null}`), "credentials.a: is null"},
	{"a payload without keys", set("credentials", `{"a":{}}`), "credentials.a: has no keys"},
	{"a payload as text that is a list", set("credentials", `{"a":"[\"`+canary+`\"]"}`), "credentials.a: is a text and no object"},
	{"a null inside", set("credentials", `{"a":{"k":{"deep":[1,null]}}}`), "credentials.a.k.deep[1]: is null"},
	{"a null inside a payload as text", set("credentials", `{"a":"{\"k\":null}"}`), "credentials.a.k: is null"},
	{"a key twice", set("credentials", `{"a":{"k":"1","k":"`+canary+`"}}`), "credentials.a.k: is given twice"},
	{"a credential twice", set("credentials", `{"a":{"k":"1"},"a":{"k":"`+canary+`"}}`), "credentials.a: is given twice"},
	{"2^53", set("credentials", `{"a":{"k":9007199254740992}}`), "credentials.a.k: is a number that JSON readers round"},
	{"a large negative number", set("credentials", `{"a":{"k":-9007199254740993}}`), "credentials.a.k: is a number"},
	{"a number beyond float64", set("credentials", `{"a":{"k":1e999}}`), "credentials.a.k: is a number"},
	{"a number that rounds to zero", set("credentials", `{"a":{"k":1e-999999999}}`), "credentials.a.k: is a number"},
	{"too many decimals", set("credentials", `{"a":{"k":0.1234567890123456789}}`), "credentials.a.k: is a number"},
	{"text that is not UTF-8", set("credentials", "{\"a\":{\"k\":\"\xff"+canary+"\"}}"), "credentials: is not valid UTF-8"},
	{"half a surrogate pair", set("credentials", `{"a":{"k":"\ud800`+canary+`"}}`), "credentials: has half of a"},
	{"a payload that is too large", set("credentials", `{"a":{"k":"`+canary+strings.Repeat("x", maxPayloadBytes)+`"}}`), "credentials.a: has 1000021 bytes"},
	{"a payload that is too deep", set("credentials", `{"a":{"k":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)+`}}`), "credentials: is nested more than"},

	{"a name with a star", set("credentials", `{"ml*":{"k":"v"}}`), "credentials.ml*: the name may have letters"},
	{"a name with a plus", set("credentials", `{"a/+/b":{"k":"v"}}`), "credentials.a/+/b: the name may have letters"},
	{"a name that leaves its place", set("credentials", `{"a/../b":{"k":"v"}}`), "credentials.a/../b: the name has two dots"},
	{"a name of dots", set("credentials", `{"..":{"k":"v"}}`), "credentials...: the name has two dots"},
	{"a name of one dot", set("credentials", `{"a/./b":{"k":"v"}}`), "credentials.a/./b: the name may have"},
	{"a name that begins with a slash", set("credentials", `{"/a":{"k":"v"}}`), "credentials./a: the name begins or ends with a slash"},
	{"a name that ends with a slash", set("credentials", `{"a/":{"k":"v"}}`), "credentials.a/: the name begins or ends with a slash"},
	{"a name with an empty part", set("credentials", `{"a//b":{"k":"v"}}`), "credentials.a//b: the name may have"},
	{"a name with a space", set("credentials", `{"a b":{"k":"v"}}`), "credentials.a b: the name may have"},
	{"a name with a line break", set("credentials", `{"a\nb":{"k":"v"}}`), "the name may have"},
	{"a name that ends in a line break", set("credentials", `{"a\n":{"k":"v"}}`), "the name may have"},
	{"a name with a question mark", set("credentials", `{"a?b":{"k":"v"}}`), "the name may have"},
	{"a name with a percent sign", set("credentials", `{"a%2fb":{"k":"v"}}`), "the name may have"},
	{"a name with a quote", set("credentials", `{"a\"b":{"k":"v"}}`), "the name may have"},
	{"a name in another script", set("credentials", `{"schlüssel":{"k":"v"}}`), "the name may have"},
	{"an empty name", set("credentials", `{"":{"k":"v"}}`), "credentials.: the name is empty"},
	{"a name as in the sketch", set("credentials", `{"data/ml_api_key":{"k":"v"}}`), "the name starts with data/"},
	{"a name that is too long", set("credentials", `{"`+strings.Repeat("a", 257)+`":{"k":"v"}}`), "the name is longer than 256"},

	{"an unknown field", set("vault", `{"mnt":"kv"}`), "vault.mnt: is not a known field; vault has caCertFile, createMount"},
	{"a field of another type", set("vault", `{"createMount":"yes"}`), "vault.createMount: is not true or false"},
	{"a number in quotes", set("vault", `{"maxLeaseTtlSeconds":"1200"}`), "vault.maxLeaseTtlSeconds: is not a whole number"},
	{"a section that is no object", set("vault", `"kv"`), "vault: is not an object"},
	{"a field twice", set("vault", `{"mount":"a","mount":"b"}`), "vault.mount: is given twice"},
	{"a field that is null", set("vault", `{"mount":null}`), "vault.mount: is null"},
	{"a mount with data inside", set("vault", `{"mount":"kv/data/x"}`), `vault.mount: "kv/data/x" has data as a part`},
	{"a mount that begins with a slash", set("vault", `{"mount":"/kv"}`), `vault.mount: "/kv" begins or ends`},
	{"a mount of Vault's own", set("vault", `{"mount":"sys"}`), `vault.mount: "sys" belongs to Vault itself`},
	{"a prefix with a star", set("vault", `{"prefix":"team/*"}`), `vault.prefix: "team/*" may have`},
	{"a prefix as in the sketch", set("vault", `{"prefix":"data/team"}`), "vault.prefix: \"data/team\" starts with data/"},
	{"a namespace with dots", set("vault", `{"namespace":"a/../b"}`), "vault.namespace: "},
	{"a child token that lives a second", set("vault", `{"maxLeaseTtlSeconds":1}`), "vault.maxLeaseTtlSeconds: 1 is not between"},

	{"a read of a wildcard", read("kv/data/team/*"), `vault.reads.x: "kv/data/team/*" may have letters`},
	{"a read of one part of any name", read("kv/data/+/a"), "vault.reads.x: "},
	{"a read that leaves its place", read("kv/data/../sys"), "vault.reads.x: "},
	{"a read of Vault itself", read("sys/raw"), `vault.reads.x: "sys/raw" belongs to Vault itself`},
	{"a read of an auth method", read("auth/token/lookup"), "vault.reads.x: "},
	{"a read of identities", read("identity/oidc/token/x"), "vault.reads.x: "},
	{"a read of a cubbyhole", read("cubbyhole/x"), "vault.reads.x: "},
	{"a read of a mount", read("database"), "vault.reads.x: \"database\" is a mount"},
	{"a read in API form", read("/v1/kv/data/x"), "vault.reads.x: "},
	{"a read of KV without data", read("kv/team/warehouse"), "vault.reads.x: \"kv/team/warehouse\" lacks data/"},
	{"a read of the own mount without data", set("vault", `{"mount":"ml/store","reads":{"x":"ml/store/team/warehouse"}}`), "vault.reads.x: "},
	{"a read of an own credential", read("secret/data/mlvault/dev/ml_api_key"), "is the path of credential ml_api_key already"},
	{"a path read twice", set("vault", `{"reads":{"x":"database/creds/a","y":"database/creds/a"}}`), "vault.reads.y: \"database/creds/a\" is read as x already"},
	{"a name read twice", set("vault", `{"reads":{"x":"database/creds/a","x":"database/creds/b"}}`), "vault.reads.x: is given twice"},
	{"a read named as a credential", set("vault", `{"reads":{"ml_api_key":"database/creds/a"}}`), "vault.reads.ml_api_key: is the name of a credential too"},
	{"a read with a strange name", set("vault", `{"reads":{"a*":"database/creds/a"}}`), "vault.reads.a*: the name may have"},

	{"an unknown name", set("azure", `{"names":{"vault":"x"}}`), "azure.names.vault: is not a known field"},
	{"a resource group that ends in a dot", set("azure", `{"names":{"resourceGroup":"rg."}}`), `azure.names.resourceGroup: "rg." is not a name that Azure takes`},
	{"a storage account with capitals", set("azure", `{"names":{"storageAccount":"MyStore"}}`), "azure.names.storageAccount: "},
	{"a key vault with two hyphens", set("azure", `{"names":{"keyVault":"a--b"}}`), "azure.names.keyVault: "},
	{"a key vault that begins with a digit", set("azure", `{"names":{"keyVault":"1abc"}}`), "azure.names.keyVault: "},
	{"insights that end in a dot", set("azure", `{"names":{"applicationInsights":"a."}}`), "azure.names.applicationInsights: "},
	{"a workspace with a space", set("azure", `{"names":{"workspace":"my ws"}}`), "azure.names.workspace: "},
	{"a cluster that ends in a hyphen", alter(endpoints(aSubnet), "azure", `{`, `{"names":{"computeCluster":"gpu-"},`), "azure.names.computeCluster: "},
	{"access that is neither", set("azure", `{"publicNetworkAccess":"enabled"}`), `azure.publicNetworkAccess: "enabled" is not one of Enabled, Disabled`},
	{"a tag of the program's", set("azure", `{"tags":{"Stack":"x"}}`), "azure.tags.Stack: is set by the program"},
	{"a tag that Azure refuses", set("azure", `{"tags":{"a/b":"x"}}`), "azure.tags.a/b: has a name that Azure refuses"},
	{"a tag that is a number", set("azure", `{"tags":{"a":1}}`), "azure.tags.a: is not a text; set it again with `pulumi config set --path --type string azure.tags.a ...`"},
	{"a tag value that is too long", set("azure", `{"tags":{"a":"`+strings.Repeat("x", 257)+`"}}`), "azure.tags.a: has a value of more than 256"},
	{"two tags that differ by case", set("azure", `{"tags":{"Team":"a","team":"b"}}`), "differs from another tag by case only"},
	{"too many tags", set("azure", `{"tags":{`+manyTags()+`}}`), "azure.tags: has 48 tags"},

	{"a group that ends in a dot", set("azure", `{"existingResourceGroup":"rg."}`), `azure.existingResourceGroup: "rg." is not a resource group's name`},
	{"a group twice", set("azure", `{"existingResourceGroup":"rg","names":{"resourceGroup":"rg"}}`), "azure.names.resourceGroup: is for what the program makes, and azure.existingResourceGroup names one"},
	{"a storage account by name only", set("azure", `{"storageAccountId":"mlstore"}`), `azure.storageAccountId: "mlstore" is not an ARM id`},
	{"a storage account in no group", set("azure", `{"storageAccountId":"/subscriptions/`+aGUID+`/providers/Microsoft.Storage/storageAccounts/a"}`), "azure.storageAccountId: "},
	{"a storage account of no subscription", set("azure", `{"storageAccountId":"/subscriptions/mine/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a"}`), "is not an ARM id"},
	{"a storage account that is a container", set("azure", `{"storageAccountId":"`+id("Microsoft.Storage/storageAccounts")+`/blobServices/default"}`), "is not an ARM id"},
	{"a storage account that is a key vault", set("azure", `{"storageAccountId":"`+id("Microsoft.KeyVault/vaults")+`"}`), "is the id of a Microsoft.KeyVault/vaults, not of a Microsoft.Storage/storageAccounts"},
	{"a storage account twice", set("azure", `{"storageAccountId":"`+id("Microsoft.Storage/storageAccounts")+`","names":{"storageAccount":"mlstore"}}`), "azure.names.storageAccount: is for what the program makes, and azure.storageAccountId names one"},
	{"a key vault that is a storage account", set("azure", `{"keyVaultId":"`+id("Microsoft.Storage/storageAccounts")+`"}`), "azure.keyVaultId: "},
	{"a key vault twice", set("azure", `{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`","names":{"keyVault":"mlkv"}}`), "azure.names.keyVault: "},
	{"protection of somebody else's key vault", set("azure", `{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`","keyVaultPurgeProtection":true}`), "azure.keyVaultPurgeProtection: is for what the program makes"},
	{"insights that are a workspace", set("azure", `{"applicationInsightsId":"`+id("Microsoft.OperationalInsights/workspaces")+`"}`), "azure.applicationInsightsId: "},
	{"insights twice", set("azure", `{"applicationInsightsId":"`+id("Microsoft.Insights/components")+`","names":{"applicationInsights":"x"}}`), "azure.names.applicationInsights: "},
	{"log analytics that are insights", set("azure", `{"logAnalyticsWorkspaceId":"`+id("Microsoft.Insights/components")+`"}`), "azure.logAnalyticsWorkspaceId: "},
	{"log analytics twice", set("azure", `{"logAnalyticsWorkspaceId":"`+id("Microsoft.OperationalInsights/workspaces")+`","names":{"logAnalytics":"logs"}}`), "azure.names.logAnalytics: "},
	{"log analytics for nothing", set("azure", `{"applicationInsightsId":"`+id("Microsoft.Insights/components")+`","logAnalyticsWorkspaceId":"`+id("Microsoft.OperationalInsights/workspaces")+`"}`), "azure.logAnalyticsWorkspaceId: is used by nothing"},
	{"a name of log analytics that are not made", set("azure", `{"applicationInsightsId":"`+id("Microsoft.Insights/components")+`","names":{"logAnalytics":"logs"}}`), "azure.names.logAnalytics: names a workspace that is not made"},
	{"a registry that is a vault", set("azure", `{"containerRegistryId":"`+id("Microsoft.KeyVault/vaults")+`"}`), "azure.containerRegistryId: "},
	{"a registry that is made and brought", set("azure", `{"containerRegistryId":"`+id("Microsoft.ContainerRegistry/registries")+`","createContainerRegistry":true}`), "azure.createContainerRegistry: is for what the program makes"},
	{"a registry with a hyphen", set("azure", `{"createContainerRegistry":true,"names":{"containerRegistry":"my-images"}}`), "azure.names.containerRegistry: "},
	{"the name of a registry that is not made", set("azure", `{"names":{"containerRegistry":"myimages"}}`), "azure.names.containerRegistry: names a registry that is not made"},
	{"the size of a registry that is not made", set("azure", `{"containerRegistrySku":"Premium"}`), "azure.containerRegistrySku: is for a registry that is made here"},
	{"a registry of an unknown size", set("azure", `{"createContainerRegistry":true,"containerRegistrySku":"premium"}`), `azure.containerRegistrySku: "premium" is not one of Basic, Standard, Premium`},
	{"a registry that its network cannot reach", set("azure", `{"createContainerRegistry":true,"managedNetwork":{"mode":"AllowInternetOutbound"}}`), `azure.containerRegistrySku: "Standard" has no private endpoint`},

	{"an unknown mode", set("azure", `{"managedNetwork":{"mode":"Closed"}}`), `azure.managedNetwork.mode: "Closed" is not one of`},
	{"a network that is a text", set("azure", `{"managedNetwork":"AllowInternetOutbound"}`), "azure.managedNetwork: is not an object"},
	{"rules without a network", set("azure", `{"managedNetwork":{"outboundRules":[{"name":"pypi","fqdn":"pypi.org"}]}}`), "azure.managedNetwork.outboundRules[0]: has no managed network"},
	{"a firewall where there is none", set("azure", `{"managedNetwork":{"mode":"AllowInternetOutbound","firewallSku":"Basic"}}`), "azure.managedNetwork.firewallSku: is for the mode"},
	{"a firewall of an unknown size", approved(`"firewallSku":"Premium"`), `azure.managedNetwork.firewallSku: "Premium" is not one of Standard, Basic`},
	{"a rule for what is open", set("azure", `{"managedNetwork":{"mode":"AllowInternetOutbound","outboundRules":[{"name":"pypi","fqdn":"pypi.org"}]}}`), "outboundRules[0]: has no effect"},
	{"a rule without a name", rule(`"fqdn":"pypi.org"`), `outboundRules[0].name: "" is not a name that Azure takes`},
	{"a rule named as the program's", rule(`"name":"Vault","fqdn":"pypi.org"`), `outboundRules[0].name: "vault" is a rule that the program makes`},
	{"two rules of one name", approved(`"outboundRules":[{"name":"pypi","fqdn":"pypi.org"},{"name":"PyPI","fqdn":"pypi.com"}]`), "outboundRules[1].name: "},
	{"a rule to nowhere", rule(`"name":"pypi"`), "outboundRules[0]: needs one of"},
	{"a rule to two places", rule(`"name":"pypi","fqdn":"pypi.org","serviceTag":"AzureMonitor","portRanges":"443"`), "outboundRules[0]: needs one of"},
	{"a rule to a URL", rule(`"name":"pypi","fqdn":"https://pypi.org"`), "outboundRules[0].fqdn: "},
	{"a rule to an address", rule(`"name":"pypi","fqdn":"10.0.0.1"`), "outboundRules[0].fqdn: "},
	{"a rule of 34", rule(`"name":"` + strings.Repeat("r", 34) + `","fqdn":"pypi.org"`), "outboundRules[0].name: "},
	{"a rule to a label of 64", rule(`"name":"pypi","fqdn":"` + strings.Repeat("a", 64) + `.org"`), "outboundRules[0].fqdn: "},
	{"a rule to everything", rule(`"name":"all","fqdn":"*"`), "outboundRules[0].fqdn: "},
	{"a rule to Vault", rule(`"name":"mine","fqdn":"VAULT.example.com"`), "outboundRules[0].fqdn: is Vault's host"},
	{"a host with a port range", rule(`"name":"pypi","fqdn":"pypi.org","portRanges":"443"`), "outboundRules[0]: has protocol or portRanges"},
	{"a host with a part", rule(`"name":"pypi","fqdn":"pypi.org","subresource":"blob"`), "outboundRules[0]: has subresource or sparkEnabled"},
	{"a service tag with a space", rule(`"name":"logs","serviceTag":"Azure Monitor","portRanges":"443"`), "outboundRules[0].serviceTag: "},
	{"a service tag without ports", rule(`"name":"logs","serviceTag":"AzureMonitor"`), "outboundRules[0].portRanges: "},
	{"a service tag with a strange protocol", rule(`"name":"logs","serviceTag":"AzureMonitor","portRanges":"443","protocol":"tcp"`), "outboundRules[0].protocol: "},
	{"a private endpoint to a name", rule(`"name":"store","serviceResourceId":"mlstore","subresource":"blob"`), "outboundRules[0].serviceResourceId: "},
	{"a private endpoint to no part", rule(`"name":"store","serviceResourceId":"` + id("Microsoft.Storage/storageAccounts") + `"`), "outboundRules[0].subresource: "},
	{"Vault on its own port behind a closed network", closed("https://" + canary + ".example.com:8200"), "vaultAddress: has another port than 443 or 80"},
	{"Vault on an IP address behind a closed network", closed("https://10.1.2.3"), "vaultAddress: is an IP address"},
	{"Vault on a short name behind a closed network", closed("https://" + canary), "vaultAddress: has no fully qualified host name"},

	{"a key of no vault", set("azure", `{"customerManagedKey":{"keyId":"`+aKey+`"}}`), "azure.customerManagedKey.keyVaultId: is missing"},
	{"a key in a storage account", set("azure", `{"customerManagedKey":{"keyVaultId":"`+id("Microsoft.Storage/storageAccounts")+`","keyId":"`+aKey+`"}}`), "azure.customerManagedKey.keyVaultId: "},
	{"no key", set("azure", `{"customerManagedKey":{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`"}}`), "azure.customerManagedKey.keyId: is missing"},
	{"a key without its version", set("azure", `{"customerManagedKey":{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`","keyId":"https://mine.vault.azure.net/keys/cmk"}}`), "is not a key with its version"},
	{"a key elsewhere", set("azure", `{"customerManagedKey":{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`","keyId":"`+strings.Replace(aKey, "mine", "theirs", 1)+`"}}`), "is not in the key vault that keyVaultId names"},
	{"a key for a principal", set("azure", `{"customerManagedKey":{"keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`","keyId":"`+aKey+`","identityId":"`+aGUID+`"}}`), "azure.customerManagedKey.identityId: "},

	{"an unknown role", assign(`"role":"Owner","principalId":"` + aGUID + `","principalType":"Group"`), `azure.roleAssignments[0].role: "Owner" is not one of AzureML Compute Operator, AzureML Data Scientist`},
	{"a role for a name", assign(`"role":"AzureML Data Scientist","principalId":"ml-team","principalType":"Group"`), "azure.roleAssignments[0].principalId: "},
	{"a role for nobody in particular", assign(`"role":"AzureML Data Scientist","principalId":"` + aGUID + `"`), `azure.roleAssignments[0].principalType: is missing`},
	{"a role twice", set("azure", `{"roleAssignments":[`+aRole+`,`+strings.Replace(aRole, "Group", "User", 1)+`]}`), "azure.roleAssignments[1]: gives the same role"},

	{"no audience", set("workload", `{}`), "workload.audience: is missing"},
	{"an audience with a comma", set("workload", `{"audience":"a,b"}`), `workload.audience: "a,b" has a character`},
	{"an issuer of every tenant", set("workload", `{"audience":"a","issuer":"https://login.microsoftonline.com/common/v2.0"}`), "does not name one tenant"},
	{"an issuer elsewhere", set("workload", `{"audience":"a","issuer":"https://evil.example.com/33333333-3333-3333-3333-333333333333/"}`), "is not an issuer of Microsoft Entra ID"},
	{"an issuer that looks like Entra's", set("workload", `{"audience":"a","issuer":"https://sts.windows.net.evil.example/33333333-3333-3333-3333-333333333333/"}`), "is not an issuer of Microsoft Entra ID"},
	{"an issuer without its slash", set("workload", `{"audience":"a","issuer":"https://sts.windows.net/33333333-3333-3333-3333-333333333333"}`), "lacks the slash"},
	{"an issuer with a longer path", set("workload", `{"audience":"a","issuer":"https://sts.windows.net/33333333-3333-3333-3333-333333333333/x"}`), "ends in something else"},
	{"a version 1 issuer on the host of version 2", issuer("login.microsoftonline.com", "/"), "has the discovery document of https://sts.windows.net/" + aGUID + "/"},
	{"the same in the US government's cloud", issuer("login.microsoftonline.us", "/"), "has the discovery document of https://sts.windows.net/"},
	{"a version 2 issuer on the host of version 1", issuer("sts.windows.net", "/v2.0"), "has the discovery document of https://login.microsoftonline.com/" + aGUID + "/v2.0"},
	{"the same in China's cloud", issuer("sts.chinacloudapi.cn", "/v2.0"), "https://login.partner.microsoftonline.cn/"},
	{"a URI for version 2 tokens", set("workload", `{"audience":"api://x","issuer":"https://login.microsoftonline.com/`+aGUID+`/v2.0"}`), "workload.audience: \"api://x\" is a URI"},
	{"a URI of no app", set("workload", `{"audience":"api:///"}`), `workload.audience: "api:///" names no app`},
	{"Vault's token method", set("workload", `{"audience":"a","authPath":"token","createAuthBackend":false}`), "workload.authPath: is Vault's own"},
	{"an issuer over http", set("workload", `{"audience":"a","issuer":"http://sts.windows.net/33333333-3333-3333-3333-333333333333/"}`), "is not an https URL"},
	{"a reader in capitals", set("workload", `{"audience":"a","principalIds":["AAAAAAAA-3333-3333-3333-333333333333"]}`), "workload.principalIds: "},
	{"a reader that is two", set("workload", `{"audience":"a","principalIds":["x,y"]}`), "workload.principalIds: "},
	{"a reader twice", set("workload", `{"audience":"a","principalIds":["33333333-3333-3333-3333-333333333333","33333333-3333-3333-3333-333333333333"]}`), "is given twice"},
	{"a token that lives a day", set("workload", `{"audience":"a","tokenTtlSeconds":86400}`), "workload.tokenTtlSeconds: 86400"},
	{"an auth path with a star", set("workload", `{"audience":"a","authPath":"jwt*"}`), "workload.authPath: "},
	{"a CA for the backend of others", set("workload", `{"audience":"a","issuerCaPem":"x","createAuthBackend":false}`), "workload.issuerCaPem: is for a backend that the program makes"},
	{"a CA that is no certificate", set("workload", `{"audience":"a","issuerCaPem":"x"}`), "workload.issuerCaPem: is not a PEM certificate"},

	{"endpoints from nowhere", endpoints(``), "azure.privateEndpoints.subnetId: is missing"},
	{"endpoints from a network", endpoints(`"subnetId":"` + aNetwork + `"`), "is the id of a Microsoft.Network/virtualNetworks, not of a Microsoft.Network/virtualNetworks/subnets"},
	{"endpoints beside public access", alter(endpoints(aSubnet), "azure", `{`, `{"publicNetworkAccess":"Enabled",`), "azure.publicNetworkAccess: is Enabled, and azure.privateEndpoints closes it"},
	{"endpoints without a cluster", alter(endpoints(aSubnet), "compute", `{"maxNodes":2}`, `{}`), "compute: is missing, and azure.privateEndpoints needs it"},
	{"endpoints that the cluster does not reach", alter(endpoints(aSubnet), "azure", "AllowInternetOutbound", "Disabled"), "compute.subnetId: is missing, and azure.privateEndpoints closes"},
	{"endpoints beside a public registry", alter(endpoints(aSubnet), "azure", `"createContainerRegistry":true`, `"hbiWorkspace":true`), "azure.privateEndpoints: needs a registry"},
	{"endpoints to a registry that has none", alter(endpoints(aSubnet), "azure", `{`, `{"containerRegistrySku":"Basic",`), `azure.containerRegistrySku: "Basic" has no private endpoint`},
	{"zones that are made and brought", endpoints(aSubnet + `,"virtualNetworkId":"` + aNetwork + `","dnsZoneIds":["` + id("Microsoft.Network/privateDnsZones") + `"]`), "azure.privateEndpoints.virtualNetworkId: is for zones that are made"},
	{"zones that lack one", endpoints(aSubnet + `,"dnsZoneIds":["` + id("Microsoft.Network/privateDnsZones") + `"]`), "dnsZoneIds: lacks privatelink.api.azureml.ms, privatelink.azurecr.io, "},
	{"zones for a subnet", endpoints(aSubnet + `,"virtualNetworkId":"` + aNetwork + `/subnets/a"`), "azure.privateEndpoints.virtualNetworkId: "},
	{"a subnet beside a managed network", alter(endpoints(aSubnet), "compute", `{`, `{`+aSubnet+`,`), "compute.subnetId: and azure.managedNetwork exclude each other"},
	{"serverless jobs beside a managed network", alter(endpoints(aSubnet), "azure", `{`, `{"serverlessComputeSettings":{`+aSubnet+`},`), "azure.serverlessComputeSettings.subnetId: and azure.managedNetwork exclude"},
	{"serverless jobs nowhere", set("azure", `{"serverlessComputeSettings":{"noPublicIp":true}}`), "azure.serverlessComputeSettings.subnetId: is missing"},
	{"a rule named as one to the account", approved(`"outboundRules":[{"name":"Storage-Queue","fqdn":"pypi.org"}]`), `"storage-queue" is a rule that the program makes`},
	{"a role that jobs do not get", set("azure", `{"jobIdentityRoles":["Owner"]}`), `azure.jobIdentityRoles[0]: "Owner" is not one of AzureML Data Scientist, Storage Blob Data Contributor`},
	{"a job's role twice", set("azure", `{"jobIdentityRoles":["AzureML Data Scientist","AzureML Data Scientist"]}`), "azure.jobIdentityRoles[1]: is given twice"},
	{"a job's role on another's account", set("azure", `{"jobIdentityRoles":["Storage Blob Data Contributor"],"storageAccountId":"`+id("Microsoft.Storage/storageAccounts")+`"}`), "azure.jobIdentityRoles[0]: is for the storage account that the program makes"},
	{"a lock that stops clusters", set("azure", `{"lock":"ReadOnly"}`), "azure.lock: ReadOnly stops clusters from scaling"},
	{"a lock of no kind", set("azure", `{"lock":"yes"}`), `azure.lock: "yes" is not CanNotDelete`},
	{"the name of an identity that is not made", set("azure", `{"names":{"workspaceIdentity":"id-ml"}}`), "azure.names.workspaceIdentity: names an identity that is not made"},
	{"the name of a cluster that is not made", set("azure", `{"names":{"computeCluster":"gpu"}}`), "azure.names.computeCluster: names a cluster that is not made; set compute"},
	{"a job's role without a name", set("azure", `{"jobIdentityRoles":[""]}`), `azure.jobIdentityRoles[0]: "" is not one of`},
	{"a role for a strange type", assign(`"role":"AzureML Data Scientist","principalId":"` + aGUID + `","principalType":"group"`), `azure.roleAssignments[0].principalType: "group" is not one of User, Group, ServicePrincipal`},
	{"a lock on nothing", set("azure", `{"lock":"CanNotDelete","storageAccountId":"`+id("Microsoft.Storage/storageAccounts")+`","keyVaultId":"`+id("Microsoft.KeyVault/vaults")+`"}`), "azure.lock: locks nothing"},
	{"a tag that is set and ignored", set("azure", `{"tags":{"team":"a"},"ignoreTags":["team"]}`), `azure.ignoreTags[0]: "team" is a tag that the program sets`},

	{"a cluster of a size with a space", set("compute", `{"vmSize":"Standard D4"}`), `compute.vmSize: "Standard D4" is not a VM size`},
	{"a cluster of no nodes", set("compute", `{"maxNodes":-1}`), "compute.maxNodes: -1"},
}

// Parts of settings, right as they stand.
const (
	aGUID    = "5a9db0c5-0000-4000-8000-000000000009"
	aKey     = "https://mine.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
	aNetwork = "/subscriptions/" + aGUID + "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"
	aSubnet  = `"subnetId":"` + aNetwork + `/subnets/ml"`
	aRole    = `{"role":"AzureML Data Scientist","principalId":"` + aGUID + `","principalType":"Group"}`
)

func id(armType string) string {
	return "/subscriptions/" + aGUID + "/resourceGroups/rg/providers/" + armType + "/mine"
}

// approved gives a network that lets nothing out, with an address that may stand there.
func approved(network string) func(fake) {
	return func(f fake) {
		set("vaultAddress", "https://vault.example.com")(f)
		set("azure", `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound",`+network+`}}`)(f)
	}
}

func rule(fields string) func(fake) { return approved(`"outboundRules":[{` + fields + `}]`) }

func closed(address string) func(fake) {
	return func(f fake) {
		approved(`"firewallSku":"Basic"`)(f)
		set("vaultAddress", address)(f)
	}
}

func issuer(host, rest string) func(fake) {
	return set("workload", `{"audience":"a","issuer":"https://`+host+"/"+aGUID+rest+`"}`)
}

func read(path string) func(fake) { return set("vault", `{"reads":{"x":"`+path+`"}}`) }

// A closed network needs nothing but a subnet; the zones' names are the cloud's.
func TestPrivateEndpointsCloseWhatTheyLeadTo(t *testing.T) {
	for location, zone := range map[string]string{
		"westeurope": "privatelink.api.azureml.ms", "US Gov Virginia": "privatelink.api.ml.azure.us", "chinanorth3": "privatelink.api.ml.azure.cn",
	} {
		values := with(endpoints(aSubnet))
		values["azure-native:location"] = location
		cfg := values.load(t)
		if cfg.Azure.PublicNetworkAccess != "Disabled" || cfg.Azure.ContainerRegistrySKU != "Premium" || cfg.Compute.VMSize != "Standard_D4ds_v5" {
			t.Errorf("the defaults are %+v %+v", cfg.Azure, cfg.Compute)
		}
		zones := cfg.PrivateZones()
		if zones["amlworkspace"][0] != zone || len(zones) != 7 {
			t.Errorf("the zones of %s are %v", location, zones)
		}
	}
}

// endpoints is all that a network team asks for, with some fields of privateEndpoints.
func endpoints(fields string) func(fake) {
	return func(f fake) {
		set("compute", `{"maxNodes":2}`)(f)
		set("azure", `{"createContainerRegistry":true,"managedNetwork":{"mode":"AllowInternetOutbound"},"privateEndpoints":{`+fields+`}}`)(f)
	}
}

// alter is a change with one of its texts replaced.
func alter(change func(fake), key, old, text string) func(fake) {
	return func(f fake) {
		change(f)
		f["mlvault:"+key] = strings.Replace(f["mlvault:"+key], old, text, 1)
	}
}

func assign(fields string) func(fake) { return set("azure", `{"roleAssignments":[{`+fields+`}]}`) }

func manyTags() string {
	tags := make([]string, 48)
	for i := range tags {
		tags[i] = fmt.Sprintf(`"t%d":"x"`, i)
	}
	return strings.Join(tags, ",")
}

// requireRefused wants this one problem, which quotes no secret.
func requireRefused(t *testing.T, src Source, want string) {
	t.Helper()
	_, err := From(src)
	problems, _ := AsProblems(err)
	if len(problems) != 1 || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
		t.Errorf("want one problem with %q and no secret in it, got %v", want, err)
	}
}

func TestEachRefusalNamesItsKeyAndQuotesNoSecret(t *testing.T) {
	for _, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			requireRefused(t, with(refusal.edit).source(), refusal.want)
		})
	}
}

func TestAzuresLengthsOfNamesHoldAtBothEnds(t *testing.T) {
	for field, length := range map[string][2]int{
		"resourceGroup": {1, 90}, "jobIdentity": {3, 128}, "storageAccount": {3, 24}, "keyVault": {3, 24}, "logAnalytics": {4, 63},
		"applicationInsights": {1, 255}, "containerRegistry": {5, 50}, "workspace": {3, 33}, "computeCluster": {3, 32},
	} {
		refused := func(length int) bool {
			names := fmt.Sprintf(`{"createContainerRegistry":true,"names":{%q:%q}}`, field, strings.Repeat("a", length))
			_, err := From(with(set("azure", names), set("compute", `{"maxNodes":1}`)).source())
			return err != nil
		}
		shortest, longest := length[0], length[1]
		if refused(shortest) || refused(longest) {
			t.Errorf("%s: a name of %d or of %d characters is refused", field, shortest, longest)
		}
		if shortest > 1 && !refused(shortest-1) || !refused(longest+1) { // an empty name is none
			t.Errorf("%s: a name shorter than %d or longer than %d characters is taken", field, shortest, longest)
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	values := fake{}
	for _, edit := range []func(fake){
		set("vaultAddress", "http://elsewhere"), set("credentials", `{"a*":{"k":null},"b":7}`),
		set("vault", `{"mount":"/x","nope":1,"createMount":3}`), set("azure", `{"publicNetworkAccess":"x","names":{"keyVault":"-"}}`),
	} {
		edit(values)
	}
	_, err := From(values.source())
	for _, want := range []string{
		"azure-native:location", "vaultAddress", "credentials.a*", "credentials.a*.k", "credentials.b", "vault.mount", "vault.nope", "vault.createMount",
		"azure.publicNetworkAccess", "azure.names.keyVault", "workload.audience",
	} {
		if err == nil || !strings.Contains(err.Error(), "- "+want+": ") {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}

func TestASecretInPlainTextIsRefused(t *testing.T) {
	src := valid().source()
	src.Encrypted = func(string) bool { return false }
	_, err := From(src)
	if problems, _ := AsProblems(err); len(problems) != 3 {
		t.Errorf("want three problems, got %v", err)
	}
	for _, key := range SecretKeys {
		if err == nil || !strings.Contains(err.Error(), key+": is in plain text") {
			t.Errorf("%s in plain text was accepted: %v", key, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes a secret: %v", err)
	}
}

func TestAKeyThatNobodyReadsIsRefused(t *testing.T) {
	for key, want := range map[string]string{
		"mlvault:azure.protect":       "azure.protect: is one key with a dot in its name, which nobody reads. Remove it with `pulumi config rm 'azure.protect'` and set the field: `pulumi config set --path azure.protect ...`",
		"mlvault:credentials.a.k":     "credentials.a.k: is one key with a dot in its name",
		"mlvault:azure.tags[0]":       "azure.tags[0]: is one key",
		"mlvault:credential":          "credential: is not a setting of this program. It reads vaultAddress, vaultToken, credentials, vault, azure, workload, compute",
		"ml-old:workload":             "ml-old:workload: belongs to the project ml-old, and this one is mlvault, which does not read it. Set workload here",
		"ml-old:credentials.a.k":      "ml-old:credentials.a.k: belongs to the project ml-old",
		"azure-native:subscriptionId": "", "gcp:credentials": "", "no-namespace": "", "mlvault:": ": is not a setting", "vault:token": "", "pulumi:tags": "", "mlvault:compute": "",
	} {
		values := valid()
		values[key] = map[bool]string{true: "{}", false: canary}[key == "mlvault:compute"]
		if want == "" {
			values.load(t)
			continue
		}
		requireRefused(t, values.source(), want)
	}
}

// kept is a source with a settings file.
func (f fake) kept(file string) Source {
	src := f.source()
	src.Settings, src.Trusted = []byte(file), false
	return src
}

// A plain value beside an encrypted one would be shown by --json.
func TestEachValueOfACredentialIsEncryptedByItselfOrNotReadBack(t *testing.T) {
	const secure = "{secure: v1:x}"
	for name, c := range map[string]struct {
		payload, kept string
		masked        bool
		want          string // the problem
	}{
		"each encrypted":            {`{"k":"secret-text","l":["other-text"]}`, "{k: " + secure + ", l: [" + secure + "]}", true, ""},
		"a key called secure":       {`{"secure":"secret-text","k":"other-text"}`, "{secure: " + secure + ", k: " + secure + "}", true, ""},
		"one in plain text":         {`{"k":"secret-text","l":["` + canary + `"]}`, "{k: " + secure + ", l: [" + canary + "]}", false, "credentials.a.l[0]: is in plain text; remove it (`pulumi config rm --path credentials.a.l[0]`) and set"},
		"all as one object":         {`{"k":"secret-text"}`, secure, false, ""},
		"all as one text":           {`"{\"k\":\"secret-text\"}"`, secure, false, ""},
		"all as one text, in plain": {`"{\"k\":\"` + canary + `\"}"`, `'{"k":"` + canary + `"}'`, false, "credentials.a: is in plain text"},
		"one from elsewhere":        {`{"k":"secret-text","l":"other-text"}`, "{k: " + secure + "}", false, ""},
	} {
		values := with(set("credentials", `{"a":`+c.payload+`}`))
		for _, file := range []string{"config: {mlvault:credentials: {a: " + c.kept + "}}", "config: {'credentials': {a: " + c.kept + "}}"} {
			if c.want != "" {
				requireRefused(t, values.kept(file), c.want)
			} else if cfg, err := From(values.kept(file)); err != nil || cfg.Credentials[0].Masked != c.masked {
				t.Errorf("%s: got %v, %v", name, cfg, err)
			}
		}
	}
	for _, file := range []string{"", "config: {}", "config: {mlvault:credentials: {secure: v1:x}}", "\t: no YAML"} {
		if cfg, err := From(valid().kept(file)); err != nil || cfg.Credentials[0].Masked {
			t.Errorf("%q: the values are known to be encrypted each: %v", file, err)
		}
	}
}

func TestAPlainSettingThatTheUserKeepsSecretIsNotQuoted(t *testing.T) {
	src := with(set("vault", `{"mount":"/`+canary+`"}`)).source()
	src.Encrypted = func(string) bool { return true }
	requireRefused(t, src, "vault.mount: [secret] begins")
}

func parseCredentials(text string) ([]Credential, error) {
	cfg, err := From(with(set("credentials", text)).source())
	if err != nil {
		return nil, err
	}
	return cfg.Credentials, nil
}

func TestAPayloadIsTheSameInEveryForm(t *testing.T) {
	forms := []string{
		`{"a":{"k":"v","n":{"x":1,"y":[true,0.5]},"h":"<&>","e":[[],{}]}}`,
		`{ "a" : { "h":"\u003c\u0026\u003e", "n" : { "y":[ true , 0.5 ], "x":1 }, "k":"v", "e":[ [ ], { } ] } }`,
		`{"a":"{\"k\":\"v\",\"h\":\"<&>\",\"n\":{\"y\":[true,0.5],\"x\":1},\"e\":[[],{}]}"}`,
	}
	const want = `{"e":[[],{}],"h":"<&>","k":"v","n":{"x":1,"y":[true,0.5]}}`
	for _, form := range forms {
		credentials, err := parseCredentials(form)
		if err != nil || len(credentials) != 1 || credentials[0].Payload.Reveal() != want {
			t.Errorf("%s\ngave %v, %v", form, credentials, err)
		}
	}
}

func TestWhatJSONKeepsIsAccepted(t *testing.T) {
	for _, value := range []string{
		"0", "-0", "0.0", "0e5", "9007199254740991", "-9007199254740991", "0.1", "1e3", "1.5e-7", "3.14159",
		`"\ud83d\ude00"`, `"C:\\ud800"`, `"\u00e9"`,
	} {
		if _, err := parseCredentials(`{"a":{"k":` + value + `}}`); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestASecretIsMaskedWhereverItIsPrinted(t *testing.T) {
	secret := NewSecret(canary)
	credential := Credential{Name: "a", Payload: secret}
	var out strings.Builder
	for _, value := range []any{secret, &secret, []Secret{secret}, credential, &credential} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		encoded, err := json.Marshal(value)
		fmt.Fprintln(&out, string(encoded), err)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value)
	}
	out.WriteString(secret.String())
	if printed := out.String(); strings.Contains(printed, canary) || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", canary)) {
		t.Errorf("printed as %s", printed)
	}
	if secret.Reveal() != canary || secret.Empty() || !NewSecret("").Empty() {
		t.Error("the text is not kept")
	}
}
