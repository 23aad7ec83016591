package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"mlvault/sandbox/internal/issuer"
)

const (
	stranger    = "5f0c2d5e-7a1b-4c3d-9e8f-0a1b2c3d4e5f" // an identity of the tenant that no stack knows
	extraReader = "0b9d1c52-3c44-4f6e-8a57-6d2f6f1f7c11" // workload.principalIds of every stack here
	otherTenant = "c0ffee00-0000-4000-8000-000000000001"
	elsewhere   = "https://management.azure.com/" // what most tokens of a managed identity are for
)

// The answers that rows expect: granted, or a part of Vault's own reason. A refusal for another
// reason is a failure too, since it hides whether the check that the row is about is there at all.
const (
	granted       = "granted"
	denied        = "403 1 error occurred: * permission denied"
	wrongOID      = `400 error validating claims: claim "oid" does not match`
	wrongTID      = `400 error validating claims: claim "tid" does not match`
	wrongIssuer   = "400 error validating token: invalid issuer (iss) claim"
	wrongAudience = "400 error validating token: invalid audience (aud) claim"
	wrongTime     = "400 error validating token: invalid expiration time (exp) claim"
	badSignature  = "400 error validating token: error verifying token signature"
)

// row is one attempt and the answer that it has to get.
type row struct {
	name   string
	answer string
	try    func() error
}

// failure is a row that got another answer.
type failure struct{ row, got string }

func (f failure) String() string { return f.row + ": " + f.got }

// run makes every attempt. It returns what went wrong instead of failing, so that a test can look
// on as it goes wrong.
func run(matrix []row) (failures []failure) {
	for _, row := range matrix {
		if got := answer(row.try()); got != row.answer && (row.answer == granted || !strings.Contains(got, row.answer)) {
			failures = append(failures, failure{row.name, got})
		}
	}
	return failures
}

// answer is Vault's, with status and reason. An error that is not Vault's is no refusal, and no row
// expects one.
func answer(err error) string {
	var refusal *api.ResponseError
	switch {
	case err == nil:
		return granted
	case errors.As(err, &refusal):
		return fmt.Sprintf("%d %s", refusal.StatusCode, strings.Join(strings.Fields(strings.Join(refusal.Errors, "; ")), " "))
	default:
		return err.Error()
	}
}

// matrix is everything that is tried at one stack's door: who gets in, and what the one who got in
// may do. The neighbour is another stack in the same Vault.
func (d *door) matrix(neighbour *door) []row {
	return slices.Concat(d.logins(neighbour), d.requests(neighbour, d.job()))
}

