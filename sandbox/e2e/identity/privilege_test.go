package identity

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
)

// A stack lives its whole life once, by the real CLI, with the deployer's policy and nothing else:
// so the policy is enough. Then everything that it asked of Vault is asked again, once for each
// capability of the policy with a token that lacks exactly this one: so none is spare.
//
// Vault itself is the judge of the second part. It gets the very request of the plugin, in the
// state in which the plugin met it, by a token of the same kind; the answer depends on nothing
// else, so what is refused in the replay would be refused in the run. That a run ends red when it
// is refused is another question, which TestProveNoRightIsSpare answers by running the CLI with
// each of the policies.
func TestNoRightOfTheDeployerIsSpare(t *testing.T) {
	// The others take a minute: TestProveNoRightIsSpareInAnyCombination.
	for _, name := range []string{"default", "all"} {
		t.Run(name, func(t *testing.T) { requireNoneSpare(t, combinations[name]) })
	}
}

// combinations are the settings that the deployer's policy depends on: none, each alone, and all of
// them together.
var combinations = map[string]map[string]string{
	"default":                 nil,
	"createMount":             {"vault.createMount": "true", "vault.mount": "made"},
	"createAuthBackend=false": {"workload.createAuthBackend": "false"},
	"disableRead":             {"vault.disableRead": "true"},
	"deleteOnDestroy":         {"vault.deleteOnDestroy": "true"},
	"skipChildToken":          {"vault.skipChildToken": "true"},
	"all": {
		"vault.createMount":          "true",
		"vault.mount":                "made",
		"workload.createAuthBackend": "false",
		"vault.disableRead":          "true",
		"vault.deleteOnDestroy":      "true",
		"vault.skipChildToken":       "true",
	},
}

func requireNoneSpare(t *testing.T, settings map[string]string) {
	t.Helper()
	p := newPrivileges(t, settings)
	recorded := append(p.preflight(), p.record()...)
	whole := rights.DeployerPolicy(p.cfg, rights.State{})
	require.Nil(t, p.replay(recorded, whole), "with the whole policy nothing is refused")

	wanted := rights.SettingsGrants(p.cfg)
	needless := rights.Grant{Path: "sys/health", Capabilities: []string{"read"}}
	missing := lab.Reduced(append(wanted, needless))
	spare := len(missing) - 1
	require.Nil(t, p.replay(recorded, missing[spare].Policy),
		"a right that is planted to be spare is seen to be")
	for _, reduced := range lab.Reduced(wanted) {
		refused := p.replay(recorded, reduced.Policy)
		if refused == nil {
			t.Errorf("%s at %s is spare: none of %d requests needs it",
				reduced.Capability, reduced.Path, len(recorded))
			continue
		}
		t.Logf("without %s at %s: %s %s is refused",
			reduced.Capability, reduced.Path, refused.method, refused.path)
	}
	t.Logf("%d requests, %d rights, each needed", len(recorded), spare)
}

// request is one that the plugin made of Vault, with the answer's status.
type request struct {
	method, path string
	body         []byte
	status       int
}

// privileges is a sandbox that remembers what its deployer asked of Vault.
type privileges struct {
	*lab.Lab

	cfg    *settings.Settings
	phases []phase
	token  string

	mu       sync.Mutex
	requests []request
}

// phase is a part of a stack's life.
type phase struct {
	name    string
	payload string
	edits   []lab.Edit
	run     func(*sandbox.Stack) error
}

// newPrivileges has a stack's life in phases: created, left as it is, with another payload and
// another role, refreshed, destroyed.
func newPrivileges(t *testing.T, settings map[string]string) *privileges {
	t.Helper()
	p := &privileges{}
	p.Lab = lab.Open(t, sandbox.Options{Wrap: p.remember})
	p.Adjust = func(s *sandbox.Settings) { s.Token = p.token }
	up := func(s *sandbox.Stack) error {
		_, err := s.Up(t.Context(), optup.SuppressProgress())
		return err
	}
	refresh := func(s *sandbox.Stack) error {
		_, err := s.Refresh(t.Context(), optrefresh.SuppressProgress())
		return err
	}
	destroy := func(s *sandbox.Stack) error {
		_, err := s.Destroy(t.Context(), optdestroy.SuppressProgress())
		return err
	}
	whole := []lab.Edit{lab.Settings(t, settings)}
	changed := append(slices.Clone(whole), lab.With(t, "workload.tokenTtlSeconds", "600"))
	p.phases = []phase{
		{name: "create", payload: "one", edits: whole, run: up},
		{name: "no-op", payload: "one", edits: whole, run: up},
		{name: "update", payload: "two", edits: changed, run: up},
		{name: "refresh", payload: "two", edits: changed, run: refresh},
		{name: "destroy", payload: "two", edits: changed, run: destroy},
	}
	p.deployer("# no right")
	p.cfg = p.prepare(p.phases[0]).Config
	return p
}

