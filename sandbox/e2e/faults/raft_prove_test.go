//go:build prove && unix

package faults

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

// TestProveAKilledRaftLeaderIsRepairedByTheNextUpAlone runs the program on three Vault processes
// with raft storage, and kills the one that leads. A stack that goes to a follower is not here: to
// it, the follower's errors are those of one Vault.
func TestProveAKilledRaftLeaderIsRepairedByTheNextUpAlone(t *testing.T) {
	t.Parallel()
	const credentials = 24
	c := newCluster(t)
	c.Adjust = c.useCluster
	var records []*record
	var before lab.Payloads
	wanted := several(credentials, "new")
	const killed = "SIGKILL to the leader's process at half of the writes"
	for _, x := range []struct {
		name   string
		how    string
		phase  phase
		strike func()
	}{
		{name: "raft leader killed", how: killed, phase: create, strike: c.killLeader},
		{name: "raft leader killed", how: killed, phase: change, strike: c.killLeader},
		{
			name:   "raft leader steps down",
			how:    "sys/step-down at half of the writes",
			phase:  change,
			strike: c.stepDown,
		},
	} {
		configured := c.Prepare("dev", wanted)
		c.half = credentials / 2
		at(first(x.strike, pass))(c.faulty)
		_, err := configured.Up(t.Context(), optup.SuppressProgress())
		c.gate.fail(nil, nil)
		of := fault{name: x.name, how: x.how, act: "wait for an active Vault"}
		r := record{fault: of, phase: x.phase, err: err}
		if err != nil {
			c.requireExplained(err, "run `make up` again")
			r.sentence = sandbox.Explain(err)
		}
		c.awaitActive()
		// What the engine does alone is measured first, since a cluster is not copied like a sandbox.
		plain, err := configured.Stack.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err)
		older := several(credentials, "new")
		found := flaws(history(t, c.root()), wanted, before, wanted, older)
		pending := c.deployment(configured).PendingOperations
		r.plain = len(found) == 0 && len(pending) == 0
		r.v = c.judge(c.root(), before, wanted, nil, older)
		r.v.changes = *plain.Summary.ResourceChanges
		r.v.extra -= len(records) / 2 * credentials // the versions of the row before last
		require.LessOrEqual(t, r.v.extra, 2*inFlight)
		records = append(records, &r)
		c.revive()
		before = wanted
		wanted = several(credentials, fmt.Sprint("newer", len(records)))
	}
	lab.Publish(t, "faults.md", "raft", table(c.Means(), records))
}

// cluster is three Vault processes, a load balancer before them and a lab whose stacks use it.
type cluster struct {
	*faulty
	nodes    []*node
	keys     *api.InitResponse
	balancer string // address
}

// node is a Vault server as an operator runs it: raft storage, TLS, a cluster port.
type node struct {
	dir     string
	api     string // address
	cluster string // address
	client  *api.Client
	process *vaultserver.Process
}

// newCluster starts three nodes, lets two join the first, and mounts what the program expects.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{faulty: &faulty{rig: newRig(t), gate: &gate{}}}
	address := func() string {
		free, err := vaultserver.FreeAddress(t.Context(), "127.0.0.1")
		require.NoError(t, err)
		return free
	}
	for range 3 {
		n := &node{dir: t.TempDir(), api: address(), cluster: address()}
		n.client = c.client("https://" + n.api)
		c.nodes = append(c.nodes, n)
		c.start(n)
	}
	var err error
	oneKey := &api.InitRequest{SecretShares: 1, SecretThreshold: 1}
	c.keys, err = c.nodes[0].client.Sys().InitWithContext(t.Context(), oneKey)
	require.NoError(t, err)
	join := &api.RaftJoinRequest{
		LeaderAPIAddr: "https://" + c.nodes[0].api,
		LeaderCACert:  lab.ReadFile(t, c.Vault.CAFile()),
	}
	for i, n := range c.nodes {
		if i > 0 {
			joined, err := n.client.Sys().RaftJoinWithContext(t.Context(), join)
			require.NoError(t, err)
			require.True(t, joined.Joined)
		}
		c.unseal(n, i > 0)
	}
	c.balance()
	c.awaitActive()
	require.Eventually(t, func() bool {
		state, err := c.root().Sys().RaftAutopilotState()
		return err == nil && state != nil && len(state.Voters) == len(c.nodes)
	}, time.Minute, 200*time.Millisecond,
		"autopilot gives each node its vote; without, two nodes are no quorum")
	c.gate.root = c.keys.RootToken
	kv := &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}
	require.NoError(t, c.root().Sys().MountWithContext(t.Context(), "secret", kv))
	return c
}

