package settings

var refusalsOfSecrets = []refusal{
	{
		name: "no address",
		edit: set("vaultAddress", ""),
		want: "vaultAddress: is missing",
	},
	{
		name: "an address without a scheme",
		edit: set("vaultAddress", canary+":8200"),
		want: "vaultAddress: ",
	},
	{
		name: "an address of another scheme",
		edit: set("vaultAddress", "ftp://"+canary),
		want: "vaultAddress: does not start with https://",
	},
	{
		name: "plain http to another machine",
		edit: set("vaultAddress", "http://"+canary+":8200"),
		want: "vaultAddress: uses plain http",
	},
	{
		name: "plain http to a name that begins like this machine",
		edit: set("vaultAddress", "http://localhost."+canary),
		want: "vaultAddress: uses plain http",
	},
	{
		name: "plain http to an address that looks like loopback",
		edit: set("vaultAddress", "http://127.0.0.1."+canary),
		want: "vaultAddress: uses plain http",
	},
	{
		name: "an address with a path",
		edit: set("vaultAddress", "https://"+canary+"/v1"),
		want: "vaultAddress: ends in a path",
	},
	{
		name: "an address with a query",
		edit: set("vaultAddress", "https://"+canary+"?a=b"),
		want: "vaultAddress: has more than",
	},
	{
		name: "an address with a password",
		edit: set("vaultAddress", "https://u:"+canary+"@h"),
		want: "vaultAddress: has more than",
	},
	{
		name: "an address with a line break",
		edit: set("vaultAddress", "https://"+canary+"\n"),
		want: "vaultAddress: is not a URL",
	},
	{
		name: "a token with a line break",
		edit: set("vaultToken", canary+"\n"),
		want: "vaultToken: has a space or a line break",
	},
	{
		name: "a token with a byte-order mark",
		edit: set("vaultToken", "\ufeff"+canary),
		want: "vaultToken: begins with a byte-order mark",
	},
	{
		name: "an address with a byte-order mark",
		edit: set("vaultAddress", "\ufeffhttps://"+canary),
		want: "vaultAddress: begins with a byte-order mark",
	},
}