func (p *privileges) prepare(x phase) *sandbox.Stack {
	p.T.Helper()
	credentials := lab.Payloads{"ml_api_key": {"api_key": x.payload + "-of-a-key"}}
	return p.Prepare("dev", credentials, x.edits...)
}

func (p *privileges) live(x phase) error {
	p.T.Helper()
	return x.run(p.prepare(x))
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
		answer := httptest.NewRecorder()
		vault.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, request{
			method: r.Method,
			path:   r.URL.RequestURI(),
			body:   body,
			status: answer.Code,
		})
	})
}

// deployer makes a token the deployer's. It has the one policy, which restrict changes while it
// lives, and not even default.
func (p *privileges) deployer(policy string) {
	p.T.Helper()
	p.restrict(policy)
	created, err := p.Vault.Root().Auth().Token().CreateOrphanWithContext(p.T.Context(),
		&api.TokenCreateRequest{Policies: []string{"restricted"}, NoDefaultPolicy: true, TTL: "1h"})
	require.NoError(p.T, err)
	p.token = created.Auth.ClientToken
}

func (p *privileges) restrict(policy string) {
	p.T.Helper()
	p.Write("sys/policies/acl/restricted", map[string]any{"policy": policy})
}

// clear takes away what a deployer may have left in Vault, and brings what it needs of others.
func (p *privileges) clear() {
	p.T.Helper()
	root := p.Vault.Root()
	vault := p.cfg.Vault
	gone := []string{"sys/auth/" + p.cfg.Workload.AuthPath, p.cfg.PolicyPath()}
	if vault.CreateMount {
		gone = append(gone, "sys/mounts/"+vault.Mount)
	} else {
		gone = append(gone, vault.Mount+"/metadata/"+vault.Prefix+"/ml_api_key")
	}
	for _, path := range gone {
		_, err := root.Logical().DeleteWithContext(p.T.Context(), path)
		require.NoError(p.T, err)
	}
	if !p.cfg.Workload.CreateAuthBackend {
		p.Write("sys/auth/"+p.cfg.Workload.AuthPath, map[string]any{"type": "jwt"})
	}
}

// record lives a stack's life once, by the real CLI and with the deployer's policy and no other,
// and returns what it asked of Vault.
func (p *privileges) record() []request {
	p.T.Helper()
	p.clear()
	p.deployer(rights.DeployerPolicy(p.cfg, rights.State{}))
	p.requests = nil
	for _, x := range p.phases {
		require.NoError(p.T, p.live(x), x.name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// preflight is what the preflight asks before the first up: whose secret stands at each path.
// Metadata are read for it where the plugin itself reads nothing back.
func (p *privileges) preflight() []request {
	var looks []request
	for _, credential := range p.cfg.Credentials {
		looks = append(looks, request{
			method: http.MethodGet,
			path:   "/v1/" + p.cfg.MetadataPath(credential.Name),
			status: http.StatusNotFound,
		})
	}
	return looks
}

// replay sends the requests again with a token of another policy, in an empty Vault, and returns
// the first one that is refused. Any other answer has to be the one of the recording, or the replay
// would show nothing about it.
func (p *privileges) replay(recorded []request, policy string) (refused *request) {
	p.T.Helper()
	p.clear()
	p.deployer(policy)
	client := p.Vault.Root().CloneConfig().HttpClient
	for _, r := range recorded {
		url := p.Vault.Addr() + r.path
		again, err := http.NewRequestWithContext(p.T.Context(), r.method, url, bytes.NewReader(r.body))
		require.NoError(p.T, err)
		again.Header.Set(api.AuthHeaderName, p.token)
		again.Header.Set("X-Vault-Request", "true")
		response, err := client.Do(again)
		require.NoError(p.T, err)
		require.NoError(p.T, response.Body.Close())
		if response.StatusCode == http.StatusForbidden {
			return &r
		}
		require.Equal(p.T, r.status, response.StatusCode,
			"%s %s is answered otherwise than in the recording", r.method, r.path)
	}
	return nil
}
