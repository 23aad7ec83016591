package identity

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/internal/access"
	"mlvault/internal/config"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

// request is one that the plugin made of Vault, with the answer's status.
type request struct {
	method, path string
	body         []byte
	status       int
}

func (r request) String() string { return r.method + " " + r.path }

// privileges is a sandbox that remembers what its deployer asked of Vault.
type privileges struct {
	*lab.Lab

	mu       sync.Mutex
	requests []request
}

func newPrivileges(t *testing.T) *privileges {
	t.Helper()
	p := &privileges{}
	p.Lab = lab.Open(t, sandbox.Options{Vault: func(o *vaultserver.Options) { o.Wrap = p.remember }})
	return p
}

// remember records every request that is not the sandbox's own, which have the root token.
func (p *privileges) remember(vault http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get(api.AuthHeaderName)
		if p.Lab == nil || token == "" || token == p.Vault.Root().Token() {
			vault.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		vault.ServeHTTP(answer, r)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, request{r.Method, r.URL.RequestURI(), body, answer.status})
	})
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// combination is a set of settings that changes what the deployer needs.
type combination struct {
	name     string
	settings map[string]string
}

// combinations is what the deployer's policy depends on: nothing, each setting alone, and all of them together.
var combinations = []combination{
	{"default", nil},
	{"createMount", map[string]string{"vault.createMount": "true", "vault.mount": "made"}},
	{"createAuthBackend=false", map[string]string{"workload.createAuthBackend": "false"}},
	{"disableRead", map[string]string{"vault.disableRead": "true"}},
	{"deleteOnDestroy", map[string]string{"vault.deleteOnDestroy": "true"}},
	{"skipChildToken", map[string]string{"vault.skipChildToken": "true"}},
	{"all", map[string]string{
		"vault.createMount": "true", "vault.mount": "made", "workload.createAuthBackend": "false",
		"vault.disableRead": "true", "vault.deleteOnDestroy": "true", "vault.skipChildToken": "true",
	}},
}

func (c combination) edits(t *testing.T) []lab.Edit {
	t.Helper()
	var edits []lab.Edit
	for key, value := range c.settings {
		edits = append(edits, lab.With(t, key, value))
	}
	return edits
}

// deployer is a token of a policy, which restrict changes while it lives. It has no other policy, not even default.
func (p *privileges) deployer(policy string) string {
	p.T.Helper()
	p.restrict(policy)
	created, err := p.Vault.Root().Auth().Token().CreateOrphanWithContext(p.T.Context(),
		&api.TokenCreateRequest{Policies: []string{"restricted"}, NoDefaultPolicy: true, TTL: "1h"})
	require.NoError(p.T, err)
	return created.Auth.ClientToken
}

func (p *privileges) restrict(policy string) {
	p.T.Helper()
	require.NoError(p.T, p.Vault.Root().Sys().PutPolicyWithContext(p.T.Context(), "restricted", policy))
}

// phases are a stack's life: created, left as it is, with another payload and another role, refreshed, destroyed.
func (p *privileges) phases(token string, edits []lab.Edit) []func(context.Context) error {
	up := func(key string, more ...lab.Edit) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := p.prepare(token, key, append(slices.Clone(edits), more...)).Up(ctx, optup.SuppressProgress())
			return err
		}
	}
	changed := lab.With(p.T, "workload.tokenTtlSeconds", "600")
	return []func(context.Context) error{
		up("one"), up("one"), up("two", changed),
		func(ctx context.Context) error {
			_, err := p.prepare(token, "two", append(slices.Clone(edits), changed)).Refresh(ctx, optrefresh.SuppressProgress())
			return err
		},
		func(ctx context.Context) error {
			_, err := p.prepare(token, "two", append(slices.Clone(edits), changed)).Destroy(ctx, optdestroy.SuppressProgress())
			return err
		},
	}
}

var phaseNames = []string{"create", "no-op", "update", "refresh", "destroy"}

