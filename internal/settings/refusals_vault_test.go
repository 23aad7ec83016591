package settings

var refusalsOfVault = []refusal{
	{
		name: "an unknown field",
		edit: set("vault", `{"mnt":"kv"}`),
		want: "vault.mnt: is not a known field; vault has caCertFile, createMount",
	},
	{
		name: "a field of another type",
		edit: set("vault", `{"createMount":"yes"}`),
		want: "vault.createMount: is not true or false",
	},
	{
		name: "a number in quotes",
		edit: set("vault", `{"maxLeaseTtlSeconds":"1200"}`),
		want: "vault.maxLeaseTtlSeconds: is not a whole number",
	},
	{
		name: "a reader without its project",
		edit: set("vault", `{"readers":["dev"]}`),
		want: `vault.readers[0]: "dev" is not <project>/<stack>`,
	},
	{
		name: "a section that is no object",
		edit: set("vault", `"kv"`),
		want: "vault: is not an object",
	},
	{
		name: "a field twice",
		edit: set("vault", `{"mount":"a","mount":"b"}`),
		want: "vault.mount: is given twice",
	},
	{
		name: "a field that is null",
		edit: set("vault", `{"mount":null}`),
		want: "vault.mount: is null",
	},
	{
		name: "a mount with data inside",
		edit: set("vault", `{"mount":"kv/data/x"}`),
		want: `vault.mount: "kv/data/x" has data as a part`,
	},
	{
		name: "a mount that begins with a slash",
		edit: set("vault", `{"mount":"/kv"}`),
		want: `vault.mount: "/kv" begins or ends`,
	},
	{
		name: "a mount of Vault's own",
		edit: set("vault", `{"mount":"sys"}`),
		want: `vault.mount: "sys" belongs to Vault itself`,
	},
	{
		name: "a prefix with a star",
		edit: set("vault", `{"prefix":"team/*"}`),
		want: `vault.prefix: "team/*" may have`,
	},
	{
		name: "a prefix as in the sketch",
		edit: set("vault", `{"prefix":"data/team"}`),
		want: "vault.prefix: \"data/team\" starts with data/",
	},
	{
		name: "a namespace with dots",
		edit: set("vault", `{"namespace":"a/../b"}`),
		want: "vault.namespace: ",
	},
	{
		name: "a child token that lives a second",
		edit: set("vault", `{"maxLeaseTtlSeconds":1}`),
		want: "vault.maxLeaseTtlSeconds: 1 is not between",
	},
	{
		name: "a read of a wildcard",
		edit: read("kv/data/team/*"),
		want: `vault.reads.x: "kv/data/team/*" may have letters`,
	},
	{
		name: "a read of one part of any name",
		edit: read("kv/data/+/a"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read that leaves its place",
		edit: read("kv/data/../sys"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of Vault itself",
		edit: read("sys/raw"),
		want: `vault.reads.x: "sys/raw" belongs to Vault itself`,
	},
	{
		name: "a read of an auth method",
		edit: read("auth/token/lookup"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of identities",
		edit: read("identity/oidc/token/x"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of a cubbyhole",
		edit: read("cubbyhole/x"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of a mount",
		edit: read("database"),
		want: "vault.reads.x: \"database\" is a mount",
	},
	{
		name: "a read in API form",
		edit: read("/v1/kv/data/x"),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of KV without data",
		edit: read("secret/team/warehouse"),
		want: `vault.reads.x: "secret/team/warehouse" lacks data/`,
	},
	{
		name: "a read with the version of the API",
		edit: read("v1/kv/data/x"),
		want: `vault.reads.x: "v1/kv/data/x" begins with v1/`,
	},
	{
		name: "a read of the own mount without data",
		edit: set("vault", `{"mount":"ml/store","reads":{"x":"ml/store/team/warehouse"}}`),
		want: "vault.reads.x: ",
	},
	{
		name: "a read of an own credential",
		edit: read("secret/data/mlvault/dev/ml_api_key"),
		want: "is the path of credential ml_api_key already",
	},
	{
		name: "a path read twice",
		edit: set("vault", `{"reads":{"x":"database/creds/a","y":"database/creds/a"}}`),
		want: "vault.reads.y: \"database/creds/a\" is read as x already",
	},
	{
		name: "a path that is read and written to",
		edit: set("vault", `{"reads":{"x":"pki/issue/ml","y":{"path":"pki/issue/ml","parameters":{}}}}`),
		want: "vault.reads.y: \"pki/issue/ml\" is read as x already",
	},
	{
		name: "a path that is written to and read",
		edit: set("vault", `{"reads":{"x":{"path":"pki/issue/ml","parameters":{}},"y":"pki/issue/ml"}}`),
		want: "vault.reads.y: \"pki/issue/ml\" is written to already",
	},
	{
		name: "a write without parameters",
		edit: set("vault", `{"reads":{"x":{"path":"pki/issue/ml"}}}`),
		want: "vault.reads.x.parameters: is no object of what is written",
	},
	{
		name: "a write of a text",
		edit: set("vault", `{"reads":{"x":{"path":"pki/issue/ml","parameters":"a=b"}}}`),
		want: "vault.reads.x.parameters: is no object of what is written",
	},
	{
		name: "a write without a path",
		edit: set("vault", `{"reads":{"x":{"parameters":{}}}}`),
		want: "vault.reads.x.path: is not a text",
	},
	{
		name: "a write to Vault itself",
		edit: set("vault", `{"reads":{"x":{"path":"sys/raw","parameters":{}}}}`),
		want: `vault.reads.x: "sys/raw" belongs to Vault itself`,
	},
	{
		name: "a write with an unknown field",
		edit: set("vault", `{"reads":{"x":{"path":"pki/issue/ml","parameters":{},"method":"PUT"}}}`),
		want: "vault.reads.x.method: is not a known field",
	},
	{
		name: "a read of a number",
		edit: set("vault", `{"reads":{"x":7}}`),
		want: "vault.reads.x: is no path",
	},
	{
		name: "a name read twice",
		edit: set("vault", `{"reads":{"x":"database/creds/a","x":"database/creds/b"}}`),
		want: "vault.reads.x: is given twice",
	},
	{
		name: "a read named as a credential",
		edit: set("vault", `{"reads":{"ml_api_key":"database/creds/a"}}`),
		want: "vault.reads.ml_api_key: is the name of a credential too",
	},
	{
		name: "a read with a strange name",
		edit: set("vault", `{"reads":{"a*":"database/creds/a"}}`),
		want: "vault.reads.a*: the name may have",
	},
}
