package settings

import "strings"

var refusalsOfCredentials = []refusal{
	{
		name: "credentials with a byte-order mark",
		edit: set("credentials", "\ufeff{\"a\":{\"k\":\"v\"}}"),
		want: "credentials: begins with a byte-order mark",
	},
	{
		name: "a payload with a byte-order mark",
		edit: set("credentials", "{\"a\":\"\ufeff{}\"}"),
		want: "credentials.a: begins with a byte-order mark",
	},
	{
		name: "no credentials",
		edit: unset("mlvault:credentials"),
		want: "credentials: is empty, and so is vault.reads",
	},
	{
		name: "empty credentials",
		edit: set("credentials", "{}"),
		want: "credentials: is empty, and so is vault.reads",
	},
	{
		name: "credentials that are no JSON",
		edit: set("credentials", canary),
		want: "credentials: is not valid JSON",
	},
	{
		name: "credentials that end too early",
		edit: set("credentials", `{"a":{"k":"`+canary),
		want: "credentials: is not valid JSON",
	},
	{
		name: "credentials with more behind them",
		edit: set("credentials", `{"a":{"k":"v"}} "`+canary+`"`),
		want: "credentials: has more text after its end",
	},
	{
		name: "credentials that are a list",
		edit: set("credentials", `["`+canary+`"]`),
		want: "credentials: is not an object",
	},
	{
		name: "a payload that is a text",
		edit: set("credentials", `{"a":"`+canary+`"}`),
		want: "credentials.a: is a text and no object of keys and values. " +
			"Set each value with `pulumi config set --path --secret credentials.a.<key>`",
	},
	{
		name: "a payload that is a list",
		edit: set("credentials", `{"a":["`+canary+`"]}`),
		want: "credentials.a: is not an object",
	},
	{
		name: "a payload that is null",
		edit: set("credentials", `{"a":null}`),
		want: "credentials.a: is null",
	},
	{
		name: "a payload without keys",
		edit: set("credentials", `{"a":{}}`),
		want: "credentials.a: has no keys",
	},
	{
		name: "a payload as text that is a list",
		edit: set("credentials", `{"a":"[\"`+canary+`\"]"}`),
		want: "credentials.a: is a text and no object",
	},
	{
		name: "a null inside",
		edit: set("credentials", `{"a":{"k":{"deep":[1,null]}}}`),
		want: "credentials.a.k.deep[1]: is null",
	},
	{
		name: "a null inside a payload as text",
		edit: set("credentials", `{"a":"{\"k\":null}"}`),
		want: "credentials.a.k: is null",
	},
	{
		name: "a key twice",
		edit: set("credentials", `{"a":{"k":"1","k":"`+canary+`"}}`),
		want: "credentials.a.k: is given twice",
	},
	{
		name: "a credential twice",
		edit: set("credentials", `{"a":{"k":"1"},"a":{"k":"`+canary+`"}}`),
		want: "credentials.a: is given twice",
	},
	{
		name: "2^53",
		edit: set("credentials", `{"a":{"k":9007199254740992}}`),
		want: "credentials.a.k: is a number that JSON readers round",
	},
	{
		name: "a large negative number",
		edit: set("credentials", `{"a":{"k":-9007199254740993}}`),
		want: "credentials.a.k: is a number",
	},
	{
		name: "a number beyond float64",
		edit: set("credentials", `{"a":{"k":1e999}}`),
		want: "credentials.a.k: is a number",
	},
	{
		name: "a number that rounds to zero",
		edit: set("credentials", `{"a":{"k":1e-999999999}}`),
		want: "credentials.a.k: is a number",
	},
	{
		name: "too many decimals",
		edit: set("credentials", `{"a":{"k":0.1234567890123456789}}`),
		want: "credentials.a.k: is a number",
	},
	{
		name: "text that is not UTF-8",
		edit: set("credentials", "{\"a\":{\"k\":\"\xff"+canary+"\"}}"),
		want: "credentials: is not valid UTF-8",
	},
	{
		name: "half a surrogate pair",
		edit: set("credentials", `{"a":{"k":"\ud800`+canary+`"}}`),
		want: "credentials: has half of a",
	},
	{
		name: "a payload that is too large",
		edit: set("credentials", `{"a":{"k":"`+canary+strings.Repeat("x", maxPayloadBytes)+`"}}`),
		want: "credentials.a: has 1000021 bytes",
	},
	{
		name: "a payload that is too deep",
		edit: set("credentials", `{"a":{"k":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)+`}}`),
		want: "credentials: is nested more than",
	},
	{
		name: "a name with a star",
		edit: set("credentials", `{"ml*":{"k":"v"}}`),
		want: "credentials.ml*: the name may have letters",
	},
	{
		name: "a name with a plus",
		edit: set("credentials", `{"a/+/b":{"k":"v"}}`),
		want: "credentials.a/+/b: the name may have letters",
	},
	{
		name: "a name that leaves its place",
		edit: set("credentials", `{"a/../b":{"k":"v"}}`),
		want: "credentials.a/../b: the name has two dots",
	},
	{
		name: "a name of dots",
		edit: set("credentials", `{"..":{"k":"v"}}`),
		want: "credentials...: the name has two dots",
	},
	{
		name: "a name of one dot",
		edit: set("credentials", `{"a/./b":{"k":"v"}}`),
		want: "credentials.a/./b: the name may have",
	},
	{
		name: "a name that begins with a slash",
		edit: set("credentials", `{"/a":{"k":"v"}}`),
		want: "credentials./a: the name begins or ends with a slash",
	},
	{
		name: "a name that ends with a slash",
		edit: set("credentials", `{"a/":{"k":"v"}}`),
		want: "credentials.a/: the name begins or ends with a slash",
	},
	{
		name: "a name with an empty part",
		edit: set("credentials", `{"a//b":{"k":"v"}}`),
		want: "credentials.a//b: the name may have",
	},
	{
		name: "a name with a space",
		edit: set("credentials", `{"a b":{"k":"v"}}`),
		want: "credentials.a b: the name may have",
	},
	{
		name: "a name with a line break",
		edit: set("credentials", `{"a\nb":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "a name that ends in a line break",
		edit: set("credentials", `{"a\n":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "a name with a question mark",
		edit: set("credentials", `{"a?b":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "a name with a percent sign",
		edit: set("credentials", `{"a%2fb":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "a name with a quote",
		edit: set("credentials", `{"a\"b":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "a name in another script",
		edit: set("credentials", `{"schlüssel":{"k":"v"}}`),
		want: "the name may have",
	},
	{
		name: "an empty name",
		edit: set("credentials", `{"":{"k":"v"}}`),
		want: "credentials.: the name is empty",
	},
	{
		name: "a name as in the sketch",
		edit: set("credentials", `{"data/ml_api_key":{"k":"v"}}`),
		want: "the name starts with data/",
	},
	{
		name: "a name that is too long",
		edit: set("credentials", `{"`+strings.Repeat("a", 257)+`":{"k":"v"}}`),
		want: "the name is longer than 256",
	},
}
