// Package identity proves who reads what. Each stack's job gets in and reads its own credentials;
// every other token, role, path and request is refused, each for its own reason. No right of the
// deployer or of the jobs is spare.
package identity

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

func TestMain(m *testing.M) { lab.Main(m) }

// rig is a lab with the hands of these tests.
type rig struct{ *lab.Lab }

// newLabWith is a sandbox whose repository has these stacks, each with dev's settings, and a second
// KV mount and a mount whose secrets have leases.
func newLabWith(t *testing.T, stacks ...string) *rig {
	t.Helper()
	root := lab.Project(t, "mlvault", stacks...)
	l := &rig{Lab: lab.Open(t, sandbox.Options{Root: root})}
	l.Write("sys/mounts/other", map[string]any{
		"type":    "kv",
		"options": map[string]string{"version": "2"},
	})
	l.Write("sys/mounts/lent", map[string]any{
		"type":    "kv",
		"options": map[string]string{"leased_passthrough": "true"},
	})
	l.Write("lent/something", map[string]any{"k": "not for jobs", "ttl": "1h"})
	return l
}

// door is a deployed stack as its jobs meet it.
type door struct {
	*rig
	cfg *settings.Settings

	identity    issuer.Claims // that Entra gives to the stack's job identity
	credentials lab.Payloads
	lease       string      // of an operator, which can be renewed
	anonymous   *api.Client // of one who has no token yet
}

func (d *door) configPath() string { return "auth/" + d.cfg.Workload.AuthPath + "/config" }

// grantAnew writes the deployer's policy for settings that are changed behind Prepare, as a person does
// with `make policy`: it holds the deployer to the audience and the issuer of the settings.
func grantAnew(l *lab.Lab, prepared *sandbox.Stack, workload settings.Workload) {
	l.T.Helper()
	changed := *prepared.Config
	changed.Workload = workload
	_, err := l.DeployerToken(l.T.Context(), &changed, rights.State{})
	require.NoError(l.T, err)
}

// door deploys a stack that takes tokens of a version, and puts what a job must not see beside its
// credentials.
func (l *rig) door(name string, version issuer.Version, edits ...lab.Edit) *door {
	l.T.Helper()
	credentials := lab.Payloads{
		"ml_api_key":    {"api_key": name + "-key"},
		"feature_store": {"user": name, "password": name + "-password"},
	}
	edits = append(edits, lab.With(l.T, "workload.principalIds[0]", extraReader))
	configured := l.Prepare(name, credentials, edits...)
	// Configure sets the issuer of version 1. What is set afterwards, as a person does, is what the
	// program reads.
	setConfig(l.T, configured, "workload.issuer", l.Issuer.URL(version))
	workload := configured.Config.Workload
	workload.Issuer = l.Issuer.URL(version)
	grantAnew(l.Lab, configured, workload)
	_, err := configured.Up(l.T.Context(), optup.SuppressProgress())
	require.NoError(l.T, err)

	values, err := configured.Outputs(l.T.Context())
	require.NoError(l.T, err)
	d := &door{
		rig:         l,
		cfg:         configured.Config,
		credentials: credentials,
		anonymous:   l.client(""),
		identity: issuer.Claims{
			Audience:    sandbox.Text(values, outputs.VaultAudience),
			ClientID:    sandbox.Text(values, outputs.JobIdentityClientID),
			PrincipalID: arm.PrincipalID(sandbox.Text(values, outputs.JobIdentityID)),
			Version:     version,
		},
	}
	hidden := map[string]any{"data": map[string]any{"k": "not for jobs"}}
	for _, name := range []string{
		"",
		"/sibling",
		"/ml_api_key2",
		"/ML_API_KEY",
		"/ml_api_key/below",
	} {
		l.Write("secret/data/"+d.cfg.Vault.Prefix+name, hidden)
	}
	l.Write("other/data/"+d.cfg.Vault.Prefix+"/ml_api_key", hidden)
	secondVersion := map[string]any{"data": d.credentials["ml_api_key"]}
	l.Write("secret/data/"+d.cfg.Vault.Prefix+"/ml_api_key", secondVersion)
	lent, err := l.Vault.Root().Logical().ReadWithContext(l.T.Context(), "lent/something")
	require.NoError(l.T, err)
	require.True(l.T, lent.Renewable)
	d.lease = lent.LeaseID
	return d
}

