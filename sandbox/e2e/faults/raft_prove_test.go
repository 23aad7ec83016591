//go:build prove && unix

package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/sandbox"
	"mlvault/sandbox/internal/vaultserver"
)

// TestProveAKilledRaftLeaderIsRepairedByTheNextUpAlone runs the program on three Vault processes with raft storage, and
// kills the one that leads. A stack that goes to a follower is not here: to it, the follower's errors are those of one Vault.
func TestProveAKilledRaftLeaderIsRepairedByTheNextUpAlone(t *testing.T) {
	t.Parallel()
	const credentials = 24
	c := newCluster(t)
	c.Adjust = c.useCluster
	var records []*record
	before, wanted := lab.Payloads(nil), several(credentials, "new")
	for _, x := range []struct {
		name, how string
		phase     phase
		strike    func()
	}{
		{"raft leader killed", "SIGKILL to the leader's process at half of the writes", create, c.killLeader},
		{"raft leader killed", "SIGKILL to the leader's process at half of the writes", change, c.killLeader},
		{"raft leader steps down", "sys/step-down at half of the writes", change, c.stepDown},
	} {
		configured := c.Prepare("dev", wanted)
		c.gate.fail(at(credentials/2, first(x.strike, pass)))
		_, err := configured.Up(t.Context(), optup.SuppressProgress())
		c.gate.fail(nil)
		r := record{fault: fault{name: x.name, how: x.how, act: "wait for an active Vault"}, phase: x.phase, err: err}
		if err != nil {
			c.requireExplained(err, "run up again")
			r.sentence = sandbox.Explain(err)
		}
		c.awaitActive()
		// What the engine does alone is measured first, since a cluster is not copied like a sandbox.
		plain, err := configured.Stack.Up(t.Context(), optup.SuppressProgress())
		require.NoError(t, err)
		r.plain = len(flaws(history(t, c.root()), wanted, before, wanted, several(credentials, "new")))+len(c.deployment(configured).PendingOperations) == 0
		r.v = c.judge(c.root(), before, wanted, nil, several(credentials, "new"))
		r.v.changes = *plain.Summary.ResourceChanges
		r.v.extra -= len(records) / 2 * credentials // the versions of the row before last
		require.LessOrEqual(t, r.v.extra, 2*inFlight)
		records = append(records, &r)
		c.revive()
		before, wanted = wanted, several(credentials, fmt.Sprint("newer", len(records)))
	}
	lab.Publish(t, "faults.md", "raft", table(c.Means(), records))
}

// cluster is three Vault processes, a load balancer before them and a lab whose stacks use it.
type cluster struct {
	*rig
	gate     *gate
	nodes    []*node
	keys     *api.InitResponse
	balancer string // address
	http     *http.Client
}

// node is a Vault server as an operator runs it: raft storage, TLS, a cluster port.
type node struct {
	ID, Dir, API, Cluster, Cert, Key string
	process                          *vaultserver.Process
}

func (n *node) start(binary string) (err error) {
	n.process, err = vaultserver.Run(binary, n.Dir, fmt.Sprintf(`
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
api_addr     = %q
cluster_addr = %q
`, n.Dir, n.ID, strings.TrimPrefix(n.API, "https://"), strings.TrimPrefix(n.Cluster, "https://"), n.Cert, n.Key, n.API, n.Cluster), nil)
	return err
}

