package settings

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// refusal breaks the valid configuration in one place. Values of secret keys carry the canary.
type refusal struct {
	name string
	edit func(fake)
	want string // the problem: key and text, or a part of it
}

// refusals are those of every section; each has a file of its own.
var refusals = slices.Concat(
	refusalsOfSecrets,
	refusalsOfCredentials,
	refusalsOfVault,
	refusalsOfWorkload,
	refusalsOfCompute,
	refusalsOfWhatExists,
	refusalsOfAzure,
	refusalsOfTags,
	refusalsOfNames,
	refusalsOfNetwork,
	refusalsOfEndpoints,
)

func TestEachRefusalNamesItsKeyAndQuotesNoSecret(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			requireRefused(t, with(test.edit).source(), test.want)
		})
	}
}

// written are values that mean nothing, or less than the default. Each is judged as it is written:
// none becomes the default in silence.
func TestAnExplicitZeroOrEmptyTextIsNeverTurnedIntoTheDefault(t *testing.T) {
	refused := []refusal{
		{
			name: "a life of no seconds",
			edit: set("vault", `{"maxLeaseTtlSeconds":0}`),
			want: "0 is not between",
		},
		{
			name: "a token of no seconds",
			edit: set("workload", `{"audience":"a","tokenTtlSeconds":0}`),
			want: "0 is not between",
		},
		{
			name: "no nodes",
			edit: set("compute", `[{"maxNodes":0}]`),
			want: "compute[0].maxNodes: 0 is not between",
		},
		{
			name: "no size",
			edit: set("compute", `[{"vmSize":""}]`),
			want: "compute[0].vmSize: is empty",
		},
		{
			name: "no mount",
			edit: set("vault", `{"mount":""}`),
			want: "vault.mount: is empty",
		},
		{
			name: "no prefix",
			edit: set("vault", `{"prefix":""}`),
			want: "vault.prefix: is empty",
		},
		{
			name: "no audience",
			edit: set("workload", `{"audience":""}`),
			want: "workload.audience: is empty",
		},
		{
			name: "no auth path",
			edit: set("workload", `{"audience":"a","authPath":""}`),
			want: "workload.authPath: is empty",
		},
		{
			name: "no access",
			edit: set("azure", `{"publicNetworkAccess":""}`),
			want: "azure.publicNetworkAccess: is empty",
		},
		{
			name: "no size of a registry",
			edit: set("azure", `{"createContainerRegistry":true,"containerRegistrySku":""}`),
			want: "is empty",
		},
		{
			name: "no name",
			edit: set("azure", `{"names":{"keyVault":""}}`),
			want: "azure.names.keyVault: is empty",
		},
		{
			name: "no tag to ignore",
			edit: set("azure", `{"ignoreTags":[""]}`),
			want: "azure.ignoreTags[0]: is empty",
		},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			requireRefused(t, with(test.edit).source(), test.want)
		})
	}
	shared := with(set("workload", `{"audience":"a","createAuthBackend":false}`)).load(t)
	if shared.Workload.CreateAuthBackend {
		t.Error("createAuthBackend: false became true")
	}
	withoutRule := azure(t, `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound","vaultRule":false}}`)
	if withoutRule.ManagedNetwork.VaultRule {
		t.Error("vaultRule: false became true")
	}
	if tags := azure(t, `{"tags":{"team":""}}`).Tags; tags["team"] != "" || len(tags) != 1 {
		t.Errorf("a tag without a value became %v", tags)
	}
}

