// Command vaultd is HashiCorp Vault's core as a small server, for machines with no vault or bao on
// PATH. It has what the sandbox needs: the kv and database engines, the jwt and approle methods,
// and storage in files or raft. It takes what `vault server` takes: vaultd server -config FILE.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/database"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
	"github.com/hashicorp/vault/version"
)

// config is the part of Vault's configuration file that this server knows.
type config struct {
	Storage map[string]map[string]string `hcl:"storage"`

	Listener map[string]struct {
		Address        string `hcl:"address"`
		ClusterAddress string `hcl:"cluster_address"`
		CertFile       string `hcl:"tls_cert_file"`
		KeyFile        string `hcl:"tls_key_file"`
	} `hcl:"listener"`

	APIAddr      string `hcl:"api_addr"`
	ClusterAddr  string `hcl:"cluster_addr"`
	LogLevel     string `hcl:"log_level"`
	DisableMlock bool   `hcl:"disable_mlock"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vaultd:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if slices.Equal(args, []string{"-version"}) {
		fmt.Fprintf(os.Stdout, "Vault v%s, core with kv, database, jwt and approle\n", version.Version)
		return nil
	}
	// Vault takes -config FILE and -config=FILE.
	rest, isServer := strings.CutPrefix(strings.Join(args, " "), "server -config")
	name := strings.TrimLeft(rest, " =")
	if !isServer || name == "" {
		return errors.New("usage: vaultd server -config FILE, or vaultd -version")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var c config
	if err := hcl.Decode(&c, string(text)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return serve(c)
}

func serve(c config) error {
	logger := hclog.New(&hclog.LoggerOptions{
		Name:   "vaultd",
		Level:  hclog.LevelFromString(c.LogLevel),
		Output: os.Stderr,
	})
	core, err := newCore(c, logger)
	if err != nil {
		return err
	}
	tcp, isThere := c.Listener["tcp"]
	if !isThere {
		return errors.New(`configure a listener "tcp"`)
	}
	certificate, err := tls.LoadX509KeyPair(tcp.CertFile, tcp.KeyFile)
	if err != nil {
		return fmt.Errorf("listener: %w", err)
	}
	properties := &vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}
	handler := vaulthttp.Handler.Handler(properties)
	if tcp.ClusterAddress != "" {
		address, err := net.ResolveTCPAddr("tcp", tcp.ClusterAddress)
		if err != nil {
			return fmt.Errorf("cluster_address: %w", err)
		}
		core.SetClusterListenerAddrs([]*net.TCPAddr{address})
		core.SetClusterHandler(handler)
	}
	server := &http.Server{
		Addr:              tcp.Address,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
		},
		ErrorLog: logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		_ = core.Shutdown()
		_ = server.Close()
	}()
	err = server.ListenAndServeTLS("", "")
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return core.Shutdown() // waits for the one above
}

// storages are the kinds of storage that a configuration may name.
var storages = map[string]physical.Factory{
	"file": file.NewFileBackend,
	"raft": raft.NewRaftBackend,
}

func newCore(c config, logger hclog.Logger) (*vault.Core, error) {
	core := &vault.CoreConfig{
		LogicalBackends: map[string]logical.Factory{
			"kv":       kv.Factory,
			"database": database.Factory,
		},
		CredentialBackends: map[string]logical.Factory{
			"jwt":     jwtauth.Factory,
			"approle": approle.Factory,
		},
		BuiltinRegistry: registry{},
		RedirectAddr:    c.APIAddr,
		ClusterAddr:     c.ClusterAddr,
		Logger:          logger,
		DisableMlock:    c.DisableMlock,
	}
	for kind, settings := range c.Storage {
		makeStorage, known := storages[kind]
		if !known {
			return nil, fmt.Errorf("storage %q is not in this build: use file or raft", kind)
		}
		storage, err := makeStorage(settings, logger)
		if err != nil {
			return nil, fmt.Errorf("storage: %w", err)
		}
		core.StorageType = kind
		core.Physical = storage
		core.HAPhysical, _ = storage.(physical.HABackend)
	}
	if core.Physical == nil {
		return nil, errors.New(`configure storage "file" or "raft"`)
	}
	return vault.NewCore(core)
}

// registry tells Vault's plugin catalog what is built in. Vault's own list would link every cloud's
// SDK.
type registry struct{}

var builtin = map[consts.PluginType][]string{
	consts.PluginTypeSecrets:    {"kv"},
	consts.PluginTypeCredential: {"approle", "jwt"},
	consts.PluginTypeDatabase:   {"postgresql-database-plugin"},
}

func (registry) Contains(name string, kind consts.PluginType) bool {
	return slices.Contains(builtin[kind], name)
}

// Get makes the plugins whose factories the core is not given.
func (registry) Get(_ string, kind consts.PluginType) (func() (any, error), bool) {
	return postgresql.New, kind == consts.PluginTypeDatabase
}

func (registry) Keys(kind consts.PluginType) []string { return builtin[kind] }

func (r registry) DeprecationStatus(
	name string, kind consts.PluginType,
) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, kind)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