// setConfig is `pulumi config set --path` of a setting of the project.
func setConfig(t *testing.T, stack *sandbox.Stack, key, value string) {
	t.Helper()
	byPath := &auto.ConfigOptions{Path: true}
	setting := auto.ConfigValue{Value: value}
	err := stack.SetConfigWithOptions(t.Context(), "mlvault:"+key, setting, byPath)
	require.NoError(t, err)
}

// mutate changes what stands at a path in Vault, and returns what brings it back.
func (l *rig) mutate(path string, change func(fields map[string]any)) (restore func()) {
	l.T.Helper()
	read := func() map[string]any {
		secret, err := l.Vault.Root().Logical().ReadWithContext(l.T.Context(), path)
		require.NoError(l.T, err, path)
		return secret.Data
	}
	before := read()
	changed := read()
	change(changed)
	l.Write(path, changed)
	return func() { l.Write(path, before) }
}

// token is what Entra would give to the stack's job identity, save for the alterations.
func (d *door) token(alterations ...issuer.Alteration) string {
	d.T.Helper()
	token, err := d.Issuer.Token(d.identity, alterations...)
	require.NoError(d.T, err)
	return token
}

// enter presents a JWT to Vault.
func (d *door) enter(role, token string) (*api.SecretAuth, error) {
	fields := map[string]any{"role": role, "jwt": token}
	login, err := d.anonymous.Logical().WriteWithContext(d.T.Context(), d.cfg.LoginPath(), fields)
	if err != nil {
		return nil, err
	}
	return login.Auth, nil
}

// login enters, and is content only with a token that is no more than the stack means to give: its
// own policy, for 15 minutes, and of the kind that has no children and cannot be renewed.
func (d *door) login(role, token string) func() error {
	return func() error {
		auth, err := d.enter(role, token)
		if err != nil {
			return err
		}
		kind := "service"
		if auth.Accessor == "" { // which a batch token has not
			kind = "batch"
		}
		got := fmt.Sprintf("%s token with %v for %d seconds, renewable %t",
			kind, auth.Policies, auth.LeaseDuration, auth.Renewable)
		want := fmt.Sprintf("batch token with [%s] for 900 seconds, renewable false", d.cfg.VaultName())
		if got != want {
			return fmt.Errorf("%s: a %s", moreThanMeant, got)
		}
		return nil
	}
}

// moreThanMeant is the answer at a door that gives another token than the stack means to.
const moreThanMeant = "got in with more than was meant"

// session is a client with a token, for one request or for many.
type session func() *api.Client

// job is the session of one who logs in once, as the stack's jobs do, with the first request.
func (d *door) job() session {
	return sync.OnceValue(func() *api.Client {
		auth, err := d.enter(d.cfg.VaultName(), d.token())
		if err != nil {
			return d.anonymous // whose requests are refused
		}
		return d.client(auth.ClientToken)
	})
}

// operator is the session of one who may do everything, with a new token each time, since one of
// the requests revokes it, and with something in the cubbyhole, which each token has of its own.
func (l *rig) operator() *api.Client {
	tokens := l.Vault.Root().Auth().Token()
	asRoot := &api.TokenCreateRequest{Policies: []string{"root"}}
	created, err := tokens.CreateOrphanWithContext(l.T.Context(), asRoot)
	require.NoError(l.T, err)
	client := l.client(created.Auth.ClientToken)
	held := map[string]any{"k": "v"}
	_, err = client.Logical().WriteWithContext(l.T.Context(), "cubbyhole/before", held)
	require.NoError(l.T, err)
	return client
}

func (l *rig) client(token string) *api.Client {
	client, err := l.Vault.Client(token)
	require.NoError(l.T, err)
	return client
}

// do makes one request. Behind the path come keys and values, which a read puts into the query.
func (d *door) do(as session, operation, path string, body ...any) func() error {
	return func() error {
		ctx := d.T.Context()
		vault := as().Logical()
		fields := map[string]any{}
		query := map[string][]string{}
		for i := 0; i < len(body); i += 2 {
			key := fmt.Sprint(body[i])
			value := body[i+1]
			fields[key] = value
			query[key] = []string{fmt.Sprint(value)}
		}
		found := new(api.Secret) // changes may be answered with nothing
		var err error
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
		path := "secret/data/" + d.cfg.Vault.Prefix + "/" + name
		secret, err := as().Logical().ReadWithContext(d.T.Context(), path)
		if err != nil {
			return err
		}
		if secret == nil || !reflect.DeepEqual(secret.Data["data"], d.credentials[name]) {
			return fmt.Errorf("%s is not what was configured", name)
		}
		return nil
	}
}