func (p *privileges) prepare(token, key string, edits []lab.Edit) *sandbox.Stack {
	p.T.Helper()
	configured, err := p.Configure(p.T.Context(), sandbox.Settings{
		Stack: "dev", Token: token, Credentials: `{"ml_api_key":{"api_key":"` + key + `-of-a-key"}}`, Edit: func(m pulumiconfig.Map) {
			for _, edit := range edits {
				edit(m)
			}
		},
	})
	require.NoError(p.T, err)
	return configured
}

// clear takes away what a deployer may have left in Vault, and brings what it needs of others.
func (p *privileges) clear(cfg *config.Config) {
	p.T.Helper()
	ctx, root := p.T.Context(), p.Vault.Root()
	if cfg.Vault.CreateMount {
		require.NoError(p.T, root.Sys().UnmountWithContext(ctx, cfg.Vault.Mount))
	} else {
		for _, credential := range cfg.Credentials {
			_, err := root.Logical().DeleteWithContext(ctx, cfg.Vault.Mount+"/metadata/"+cfg.Vault.Prefix+"/"+credential.Name)
			require.NoError(p.T, err)
		}
	}
	require.NoError(p.T, root.Sys().DisableAuthWithContext(ctx, cfg.Workload.AuthPath))
	if !*cfg.Workload.CreateAuthBackend {
		require.NoError(p.T, root.Sys().EnableAuthWithOptionsWithContext(ctx, cfg.Workload.AuthPath, &api.EnableAuthOptions{Type: "jwt"}))
	}
	require.NoError(p.T, root.Sys().DeletePolicyWithContext(ctx, cfg.Access().Name()))
}

// record lives a stack's life once, by the real CLI and with the deployer's policy and no other, and returns what it asked
// of Vault.
func (p *privileges) record(cfg *config.Config, edits []lab.Edit) []request {
	p.T.Helper()
	p.clear(cfg)
	token := p.deployer(cfg.Access().DeployerPolicy())
	p.requests = nil
	for i, phase := range p.phases(token, edits) {
		require.NoError(p.T, phase(p.T.Context()), phaseNames[i])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// replay sends the requests again with a token of another policy, in an empty Vault, and returns the first one that is
// refused. Any other answer has to be the one of the recording, or the replay would show nothing about it.
func (p *privileges) replay(cfg *config.Config, recorded []request, policy string) (refused *request) {
	p.T.Helper()
	p.clear(cfg)
	client, err := p.Vault.Client(p.deployer(policy))
	require.NoError(p.T, err)
	for _, r := range recorded {
		again, err := http.NewRequestWithContext(p.T.Context(), r.method, p.Vault.Addr()+r.path, bytes.NewReader(r.body))
		require.NoError(p.T, err)
		again.Header.Set(api.AuthHeaderName, client.Token())
		again.Header.Set("X-Vault-Request", "true")
		response, err := client.CloneConfig().HttpClient.Do(again)
		require.NoError(p.T, err)
		require.NoError(p.T, response.Body.Close())
		if response.StatusCode == http.StatusForbidden {
			return &r
		}
		require.Equal(p.T, r.status, response.StatusCode, "%s is answered otherwise than in the recording", r)
	}
	return nil
}

// less is a policy without one capability of one path.
type less struct {
	missing string // for people
	policy  string
}

// reductions are all the policies that lack exactly one capability.
func reductions(grants []access.Grant) []less {
	var all []less
	for i, grant := range grants {
		for _, capability := range grant.Capabilities {
			reduced := slices.Clone(grants)
			reduced[i].Capabilities = slices.DeleteFunc(slices.Clone(grant.Capabilities), func(c string) bool { return c == capability })
			if len(reduced[i].Capabilities) == 0 {
				reduced = slices.Delete(reduced, i, i+1)
			}
			all = append(all, less{fmt.Sprintf("%s at %s", capability, grant.Path), access.PolicyText("one less", reduced)})
		}
	}
	return all
}