// logins are the attempts to get a token. Each refused one breaks one thing of an attempt that is
// otherwise right.
func (d *door) logins(neighbour *door) []row {
	url := d.Issuer.URL(d.identity.Version)
	otherVersion, otherEnding := issuer.V2, strings.TrimSuffix(url, "/")
	if d.identity.Version == issuer.V2 {
		otherVersion, otherEnding = issuer.V1, url+"/"
	}
	ours, theirs := strings.Split(d.token(), "."), strings.Split(d.token(issuer.With("oid", stranger)), ".")
	with := func(alterations ...issuer.Alteration) func() error { return d.login(d.Name(), d.token(alterations...)) }
	claim := func(name string, value any) func() error { return with(issuer.With(name, value)) }
	again := with()
	return []row{
		{"the job identity", granted, with()},
		{"one token a second time", granted, func() error { return errors.Join(again(), again()) }},
		{"a list of audiences with ours in it", granted, claim("aud", []string{elsewhere, d.identity.Audience})},
		{"a reader of workload.principalIds", granted, claim("oid", extraReader)},

		{"another identity of the tenant", wrongOID, claim("oid", stranger)},
		{"the neighbour's identity", wrongOID, claim("oid", neighbour.identity.PrincipalID)},
		{"our object id in upper case", wrongOID, claim("oid", strings.ToUpper(d.identity.PrincipalID))},
		{"our object id and a space", wrongOID, claim("oid", d.identity.PrincipalID+" ")},
		{"both readers in one object id", wrongOID, claim("oid", d.identity.PrincipalID+","+extraReader)},
		{"a star for an object id", wrongOID, claim("oid", "*")},
		{"an empty object id", wrongOID, claim("oid", "")},
		{"a list of object ids with ours in it", `400 claim "oid" could not be converted to string`, claim("oid", []string{stranger, d.identity.PrincipalID})},
		{"no object id", `400 claim "oid" not found`, with(issuer.Without("oid"))},
		{"another tenant", wrongTID, claim("tid", otherTenant)},
		{"our tenant in upper case", wrongTID, claim("tid", strings.ToUpper(d.Issuer.TenantID()))},
		{"no tenant", `400 error validating claims: claim "tid" is missing`, with(issuer.Without("tid"))},

		{"another audience", wrongAudience, claim("aud", elsewhere)},
		{"our audience and a slash", wrongAudience, claim("aud", d.identity.Audience+"/")},
		{"our audience in upper case", wrongAudience, claim("aud", strings.ToUpper(d.identity.Audience))},
		{"a list of other audiences", wrongAudience, claim("aud", []string{elsewhere, "https://vault.azure.net"})},
		{"an empty list of audiences", wrongAudience, claim("aud", []string{})},
		{"no audience", wrongAudience, with(issuer.Without("aud"))},

		{"another tenant's issuer with the same key", wrongIssuer, with(issuer.With("iss", "https://sts.windows.net/"+otherTenant+"/"))},
		{"our issuer with the other ending", wrongIssuer, with(issuer.With("iss", otherEnding))},
		{"our tenant's issuer of the other version", wrongIssuer, with(issuer.With("iss", d.Issuer.URL(otherVersion)))},
		{"no issuer", wrongIssuer, with(issuer.Without("iss"))},

		{"another key under the key's id", badSignature, with(issuer.SignedWithOtherKey())},
		{"the algorithm none", badSignature, with(issuer.Unsigned())},
		{"HS256 with the public key", badSignature, with(issuer.SignedWithPublicKey())},
		{"our claims under a stranger's signature", badSignature, d.login(d.Name(), theirs[0]+"."+ours[1]+"."+theirs[2])},
		{"our token without its signature", badSignature, d.login(d.Name(), ours[0]+"."+ours[1]+".")},
		{"no JWT", badSignature, d.login(d.Name(), "hvs.CAESIJ")},
		{"an empty token", "400 missing token", d.login(d.Name(), "")},

		{"expired", wrongTime, with(issuer.Expired())},
		{"not yet valid", "400 error validating token: invalid not before (nbf) claim", with(issuer.NotYetValid())},
		{"issued in the future", "400 error validating token: invalid issued at (iat) claim", claim("iat", time.Now().Add(time.Hour).Unix())},
		// Vault lets a token without an end live for 150 seconds, and 60 more for clocks that differ.
		{"no end, and five minutes old", wrongTime, with(issuer.Without("exp"))},
		{"no time at all", "400 error validating token: no issued at (iat)", with(issuer.Without("exp", "nbf", "iat"))},

		{"no role", "400 missing role", d.login("", d.token())},
		{"a role that is not there", `400 role "nobody" could not be found`, d.login("nobody", d.token())},
		{"the neighbour's role at our door", "could not be found", d.login(neighbour.Name(), d.token())},
		{"our token at the neighbour's door", "400 error validating", neighbour.login(neighbour.Name(), d.token())},
	}
}