// newCluster starts three nodes, lets two join the first, and mounts what the program expects.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{rig: newRig(t), gate: &gate{}}
	folder := filepath.Dir(c.Vault.CAFile())
	pool, ca := x509.NewCertPool(), lab.ReadFile(t, c.Vault.CAFile())
	require.True(t, pool.AppendCertsFromPEM([]byte(ca)))
	c.http = &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}

	for i := range 3 {
		n := &node{ID: fmt.Sprintf("node-%d", i), Dir: t.TempDir(), API: freeAddress(t), Cluster: freeAddress(t),
			Cert: filepath.Join(folder, "server.pem"), Key: filepath.Join(folder, "server-key.pem")}
		c.nodes = append(c.nodes, n)
		c.startNode(n)
	}
	var err error
	c.keys, err = c.client(c.nodes[0].API).Sys().InitWithContext(t.Context(), &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	require.NoError(t, err)
	for i, n := range c.nodes {
		if i > 0 {
			joined, err := c.client(n.API).Sys().RaftJoinWithContext(t.Context(), &api.RaftJoinRequest{LeaderAPIAddr: c.nodes[0].API, LeaderCACert: ca})
			require.NoError(t, err)
			require.True(t, joined.Joined)
		}
		c.unseal(n)
		if i == 0 {
			c.awaitHealth(n, http.StatusOK)
		}
	}
	for _, n := range c.nodes[1:] {
		c.awaitHealth(n, http.StatusTooManyRequests) // 429: an unsealed standby
	}
	c.balance()
	c.awaitActive()
	require.Eventually(t, func() bool {
		state, err := c.root().Sys().RaftAutopilotState()
		return err == nil && state != nil && len(state.Voters) == len(c.nodes)
	}, time.Minute, 200*time.Millisecond,
		"autopilot gives each node its vote; without, two nodes are no quorum")
	c.gate.root = c.keys.RootToken
	require.NoError(t, c.root().Sys().MountWithContext(t.Context(), "secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	return c
}

// useCluster gives a configuration the cluster's address, and a deployer's token of the cluster with its policy only.
func (c *cluster) useCluster(settings *sandbox.Settings) {
	own := *settings
	configured, err := c.Configure(c.T.Context(), own)
	require.NoError(c.T, err)
	require.NoError(c.T, c.root().Sys().PutPolicyWithContext(c.T.Context(), "deployer", configured.Config.Access().DeployerPolicy()))
	token, err := c.root().Auth().Token().CreateOrphanWithContext(c.T.Context(), &api.TokenCreateRequest{Policies: []string{"deployer"}, NoDefaultPolicy: true, TTL: "1h"})
	require.NoError(c.T, err)
	settings.Address, settings.Token = c.balancer, token.Auth.ClientToken
}

func (c *cluster) startNode(n *node) {
	require.NoError(c.T, n.start(c.Vault.Binary))
	c.T.Cleanup(n.process.Kill)
	require.Eventually(c.T, func() bool { return c.health(n) != 0 }, time.Minute, 50*time.Millisecond, "%s listens", n.ID)
}

// health is the status of sys/health: 200 active, 429 standby, 503 sealed, 501 not initialised, 0 no answer.
func (c *cluster) health(n *node) int {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, n.API+"/v1/sys/health", nil)
	if err != nil {
		return 0
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func (c *cluster) awaitHealth(n *node, status int) {
	require.Eventually(c.T, func() bool { return c.health(n) == status }, time.Minute, 50*time.Millisecond, "%s answers %d", n.ID, status)
}

func (c *cluster) unseal(n *node) {
	_, err := c.client(n.API).Sys().UnsealWithContext(c.T.Context(), c.keys.KeysB64[0])
	require.NoError(c.T, err)
}

// balance serves the load balancer: it sends every request to the node that leads.
func (c *cluster) balance() {
	certificate, err := c.Vault.Certificate()
	require.NoError(c.T, err)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := c.leader()
		if to == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		target, _ := url.Parse(to.API) // of our own making
		proxy := httputil.ReverseProxy{
			Transport:    c.http.Transport,
			Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		}
		proxy.ServeHTTP(w, r)
	})
	server := httptest.NewUnstartedServer(c.gate.wrap(handler))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	c.T.Cleanup(server.Close)
	c.balancer = server.URL
}

func (c *cluster) leader() *node {
	for _, n := range c.nodes {
		if c.health(n) == http.StatusOK {
			return n
		}
	}
	return nil
}

func (c *cluster) awaitActive() {
	require.Eventually(c.T, func() bool { return c.leader() != nil }, time.Minute, 50*time.Millisecond, "a node leads")
}

func (c *cluster) killLeader() {
	if n := c.leader(); n != nil {
		n.process.Kill()
	}
}

func (c *cluster) stepDown() { _ = c.root().Sys().StepDown() }

// revive starts the nodes that were killed, on the storage that they had.
func (c *cluster) revive() {
	for _, n := range c.nodes {
		if c.health(n) == 0 {
			c.startNode(n)
			c.unseal(n)
			c.awaitHealth(n, http.StatusTooManyRequests)
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
	client, err := api.NewClient(&api.Config{Address: address, HttpClient: &http.Client{Transport: c.http.Transport}, Timeout: time.Minute, MaxRetries: 5})
	require.NoError(c.T, err)
	client.ClearNamespace()
	return client
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return "https://" + listener.Addr().String()
}
