package rights_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// dev is a stack with one credential and some sections of its own.
func dev(t *testing.T, sections map[string]string) *settings.Settings {
	t.Helper()
	return load(t, "mlvault", "dev", sections)
}

func load(t *testing.T, project, stack string, sections map[string]string) *settings.Settings {
	t.Helper()
	values := map[string]string{
		"azure-native:location":   "westeurope",
		project + ":vaultAddress": "https://vault.example.com",
		project + ":credentials":  `{"api":{"key":"the-key"}}`,
		project + ":workload":     `{"audience":"api://vault"}`,
	}
	for name, text := range sections {
		values[project+":"+name] = text
	}
	loaded, err := settings.From(settings.Source{
		Project:   project,
		Stack:     stack,
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// resources of a stack whose settings were others. Ids are as the genuine plugin gives them.
const (
	oldSecret = `{"type":"vault:kv/secretV2:SecretV2","id":"kv/data/old/api",
		"inputs":{"mount":"kv","name":"old/api","deleteAllVersions":false,"disableRead":false}}`
	purgedSecret = `{"type":"vault:kv/secretV2:SecretV2","id":"kv/data/old/api",
		"inputs":{"mount":"kv","name":"old/api","deleteAllVersions":true}}`
	// As `pulumi import` with the genuine plugin leaves it.
	importedSecret = `{"type":"vault:kv/secretV2:SecretV2","id":"kv/data/old/api",
		"inputs":{"mount":"kv","name":"old/api","deleteAllVersions":null}}`
	unreadSecret = `{"type":"vault:kv/secretV2:SecretV2","id":"kv/data/old/api",
		"inputs":{"mount":"kv","name":"old/api","disableRead":true}}`
	// What is secret is an object in the export. Only then may the inputs be unreadable.
	cipheredSecret = `{"type":"vault:kv/secretV2:SecretV2","id":"kv/data/old/api",
		"inputs":{"mount":{"ciphertext":"v1:x"},"deleteAllVersions":{"ciphertext":"v1:x"}}}`
	oldPolicy = `{"type":"vault:index/policy:Policy","id":"old-name","inputs":{"name":"old-name"}}`
	oldRole   = `{"type":"vault:jwt/authBackendRole:AuthBackendRole","id":"auth/jwt-old/role/old-name",
		"inputs":{"backend":"jwt-old","roleName":"old-name"}}`
	oldBackend = `{"type":"vault:jwt/authBackend:AuthBackend","id":"jwt-old","inputs":{"path":"jwt-old"}}`
	oldMount   = `{"type":"vault:index/mount:Mount","id":"kv","inputs":{"path":"kv"}}`
	ofAzure    = `{"type":"azure-native:storage:StorageAccount","id":"/subscriptions/x","inputs":{"path":"x"}}`
)

// export is what `pulumi stack export` prints.
func export(resources, pending string) []byte {
	const form = `{"version":3,"deployment":{"resources":[%s],"pending_operations":[%s]}}`
	return fmt.Appendf(nil, form, resources, pending)
}

func parse(t *testing.T, resources, pending string) rights.State {
	t.Helper()
	state, err := rights.ParseState(export(resources, pending))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// withoutID is a resource of which a killed run does not know whether it was made.
func withoutID(t *testing.T, resource string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(resource), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "id")
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// beyond are the grants that a state adds to those of the settings, as lines.
func beyond(s *settings.Settings, state rights.State) []string {
	var lines []string
	for _, grant := range rights.DeployerGrants(s, state)[len(rights.SettingsGrants(s)):] {
		lines = append(lines, grant.Path+" "+strings.Join(grant.Capabilities, " "))
	}
	return lines
}

func TestTheDeployerMayTakeAwayWhatTheStateHasElsewhere(t *testing.T) {
	backend := []string{
		"sys/auth/jwt-old delete sudo",
		"sys/mounts/auth/jwt-old read",
		"sys/mounts/auth/jwt-old/tune read",
		"auth/jwt-old/config read",
	}
	tests := []struct {
		name, resource string
		want           []string
	}{
		{"a secret", oldSecret, []string{"kv/data/old/api read delete", "kv/metadata/old/api read"}},
		{"a secret that is purged", purgedSecret, []string{"kv/data/old/api read", "kv/metadata/old/api read delete"}},
		{"a secret that was imported", importedSecret, []string{"kv/data/old/api read delete", "kv/metadata/old/api read"}},
		{"a secret that is not read", unreadSecret, []string{"kv/data/old/api delete", "kv/metadata/old/api read"}},
		{"a policy", oldPolicy, []string{"sys/policies/acl/old-name read delete"}},
		{"a role", oldRole, []string{"auth/jwt-old/role/old-name read delete"}},
		{"a backend", oldBackend, backend},
		{"a mount, which nobody deletes", oldMount, []string{"sys/mounts/kv read"}},
		{"something in Azure", ofAzure, nil},
	}
	for _, test := range tests {
		replaced := strings.Replace(test.resource, "{", `{"delete":true,`, 1)
		pending := `{"type":"creating","resource":` + withoutID(t, test.resource) + `}`
		for place, state := range map[string]rights.State{
			"in the state":              parse(t, test.resource, ""),
			"replaced, not yet deleted": parse(t, replaced, ""),
			"pending, without an id":    parse(t, "", pending),
		} {
			if got := beyond(dev(t, nil), state); !slices.Equal(got, test.want) {
				t.Errorf("%s, %s: got %q, want %q", test.name, place, got, test.want)
			}
		}
	}
}

func TestWhereTheStateDoesNotTellHowASecretIsDeletedBothWaysAreAllowed(t *testing.T) {
	got := beyond(dev(t, nil), parse(t, cipheredSecret, ""))
	want := []string{"kv/data/old/api read delete", "kv/metadata/old/api read delete"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// deployed is the state after an up, as far as Vault is concerned.
func deployed(t *testing.T, s *settings.Settings) rights.State {
	t.Helper()
	name, auth := s.VaultName(), s.Workload.AuthPath
	resource := func(kind, id string, inputs map[string]any) string {
		text, err := json.Marshal(map[string]any{"type": kind, "id": id, "inputs": inputs})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	resources := []string{
		resource(rights.TypePolicy, name, map[string]any{"name": name}),
		resource(rights.TypeRole, s.RolePath(), map[string]any{"backend": auth, "roleName": name}),
	}
	if s.Workload.CreateAuthBackend {
		inputs := map[string]any{"path": auth}
		resources = append(resources, resource(rights.TypeBackend, auth, inputs))
	}
	for _, credential := range s.Credentials {
		resources = append(resources, resource(rights.TypeSecret, s.DataPath(credential.Name), map[string]any{
			"mount":             s.Vault.Mount,
			"name":              s.SecretName(credential.Name),
			"deleteAllVersions": s.Vault.DeleteOnDestroy,
			"disableRead":       s.WritesOnly(credential),
		}))
	}
	return parse(t, strings.Join(resources, ","), "")
}

func TestAStackThatIsAsItsSettingsSayNeedsNothingMore(t *testing.T) {
	for _, vault := range []string{`{}`, `{"deleteOnDestroy":true}`, `{"disableRead":true}`} {
		s := dev(t, map[string]string{"vault": vault})
		got := rights.DeployerPolicy(s, deployed(t, s))
		if want := rights.DeployerPolicy(s, rights.State{}); got != want {
			t.Errorf("vault: %s: got\n%s\nwant\n%s", vault, got, want)
		}
	}
}

// Each change is one of the settings, of the stack's name or of the project's.
func TestAfterAnyChangeTheDeployerMayDeleteAllOfBefore(t *testing.T) {
	before := dev(t, nil)
	shared := `{"audience":"api://vault","authPath":"jwt-dev","createAuthBackend":false}`
	changes := map[string]*settings.Settings{
		"another auth path": dev(t, map[string]string{"workload": `{"audience":"a","authPath":"jwt-new"}`}),
		"a shared backend":  dev(t, map[string]string{"workload": shared}),
		"another prefix":    dev(t, map[string]string{"vault": `{"prefix":"new"}`}),
		"another mount":     dev(t, map[string]string{"vault": `{"mount":"kv"}`}),
		"another stack":     load(t, "mlvault", "renamed", nil),
		"another project":   load(t, "renamed", "dev", nil),
		"a purge":           dev(t, map[string]string{"vault": `{"prefix":"new","deleteOnDestroy":true}`}),
		"no credential of its own": dev(t, map[string]string{
			"credentials": `{}`,
			"vault":       `{"reads":{"x":"kv/data/of/another"}}`,
		}),
	}
	deletable := []string{
		before.DataPath("api"),
		before.PolicyPath(),
		before.RolePath(),
		"sys/auth/" + before.Workload.AuthPath,
	}
	for name, after := range changes {
		may := map[string][]string{}
		for _, grant := range rights.DeployerGrants(after, deployed(t, before)) {
			may[grant.Path] = grant.Capabilities
		}
		for _, path := range deletable {
			if !slices.Contains(may[path], "delete") {
				t.Errorf("%s: %s cannot be deleted: %q", name, path, may[path])
			}
		}
		if !slices.Contains(may["sys/auth/"+before.Workload.AuthPath], "sudo") {
			t.Errorf("%s: the old backend cannot be disabled without sudo", name)
		}
	}
}

func TestAnExportThatIsNoneIsRefusedAndNotQuoted(t *testing.T) {
	for _, text := range []string{"", "canary", `{"deployment":"canary"}`, `{"deployment":{"resources":["canary"]}}`} {
		_, err := rights.ParseState([]byte(text))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestAPlaceThatAPolicyWouldReadOtherwiseIsRefused(t *testing.T) {
	for _, id := range []string{"secret/data/*", "secret/data/+/x", "secret/data/x\\\"}", "secret/data/../x"} {
		text, err := json.Marshal(map[string]any{"type": rights.TypeSecret, "id": id})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rights.ParseState(export(string(text), "")); err == nil {
			t.Errorf("%q is taken", id)
		}
	}
}

func TestWhatWasReplacedOrIsOnlyBeingMadeIsNotOwned(t *testing.T) {
	replaced := strings.Replace(oldPolicy, "{", `{"delete":true,`, 1)
	pending := `{"type":"creating","resource":` + oldPolicy + `}`
	for name, state := range map[string]rights.State{
		"replaced": parse(t, replaced, ""),
		"pending":  parse(t, "", pending),
	} {
		if state.Has(rights.TypePolicy, "old-name") {
			t.Errorf("%s: counts as the stack's own", name)
		}
	}
	if !parse(t, oldPolicy, "").Has(rights.TypePolicy, "old-name") {
		t.Error("the stack's own policy does not count as its own")
	}
}

func TestTheMetadataOfACredentialThatIsNotReadBackMayBeRead(t *testing.T) {
	s := dev(t, map[string]string{"vault": `{"disableRead":true}`})
	may := map[string][]string{}
	for _, grant := range rights.SettingsGrants(s) {
		may[grant.Path] = grant.Capabilities
	}
	if slices.Contains(may[s.DataPath("api")], "read") {
		t.Error("the value may be read")
	}
	if !slices.Contains(may[s.MetadataPath("api")], "read") {
		t.Error("nobody can see whose secret stands there")
	}
}

func TestMergedGrantsHaveEachPathOnceWithAllCapabilities(t *testing.T) {
	first := []rights.Grant{
		{Path: "a", Capabilities: []string{"create", "read"}},
		{Path: "b", Capabilities: []string{"update"}},
	}
	second := []rights.Grant{
		{Path: "c", Capabilities: []string{"sudo"}},
		{Path: "a", Capabilities: []string{"read", "delete"}},
	}
	got := map[string]string{}
	for _, grant := range rights.Merge(first, second) {
		got[grant.Path] += strings.Join(grant.Capabilities, " ") + ";"
	}
	want := map[string]string{"a": "create read delete;", "b": "update;", "c": "sudo;"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhoLooksForDriftMayReadAndMakeAChildTokenAndNothingElse(t *testing.T) {
	s := dev(t, nil)
	for _, grant := range rights.DriftGrants(s, rights.State{}) {
		want := []string{"read"}
		if grant.Path == "auth/token/create" {
			want = []string{"update"}
		}
		if !slices.Equal(grant.Capabilities, want) {
			t.Errorf("%s: %v", grant.Path, grant.Capabilities)
		}
	}
	without := dev(t, map[string]string{"vault": `{"skipChildToken":true}`})
	if strings.Contains(rights.DriftPolicy(without, rights.State{}), "auth/token/create") {
		t.Error("without a child token nobody needs to make one")
	}
}

func TestOfAPathOfOthersTheDeployerSeesWhoseItIsAndNoValue(t *testing.T) {
	s := dev(t, map[string]string{"vault": `{"reads":{"theirs":"kv/data/team/x","db":"database/creds/y"}}`})
	may := map[string][]string{}
	for _, grant := range rights.DeployerGrants(s, rights.State{}) {
		may[grant.Path] = grant.Capabilities
	}
	if !slices.Equal(may["kv/metadata/team/x"], []string{"read"}) {
		t.Errorf("whose it is cannot be seen: %v", may)
	}
	for _, path := range []string{"kv/data/team/x", "database/creds/y"} {
		if _, granted := may[path]; granted {
			t.Errorf("the deployer needs no right at %s", path)
		}
	}
}

// requireLines wants each of these lines in a policy's text.
func requireLines(t *testing.T, policy string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(policy, "\n"+line+"\n") {
			t.Errorf("%q is not a line of\n%s", line, policy)
		}
	}
}

func TestTheDeployerWritesThisPolicyAndGivesThisPolicyOnly(t *testing.T) {
	s := dev(t, map[string]string{"vault": `{"reads":{"features":"database/creds/ml-reader"}}`})
	policy := rights.DeployerPolicy(s, rights.State{})
	requireLines(t, policy,
		fmt.Sprintf("    %q = [%q]", "policy", rights.ReadPolicy(s)),
		`    "token_policies" = [["mlvault-dev-ae5143b98a56bf8e"]]`,
		`    "token_type" = ["batch"]`,
		`    "type" = ["jwt"]`,
		`    "jwks_url" = [""]`,
		`    "oidc_discovery_url" = []`, // its tenant is not known
		`    "bound_issuer" = []`,
	)
}

// A server of later may take keys in a parameter that is not known today.
func TestTheDeployerSendsTheBackendNothingThatIsNotNamed(t *testing.T) {
	policy := rights.DeployerPolicy(dev(t, nil), rights.State{})
	_, config, _ := strings.Cut(policy, `/config" {`)
	config, _, _ = strings.Cut(config, "\n}\n")
	if !strings.Contains(config, "allowed_parameters") || strings.Contains(config, `"*"`) {
		t.Errorf("any parameter is taken:\n%s", config)
	}
}

// The tenant is an output of the job identity, so that it is known once the stack is made.
func TestTheIssuerIsPinnedAsSoonAsItIsKnown(t *testing.T) {
	const tenant = "5a9db0c5-0000-4000-8000-000000000009"
	const identity = `{"type":"azure-native:managedidentity/v20230131:UserAssignedIdentity",
		"outputs":{"tenantId":"` + tenant + `"}}`
	const given = "https://login.microsoftonline.com/" + tenant + "/v2.0"
	known := rights.DeployerPolicy(dev(t, nil), parse(t, identity, ""))
	requireLines(t, known,
		`    "oidc_discovery_url" = ["https://sts.windows.net/`+tenant+`/"]`,
		`    "bound_issuer" = ["https://sts.windows.net/`+tenant+`/"]`,
	)
	said := dev(t, map[string]string{"workload": `{"audience":"a","issuer":"` + given + `"}`})
	requireLines(t, rights.DeployerPolicy(said, rights.State{}), `    "bound_issuer" = ["`+given+`"]`)
}

func TestWhatOnlyTheStateHasIsNotWritten(t *testing.T) {
	state := parse(t, strings.Join([]string{oldPolicy, oldRole, oldBackend}, ","), "")
	for _, grant := range rights.DeployerGrants(dev(t, nil), state)[len(rights.SettingsGrants(dev(t, nil))):] {
		for _, capability := range []string{"create", "update"} {
			if slices.Contains(grant.Capabilities, capability) {
				t.Errorf("%s may be written", grant.Path)
			}
		}
	}
}

// Vault lends what has no path of KV version 2, and whoever was lent something may keep it.
func TestAJobMayRenewLeasesWhereItMayHaveOne(t *testing.T) {
	tests := []struct {
		name, reads string
		want        bool
	}{
		{"no path of others", `{}`, false},
		{"a secret of others", `{"x":"kv/data/team/x"}`, false},
		{"users of a database", `{"x":"database/creds/ml-reader"}`, true},
		{"a secret and users", `{"w":"kv/data/team/x","x":"database/creds/ml-reader"}`, true},
		{"a path that is written to", `{"x":{"path":"kubernetes/creds/ml","parameters":{"ttl":"1h"}}}`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := dev(t, map[string]string{"vault": `{"reads":` + test.reads + `}`})
			var got []string
			for _, grant := range rights.ReadGrants(s) {
				if strings.HasPrefix(grant.Path, "sys/") {
					got = append(got, grant.Path+" "+strings.Join(grant.Capabilities, " "))
				}
			}
			var want []string
			if test.want {
				want = []string{"sys/leases/renew update"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestWhatTheVaultTeamMakesTheDeployerMayOnlyRead(t *testing.T) {
	s := dev(t, map[string]string{"workload": `{"audience":"a","authPath":"jwt","createAuthBackend":false,
		"role":"team-ml","createRole":false,"policy":"team-ml-read","createPolicy":false}`})
	may := map[string][]string{}
	for _, grant := range rights.DeployerGrants(s, rights.State{}) {
		may[grant.Path] = grant.Capabilities
	}
	for _, path := range []string{"sys/policies/acl/team-ml-read", "auth/jwt/role/team-ml"} {
		if !slices.Equal(may[path], []string{"read"}) {
			t.Errorf("%s: %v", path, may[path])
		}
	}
}

// The role gives the policy of the settings, whoever makes it.
func TestTheDeployerPinsTheNamesOfTheSettings(t *testing.T) {
	for _, policy := range []string{`"policy":"ml-read"`, `"policy":"ml-read","createPolicy":false`} {
		s := dev(t, map[string]string{"workload": `{"audience":"a","role":"ml",` + policy + `}`})
		text := rights.DeployerPolicy(s, rights.State{})
		requireLines(t, text, `    "token_policies" = [["ml-read"]]`)
		if !strings.Contains(text, `/role/ml" {`) || !strings.Contains(text, `path "sys/policies/acl/ml-read" {`) {
			t.Errorf("%s: role and policy have other names in\n%s", policy, text)
		}
	}
}