func TestAzuresLengthsOfNamesHoldAtBothEnds(t *testing.T) {
	for _, name := range []struct {
		field             string
		shortest, longest int
	}{
		{field: "resourceGroup", shortest: 1, longest: 90},
		{field: "jobIdentity", shortest: 3, longest: 128},
		{field: "storageAccount", shortest: 3, longest: 24},
		{field: "keyVault", shortest: 3, longest: 24},
		{field: "logAnalytics", shortest: 4, longest: 63},
		{field: "applicationInsights", shortest: 1, longest: 255},
		{field: "containerRegistry", shortest: 5, longest: 50},
		{field: "workspace", shortest: 3, longest: 33},
	} {
		for length, isTaken := range map[int]bool{
			name.shortest - 1: false,
			name.shortest:     true,
			name.longest:      true,
			name.longest + 1:  false,
		} {
			names := fmt.Sprintf(`{%q:%q}`, name.field, strings.Repeat("a", length))
			section := `{"createContainerRegistry":true,"names":` + names + `}`
			_, err := From(with(set("azure", section)).source())
			if isTaken != (err == nil) {
				t.Errorf("%s: a name of %d characters: %v", name.field, length, err)
			}
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	values := fake{}
	for _, edit := range []func(fake){
		set("vaultAddress", "http://elsewhere"),
		set("credentials", `{"a*":{"k":null},"b":7}`),
		set("vault", `{"mount":"/x","nope":1,"createMount":3}`),
		set("azure", `{"publicNetworkAccess":"x","names":{"keyVault":"-"},"roleAssignments":[{"role":"x"}]}`),
	} {
		edit(values)
	}
	_, err := From(values.source())
	if err == nil {
		t.Fatal("all of it is taken")
	}
	for _, want := range []string{
		"azure-native:location",
		"vaultAddress",
		"credentials.a*",
		"credentials.a*.k",
		"credentials.b",
		"vault.mount",
		"vault.nope",
		"vault.createMount",
		"azure.publicNetworkAccess",
		"azure.names.keyVault",
		"azure.roleAssignments[0].role",
		"azure.roleAssignments[0].principalId",
		"azure.roleAssignments[0].principalType",
		"workload.audience",
	} {
		if !strings.Contains(err.Error(), "- "+want+": ") {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}

func TestASecretInPlainTextIsRefused(t *testing.T) {
	src := valid().source()
	src.Encrypted = func(string) bool { return false }
	_, err := From(src)
	problems, _ := AsProblems(err)
	if len(problems) != len(SecretKeys) {
		t.Fatalf("want a problem for each of %v, got %v", SecretKeys, err)
	}
	for _, key := range SecretKeys {
		if !strings.Contains(err.Error(), key+": is in plain text") {
			t.Errorf("%s in plain text was accepted: %v", key, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes a secret: %v", err)
	}
}

func TestAKeyThatNobodyReadsIsRefused(t *testing.T) {
	tests := []struct{ key, want string }{
		{
			key: "mlvault:azure.protect",
			want: "azure.protect: is one key with a dot in its name, which nobody reads. " +
				"Remove it with `pulumi config rm 'azure.protect'` and set the field: " +
				"`pulumi config set --path azure.protect ...`",
		},
		{key: "mlvault:credentials.a.k", want: "credentials.a.k: is one key with a dot in its name"},
		{key: "mlvault:azure.tags[0]", want: "azure.tags[0]: is one key"},
		{
			key: "mlvault:credential",
			want: "credential: is not a setting of this program. It reads vaultAddress, vaultToken, " +
				"credentials, vault, azure, workload, compute",
		},
		{key: "mlvault:", want: ": is not a setting"},
	}
	for _, test := range tests {
		values := valid()
		values[test.key] = canary
		requireRefused(t, values.source(), test.want)
	}
}

// A project's old name shows by an address of Vault. All else in a configuration that projects
// share is theirs.
func TestOnlyAnOldNameOfThisProjectIsTakenForOurs(t *testing.T) {
	old := valid()
	old["ml-old:vaultAddress"] = canary
	old["ml-old:workload"] = canary
	_, err := From(old.source())
	problems, _ := AsProblems(err)
	if len(problems) != 2 {
		t.Errorf("want two problems, got %v", err)
	}
	const want = "ml-old:workload: belongs to the project ml-old, and this one is mlvault, which does not " +
		"read it. Set workload here and remove it with `pulumi config rm ml-old:workload`"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
	for _, key := range []string{
		"networking:azure", "networking:compute", "networking:vault", "azure-native:subscriptionId",
		"gcp:credentials", "no-namespace", "vault:token", "pulumi:tags",
	} {
		values := valid()
		values[key] = canary
		values.load(t)
	}
}

func TestAPlainSettingThatTheUserKeepsSecretIsNotQuoted(t *testing.T) {
	src := with(set("vault", `{"mount":"/`+canary+`"}`)).source()
	src.Encrypted = func(string) bool { return true }
	requireRefused(t, src, "vault.mount: [secret] begins")
}
