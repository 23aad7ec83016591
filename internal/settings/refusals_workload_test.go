package settings

import "strings"

var refusalsOfWorkload = []refusal{
	{
		name: "no audience",
		edit: set("workload", `{}`),
		want: "workload.audience: is missing",
	},
	{
		name: "an audience with a comma",
		edit: set("workload", `{"audience":"a,b"}`),
		want: `workload.audience: "a,b" has a character`,
	},
	{
		name: "endpoints that pull from a registry that nobody knows",
		edit: set("workload", `{"audience":"a","endpoints":true}`),
		want: "workload.endpoints: needs a registry that is known",
	},
	{
		name: "an issuer of every tenant",
		edit: set("workload", `{"audience":"a","issuer":"https://login.microsoftonline.com/common/v2.0"}`),
		want: "does not name one tenant",
	},
	{
		name: "an issuer elsewhere",
		edit: set("workload", `{"audience":"a","issuer":"https://evil.example.com/`+aGUID+`/"}`),
		want: "is not an issuer of Microsoft Entra ID",
	},
	{
		name: "an issuer that looks like Entra's",
		edit: set("workload", `{"audience":"a","issuer":"https://sts.windows.net.evil.example/`+aGUID+`/"}`),
		want: "is not an issuer of Microsoft Entra ID",
	},
	{
		name: "an issuer without its slash",
		edit: set("workload", `{"audience":"a","issuer":"https://sts.windows.net/`+aGUID+`"}`),
		want: "lacks the slash",
	},
	{
		name: "an issuer with a longer path",
		edit: set("workload", `{"audience":"a","issuer":"https://sts.windows.net/`+aGUID+`/x"}`),
		want: "ends in something else",
	},
	{
		name: "a version 1 issuer on the host of version 2",
		edit: issuer("login.microsoftonline.com", "/"),
		want: "has the discovery document of https://sts.windows.net/" + aGUID + "/",
	},
	{
		name: "the same in the US government's cloud",
		edit: issuer("login.microsoftonline.us", "/"),
		want: "has the discovery document of https://sts.windows.net/",
	},
	{
		name: "a version 2 issuer on the host of version 1",
		edit: issuer("sts.windows.net", "/v2.0"),
		want: "has the discovery document of https://login.microsoftonline.com/" + aGUID + "/v2.0",
	},
	{
		name: "the same in China's cloud",
		edit: issuer("sts.chinacloudapi.cn", "/v2.0"),
		want: "https://login.partner.microsoftonline.cn/",
	},
	{
		name: "a URI for version 2 tokens",
		edit: set("workload", `{"audience":"api://x","issuer":"https://login.microsoftonline.com/`+aGUID+`/v2.0"}`),
		want: "workload.audience: \"api://x\" is a URI",
	},
	{
		name: "the same of the audience before",
		edit: set("workload", `{"audience":"x","previousAudience":"api://x","issuer":"https://login.microsoftonline.com/`+
			aGUID+`/v2.0"}`),
		want: "workload.previousAudience: \"api://x\" is a URI",
	},
	{
		name: "an audience before that is the one of now",
		edit: set("workload", `{"audience":"api://x","previousAudience":"api://x"}`),
		want: "workload.previousAudience: is workload.audience itself",
	},
	{
		name: "a URI of no app",
		edit: set("workload", `{"audience":"api:///"}`),
		want: `workload.audience: "api:///" names no app`,
	},
	{
		name: "Vault's token method",
		edit: set("workload", `{"audience":"a","authPath":"token","createAuthBackend":false}`),
		want: `workload.authPath: "token" is Vault's own`,
	},
	{
		name: "an issuer over http",
		edit: set("workload", `{"audience":"a","issuer":"http://sts.windows.net/`+aGUID+`/"}`),
		want: "is not an https URL",
	},
	{
		name: "a reader in capitals",
		edit: set("workload", `{"audience":"a","principalIds":["AAAAAAAA-3333-3333-3333-333333333333"]}`),
		want: "workload.principalIds[0]: ",
	},
	{
		name: "a reader that is two",
		edit: set("workload", `{"audience":"a","principalIds":["x,y"]}`),
		want: "workload.principalIds[0]: ",
	},
	{
		name: "a reader twice",
		edit: set("workload", `{"audience":"a","principalIds":["`+aGUID+`","`+aGUID+`"]}`),
		want: "is given twice",
	},
	{
		name: "a token that lives a day",
		edit: set("workload", `{"audience":"a","tokenTtlSeconds":86400}`),
		want: "workload.tokenTtlSeconds: 86400",
	},
	{
		name: "an auth path with a star",
		edit: set("workload", `{"audience":"a","authPath":"jwt*"}`),
		want: "workload.authPath: ",
	},
	{
		name: "a CA for the backend of others",
		edit: set("workload", `{"audience":"a","issuerCaPem":"`+aCertificate+`","createAuthBackend":false}`),
		want: "workload.issuerCaPem: is for a backend that the program makes",
	},
	{
		name: "a CA that is no certificate",
		edit: set("workload", `{"audience":"a","issuerCaPem":"`+canary+`"}`),
		want: "workload.issuerCaPem: is not a PEM certificate",
	},
	{
		name: "a role in capitals, which Vault stores in lower case",
		edit: set("workload", `{"audience":"a","role":"ML-Readers"}`),
		want: `workload.role: "ML-Readers" is no name that Vault stores as it is written`,
	},
	{
		name: "a role that is a path",
		edit: set("workload", `{"audience":"a","role":"ml/readers"}`),
		want: "workload.role: ",
	},
	{
		name: "a role that leaves its place",
		edit: set("workload", `{"audience":"a","role":"a..b"}`),
		want: "no two dots in a row",
	},
	{
		name: "a policy with a star",
		edit: set("workload", `{"audience":"a","policy":"ml*"}`),
		want: "workload.policy: ",
	},
	{
		name: "a policy with a hyphen at its end",
		edit: set("workload", `{"audience":"a","policy":"ml-"}`),
		want: "neither - nor . at either end",
	},
	{
		name: "the policy of root",
		edit: set("workload", `{"audience":"a","policy":"root"}`),
		want: `workload.policy: "root" is Vault's own policy`,
	},
	{
		name: "the policy that every token has",
		edit: set("workload", `{"audience":"a","policy":"default","createPolicy":false}`),
		want: `workload.policy: "default" is Vault's own policy`,
	},
	{
		name: "a policy that is longer than any path",
		edit: set("workload", `{"audience":"a","policy":"`+strings.Repeat("x", 257)+`"}`),
		want: "is longer than 256 characters",
	},
	{
		name: "a role of others in a backend that is made",
		edit: set("workload", `{"audience":"a","createRole":false}`),
		want: "workload.createRole: is false, and a role that exists is in a backend that exists",
	},
}
