package settings

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"testing"
)

func TestAValidConfigurationGetsItsDefaults(t *testing.T) {
	s := valid().load(t)
	wantVault := Vault{
		Mount:              "secret",
		Prefix:             "mlvault/dev",
		MaxLeaseTTLSeconds: 1200,
	}
	if !reflect.DeepEqual(s.Vault, wantVault) {
		t.Errorf("vault is %+v, want %+v", s.Vault, wantVault)
	}
	wantWorkload := Workload{
		Audience:          "api://mlvault",
		AuthPath:          "jwt-mlvault-dev-ae5143b98a56bf8e",
		CreateAuthBackend: true,
		Role:              "mlvault-dev-ae5143b98a56bf8e",
		CreateRole:        true,
		Policy:            "mlvault-dev-ae5143b98a56bf8e",
		CreatePolicy:      true,
		TokenTTLSeconds:   900,
	}
	if !reflect.DeepEqual(s.Workload, wantWorkload) {
		t.Errorf("workload is %+v, want %+v", s.Workload, wantWorkload)
	}
	// All else of Azure is off or made by the program.
	wantAzure := Azure{
		PublicNetworkAccess: "Enabled",
		Storage:             Storage{SharedKeys: true, InfrastructureEncryption: true},
		Logs:                Logs{PublicIngestion: true, PublicQuery: true, LocalAuth: true},
	}
	if !reflect.DeepEqual(s.Azure, wantAzure) {
		t.Errorf("azure is %+v, want %+v", s.Azure, wantAzure)
	}
	if s.Compute != nil {
		t.Error("there is a cluster that nobody asked for")
	}
	if !s.VaultHost().Empty() {
		t.Error("a rule for Vault's host is wanted where nothing is closed")
	}
	withSlash := with(set("vaultAddress", s.Address.Reveal()+"/")).load(t)
	if !reflect.DeepEqual(withSlash, s) {
		t.Error("a slash at the address's end changes something")
	}
}

// Pulumi.yaml has `{}` or `[]` as the default of each section. A person writes `{ }`.
func TestAnEmptySectionIsAsNone(t *testing.T) {
	want := valid().load(t)
	for section, empties := range map[string][]string{
		"vault":   {"{}", "{ }", "{\n}\n"},
		"azure":   {"{}", "{ }", "{\n}\n"},
		"compute": {"[]", "[ ]", "[\n]\n"},
	} {
		for _, empty := range empties {
			got := with(set(section, empty)).load(t)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %q is not as none", section, empty)
			}
		}
	}
	if clusters := with(set("compute", `[{}]`)).load(t).Compute; len(clusters) != 1 {
		t.Errorf("a cluster with all its defaults is %v", clusters)
	}
}

func TestClustersHaveTheirDefaultsAndNames(t *testing.T) {
	s := with(set("compute", `[
		{"name": "gpus", "vmSize": "Standard_NC6s_v3", "maxNodes": 4, "lowPriority": true},
		{"computeId": "`+strings.Replace(aCluster, "mine/computes", "MINE/Computes", 1)+`"},
		{"minNodes": 1, "idleSeconds": 5430}
	]`)).load(t)
	want := []Cluster{
		{Name: "gpus", VMSize: "Standard_NC6s_v3", MaxNodes: 4, IdleSeconds: 120, LowPriority: true},
		{
			Name:        DefaultCluster,
			VMSize:      "Standard_D4ds_v5",
			MaxNodes:    1,
			IdleSeconds: 120,
			ComputeID:   strings.Replace(aCluster, "mine", "MINE", 1),
		},
		{
			Name:        DefaultCluster,
			VMSize:      "Standard_D4ds_v5",
			MaxNodes:    1,
			MinNodes:    1,
			IdleSeconds: 5430,
		},
	}
	if !reflect.DeepEqual(s.Compute, want) {
		t.Errorf("the clusters are %+v", s.Compute)
	}
	if name := s.Compute[1].AzureName(); name != "gpu" {
		t.Errorf("the one that exists is called %s", name)
	}
}

