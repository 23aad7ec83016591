//go:build prove && unix

package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
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
// kills the one that leads.
func TestProveAKilledRaftLeaderIsRepairedByTheNextUpAlone(t *testing.T) {
	const credentials = 24
	c := newCluster(t)
	var records []record
	for i, x := range []struct {
		name, how string
		direct    bool
		strike    func()
	}{
		{"raft leader killed, through a load balancer", "SIGKILL to the leader's process at half of the writes; vaultAddress is a proxy that goes to the node whose sys/health says 200", false, c.killLeader},
		{"raft leader killed, through a follower", "SIGKILL to the leader's process when Vault holds half of the credentials; vaultAddress is a follower", true, c.killLeader},
		{"raft leader steps down", "sys/step-down at half of the writes, through the load balancer", false, c.stepDown},
	} {
		prefix := fmt.Sprintf("raft%d-", i)
		generation := func(name string) lab.Payloads {
			all := lab.Payloads{}
			for key, data := range several(credentials, prefix+name) {
				all[key] = data
			}
			return all
		}
		for _, p := range []phase{create, change} {
			t.Run(x.name+", "+string(p), func(t *testing.T) {
				c.T = t
				before, wanted := lab.Payloads(nil), generation("new")
				if p == create {
					c.reset()
				} else {
					before = generation("new")
					wanted = generation("newer")
				}
				c.address = c.balancer
				if x.direct {
					c.address = c.follower()
				}
				configured := c.Prepare("dev", wanted)
				if x.direct {
					go c.when(credentials/2, p, x.strike)
				} else {
					c.gate.fail(at(credentials/2, first(x.strike, pass)))
				}
				_, err := configured.Up(t.Context(), optup.SuppressProgress())
				c.gate.fail(nil)
				r := record{fault: fault{name: x.name, how: x.how}, phase: p, err: err}
				if err != nil {
					c.requireExplained(err, "run up again")
					r.sentence = sandbox.Explain(err)
				}
				c.awaitActive()
				r.v = c.judge(c.root(), before, wanted, nil)
				require.LessOrEqual(t, r.v.extra, 3*2*inFlight)
				records = append(records, r)
				c.revive()
			})
		}
	}
	if !t.Failed() {
		publish(t, "raft", table(records))
	}
}

// cluster is three Vault processes, a load balancer before them and a lab whose stacks use it.
type cluster struct {
	*rig
	owner    *testing.T // the nodes end with it, not with a subtest
	gate     *gate
	nodes    []*node
	keys     *api.InitResponse
	balancer string // address
	address  string // what the program is given
	active   atomic.Pointer[node]
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
	c := &cluster{rig: newRig(t), owner: t, gate: &gate{}}
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
	require.Eventually(t, func() bool { return c.voters() == len(c.nodes) }, time.Minute, 200*time.Millisecond,
		"autopilot gives each node its vote; without, two nodes are no quorum")
	c.gate.root = c.keys.RootToken
	require.NoError(t, c.root().Sys().MountWithContext(t.Context(), "secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	c.Adjust = c.useCluster
	return c
}

func (c *cluster) voters() (count int) {
	configuration, err := c.root().Logical().ReadWithContext(c.T.Context(), "sys/storage/raft/configuration")
	if err != nil || configuration == nil {
		return 0
	}
	config, _ := configuration.Data["config"].(map[string]any)
	servers, _ := config["servers"].([]any)
	for _, server := range servers {
		if s, _ := server.(map[string]any); s["voter"] == true {
			count++
		}
	}
	return count
}

// useCluster gives a configuration the cluster's address, and a deployer's token of the cluster with its policy only.
func (c *cluster) useCluster(settings *sandbox.Settings) {
	own := *settings
	configured, err := c.Configure(c.T.Context(), own)
	require.NoError(c.T, err)
	require.NoError(c.T, c.root().Sys().PutPolicyWithContext(c.T.Context(), "deployer", configured.Config.Access().DeployerPolicy()))
	token, err := c.root().Auth().Token().CreateOrphanWithContext(c.T.Context(), &api.TokenCreateRequest{Policies: []string{"deployer"}, NoDefaultPolicy: true, TTL: "1h"})
	require.NoError(c.T, err)
	settings.Address, settings.Token = c.address, token.Auth.ClientToken
}

func (c *cluster) startNode(n *node) {
	require.NoError(c.T, n.start(c.Vault.Binary))
	c.owner.Cleanup(n.process.Kill)
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

// balance serves the load balancer: it asks each node for its health five times a second and sends every request to the
// active one.
func (c *cluster) balance() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.T, err)
	certificate, err := c.Vault.Certificate()
	require.NoError(c.T, err)
	transport := &http.Transport{TLSClientConfig: c.http.Transport.(*http.Transport).TLSClientConfig.Clone()} //nolint:forcetypeassert // made above.
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			if to, err := url.Parse(c.active.Load().API); err == nil {
				r.SetURL(to)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.active.Load() == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: c.gate.wrap(handler), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	c.balancer = "https://" + listener.Addr().String()
	stop := make(chan struct{})
	go func() {
		for {
			c.active.Store(c.leader())
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	c.T.Cleanup(func() { close(stop); _ = server.Close() })
}

func (c *cluster) leader() *node {
	for _, n := range c.nodes {
		if c.health(n) == http.StatusOK {
			return n
		}
	}
	return nil
}

func (c *cluster) follower() string {
	for _, n := range c.nodes {
		if c.health(n) == http.StatusTooManyRequests {
			return n.API
		}
	}
	c.T.Fatal("no node is a standby")
	return ""
}

func (c *cluster) awaitActive() {
	require.Eventually(c.T, func() bool { return c.active.Load() != nil && c.health(c.active.Load()) == http.StatusOK }, time.Minute, 50*time.Millisecond, "a node leads")
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

// when strikes once Vault holds that many credentials of the run. The engine takes them in the order of their names, so a
// change has come that far when the one at that place has a second version.
func (c *cluster) when(writes int, p phase, strike func()) {
	vault := c.root()
	for range 3000 {
		time.Sleep(10 * time.Millisecond)
		if p == create {
			list, err := vault.Logical().List("secret/metadata/mlvault/dev")
			if err != nil || list == nil {
				continue
			}
			if names, _ := list.Data["keys"].([]any); len(names) < writes {
				continue
			}
		} else {
			metadata, err := vault.Logical().Read(fmt.Sprintf("secret/metadata/mlvault/dev/key_%02d", writes-1))
			if err != nil || metadata == nil || fmt.Sprint(metadata.Data["current_version"]) == "1" {
				continue
			}
		}
		strike()
		return
	}
}

// reset destroys the stack of the run before, and purges what it left in Vault, so that versions count from one.
func (c *cluster) reset() {
	c.address = c.balancer
	if selected, err := c.Select(c.T.Context(), "dev"); err == nil && !errors.Is(selected.Exists(c.T.Context()), sandbox.ErrNoStack) {
		c.Destroy(selected)
	}
	for name := range history(c.T, c.root()) {
		_, err := c.root().Logical().DeleteWithContext(c.T.Context(), "secret/metadata/mlvault/dev/"+name)
		require.NoError(c.T, err)
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
