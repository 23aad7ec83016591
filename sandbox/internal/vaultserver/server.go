// Package vaultserver runs a Vault server as a process of its own, for the sandbox: vault or bao,
// whichever the machine has, or vaultd of this repository. It listens on loopback with TLS, keeps
// its storage on disk, and is initialised, unsealed and given a KV v2 engine at secret/ through its
// API. Clients reach it through a proxy in this process, which counts requests and where tests put
// faults.
//
// A directory holds everything a second run needs to see the same Vault:
//
//	lock            held while a server runs on the directory
//	address         of the last run, asked for again by the next
//	keys.json       unseal key and root token (0600)
//	ca.pem          the private CA that clients trust
//	ca-key.pem, server.pem, server-key.pem
//	config.hcl, vault.log
//	storage/        Vault's own encrypted storage
//
// The unseal key lies beside the storage that it opens: whoever can read the directory owns this
// Vault. It is a sandbox, and for that reason it listens on loopback only.
package vaultserver

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"mlvault/sandbox/internal/cli"
	"mlvault/sandbox/internal/files"
	"mlvault/sandbox/internal/loopback"
)

// KVMount is the path of the KV v2 engine that Start makes sure of.
const KVMount = "secret"

// Server is a running Vault. Its methods but Stop are safe for concurrent use.
type Server struct {
	Binary string // that runs: a path of vault, bao or vaultd

	dir     string
	addr    string
	host    string // the IP address in addr
	process *Process
	keys    keys
	direct  *api.Client // with the root token, past the proxy and its faults
	root    *api.Client

	counting sync.Mutex
	requests map[string]int

	closers []func(context.Context) error // run in reverse order by Stop
}

// Start runs Vault on dir, which is made (0700) if it is not there, until Stop. The first run
// initialises it with a single unseal key and mounts KV v2 at KVMount; later runs unseal the same
// storage. It returns when the engine answers, or when ctx ends.
//
// wrap, unless it is nil, goes around Vault's HTTP handler, for tests that need faults. It is
// inside the request counter: an answered fault counts as a request.
//
// A directory that another process serves is refused with an *InUseError.
func Start(
	ctx context.Context, dir string, wrap func(http.Handler) http.Handler,
) (_ *Server, err error) {
	s := &Server{dir: dir}
	s.ResetRequests()
	defer func() {
		if err != nil {
			// The caller has no Server to stop, so whatever was opened so far, the directory's lock above
			// all, would outlive the failure.
			_ = s.Stop(context.WithoutCancel(ctx))
		}
	}()

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault server: state directory: %w", err)
	}

	s.Binary, err = cli.FindVault()
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s.onStop(func(context.Context) error { return lock.Close() })

	if err := s.makeStorage(); err != nil {
		return nil, fmt.Errorf("vault server: %w", err)
	}
	listener, err := loopback.Listen(ctx, filepath.Join(dir, "address"))
	if err != nil {
		return nil, fmt.Errorf("vault server: %w", err)
	}
	s.onStop(func(context.Context) error {
		_ = listener.Close() // again, after serve
		return nil
	})
	address := listener.Addr().String()
	s.addr = "https://" + address
	s.host, _, _ = net.SplitHostPort(address)
	if err := createTLS(dir, s.host); err != nil {
		return nil, fmt.Errorf("vault server: TLS files in %s: %w", dir, err)
	}
	if err := s.startProcess(ctx, lock); err != nil {
		return nil, fmt.Errorf("vault server: %w", err)
	}
	s.onStop(s.process.Stop)
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.serve(listener, wrap); err != nil {
		return nil, err
	}
	s.root, err = s.Client(s.keys.RootToken)
	if err != nil {
		return nil, err
	}
	if err := s.ensureKV(ctx); err != nil {
		return nil, fmt.Errorf("vault server: KV v2 engine at %s/: %w", KVMount, err)
	}
	s.ResetRequests()
	return s, nil
}

// makeStorage makes the folder of Vault's own storage, and empties that of a first start that was
// cut off: nobody has its keys, and nothing is stored yet.
func (s *Server) makeStorage() error {
	storage := s.path("storage")
	begun := s.path(begunFile)
	if _, err := os.Stat(begun); err == nil {
		err = errors.Join(os.RemoveAll(storage), os.Remove(begun))
		if err != nil {
			return err
		}
	}
	return os.MkdirAll(storage, 0o700)
}

// path is a file of this server's.
func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// Addr is the address clients use, https://host:port.
func (s *Server) Addr() string { return s.addr }

// About says which server runs, in its own words, and where.
func (s *Server) About(ctx context.Context) string {
	//nolint:gosec // G204: the server that runs.
	version, _ := exec.CommandContext(ctx, s.Binary, "-version").Output()
	line, _, _ := strings.Cut(strings.TrimSpace(string(version)), "\n")
	return fmt.Sprintf("%s, %s, at %s", line, s.Binary, s.addr)
}