// .NET, in which Azure ML is written, answers 120 seconds as PT2M. What is sent otherwise differs at
// every refresh.
func TestTheIdleTimeIsWrittenAsAzureAnswers(t *testing.T) {
	for seconds, want := range map[int]string{
		30: "PT30S", 90: "PT1M30S", 120: "PT2M", 3600: "PT1H", 5430: "PT1H30M30S", 86399: "PT23H59M59S",
	} {
		cluster := Cluster{IdleSeconds: seconds}
		if got := cluster.IdleTime(); got != want {
			t.Errorf("%d seconds are %s, want %s", seconds, got, want)
		}
	}
}

func TestEverySettingSaysWhatAChangeOfItDoes(t *testing.T) {
	var look func(each Setting)
	look = func(each Setting) {
		isLeaf := len(each.Settings) == 0
		if isLeaf && (each.Change.Jobs == "" || each.Change.Back == "") {
			t.Errorf("%s does not say what a change of it does", each.Key)
		}
		for _, inner := range each.Settings {
			look(inner)
		}
	}
	for _, each := range Reference() {
		look(each)
	}
}

func TestACredentialOfOthersIsEnough(t *testing.T) {
	reads := map[string]string{
		"warehouse": "kv/data/team/warehouse",
		"features":  "database/creds/ml-reader",
	}
	text, err := json.Marshal(map[string]any{"reads": reads})
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []func(fake){unset("mlvault:credentials"), set("credentials", "{}")} {
		paths := with(none, set("vault", string(text))).load(t).CredentialPaths()
		if !maps.Equal(paths, reads) {
			t.Errorf("jobs read %v, want %v", paths, reads)
		}
	}
}

func TestAPathThatAnswersToAWriteHasParameters(t *testing.T) {
	written := `{"reads":{
		"a":{"path":"pki/issue/ml","parameters":{"common_name":"a.ml","ttl":3600}},
		"b":{"path":"pki/issue/ml","parameters":{}},
		"c":"database/creds/ml"}}`
	s := with(set("vault", written)).load(t)
	want := map[string]any{
		"a": map[string]any{"common_name": "a.ml", "ttl": 3600.0},
		"b": map[string]any{},
	}
	if got := s.CredentialParameters(); !reflect.DeepEqual(got, want) {
		t.Errorf("jobs write %v, want %v", got, want)
	}
	paths := s.CredentialPaths()
	if paths["a"] != "pki/issue/ml" || paths["b"] != "pki/issue/ml" || paths["c"] != "database/creds/ml" {
		t.Errorf("jobs read %v", paths)
	}
}

func TestARegistryIsStandardUnlessItIsSaid(t *testing.T) {
	size := azure(t, `{"createContainerRegistry":true}`).ContainerRegistrySKU
	if size != "Standard" {
		t.Errorf("a registry is %q", size)
	}
}

// The portal, the CLI and ARM's answers spell an id differently, and for a storage account a
// difference of texts would replace the workspace.
func TestAnIDIsTheSameInEverySpelling(t *testing.T) {
	const group = "/subscriptions/5a9db0c5-0000-4000-8000-00000000000a/resourceGroups/Data"
	const want = group + "/providers/Microsoft.Storage/storageAccounts/mlstore"
	other := "/SUBSCRIPTIONS/5A9DB0C5-0000-4000-8000-00000000000A/resourcegroups/Data" +
		"/providers/microsoft.storage/StorageAccounts/mlstore"
	for _, given := range []string{want, other} {
		got := azure(t, `{"storageAccountId":"`+given+`"}`).StorageAccountID
		if got != want {
			t.Errorf("%s\nbecame %s", given, got)
		}
		// Of a resource of any type only what ARM itself names is written anew.
		network := azure(t, `{"managedNetwork":{"mode":"AllowInternetOutbound","outboundRules":[`+
			`{"name":"store","subresource":"blob","serviceResourceId":"`+given+`"}]}}`).ManagedNetwork
		target := network.OutboundRules[0].ServiceResourceID
		if !strings.EqualFold(target, want) || !strings.HasPrefix(target, group) {
			t.Errorf("%s\nbecame %s", given, target)
		}
	}
}

