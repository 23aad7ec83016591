package settings

import "strings"

var refusalsOfNetwork = []refusal{
	{
		name: "a registry that its network cannot reach",
		edit: set("azure", `{"createContainerRegistry":true,"managedNetwork":{"mode":"AllowInternetOutbound"}}`),
		want: `azure.containerRegistrySku: "Standard" has no private endpoint`,
	},
	{
		name: "an unknown mode",
		edit: set("azure", `{"managedNetwork":{"mode":"Closed"}}`),
		want: `azure.managedNetwork.mode: "Closed" is not one of`,
	},
	{
		name: "a network that is a text",
		edit: set("azure", `{"managedNetwork":"AllowInternetOutbound"}`),
		want: "azure.managedNetwork: is not an object",
	},
	{
		name: "rules without a network",
		edit: set("azure", `{"managedNetwork":{"outboundRules":[{"name":"pypi","fqdn":"pypi.org"}]}}`),
		want: "azure.managedNetwork.outboundRules[0]: has no managed network",
	},
	{
		name: "a firewall where there is none",
		edit: set("azure", `{"managedNetwork":{"mode":"AllowInternetOutbound","firewallSku":"Basic"}}`),
		want: "azure.managedNetwork.firewallSku: is for the mode",
	},
	{
		name: "a firewall of an unknown size",
		edit: approved(`"firewallSku":"Premium"`),
		want: `azure.managedNetwork.firewallSku: "Premium" is not one of Standard, Basic`,
	},
	{
		name: "a rule for what is open",
		edit: alter(rule(`"name":"pypi","fqdn":"pypi.org"`), "azure", "AllowOnlyApproved", "AllowInternet"),
		want: "outboundRules[0]: has no effect",
	},
	{
		name: "a rule without a name",
		edit: rule(`"fqdn":"pypi.org"`),
		want: "outboundRules[0].name: is missing; give the rule a name: 3 to 33 letters",
	},
	{
		name: "a rule named as the program's",
		edit: rule(`"name":"Vault","fqdn":"pypi.org"`),
		want: `outboundRules[0].name: "vault" is a rule that the program makes`,
	},
	{
		name: "two rules of one name",
		edit: approved(`"outboundRules":[{"name":"pypi","fqdn":"pypi.org"},{"name":"PyPI","fqdn":"pypi.com"}]`),
		want: "outboundRules[1].name: ",
	},
	{
		name: "a rule to nowhere",
		edit: rule(`"name":"pypi"`),
		want: "outboundRules[0]: needs one of",
	},
	{
		name: "a rule to two places",
		edit: rule(`"name":"pypi","fqdn":"pypi.org","serviceTag":"AzureMonitor","portRanges":"443"`),
		want: "outboundRules[0]: needs one of",
	},
	{
		name: "a rule to a URL",
		edit: rule(`"name":"pypi","fqdn":"https://pypi.org"`),
		want: "outboundRules[0].fqdn: ",
	},
	{
		name: "a rule to an address",
		edit: rule(`"name":"pypi","fqdn":"10.0.0.1"`),
		want: "outboundRules[0].fqdn: ",
	},
	{
		name: "a rule of 34",
		edit: rule(`"name":"` + strings.Repeat("r", 34) + `","fqdn":"pypi.org"`),
		want: "outboundRules[0].name: ",
	},
	{
		name: "a rule to a label of 64",
		edit: rule(`"name":"pypi","fqdn":"` + strings.Repeat("a", 64) + `.org"`),
		want: "outboundRules[0].fqdn: ",
	},
	{
		name: "a rule to everything",
		edit: rule(`"name":"all","fqdn":"*"`),
		want: "outboundRules[0].fqdn: ",
	},
	{
		name: "a rule to Vault",
		edit: rule(`"name":"mine","fqdn":"VAULT.example.com"`),
		want: "outboundRules[0].fqdn: is Vault's host",
	},
	{
		name: "a host with a port range",
		edit: rule(`"name":"pypi","fqdn":"pypi.org","portRanges":"443"`),
		want: "outboundRules[0]: has protocol or portRanges",
	},
	{
		name: "a host with a part",
		edit: rule(`"name":"pypi","fqdn":"pypi.org","subresource":"blob"`),
		want: "outboundRules[0]: has subresource or sparkEnabled",
	},
	{
		name: "a service tag with a space",
		edit: rule(`"name":"logs","serviceTag":"Azure Monitor","portRanges":"443"`),
		want: "outboundRules[0].serviceTag: ",
	},
	{
		name: "a service tag without ports",
		edit: rule(`"name":"logs","serviceTag":"AzureMonitor"`),
		want: "outboundRules[0].portRanges: ",
	},
	{
		name: "a service tag with a strange protocol",
		edit: rule(`"name":"logs","serviceTag":"AzureMonitor","portRanges":"443","protocol":"tcp"`),
		want: "outboundRules[0].protocol: ",
	},
	{
		name: "a private endpoint to a name",
		edit: rule(`"name":"store","serviceResourceId":"mlstore","subresource":"blob"`),
		want: "outboundRules[0].serviceResourceId: ",
	},
	{
		name: "a private endpoint to no part",
		edit: rule(`"name":"store","serviceResourceId":"` + storageID + `"`),
		want: "outboundRules[0].subresource: ",
	},
	{
		name: "Vault on its own port behind a closed network",
		edit: closed("https://" + canary + ".example.com:8200"),
		want: "vaultAddress: has another port than 443 or 80",
	},
	{
		name: "Vault on an IP address behind a closed network",
		edit: closed("https://10.1.2.3"),
		want: "vaultAddress: is an IP address",
	},
	{
		name: "Vault on a short name behind a closed network",
		edit: closed("https://" + canary),
		want: "vaultAddress: has no fully qualified host name",
	},
	{
		name: "a rule named as one to the account",
		edit: approved(`"outboundRules":[{"name":"Storage-Queue","fqdn":"pypi.org"}]`),
		want: `"storage-queue" is a rule that the program makes`,
	},
}