// requests are the attempts of one who got in. The first few are all that a job may do in this
// Vault.
func (d *door) requests(neighbour *door, as session) []row {
	const name = "ml_api_key"
	at := func(kind string) string { return "secret/" + kind + "/" + d.Prefix + "/" + name }
	do := func(operation, path string, body ...any) func() error { return d.do(as, operation, path, body...) }
	payload, first := []any{"data", d.credentials[name]}, []any{"versions", []int{1}}
	return []row{
		{"reads ml_api_key", granted, d.reads(as, "ml_api_key")},
		{"reads feature_store", granted, d.reads(as, "feature_store")},
		{"reads an older version", granted, do("read", at("data"), "version", 1)},
		{"asks what kind of mount it is, as the vault command does", granted, do("read", "sys/internal/ui/mounts/secret/"+d.Prefix+"/"+name)},

		{"reads a sibling", denied, do("read", "secret/data/"+d.Prefix+"/sibling")},
		{"reads a longer name", denied, do("read", at("data")+"2")},
		{"reads its name in upper case", denied, do("read", "secret/data/"+d.Prefix+"/ML_API_KEY")},
		{"reads below its credential", denied, do("read", at("data")+"/below")},
		{"reads the parent", denied, do("read", "secret/data/"+d.Prefix)},
		{"reads the neighbour's ml_api_key", denied, do("read", "secret/data/"+neighbour.Prefix+"/ml_api_key")},
		{"reads the neighbour's feature_store", denied, do("read", "secret/data/"+neighbour.Prefix+"/feature_store")},
		{"reads the same path of another mount", denied, do("read", "other/data/"+d.Prefix+"/"+name)},
		{"lists the stack", denied, do("list", "secret/metadata/"+d.Prefix)},
		{"lists the mount", denied, do("list", "secret/metadata")},
		{"reads metadata", denied, do("read", at("metadata"))},
		{"reads subkeys", denied, do("read", at("subkeys"))},
		{"reads the mount's settings", denied, do("read", "secret/config")},

		{"writes its credential", denied, do("write", at("data"), payload...)},
		{"patches its credential", denied, do("patch", at("data"), payload...)},
		{"writes a new secret", denied, do("write", "secret/data/"+d.Prefix+"/new", payload...)},
		{"writes metadata", denied, do("write", at("metadata"), "max_versions", 5)},
		{"writes the mount's settings", denied, do("write", "secret/config", "max_versions", 0)},

		{"lists mounts", denied, do("read", "sys/mounts")},
		{"makes a mount", denied, do("write", "sys/mounts/mine", "type", "kv")},
		{"lists auth methods", denied, do("read", "sys/auth")},
		{"enables an auth method", denied, do("write", "sys/auth/mine", "type", "approle")},
		{"reads the auth method's settings", denied, do("read", d.configPath())},
		{"lists roles", denied, do("list", "auth/"+d.AuthPath+"/role")},
		{"reads its role", denied, do("read", d.RolePath())},
		{"widens its role", denied, do("write", d.RolePath(), "role_type", "jwt", "token_max_ttl", 3600)},
		{"lists policies", denied, do("list", "sys/policies/acl")},
		{"reads its policy", denied, do("read", d.PolicyPath())},
		{"widens its policy", denied, do("write", d.PolicyPath(), "policy", `path "secret/*" { capabilities = ["read"] }`)},
		{"asks for its capabilities", denied, do("write", "sys/capabilities-self", "paths", []string{at("data")})},
		{"asks what it may do", denied, do("read", "sys/internal/ui/resultant-acl")},
		{"lists leases", denied, do("list", "sys/leases/lookup")},
		{"lists audit devices", denied, do("read", "sys/audit")},
		{"reads the server's settings", denied, do("read", "sys/config/state/sanitized")},
		{"uses a tool", denied, do("write", "sys/tools/random", "bytes", 8)},

		{"makes a child token", denied, do("write", "auth/token/create", "ttl", "1h")},
		{"makes an orphan token", denied, do("write", "auth/token/create-orphan", "ttl", "1h")},
		{"lists tokens", denied, do("list", "auth/token/accessors")},
		{"looks itself up", denied, do("read", "auth/token/lookup-self")},
		{"revokes itself, a batch token", "400 batch tokens cannot be revoked", do("write", "auth/token/revoke-self")},
		{"lists identities", denied, do("list", "identity/entity/id")},
		{"makes an identity", denied, do("write", "identity/entity", "name", "mine")},
		{"lists the cubbyhole", denied, do("list", "cubbyhole")},
		{"writes the cubbyhole", `400 cubbyhole operations are only supported by "service" type tokens`, do("write", "cubbyhole/mine", "k", "v")},

		// Last, because whoever may do these leaves nothing to try.
		{"deletes a version", denied, do("write", at("delete"), first...)},
		{"undeletes a version", denied, do("write", at("undelete"), first...)},
		{"destroys a version", denied, do("write", at("destroy"), first...)},
		{"deletes its credential", denied, do("delete", at("data"))},
		{"deletes every version", denied, do("delete", at("metadata"))},
	}
}
