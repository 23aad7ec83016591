package rights

import (
	"fmt"
	"strconv"
	"strings"

	"mlvault/internal/settings"
)

// Pin says which values a parameter of a write may have. Vault refuses a write with any other, but
// for an empty text and an empty list: newer servers take these everywhere. At our pins they give
// nothing. A write that leaves the parameter out is taken, with Vault's default: what would demand
// it (required_parameters) is demanded of each read at that path, too.
type Pin struct {
	Parameter string
	// Values are in HCL.
	Values []string
}

// text is a value in HCL, which quotes as Go does. Vault takes a star at either end of a text for a
// wildcard; no value of ours has one.
func text(value string) string {
	return strconv.Quote(value)
}

// list is a value of a list of texts.
func list(values ...string) string {
	var quoted []string
	for _, value := range values {
		quoted = append(quoted, text(value))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// audiencesPin has both orders of two audiences, because the plugin sorts them in its own way.
func audiencesPin(audiences []string) Pin {
	pin := Pin{Parameter: "bound_audiences", Values: []string{list(audiences...)}}
	if len(audiences) == 2 {
		pin.Values = append(pin.Values, list(audiences[1], audiences[0]))
	}
	return pin
}

// Values that say that a parameter is not used.
const (
	noText = `""`
	noList = `[]`
)

// policyPins let the jobs' policy have its text and no other.
func policyPins(s *settings.Settings) []Pin {
	return []Pin{
		{Parameter: "policy", Values: []string{text(ReadPolicy(s))}},
		{Parameter: "name"},
	}
}

// rolePins let the jobs' role give the jobs' policy and no other. Its claims are not pinned: the
// identity may be made by the very run that writes the role. policies is an older name of
// token_policies, and groups_claim would add the policies of groups.
func rolePins(s *settings.Settings) []Pin {
	policy := []string{list(s.Workload.Policy)}
	return []Pin{
		{Parameter: "token_policies", Values: policy},
		{Parameter: "policies", Values: append([]string{noList}, policy...)},
		{Parameter: "token_type", Values: []string{text("batch")}},
		{Parameter: "token_no_default_policy", Values: []string{"true"}},
		{Parameter: "role_type", Values: []string{text("jwt")}},
		audiencesPin(s.Workload.Audiences()),
		{Parameter: "bound_claims_type", Values: []string{text("string")}},
		{Parameter: "user_claim", Values: []string{text("oid")}},
		{Parameter: "groups_claim", Values: []string{noText}},
		anythingElse,
	}
}

// anythingElse lets every parameter that is not pinned have any value.
var anythingElse = Pin{Parameter: "*"}

// pinBackend lets the auth backend be of the type jwt and trust no keys but those of an issuer.
func pinBackend(s *settings.Settings, grants []Grant) []Grant {
	for i := range grants {
		switch grants[i].Path {
		case "sys/auth/" + s.Workload.AuthPath:
			grants[i].Pins = []Pin{
				{Parameter: "type", Values: []string{text("jwt")}},
				anythingElse,
			}
		case configPath(s):
			grants[i].Pins = configPins(s)
		}
	}
	return grants
}

// configPins name all that the plugin may send, so that a parameter which a later Vault brings for
// keys from elsewhere, as jwks_pairs was, is refused unknown.
func configPins(s *settings.Settings) []Pin {
	authority := []string{noText}
	if s.Workload.IssuerCAPEM != "" {
		authority = []string{text(s.Workload.IssuerCAPEM)}
	}
	return []Pin{
		{Parameter: "bound_issuer"},
		{Parameter: "oidc_discovery_url"},
		{Parameter: "oidc_discovery_ca_pem", Values: authority},
		{Parameter: "jwks_url", Values: []string{noText}},
		{Parameter: "jwks_ca_pem", Values: []string{noText}},
		{Parameter: "jwt_validation_pubkeys", Values: []string{noList}},
		// These are about logins by a browser, which the role does not take, and the signature.
		{Parameter: "default_role"},
		{Parameter: "jwt_supported_algs"},
		{Parameter: "namespace_in_state"},
		{Parameter: "oidc_client_id"},
		{Parameter: "oidc_client_secret"},
		{Parameter: "oidc_response_mode"},
		{Parameter: "oidc_response_types"},
		{Parameter: "provider_config"},
	}
}

func configPath(s *settings.Settings) string {
	return "auth/" + s.Workload.AuthPath + "/config"
}

// typeIdentity is the job identity's type in Pulumi, whatever its API version.
const typeIdentity = ":UserAssignedIdentity"

// pinIssuer lets the auth backend trust the one issuer of the settings, or of the tenant in which
// the state has the job identity. Before the first up the tenant is not known, and any issuer is
// taken.
func pinIssuer(s *settings.Settings, state State, grants []Grant) []Grant {
	issuer := s.Workload.Issuer
	if issuer == "" {
		tenant := state.tenant()
		if tenant == "" {
			return grants
		}
		issuer = s.DefaultIssuer(tenant)
	}
	for i := range grants {
		if grants[i].Path != configPath(s) || len(grants[i].Pins) == 0 {
			continue
		}
		for at, pin := range grants[i].Pins {
			if pin.Parameter == "oidc_discovery_url" || pin.Parameter == "bound_issuer" {
				grants[i].Pins[at].Values = []string{text(issuer)}
			}
		}
	}
	return grants
}

// tenant is the one of the stack's identities, or empty where the state has none.
func (s State) tenant() string {
	tenants := s.ofIdentities("tenantId")
	if len(tenants) == 0 {
		return ""
	}
	return tenants[0]
}

// PrincipalIDs are the object ids of the stack's identities, the job identity's among them. No
// refresh of what is in Vault changes them.
func (s State) PrincipalIDs() []string { return s.ofIdentities("principalId") }

func (s State) ofIdentities(output string) []string {
	var values []string
	for _, r := range s.Resources {
		value, isText := r.Outputs[output].(string)
		isIdentity := strings.HasSuffix(r.Type, typeIdentity)
		if isIdentity && isText && r.Pending == "" && !r.Replaced {
			values = append(values, value)
		}
	}
	return values
}

func writePins(hcl *strings.Builder, pins []Pin) {
	if len(pins) == 0 {
		return
	}
	hcl.WriteString("  allowed_parameters = {\n")
	for _, pin := range pins {
		fmt.Fprintf(hcl, "    %q = [%s]\n", pin.Parameter, strings.Join(pin.Values, ", "))
	}
	hcl.WriteString("  }\n")
}
