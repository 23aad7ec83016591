package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"

	"mlvault/internal/stack"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
)

const (
	stranger    = "5f0c2d5e-7a1b-4c3d-9e8f-0a1b2c3d4e5f" // an identity of the tenant that no stack knows
	extraReader = "0b9d1c52-3c44-4f6e-8a57-6d2f6f1f7c11" // in the settings of every stack here: workload.principalIds
	otherTenant = "c0ffee00-0000-4000-8000-000000000001"
	version2API = "7c1e9a44-52b8-4f0d-b6c3-2a8f4e5d6071" // the audience of version 2 tokens is always a GUID
)

// The answers that rows expect: granted, or a part of Vault's own reason. A refusal for any other reason is a failure
// too, since it would hide that the check which the row is about is gone.
const (
	granted       = "granted"
	denied        = "403 permission denied"
	deadToken     = "invalid token"
	wrongOID      = `400 error validating claims: claim "oid" does not match`
	wrongTID      = `400 error validating claims: claim "tid" does not match`
	wrongIssuer   = "400 error validating token: invalid issuer (iss) claim"
	wrongAudience = "400 error validating token: invalid audience (aud) claim"
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

// run makes every attempt. It returns what went wrong instead of failing, so that a test can look on as it goes wrong.
func run(matrix []row) (failures []failure) {
	for _, row := range matrix {
		if got := answer(row.try()); got != row.answer && (row.answer == granted || !strings.Contains(got, row.answer)) {
			failures = append(failures, failure{row.name, got})
		}
	}
	return failures
}

func answer(err error) string {
	var refusal *api.ResponseError
	switch {
	case err == nil:
		return granted
	case errors.As(err, &refusal):
		return fmt.Sprintf("%d %s", refusal.StatusCode, strings.Join(refusal.Errors, "; "))
	default:
		return err.Error()
	}
}

// count is how many rows expect to be granted and how many to be refused.
func count(matrix []row) (accepted, refused int) {
	for _, row := range matrix {
		if row.answer == granted {
			accepted++
		}
	}
	return accepted, len(matrix) - accepted
}

// door is a deployed stack as its jobs meet it.
type door struct {
	*lab

	prefix      string // of its paths in Vault
	credentials payloads
	version     issuer.Version // of the tokens that it takes
	loginPath   string
	role        string
	audience    string
	clientID    string
	principal   string
}

// matrix is everything that is tried at one stack's door: who gets in, and what the one who got in may do.
// The neighbour is another stack in the same Vault.
func (d *door) matrix(neighbour *door) []row {
	return slices.Concat(d.logins(neighbour), d.requests(neighbour, d.session))
}

// logins are the attempts to get a token. But for the first, each breaks one thing of a token that is otherwise right.
func (d *door) logins(neighbour *door) []row {
	other := map[issuer.Version]issuer.Version{issuer.V1: issuer.V2, issuer.V2: issuer.V1}[d.version]
	with := func(claim string, value any) func() error { return d.login(issuer.With(claim, value)) }
	return []row{
		{"the job identity", granted, d.login()},
		{"its token a second time", granted, d.again()},
		{"a list of audiences with ours in it", granted, with("aud", []string{"api://elsewhere", d.audience})},
		{"a reader of workload.principalIds", granted, with("oid", extraReader)},

		{"another identity of the tenant", wrongOID, with("oid", stranger)},
		{"the neighbour's identity", wrongOID, with("oid", neighbour.principal)},
		{"our object id in upper case", wrongOID, with("oid", strings.ToUpper(d.principal))},
		{"our object id with a space", wrongOID, with("oid", d.principal+" ")},
		{"both readers in one object id", wrongOID, with("oid", d.principal+","+extraReader)},
		{"a star for an object id", wrongOID, with("oid", "*")},
		{"an empty object id", wrongOID, with("oid", "")},
		{"a list of object ids with ours in it", `400 claim "oid" could not be converted to string`, with("oid", []string{stranger, d.principal})},
		{"no object id", `400 claim "oid" not found`, d.login(issuer.Without("oid"))},
		{"another tenant", wrongTID, with("tid", otherTenant)},
		{"our tenant in upper case", wrongTID, with("tid", strings.ToUpper(d.Issuer.TenantID()))},
		{"no tenant", `400 error validating claims: claim "tid" is missing`, d.login(issuer.Without("tid"))},

		{"another audience", wrongAudience, with("aud", "https://management.azure.com/")},
		{"our audience with a slash", wrongAudience, with("aud", d.audience+"/")},
		{"our audience in upper case", wrongAudience, with("aud", strings.ToUpper(d.audience))},
		{"a list of other audiences", wrongAudience, with("aud", []string{"api://elsewhere", "https://vault.azure.net"})},
		{"an empty list of audiences", wrongAudience, with("aud", []string{})},
		{"no audience", wrongAudience, d.login(issuer.WithoutAudience())},

		{"another tenant's issuer, the same key", wrongIssuer, d.login(issuer.FromIssuer("https://sts.windows.net/" + otherTenant + "/"))},
		{"our issuer with or without a slash at its end", wrongIssuer, d.login(issuer.FromIssuer(otherEnding(d.Issuer.URL(d.version))))},
		{"our tenant's issuer of the other version", wrongIssuer, d.login(issuer.FromIssuer(d.Issuer.URL(other)))},
		{"no issuer", wrongIssuer, d.login(issuer.Without("iss"))},

		{"another key under the key's id", badSignature, d.login(issuer.SignedWithOtherKey())},
		{"the algorithm none", "400 error validating token", d.login(issuer.Unsigned())},
		{"HS256 with the public key", "400 error validating token", d.login(issuer.SignedWithPublicKey())},
		{"a stranger's signature under our claims", badSignature, d.tampered()},
		{"our token without its signature", "400 error validating token", d.unsigned()},
		{"no token", "400 missing token", d.present("", d.role)},
		{"no JWT", "400 error validating token", d.present("hvs.CAESIJ", d.role)},

		{"expired", "400 error validating token: invalid expiration time (exp) claim", d.login(issuer.Expired())},
		{"not yet valid", "400 error validating token: invalid not before (nbf) claim", d.login(issuer.NotYetValid())},
		{"issued in the future", "400 error validating token: invalid issued at (iat) claim", with("iat", time.Now().Add(time.Hour).Unix())},
		{"no end, and five minutes old", "400 error validating token: invalid expiration time (exp) claim", d.login(issuer.Without("exp"))},
		{"no time at all", "400 error validating token: no issued at (iat)", d.login(issuer.Without("exp", "nbf", "iat"))},

		{"no role", "400 missing role", d.presentOwn("")},
		{"a role that is not there", "400 role \"nobody\" could not be found", d.presentOwn("nobody")},
		{"the neighbour's role at our door", "could not be found", d.presentOwn(neighbour.role)},
		{"the neighbour's door", "400 error validating", d.at(neighbour)},
	}
}

// session is a client with a token that the caller may use for one request.
type session func() (*api.Client, error)

// requests are the attempts of one who got in. The first ones are all that a job may do in this Vault.
func (d *door) requests(neighbour *door, as session) []row {
	const name = "ml_api_key"
	at := func(kind string) string { return "secret/" + kind + "/" + d.prefix + "/" + name }
	auth := strings.TrimSuffix(d.loginPath, "/login")
	policy := "sys/policies/acl/" + d.role
	do := func(operation, path string, body ...any) func() error { return d.do(as, operation, path, body...) }
	versions := []any{"versions", []int{1}}
	return []row{
		{"reads ml_api_key", granted, d.reads(as, "ml_api_key")},
		{"reads feature_store", granted, d.reads(as, "feature_store")},
		{"reads an older version", granted, do("read", at("data"), "version", "1")},
		{"asks for the version of the mount, as the vault command does", granted, do("read", "sys/internal/ui/mounts/"+at("data"))},

		{"reads a sibling", denied, do("read", "secret/data/"+d.prefix+"/sibling")},
		{"reads a longer name", denied, do("read", at("data")+"2")},
		{"reads below a credential", denied, do("read", at("data")+"/below")},
		{"reads its name in upper case", denied, do("read", strings.ToUpper(name[:1])+name[1:])},
		{"reads the parent", denied, do("read", "secret/data/"+d.prefix)},
		{"reads the neighbour's ml_api_key", denied, do("read", "secret/data/"+neighbour.prefix+"/ml_api_key")},
		{"reads the neighbour's feature_store", denied, do("read", "secret/data/"+neighbour.prefix+"/feature_store")},
		{"reads the same path on another mount", denied, do("read", "other/data/"+d.prefix+"/"+name)},
		{"lists the stack", denied, do("list", "secret/metadata/"+d.prefix)},
		{"lists the mount", denied, do("list", "secret/metadata")},
		{"reads metadata", denied, do("read", at("metadata"))},
		{"reads subkeys", denied, do("read", at("subkeys"))},
		{"reads the mount's settings", denied, do("read", "secret/config")},

		{"writes its credential", denied, do("write", at("data"), "data", d.credentials[name])},
		{"patches its credential", denied, do("patch", at("data"), "data", d.credentials[name])},
		{"writes a new secret", denied, do("write", "secret/data/"+d.prefix+"/new", "data", d.credentials[name])},
		{"writes metadata", denied, do("write", at("metadata"), "max_versions", 5)},
		{"writes the mount's settings", denied, do("write", "secret/config", "max_versions", 0)},

		{"lists mounts", denied, do("read", "sys/mounts")},
		{"makes a mount", denied, do("write", "sys/mounts/mine", "type", "kv")},
		{"lists auth methods", denied, do("read", "sys/auth")},
		{"enables an auth method", denied, do("write", "sys/auth/mine", "type", "approle")},
		{"lists policies", denied, do("list", "sys/policies/acl")},
		{"reads its policy", denied, do("read", policy)},
		{"widens its policy", denied, do("write", policy, "policy", `path "secret/*" { capabilities = ["read"] }`)},
		{"lists roles", denied, do("list", auth+"/role")},
		{"reads its role", denied, do("read", auth+"/role/"+d.role)},
		{"widens its role", denied, do("write", auth+"/role/"+d.role, "token_ttl", 3600)},
		{"reads the auth method's settings", denied, do("read", auth+"/config")},
		{"lists leases", denied, do("list", "sys/leases/lookup")},
		{"lists audit devices", denied, do("read", "sys/audit")},
		{"reads the server's settings", denied, do("read", "sys/config/state/sanitized")},
		{"asks for its capabilities", denied, do("write", "sys/capabilities-self", "paths", []string{at("data")})},
		{"asks for its access list", denied, do("read", "sys/internal/ui/resultant-acl")},
		{"uses a tool", denied, do("write", "sys/tools/random", "bytes", 8)},

		{"makes a child token", denied, do("write", "auth/token/create", "ttl", "1h")},
		{"makes an orphan token", denied, do("write", "auth/token/create-orphan", "ttl", "1h")},
		{"lists tokens", denied, do("list", "auth/token/accessors")},
		{"looks itself up", denied, do("read", "auth/token/lookup-self")},
		{"revokes itself", denied, do("write", "auth/token/revoke-self")},
		{"lists identities", denied, do("list", "identity/entity/id")},
		{"makes an identity", denied, do("write", "identity/entity", "name", "mine")},
		{"lists the cubbyhole", denied, do("list", "cubbyhole")},
		{"writes the cubbyhole", denied, do("write", "cubbyhole/mine", "k", "v")},

		// Last, since whoever may do these leaves nothing to try.
		{"deletes a version", denied, do("write", at("delete"), versions...)},
		{"undeletes a version", denied, do("write", at("undelete"), versions...)},
		{"destroys a version", denied, do("write", at("destroy"), versions...)},
		{"deletes its credential", denied, do("delete", at("data"))},
		{"deletes every version", denied, do("delete", at("metadata"))},
	}
}

// token is one that Entra would give to the stack's job identity, save for the alterations.
func (d *door) token(alterations ...issuer.Alteration) (string, error) {
	return d.Issuer.Token(issuer.Claims{
		Audience: d.audience, ClientID: d.clientID, PrincipalID: d.principal, Version: d.version,
	}, alterations...)
}

// enter presents a token to Vault and returns what it gets.
func (d *door) enter(path, role, token string) (*api.SecretAuth, error) {
	client, err := d.Vault.Client("")
	if err != nil {
		return nil, err
	}
	login, err := client.Logical().WriteWithContext(d.t.Context(), path, map[string]any{"role": role, "jwt": token})
	if err != nil {
		return nil, err
	}
	return login.Auth, nil
}

// login tries a token of the job identity. What comes of it has to be a token with the stack's policy and nothing else.
func (d *door) login(alterations ...issuer.Alteration) func() error {
	return func() error {
		token, err := d.token(alterations...)
		if err != nil {
			return err
		}
		return d.present(token, d.role)()
	}
}

func (d *door) present(token, role string) func() error {
	return func() error {
		auth, err := d.enter(d.loginPath, role, token)
		if err != nil {
			return err
		}
		return d.inspect(auth)
	}
}

func (d *door) presentOwn(role string) func() error {
	return func() error {
		token, err := d.token()
		if err != nil {
			return err
		}
		return d.present(token, role)()
	}
}

// again logs in with one token twice: Vault keeps no list of tokens that were used.
func (d *door) again() func() error {
	return func() error {
		token, err := d.token()
		return errors.Join(err, d.present(token, d.role)(), d.present(token, d.role)())
	}
}

// at tries our own token at another stack's door.
func (d *door) at(other *door) func() error {
	return func() error {
		token, err := d.token()
		if err != nil {
			return err
		}
		_, err = d.enter(other.loginPath, other.role, token)
		return err
	}
}

// tampered has the job identity's claims between a stranger's genuine header and signature.
func (d *door) tampered() func() error {
	return func() error {
		ours, err := d.token()
		theirs, err2 := d.token(issuer.With("oid", stranger))
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		parts := strings.Split(theirs, ".")
		parts[1] = strings.Split(ours, ".")[1]
		return d.present(strings.Join(parts, "."), d.role)()
	}
}

func (d *door) unsigned() func() error {
	return func() error {
		token, err := d.token()
		if err != nil {
			return err
		}
		return d.present(token[:strings.LastIndex(token, ".")+1], d.role)()
	}
}

// inspect refuses a token that is more than the stack means to give: any policy but its own, a longer life, or a kind
// that can be renewed and have children.
func (d *door) inspect(auth *api.SecretAuth) error {
	kind, _, _ := strings.Cut(auth.ClientToken, ".")
	got := fmt.Sprintf("%s token with %v for %d seconds, renewable %t", kind, auth.Policies, auth.LeaseDuration, auth.Renewable)
	if want := fmt.Sprintf("hvb token with [%s] for 900 seconds, renewable false", d.role); got != want {
		return fmt.Errorf("got in with a %s; expected a %s", got, want)
	}
	return nil
}

// session is the job's: it logs in as it would, for each request anew.
func (d *door) session() (*api.Client, error) {
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	auth, err := d.enter(d.loginPath, d.role, token)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return d.Vault.Client(auth.ClientToken)
}

// operator is a session that may do everything.
func (l *lab) operator() (*api.Client, error) {
	created, err := l.Vault.Root().Auth().Token().CreateOrphanWithContext(l.t.Context(), &api.TokenCreateRequest{Policies: []string{"root"}})
	if err != nil {
		return nil, err
	}
	return l.Vault.Client(created.Auth.ClientToken)
}

// do makes one request. The body is a list of keys and values; that of a read goes into the query.
func (d *door) do(as session, operation, path string, body ...any) func() error {
	return func() error {
		client, err := as()
		if err != nil {
			return err
		}
		ctx, vault := d.t.Context(), client.Logical()
		fields, query := map[string]any{}, map[string][]string{}
		for i := 0; i < len(body); i += 2 {
			key := fmt.Sprint(body[i])
			fields[key], query[key] = body[i+1], []string{fmt.Sprint(body[i+1])}
		}
		switch operation {
		case "read":
			_, err = vault.ReadWithDataWithContext(ctx, path, query)
		case "list":
			_, err = vault.ListWithContext(ctx, path)
		case "write":
			_, err = vault.WriteWithContext(ctx, path, fields)
		case "patch":
			_, err = vault.JSONMergePatch(ctx, path, fields)
		case "delete":
			_, err = vault.DeleteWithContext(ctx, path)
		default:
			err = fmt.Errorf("no operation %q", operation)
		}
		return err
	}
}

// reads expects the credential as the configuration gave it.
func (d *door) reads(as session, name string) func() error {
	return func() error {
		client, err := as()
		if err != nil {
			return err
		}
		secret, err := client.Logical().ReadWithContext(d.t.Context(), "secret/data/"+d.prefix+"/"+name)
		if err != nil {
			return err
		}
		if got, want := fmt.Sprint(secret.Data["data"]), fmt.Sprint(d.credentials[name]); got != want {
			return fmt.Errorf("%s holds something else than was configured", name)
		}
		return nil
	}
}

// otherEnding turns an issuer that ends with a slash into one that does not, and the other way round.
func otherEnding(url string) string {
	if trimmed, found := strings.CutSuffix(url, "/"); found {
		return trimmed
	}
	return url + "/"
}
