package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/stack"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

// newLabWith is a sandbox whose repository has these stacks, each with dev's settings, and a second KV mount.
func newLabWith(t *testing.T, stacks ...string) *rig {
	t.Helper()
	l := &rig{lab.Open(t, sandbox.Options{Root: lab.Project(t, "mlvault", stacks...)})}
	require.NoError(t, l.Vault.Root().Sys().MountWithContext(t.Context(), "other",
		&api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	return l
}

// door is a deployed stack as its jobs meet it.
type door struct {
	*rig

	prefix      string // of its paths in Vault
	credentials lab.Payloads
	version     issuer.Version // of the tokens that it takes
	loginPath   string
	role        string
	audience    string
	clientID    string
	principal   string
	anonymous   *api.Client // of one who has no token yet
}

func (d *door) authPath() string   { return strings.TrimSuffix(d.loginPath, "/login") }
func (d *door) rolePath() string   { return d.authPath() + "/role/" + d.role }
func (d *door) configPath() string { return d.authPath() + "/config" }
func (d *door) policyPath() string { return "sys/policies/acl/" + d.role }

// door deploys a stack that takes tokens of a version, and puts what a job must not see beside its credentials.
func (l *rig) door(name string, version issuer.Version, edits ...lab.Edit) *door {
	l.T.Helper()
	d := &door{rig: l, prefix: "mlvault/" + name, version: version, credentials: lab.Payloads{
		"ml_api_key":    {"api_key": name + "-key"},
		"feature_store": {"user": name, "password": name + "-password"},
	}}
	configured := l.Prepare(name, d.credentials, append(edits, lab.With(l.T, "workload.principalIds[0]", extraReader))...)
	// Configure sets the issuer of version 1. What is set afterwards, as a person does, is what the program reads.
	require.NoError(l.T, configured.SetConfigWithOptions(l.T.Context(), "mlvault:workload.issuer",
		auto.ConfigValue{Value: l.Issuer.URL(version)}, &auto.ConfigOptions{Path: true}))
	_, err := configured.Up(l.T.Context(), optup.SuppressProgress())
	require.NoError(l.T, err)

	outputs, err := configured.Outputs(l.T.Context())
	require.NoError(l.T, err)
	d.loginPath, d.role = sandbox.Text(outputs, stack.OutputVaultLoginPath), sandbox.Text(outputs, stack.OutputVaultRole)
	d.audience, d.clientID = sandbox.Text(outputs, stack.OutputVaultAudience), sandbox.Text(outputs, stack.OutputJobIdentityClientID)
	d.principal = arm.PrincipalID(sandbox.Text(outputs, stack.OutputJobIdentityID))

	d.anonymous, err = l.Vault.Client("")
	require.NoError(l.T, err)

	hidden := map[string]any{"data": map[string]any{"k": "not for jobs"}}
	for _, name := range []string{"", "/sibling", "/ml_api_key2", "/ML_API_KEY", "/ml_api_key/below"} {
		l.write("secret/data/"+d.prefix+name, hidden)
	}
	l.write("other/data/"+d.prefix+"/ml_api_key", hidden)
	l.write("secret/data/"+d.prefix+"/ml_api_key", map[string]any{"data": d.credentials["ml_api_key"]}) // version 2
	return d
}

func (l *rig) write(path string, fields map[string]any) {
	l.T.Helper()
	_, err := l.Vault.Root().Logical().WriteWithContext(l.T.Context(), path, fields)
	require.NoError(l.T, err, path)
}

// mutate changes what stands at a path in Vault, and returns what brings it back.
func (l *rig) mutate(path string, change func(fields map[string]any)) (restore func()) {
	l.T.Helper()
	read := func() map[string]any {
		secret, err := l.Vault.Root().Logical().ReadWithContext(l.T.Context(), path)
		require.NoError(l.T, err, path)
		return secret.Data
	}
	before, changed := read(), read()
	change(changed)
	l.write(path, changed)
	return func() { l.write(path, before) }
}

// tokens is where a login takes its JWT from.
type tokens func() (string, error)

// token is what Entra would give to the stack's job identity, save for the alterations.
func (d *door) token(alterations ...issuer.Alteration) tokens {
	return func() (string, error) {
		return d.Issuer.Token(issuer.Claims{
			Audience: d.audience, ClientID: d.clientID, PrincipalID: d.principal, Version: d.version,
		}, alterations...)
	}
}

func literal(text string) tokens { return func() (string, error) { return text, nil } }

// tampered has the job identity's claims between the header and the signature of a stranger's genuine token.
func (d *door) tampered() (string, error) {
	ours, err := d.token()()
	theirs, err2 := d.token(issuer.With("oid", stranger))()
	if err := errors.Join(err, err2); err != nil {
		return "", err
	}
	parts := strings.Split(theirs, ".")
	parts[1] = strings.Split(ours, ".")[1]
	return strings.Join(parts, "."), nil
}

// cut is our token up to its signature.
func (d *door) cut() (string, error) {
	token, err := d.token()()
	return token[:strings.LastIndex(token, ".")+1], err
}

// otherEnding is an issuer without the slash at its end, or with one that it does not have.
func otherEnding(url string) string {
	if without, had := strings.CutSuffix(url, "/"); had {
		return without
	}
	return url + "/"
}

// enter presents a JWT to Vault.
func (d *door) enter(role string, source tokens) (*api.SecretAuth, error) {
	token, err := source()
	if err != nil {
		return nil, err
	}
	login, err := d.anonymous.Logical().WriteWithContext(d.T.Context(), d.loginPath, map[string]any{"role": role, "jwt": token})
	if err != nil {
		return nil, err
	}
	return login.Auth, nil
}

// login enters, and is content only with a token that is no more than the stack means to give: its own policy, for 15
// minutes, and of the kind that has no children and cannot be renewed.
func (d *door) login(role string, source tokens) func() error {
	return func() error {
		auth, err := d.enter(role, source)
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(auth.ClientToken, ".")
		got := fmt.Sprintf("%s token with %v for %d seconds, renewable %t", kind, auth.Policies, auth.LeaseDuration, auth.Renewable)
		if want := fmt.Sprintf("hvb token with [%s] for 900 seconds, renewable false", d.role); got != want {
			return fmt.Errorf("%s: a %s", moreThanMeant, got)
		}
		return nil
	}
}

// moreThanMeant is the answer at a door that gives another token than the stack means to.
const moreThanMeant = "got in with more than was meant"

// twice logs in with one token two times: Vault does not remember those that it has seen.
func (d *door) twice() func() error {
	return func() error {
		token, err := d.token()()
		return errors.Join(err, d.login(d.role, literal(token))(), d.login(d.role, literal(token))())
	}
}

// session is a client with a token, for one request or for many.
type session func() (*api.Client, error)

// job is the session of one who logs in once, as the stack's jobs do.
func (d *door) job() session {
	return sync.OnceValues(func() (*api.Client, error) {
		auth, err := d.enter(d.role, d.token())
		if err != nil {
			return nil, fmt.Errorf("login: %w", err)
		}
		return d.Vault.Client(auth.ClientToken)
	})
}

// operator is the session of one who may do everything, with a new token each time, since one of the requests revokes it,
// and with something in the cubbyhole, which each token has of its own.
func (l *rig) operator() (*api.Client, error) {
	created, err := l.Vault.Root().Auth().Token().CreateOrphanWithContext(l.T.Context(), &api.TokenCreateRequest{Policies: []string{"root"}})
	if err != nil {
		return nil, err
	}
	client, err := l.Vault.Client(created.Auth.ClientToken)
	if err != nil {
		return nil, err
	}
	_, err = client.Logical().WriteWithContext(l.T.Context(), "cubbyhole/before", map[string]any{"k": "v"})
	return client, err
}

// do makes one request. Behind the path come keys and values, which a read puts into the query.
func (d *door) do(as session, operation, path string, body ...any) func() error {
	return func() error {
		client, err := as()
		if err != nil {
			return err
		}
		ctx, vault := d.T.Context(), client.Logical()
		fields, query := map[string]any{}, map[string][]string{}
		for i := 0; i < len(body); i += 2 {
			key := fmt.Sprint(body[i])
			fields[key], query[key] = body[i+1], []string{fmt.Sprint(body[i+1])}
		}
		found := new(api.Secret) // changes may be answered with nothing
		switch operation {
		case "read":
			found, err = vault.ReadWithDataWithContext(ctx, path, query)
		case "list":
			found, err = vault.ListWithContext(ctx, path)
		case "write":
			_, err = vault.WriteWithContext(ctx, path, fields)
		case "patch":
			_, err = vault.JSONMergePatch(ctx, path, fields)
		case "delete":
			_, err = vault.DeleteWithContext(ctx, path)
		default:
			err = fmt.Errorf("no operation %q", operation)
		}
		if err == nil && found == nil {
			err = fmt.Errorf("%s has nothing", path)
		}
		return err
	}
}

// reads expects the credential as the configuration has it.
func (d *door) reads(as session, name string) func() error {
	return func() error {
		client, err := as()
		if err != nil {
			return err
		}
		secret, err := client.Logical().ReadWithContext(d.T.Context(), "secret/data/"+d.prefix+"/"+name)
		if err != nil {
			return err
		}
		if secret == nil {
			return fmt.Errorf("%s is not there", name)
		}
		got, err := json.Marshal(secret.Data["data"])
		want, err2 := json.Marshal(d.credentials[name])
		if err := errors.Join(err, err2); err != nil || string(got) != string(want) {
			return errors.Join(err, fmt.Errorf("%s is not what was configured", name))
		}
		return nil
	}
}