// CAFile is the path of the PEM file with the CA that signed the server's certificate. The path
// stays the same when the CA is made anew.
func (s *Server) CAFile() string { return filepath.Join(s.dir, caFile) }

// Client returns a client with the given token, which trusts this server's CA and nothing else.
// VAULT_ADDR, VAULT_TOKEN and VAULT_NAMESPACE of the environment do not reach it. It does not
// retry, so that a fault is seen once.
func (s *Server) Client(token string) (*api.Client, error) { return s.client(s.addr, token) }

func (s *Server) client(address, token string) (*api.Client, error) {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		IdleConnTimeout:     30 * time.Second,
		MaxIdleConnsPerHost: 64,
	}
	config := &api.Config{
		Address:    address,
		HttpClient: &http.Client{Transport: transport},
		Timeout:    time.Minute,
	}
	if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile()}); err != nil {
		return nil, fmt.Errorf("vault client: %w", err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		// api.NewClient reads VAULT_* even when it is given everything.
		return nil, fmt.Errorf("vault client: %w (check the VAULT_* variables of the environment)", err)
	}
	client.ClearNamespace()
	client.SetToken(token)
	return client, nil
}

// Root returns a client with the root token, for the sandbox's own set-up and for tests. Programs
// under test get a token from Token.
func (s *Server) Root() *api.Client { return s.root }

// Token writes policyHCL as the policy policyName and returns a new token that carries that policy
// and no other, not even "default". The token has no parent, cannot be renewed, and ends after ttl
// (whole seconds, at least one).
func (s *Server) Token(
	ctx context.Context, policyName, policyHCL string, ttl time.Duration,
) (string, error) {
	if err := s.root.Sys().PutPolicyWithContext(ctx, policyName, policyHCL); err != nil {
		return "", fmt.Errorf("vault policy %s: %w", policyName, err)
	}
	renewable := false
	seconds := strconv.Itoa(int(ttl.Seconds())) + "s"
	secret, err := s.root.Auth().Token().CreateOrphanWithContext(ctx, &api.TokenCreateRequest{
		DisplayName:     policyName,
		Policies:        []string{policyName},
		NoDefaultPolicy: true,
		TTL:             seconds,
		ExplicitMaxTTL:  seconds,
		Renewable:       &renewable,
	})
	if err != nil {
		return "", fmt.Errorf("vault token with policy %s: %w", policyName, err)
	}
	return secret.Auth.ClientToken, nil
}

// Certificate is the server's certificate for this machine's loopback names, for the other servers
// of a sandbox: whoever trusts CAFile then trusts them all.
func (s *Server) Certificate() (tls.Certificate, error) {
	return loadPair(s.dir, serverFile, serverKeyFile)
}

// Seal seals Vault: every request is answered with 503 until Unseal.
func (s *Server) Seal() error {
	if err := s.direct.Sys().Seal(); err != nil {
		return fmt.Errorf("seal vault: %w", err)
	}
	return nil
}

// Unseal opens a sealed Vault and waits until its KV engine answers again. On an open one it only
// waits.
func (s *Server) Unseal(ctx context.Context) error {
	if err := s.unseal(ctx); err != nil {
		return err
	}
	return s.waitForKV(ctx)
}

// FillDisk makes every write of Vault to its storage fail, as a full disk does, or ends that. Linux
// only.
func (s *Server) FillDisk(full bool) error {
	size := "unlimited:"
	if full {
		size = "0:"
	}
	pid := strconv.Itoa(s.process.cmd.Process.Pid)
	//nolint:gosec // G204: our own arguments.
	limit := exec.CommandContext(context.Background(), "prlimit", "--pid", pid, "--fsize="+size)
	return limit.Run()
}

// Stop ends the server: it lets requests in flight finish until ctx ends, ends Vault, and frees the
// directory. A further call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Requests returns how many requests arrived since Start or ResetRequests, by method and path, such
// as "PUT secret/data/ml/key". Requests of Root and Token count as well.
func (s *Server) Requests() map[string]int {
	s.counting.Lock()
	defer s.counting.Unlock()
	return maps.Clone(s.requests)
}

// ResetRequests sets every count to zero.
func (s *Server) ResetRequests() {
	s.counting.Lock()
	defer s.counting.Unlock()
	s.requests = map[string]int{}
}

