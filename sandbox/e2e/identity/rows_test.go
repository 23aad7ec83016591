package identity

import (
	"errors"
	"fmt"
	"io"
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
		got := answer(row.try())
		isRight := got == row.answer
		if row.answer != granted {
			isRight = strings.Contains(got, row.answer)
		}
		if !isRight {
			failures = append(failures, failure{row: row.name, got: got})
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
		reasons := strings.Join(refusal.Errors, "; ")
		inOneLine := strings.Join(strings.Fields(reasons), " ")
		return fmt.Sprintf("%d %s", refusal.StatusCode, inOneLine)
	default:
		return err.Error()
	}
}

// letIn takes a connection that Vault cuts for an answer: OpenBao 2.4.4 lets the request past the
// policy, and its engine then panics over a lease of a KV mount.
func letIn(try func() error) func() error {
	return func() error {
		err := try()
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
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
	otherVersion := issuer.V2
	otherEnding := strings.TrimSuffix(url, "/")
	if d.identity.Version == issuer.V2 {
		otherVersion = issuer.V1
		otherEnding = url + "/"
	}
	ours := strings.Split(d.token(), ".")
	theirs := strings.Split(d.token(issuer.With("oid", stranger)), ".")
	with := func(alterations ...issuer.Alteration) func() error {
		return d.login(d.cfg.VaultName(), d.token(alterations...))
	}
	claim := func(name string, value any) func() error {
		return with(issuer.With(name, value))
	}
	again := with()
	return []row{
		{name: "the job identity", answer: granted, try: with()},
		{name: "one token a second time", answer: granted, try: func() error { return errors.Join(again(), again()) }},
		{
			name:   "a list of audiences with ours in it",
			answer: granted,
			try:    claim("aud", []string{elsewhere, d.identity.Audience}),
		},
		{name: "a reader of workload.principalIds", answer: granted, try: claim("oid", extraReader)},

		{name: "another identity of the tenant", answer: wrongOID, try: claim("oid", stranger)},
		{name: "the neighbour's identity", answer: wrongOID, try: claim("oid", neighbour.identity.PrincipalID)},
		{name: "our object id in upper case", answer: wrongOID, try: claim("oid", strings.ToUpper(d.identity.PrincipalID))},
		{name: "our object id and a space", answer: wrongOID, try: claim("oid", d.identity.PrincipalID+" ")},
		{name: "both readers in one object id", answer: wrongOID, try: claim("oid", d.identity.PrincipalID+","+extraReader)},
		{name: "a star for an object id", answer: wrongOID, try: claim("oid", "*")},
		{name: "an empty object id", answer: wrongOID, try: claim("oid", "")},
		{
			name:   "a list of object ids with ours in it",
			answer: `400 claim "oid" could not be converted to string`,
			try:    claim("oid", []string{stranger, d.identity.PrincipalID}),
		},
		{name: "no object id", answer: `400 claim "oid" not found`, try: with(issuer.Without("oid"))},
		{name: "another tenant", answer: wrongTID, try: claim("tid", otherTenant)},
		{name: "our tenant in upper case", answer: wrongTID, try: claim("tid", strings.ToUpper(d.Issuer.TenantID()))},
		{name: "no tenant", answer: `400 error validating claims: claim "tid" is missing`, try: with(issuer.Without("tid"))},

		{name: "another audience", answer: wrongAudience, try: claim("aud", elsewhere)},
		{name: "our audience and a slash", answer: wrongAudience, try: claim("aud", d.identity.Audience+"/")},
		{name: "our audience in upper case", answer: wrongAudience, try: claim("aud", strings.ToUpper(d.identity.Audience))},
		{
			name:   "a list of other audiences",
			answer: wrongAudience,
			try:    claim("aud", []string{elsewhere, "https://vault.azure.net"}),
		},
		{name: "an empty list of audiences", answer: wrongAudience, try: claim("aud", []string{})},
		{name: "no audience", answer: wrongAudience, try: with(issuer.Without("aud"))},

		{
			name:   "another tenant's issuer with the same key",
			answer: wrongIssuer,
			try:    with(issuer.With("iss", "https://sts.windows.net/"+otherTenant+"/")),
		},
		{name: "our issuer with the other ending", answer: wrongIssuer, try: with(issuer.With("iss", otherEnding))},
		{
			name:   "our tenant's issuer of the other version",
			answer: wrongIssuer,
			try:    with(issuer.With("iss", d.Issuer.URL(otherVersion))),
		},
		{name: "no issuer", answer: wrongIssuer, try: with(issuer.Without("iss"))},

		{name: "another key under the key's id", answer: badSignature, try: with(issuer.SignedWithOtherKey())},
		{name: "the algorithm none", answer: badSignature, try: with(issuer.Unsigned())},
		{name: "HS256 with the public key", answer: badSignature, try: with(issuer.SignedWithPublicKey())},
		{
			name:   "our claims under a stranger's signature",
			answer: badSignature,
			try:    d.login(d.cfg.VaultName(), theirs[0]+"."+ours[1]+"."+theirs[2]),
		},
		{
			name:   "our token without its signature",
			answer: badSignature,
			try:    d.login(d.cfg.VaultName(), ours[0]+"."+ours[1]+"."),
		},
		{name: "no JWT", answer: badSignature, try: d.login(d.cfg.VaultName(), "hvs.CAESIJ")},
		{name: "an empty token", answer: "400 missing token", try: d.login(d.cfg.VaultName(), "")},

		{name: "expired", answer: wrongTime, try: with(issuer.Expired())},
		{
			name:   "not yet valid",
			answer: "400 error validating token: invalid not before (nbf) claim",
			try:    with(issuer.NotYetValid()),
		},
		{
			name:   "issued in the future",
			answer: "400 error validating token: invalid issued at (iat) claim",
			try:    claim("iat", time.Now().Add(time.Hour).Unix()),
		},
		// Vault lets a token without an end live for 150 seconds, and 60 more for clocks that differ.
		{name: "no end, and five minutes old", answer: wrongTime, try: with(issuer.Without("exp"))},
		{
			name:   "no time at all",
			answer: "400 error validating token: no issued at (iat)",
			try:    with(issuer.Without("exp", "nbf", "iat")),
		},

		{name: "no role", answer: "400 missing role", try: d.login("", d.token())},
		{name: "a role that is not there", answer: `400 role "nobody" could not be found`, try: d.login("nobody", d.token())},
		{
			name:   "the neighbour's role at our door",
			answer: "could not be found",
			try:    d.login(neighbour.cfg.VaultName(), d.token()),
		},
		{
			name:   "our token at the neighbour's door",
			answer: "400 error validating",
			try:    neighbour.login(neighbour.cfg.VaultName(), d.token()),
		},
	}
}

// requests are the attempts of one who got in. The first few are all that a job may do in this
// Vault.
func (d *door) requests(neighbour *door, as session) []row {
	const name = "ml_api_key"
	at := func(kind string) string {
		return "secret/" + kind + "/" + d.cfg.Vault.Prefix + "/" + name
	}
	do := func(operation, path string, body ...any) func() error {
		return d.do(as, operation, path, body...)
	}
	payload := []any{"data", d.credentials[name]}
	first := []any{"versions", []int{1}}
	return []row{
		{name: "reads ml_api_key", answer: granted, try: d.reads(as, "ml_api_key")},
		{name: "reads feature_store", answer: granted, try: d.reads(as, "feature_store")},
		{name: "reads an older version", answer: granted, try: do("read", at("data"), "version", 1)},
		{
			name:   "asks what kind of mount it is, as the vault command does",
			answer: granted,
			try:    do("read", "sys/internal/ui/mounts/secret/"+d.cfg.Vault.Prefix+"/"+name),
		},

		{name: "reads a sibling", answer: denied, try: do("read", "secret/data/"+d.cfg.Vault.Prefix+"/sibling")},
		{name: "reads a longer name", answer: denied, try: do("read", at("data")+"2")},
		{
			name:   "reads its name in upper case",
			answer: denied,
			try:    do("read", "secret/data/"+d.cfg.Vault.Prefix+"/ML_API_KEY"),
		},
		{name: "reads below its credential", answer: denied, try: do("read", at("data")+"/below")},
		{name: "reads the parent", answer: denied, try: do("read", "secret/data/"+d.cfg.Vault.Prefix)},
		{
			name:   "reads the neighbour's ml_api_key",
			answer: denied,
			try:    do("read", "secret/data/"+neighbour.cfg.Vault.Prefix+"/ml_api_key"),
		},
		{
			name:   "reads the neighbour's feature_store",
			answer: denied,
			try:    do("read", "secret/data/"+neighbour.cfg.Vault.Prefix+"/feature_store"),
		},
		{
			name:   "reads the same path of another mount",
			answer: denied,
			try:    do("read", "other/data/"+d.cfg.Vault.Prefix+"/"+name),
		},
		{name: "lists the stack", answer: denied, try: do("list", "secret/metadata/"+d.cfg.Vault.Prefix)},
		{name: "lists the mount", answer: denied, try: do("list", "secret/metadata")},
		{name: "reads metadata", answer: denied, try: do("read", at("metadata"))},
		{name: "reads subkeys", answer: denied, try: do("read", at("subkeys"))},
		{name: "reads the mount's settings", answer: denied, try: do("read", "secret/config")},

		{name: "writes its credential", answer: denied, try: do("write", at("data"), payload...)},
		{name: "patches its credential", answer: denied, try: do("patch", at("data"), payload...)},
		{name: "writes a new secret", answer: denied, try: do("write", "secret/data/"+d.cfg.Vault.Prefix+"/new", payload...)},
		{name: "writes metadata", answer: denied, try: do("write", at("metadata"), "max_versions", 5)},
		{name: "writes the mount's settings", answer: denied, try: do("write", "secret/config", "max_versions", 0)},

		{name: "lists mounts", answer: denied, try: do("read", "sys/mounts")},
		{name: "makes a mount", answer: denied, try: do("write", "sys/mounts/mine", "type", "kv")},
		{name: "lists auth methods", answer: denied, try: do("read", "sys/auth")},
		{name: "enables an auth method", answer: denied, try: do("write", "sys/auth/mine", "type", "approle")},
		{name: "reads the auth method's settings", answer: denied, try: do("read", d.configPath())},
		{name: "lists roles", answer: denied, try: do("list", "auth/"+d.cfg.Workload.AuthPath+"/role")},
		{name: "reads its role", answer: denied, try: do("read", d.cfg.RolePath())},
		{
			name:   "widens its role",
			answer: denied,
			try:    do("write", d.cfg.RolePath(), "role_type", "jwt", "token_max_ttl", 3600),
		},
		{name: "lists policies", answer: denied, try: do("list", "sys/policies/acl")},
		{name: "reads its policy", answer: denied, try: do("read", d.cfg.PolicyPath())},
		{
			name:   "widens its policy",
			answer: denied,
			try:    do("write", d.cfg.PolicyPath(), "policy", `path "secret/*" { capabilities = ["read"] }`),
		},
		{
			name:   "asks for its capabilities",
			answer: denied,
			try:    do("write", "sys/capabilities-self", "paths", []string{at("data")}),
		},
		{name: "asks what it may do", answer: denied, try: do("read", "sys/internal/ui/resultant-acl")},
		{name: "lists leases", answer: denied, try: do("list", "sys/leases/lookup")},
		{
			name:   "renews a lease, as only jobs may that can have one",
			answer: denied,
			try:    letIn(do("write", "sys/leases/renew", "lease_id", d.lease)),
		},
		{name: "lists audit devices", answer: denied, try: do("read", "sys/audit")},
		{name: "reads the server's settings", answer: denied, try: do("read", "sys/config/state/sanitized")},
		{name: "uses a tool", answer: denied, try: do("write", "sys/tools/random", "bytes", 8)},

		{name: "makes a child token", answer: denied, try: do("write", "auth/token/create", "ttl", "1h")},
		{name: "makes an orphan token", answer: denied, try: do("write", "auth/token/create-orphan", "ttl", "1h")},
		{name: "lists tokens", answer: denied, try: do("list", "auth/token/accessors")},
		{name: "looks itself up", answer: denied, try: do("read", "auth/token/lookup-self")},
		{
			name:   "revokes itself, a batch token",
			answer: "400 batch tokens cannot be revoked",
			try:    do("write", "auth/token/revoke-self"),
		},
		{name: "lists identities", answer: denied, try: do("list", "identity/entity/id")},
		{name: "makes an identity", answer: denied, try: do("write", "identity/entity", "name", "mine")},
		{name: "lists the cubbyhole", answer: denied, try: do("list", "cubbyhole")},
		{
			name:   "writes the cubbyhole",
			answer: `400 cubbyhole operations are only supported by "service" type tokens`,
			try:    do("write", "cubbyhole/mine", "k", "v"),
		},

		// Last, because whoever may do these leaves nothing to try.
		{name: "deletes a version", answer: denied, try: do("write", at("delete"), first...)},
		{name: "undeletes a version", answer: denied, try: do("write", at("undelete"), first...)},
		{name: "destroys a version", answer: denied, try: do("write", at("destroy"), first...)},
		{name: "deletes its credential", answer: denied, try: do("delete", at("data"))},
		{name: "deletes every version", answer: denied, try: do("delete", at("metadata"))},
	}
}