func TestARuleLeadsToVaultWhereNothingElseDoes(t *testing.T) {
	for mode, want := range map[string]string{
		"Disabled":                  "",
		"AllowInternetOutbound":     "",
		"AllowOnlyApprovedOutbound": "vault.example.com",
	} {
		for _, port := range []string{"", ":443"} {
			address := set("vaultAddress", "https://vault.example.com"+port)
			network := set("azure", `{"managedNetwork":{"mode":"`+mode+`"}}`)
			got := with(address, network).load(t).VaultHost().Reveal()
			if got != want {
				t.Errorf("%s: the rule leads to %q, want %q", mode, got, want)
			}
		}
	}
}

// A closed network needs nothing but a subnet; the zones' names and the issuer are the cloud's.
func TestPrivateEndpointsCloseWhatTheyLeadTo(t *testing.T) {
	for _, cloud := range []struct{ location, zone, issuer string }{
		{
			location: "westeurope",
			zone:     "privatelink.api.azureml.ms",
			issuer:   "https://sts.windows.net/tenant/",
		},
		{
			location: "US Gov Virginia",
			zone:     "privatelink.api.ml.azure.us",
			issuer:   "https://sts.windows.net/tenant/",
		},
		{
			location: "chinanorth3",
			zone:     "privatelink.api.ml.azure.cn",
			issuer:   "https://sts.chinacloudapi.cn/tenant/",
		},
	} {
		values := with(endpoints(aSubnet))
		values["azure-native:location"] = cloud.location
		s := values.load(t)
		if s.Azure.PublicNetworkAccess != "Disabled" || s.Azure.ContainerRegistrySKU != "Premium" {
			t.Errorf("the defaults are %+v", s.Azure)
		}
		if s.Compute[0].VMSize != "Standard_D4ds_v5" {
			t.Errorf("the cluster is %+v", s.Compute)
		}
		zones := s.PrivateZones()
		if zones["amlworkspace"][0] != cloud.zone || len(zones) != 7 {
			t.Errorf("the zones of %s are %v", cloud.location, zones)
		}
		if got := s.DefaultIssuer("tenant"); got != cloud.issuer {
			t.Errorf("the issuer of %s is %s, want %s", cloud.location, got, cloud.issuer)
		}
	}
}

// A plain value beside an encrypted one would be shown by --json.
func TestEachValueOfACredentialIsEncryptedByItselfOrNotReadBack(t *testing.T) {
	const secure = "{secure: v1:x}"
	tests := []struct {
		name, payload, kept string
		isMasked            bool
		want                string // the problem
	}{
		{
			name:     "each encrypted",
			payload:  `{"k":"secret-text","l":["other-text"]}`,
			kept:     "{k: " + secure + ", l: [" + secure + "]}",
			isMasked: true,
		},
		{
			name:     "a key called secure",
			payload:  `{"secure":"secret-text","k":"other-text"}`,
			kept:     "{secure: " + secure + ", k: " + secure + "}",
			isMasked: true,
		},
		{
			name:    "one in plain text",
			payload: `{"k":"secret-text","l":["` + canary + `"]}`,
			kept:    "{k: " + secure + ", l: [" + canary + "]}",
			want: "credentials.a.l[0]: is in plain text; remove it " +
				"(`pulumi config rm --path credentials.a.l[0]`) and set",
		},
		{
			name:    "all as one object",
			payload: `{"k":"secret-text"}`,
			kept:    secure,
		},
		{
			name:    "all as one text",
			payload: `"{\"k\":\"secret-text\"}"`,
			kept:    secure,
		},
		{
			name:    "all as one text, in plain",
			payload: `"{\"k\":\"` + canary + `\"}"`,
			kept:    `'{"k":"` + canary + `"}'`,
			want:    "credentials.a: is in plain text",
		},
		{
			name:    "one from elsewhere",
			payload: `{"k":"secret-text","l":"other-text"}`,
			kept:    "{k: " + secure + "}",
		},
	}
	for _, test := range tests {
		values := with(set("credentials", `{"a":`+test.payload+`}`))
		for _, key := range []string{"mlvault:credentials", "'credentials'"} {
			src := values.keptIn("config: {" + key + ": {a: " + test.kept + "}}")
			if test.want != "" {
				requireRefused(t, src, test.want)
				continue
			}
			s, err := From(src)
			if err != nil || s.Credentials[0].Masked != test.isMasked {
				t.Errorf("%s: got %v, %v", test.name, s, err)
			}
		}
	}
}