func (s *Server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counting.Lock()
		s.requests[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1/")]++
		s.counting.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (s *Server) onStop(f func(context.Context) error) { s.closers = append(s.closers, f) }

// startProcess runs the server on a free port, which another program may take in the moment before
// the server does.
func (s *Server) startProcess(ctx context.Context, lock *os.File) error {
	const tries = 3
	for try := 1; ; try++ {
		err := s.tryProcess(ctx, lock)
		taken := err != nil && strings.Contains(err.Error(), "address already in use")
		if !taken || try == tries {
			return err
		}
	}
}

func (s *Server) tryProcess(ctx context.Context, lock *os.File) error {
	address, err := FreeAddress(ctx, s.host)
	if err != nil {
		return err
	}
	s.direct, err = s.client("https://"+address, "")
	if err != nil {
		return err
	}
	s.process, err = Run(s.Binary, s.dir, s.configuration(address), lock)
	if err != nil {
		return err
	}
	err = s.process.await(ctx, s.direct)
	if err != nil {
		_ = s.process.Stop(ctx)
	}
	return err
}

// configuration is Vault's own, for a server that listens at address.
func (s *Server) configuration(address string) string {
	const text = `
storage "file" {
  path = %q
}
listener "tcp" {
  address       = %q
  tls_cert_file = %q
  tls_key_file  = %q
}
api_addr = %q
`
	certificate := s.path(serverFile)
	key := s.path(serverKeyFile)
	return fmt.Sprintf(text, s.path("storage"), address, certificate, key, s.addr)
}

// open brings Vault from whatever its storage holds to unsealed.
func (s *Server) open(ctx context.Context) error {
	initialised, err := s.direct.Sys().InitStatusWithContext(ctx)
	if err != nil {
		return fmt.Errorf("vault server: storage in %s: %w", s.dir, err)
	}
	if !initialised {
		err = s.initialise(ctx)
		if err != nil {
			return fmt.Errorf("vault server: initialise: %w", err)
		}
	}
	s.keys, err = readKeys(s.dir)
	if err != nil {
		return err
	}
	s.direct.SetToken(s.keys.RootToken)
	return s.unseal(ctx)
}

// initialise makes the storage's keys and keeps them beside it.
func (s *Server) initialise(ctx context.Context) error {
	if err := os.WriteFile(s.path(begunFile), nil, 0o600); err != nil {
		return err
	}
	// Shamir with one share of one: Vault's own seal, without the ceremony.
	one := &api.InitRequest{SecretShares: 1, SecretThreshold: 1}
	made, err := s.direct.Sys().InitWithContext(ctx, one)
	if err != nil {
		return err
	}
	data, err := json.Marshal(keys{UnsealKey: made.KeysB64[0], RootToken: made.RootToken})
	if err != nil {
		return err
	}
	if err := files.Replace(s.path(keysFile), data); err != nil {
		return fmt.Errorf("keep the unseal key: %w", err)
	}
	return os.Remove(s.path(begunFile))
}

func (s *Server) unseal(ctx context.Context) error {
	status, err := s.direct.Sys().SealStatusWithContext(ctx)
	if err == nil && status.Sealed {
		status, err = s.direct.Sys().UnsealWithContext(ctx, s.keys.UnsealKey)
	}
	if err == nil && status.Sealed {
		err = errors.New("the key was taken and Vault is still sealed")
	}
	if err != nil {
		return fmt.Errorf("unseal vault in %s: %w (if %s is not of this storage, %s)",
			s.dir, err, keysFile, startAnew)
	}
	return nil
}

// serve is the proxy before Vault.
func (s *Server) serve(listener net.Listener, wrap func(http.Handler) http.Handler) error {
	certificate, err := s.Certificate()
	if err != nil {
		return fmt.Errorf("vault server: %w", err)
	}
	target, err := url.Parse(s.direct.Address())
	if err != nil {
		return fmt.Errorf("vault server: %w", err)
	}
	handler := forward(target, s.direct.CloneConfig().HttpClient.Transport)
	if wrap != nil {
		handler = wrap(handler)
	}
	server := &http.Server{
		Handler: s.count(handler),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
		},
		ReadHeaderTimeout: 10 * time.Second,
		// Without a logger of its own net/http writes every failed TLS handshake to the process's
		// standard error.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.onStop(func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with http.ErrServerClosed at Stop
	return nil
}

func (s *Server) ensureKV(ctx context.Context) error {
	mounts, err := s.root.Sys().ListMountsWithContext(ctx)
	if err != nil {
		return err
	}
	if _, mounted := mounts[KVMount+"/"]; !mounted {
		kv := &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}
		if err := s.root.Sys().MountWithContext(ctx, KVMount, kv); err != nil {
			return err
		}
	}
	return s.waitForKV(ctx)
}

// waitForKV waits out the moment after a mount or an unseal in which a KV v2 engine answers 400
// "Upgrading from non-versioned to versioned data".
func (s *Server) waitForKV(ctx context.Context) error {
	for {
		_, err := s.root.Logical().ReadWithContext(ctx, KVMount+"/config")
		var answer *api.ResponseError
		if !errors.As(err, &answer) || answer.StatusCode != http.StatusBadRequest {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w while waiting: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
