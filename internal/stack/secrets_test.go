package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/pulumitest"
	"mlvault/internal/settings"
)

// inSecret is a secret text of a golden file.
var inSecret = regexp.MustCompile(`\{"secret":"(?:[^"\\]|\\.)*"\}`)

// placesOf are the inputs that hold a text, as <resource>.<input>. It fails where one holds it
// outside a secret.
func placesOf(t *testing.T, r *pulumitest.Recorder, canary string) []string {
	t.Helper()
	var places []string
	for _, registration := range r.Registrations() {
		for key, value := range registration.Inputs {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(text, []byte(canary)) {
				continue
			}
			place := registration.Name + "." + key
			places = append(places, place)
			if bytes.Contains(inSecret.ReplaceAll(text, nil), []byte(canary)) {
				t.Errorf("%s of %s holds %s outside a secret", place, registration.Type, canary)
			}
		}
	}
	slices.Sort(places)
	return places
}

func requirePlaces(t *testing.T, r *pulumitest.Recorder, canary string, want ...string) {
	t.Helper()
	if got := placesOf(t, r, canary); !slices.Equal(got, want) {
		t.Errorf("%s stands in %v, want %v", canary, got, want)
	}
}

func TestSecretsStandWhereTheyBelongAndNowhereElse(t *testing.T) {
	r := mustRun(t, "dev")
	requirePlaces(t, r, addressCanary, "vault.address")
	requirePlaces(t, r, tokenCanary, "vault.token")
	requirePlaces(t, r, payloadCanary,
		"credentials-feature_store.dataJson", "credentials-ml_api_key.dataJson")
}

func TestTheHostThatANetworkLetsOutStaysASecret(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"managedNetwork":{"mode":"AllowOnlyApprovedOutbound"}}`))
	requirePlaces(t, r, hostCanary, "ml-workspace.managedNetwork", "vault.address")
	// ARM answers with the host, and the engine masks only what it is told to.
	workspace, _ := r.Find(workspaceType, "ml-workspace")
	if !slices.Equal(workspace.SecretOutputs, []string{"managedNetwork"}) {
		t.Errorf("secret outputs are %v", workspace.SecretOutputs)
	}
}

func TestAnEmptyTokenIsLeftToTheEnvironment(t *testing.T) {
	r := mustRun(t, "dev", func(values map[string]string) { delete(values, "mlvault:vaultToken") })
	provider, found := r.Find("pulumi:providers:vault", "vault")
	token := provider.Inputs["token"]
	// With an empty text the plugin reads VAULT_TOKEN.
	if !found || fmt.Sprint(token) != "map[secret:]" {
		t.Errorf("the provider's token is %v, want a secret empty text", token)
	}
}

// The SDK tells single keys only; what the CLI handed over has all of them.
func TestTheRunningProgramRefusesAKeyThatNobodyReads(t *testing.T) {
	t.Setenv("PULUMI_CONFIG", `{"mlvault:azure.protect":"true"}`)
	_, err := run(t, "dev", set("mlvault:azure.protect", "true"))
	want := "azure.protect: is one key with a dot in its name"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestARefusedConfigurationRegistersNothing(t *testing.T) {
	r, err := run(t, "dev",
		set("mlvault:credentials", `{"bad*name":{"api_key":"`+payloadCanary+`"}}`),
		set("mlvault:vault", `{"mount":"kv/data/x"}`))
	if err == nil {
		t.Fatal("the configuration was accepted")
	}
	if got := r.Registrations(); len(got) != 0 {
		t.Errorf("registered before the refusal: %v", got)
	}
	problems, ok := settings.AsProblems(err)
	if !ok || len(problems) != 2 {
		t.Errorf("want two problems in one error, got: %v", err)
	}
	if strings.Contains(err.Error(), payloadCanary) {
		t.Errorf("the error quotes the payload: %v", err)
	}
}

// unmasked has a credential that was set as one text, one whose values were set each by itself, and
// one with a number.
const unmasked = `{
	"as_text": "{\"k\":\"a-secret\"}",
	"by_value": {"k": "another-one"},
	"number": {"port": 54321}
}`

func TestWhatCannotBeMaskedIsNotReadBack(t *testing.T) {
	r := mustRun(t, "dev", set("mlvault:credentials", unmasked))
	for name, want := range map[string]bool{"as_text": true, "by_value": false, "number": true} {
		secret, found := r.Find("vault:kv/secretV2:SecretV2", "credentials-"+name)
		if got := secret.Inputs["disableRead"]; !found || got != want {
			t.Errorf("%s: disableRead is %v, want %t", name, got, want)
		}
	}
}

func TestTheCredentialsThatAreNotReadBackAreNamedWithTheCommandThatMendsIt(t *testing.T) {
	s := &settings.Settings{Credentials: []settings.Credential{
		{Name: "as_text"}, {Name: "by_value", Masked: true}, {Name: "number"},
	}}
	message := unreadable(s)
	for _, want := range []string{
		"in Vault: as_text, number.",
		"pulumi config set --path --secret 'credentials.as_text.<key>'",
	} {
		if !strings.Contains(message, want) {
			t.Errorf("the message lacks %q:\n%s", want, message)
		}
	}
	s.Vault.DisableRead = true
	if message := unreadable(s); message != "" {
		t.Errorf("vault.disableRead was asked for, and yet: %s", message)
	}
}