func TestWithoutTheFileNoValueIsKnownToBeEncryptedByItself(t *testing.T) {
	for _, file := range []string{
		"",
		"config: {}",
		"config: {mlvault:credentials: {secure: v1:x}}",
		"\t: no YAML",
	} {
		s, err := From(valid().keptIn(file))
		if err != nil || s.Credentials[0].Masked {
			t.Errorf("%q: the values are known to be encrypted each: %v", file, err)
		}
	}
}

func parseCredentials(text string) ([]Credential, error) {
	s, err := From(with(set("credentials", text)).source())
	if err != nil {
		return nil, err
	}
	return s.Credentials, nil
}

func TestAPayloadIsTheSameInEveryForm(t *testing.T) {
	const want = `{"e":[[],{}],"h":"<&>","k":"v","n":{"x":1,"y":[true,0.5]}}`
	for _, form := range []string{
		`{"a":{"k":"v","n":{"x":1,"y":[true,0.5]},"h":"<&>","e":[[],{}]}}`,
		`{ "a" : { "h":"\u003c\u0026\u003e", "n" : { "y":[ true , 0.5 ], "x":1 }, "k":"v", "e":[ [ ], { } ] } }`,
		`{"a":"{\"k\":\"v\",\"h\":\"<&>\",\"n\":{\"y\":[true,0.5],\"x\":1},\"e\":[[],{}]}"}`,
	} {
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
	printed := out.String()
	inHex := fmt.Sprintf("%x", canary)
	if strings.Contains(printed, canary) || strings.Contains(strings.ToLower(printed), inHex) {
		t.Errorf("printed as %s", printed)
	}
	if secret.Reveal() != canary || secret.Empty() || !NewSecret("").Empty() {
		t.Error("the text is not kept")
	}
}

// A report quotes what Vault and libraries wrote. Vault's host is one word on many machines, and
// the word of the product everywhere.
func TestAMaskedTextKeepsItsWords(t *testing.T) {
	tests := []struct{ address, text, want string }{
		{
			address: "https://vault:8200",
			text:    "vault.mount: run `vault secrets enable`, then GET https://vault:8200/v1/sys/health at vault:8200",
			want:    "vault.mount: run `vault secrets enable`, then GET [secret]/v1/sys/health at [secret]",
		},
		{
			address: "https://vault",
			text:    "vault.mount: GET https://vault/v1/sys/health",
			want:    "vault.mount: GET [secret]/v1/sys/health",
		},
		{
			address: "https://vault.example.com:8200",
			text:    "lookup vault.example.com: no such host; token hvs." + canary,
			want:    "lookup [secret]: no such host; token [secret]",
		},
		{
			address: "https://10.0.0.7:8200",
			text:    "dial tcp 10.0.0.7:8200: refused",
			want:    "dial tcp [secret]: refused",
		},
	}
	for _, test := range tests {
		s := with(set("vaultAddress", test.address)).load(t)
		if got := s.Mask(test.text); got != test.want {
			t.Errorf("%s: got  %s\nwant %s", test.address, got, test.want)
		}
	}
	s := valid().load(t)
	if got := s.Mask("other "+canary+"-2", NewSecret(canary+"-2")); got != "other [secret]" {
		t.Errorf("a secret of the caller's stays: %s", got)
	}
}