// useCluster gives a configuration the cluster's address, and a deployer's token of the cluster
// with its policy only.
func (c *cluster) useCluster(settings *sandbox.Settings) {
	own := *settings
	configured, err := c.Configure(c.T.Context(), own)
	require.NoError(c.T, err)
	policy := rights.DeployerPolicy(configured.Config, rights.State{})
	require.NoError(c.T, c.root().Sys().PutPolicyWithContext(c.T.Context(), "deployer", policy))
	tokens := c.root().Auth().Token()
	token, err := tokens.CreateOrphanWithContext(c.T.Context(), &api.TokenCreateRequest{
		Policies:        []string{"deployer"},
		NoDefaultPolicy: true,
		TTL:             "1h",
	})
	require.NoError(c.T, err)
	settings.Address = c.balancer
	settings.Token = token.Auth.ClientToken
}

// start runs a node on the storage that it has.
func (c *cluster) start(n *node) {
	const text = `
storage "raft" {
  path    = %q
  node_id = %q
}
listener "tcp" {
  address         = %q
  cluster_address = %q
  tls_cert_file   = %q
  tls_key_file    = %q
}
api_addr     = "https://%[3]s"
cluster_addr = "https://%[4]s"
`
	folder := filepath.Dir(c.Vault.CAFile())
	certificate := filepath.Join(folder, "server.pem")
	key := filepath.Join(folder, "server-key.pem")
	config := fmt.Sprintf(text, n.dir, n.api, n.api, n.cluster, certificate, key)
	process, err := vaultserver.Run(c.Vault.Binary, n.dir, config, nil)
	require.NoError(c.T, err)
	n.process = process
	c.T.Cleanup(process.Kill)
	require.Eventually(c.T, func() bool { return n.health() != nil }, time.Minute, 50*time.Millisecond,
		"it listens")
}

// health is nil where nothing answers.
func (n *node) health() *api.HealthResponse {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	health, _ := n.client.Sys().HealthWithContext(ctx)
	return health
}

func (c *cluster) unseal(n *node, standby bool) {
	_, err := n.client.Sys().UnsealWithContext(c.T.Context(), c.keys.KeysB64[0])
	require.NoError(c.T, err)
	require.Eventually(c.T, func() bool {
		health := n.health()
		return health != nil && health.Initialized && !health.Sealed && health.Standby == standby
	}, time.Minute, 50*time.Millisecond, "it is unsealed, and a standby: %t", standby)
}

// balance serves the load balancer: it sends every request to the node that leads.
func (c *cluster) balance() {
	certificate, err := c.Vault.Certificate()
	require.NoError(c.T, err)
	server := httptest.NewUnstartedServer(c.gate.wrap(&httputil.ReverseProxy{
		Transport: c.nodes[0].client.CloneConfig().HttpClient.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			target := &url.URL{Scheme: "https"} // no host: the request fails
			if n := c.leader(); n != nil {
				target.Host = n.api
			}
			r.SetURL(target)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
	}
	server.StartTLS()
	c.T.Cleanup(server.Close)
	c.balancer = server.URL
}

func (c *cluster) leader() *node {
	for _, n := range c.nodes {
		health := n.health()
		if health == nil {
			continue
		}
		if health.Initialized && !health.Sealed && !health.Standby {
			return n
		}
	}
	return nil
}

func (c *cluster) awaitActive() {
	require.Eventually(c.T, func() bool { return c.leader() != nil }, time.Minute, 50*time.Millisecond,
		"a node leads")
}

func (c *cluster) killLeader() {
	if n := c.leader(); n != nil {
		n.process.Kill()
	}
}

func (c *cluster) stepDown() { _ = c.root().Sys().StepDown() }

// revive starts the nodes that were killed.
func (c *cluster) revive() {
	for _, n := range c.nodes {
		if n.health() == nil {
			c.start(n)
			c.unseal(n, true)
		}
	}
}

// root is a client with the root token, through the load balancer.
func (c *cluster) root() *api.Client {
	client := c.client(c.balancer)
	client.SetToken(c.keys.RootToken)
	client.SetMaxRetries(5)
	return client
}

func (c *cluster) client(address string) *api.Client {
	client, err := c.Vault.Client("")
	require.NoError(c.T, err)
	require.NoError(c.T, client.SetAddress(address))
	return client
}
