//go:build unix

package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/canary"
	"mlvault/sandbox/internal/sandbox"
)

// postgres is a PostgreSQL server of a test's own, from Debian's package, which .ci/run installs.
type postgres struct{ psql, port, password string }

func startPostgres(t *testing.T) postgres {
	t.Helper()
	server, err := exec.LookPath("postgres")
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); err != nil && len(found) > 0 {
		server, err = found[len(found)-1], nil
	}
	require.NoError(t, err, "this test needs a PostgreSQL server: install Debian's package postgresql")
	if real, err := filepath.EvalSymlinks(server); err == nil {
		server = real
	}
	dir, err := os.MkdirTemp("", "mlvault-postgres-") // t.TempDir is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 { // the server refuses to run as root
		nobody, err := user.Lookup("nobody")
		require.NoError(t, err)
		uid, err := strconv.Atoi(nobody.Uid)
		require.NoError(t, err)
		require.NoError(t, os.Chown(dir, uid, -1))
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	p := postgres{psql: filepath.Join(filepath.Dir(server), "psql"), password: "admin-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, p.port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	secret := filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(secret, []byte(p.password), 0o644)) //nolint:gosec // The server's user reads it.
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(server), "initdb"), "-D", data, "-U", "admin", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attributes, dir
	said, err := initdb.CombinedOutput()
	require.NoError(t, err, "%s", said)
	cmd := exec.Command(server, "-D", data, "-h", "127.0.0.1", "-p", p.port, "-k", dir, "-F")
	cmd.SysProcAttr, cmd.Dir = attributes, dir
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGINT); _ = cmd.Wait() })
	require.Eventually(t, func() bool { _, err := p.query("admin", p.password, "select 1"); return err == nil }, time.Minute, 100*time.Millisecond)
	return p
}

func (p postgres) query(name, password, sql string) (string, error) {
	cmd := exec.Command(p.psql, "-h", "127.0.0.1", "-p", p.port, "-U", name, "-d", "postgres", "-w", "-At", "-c", sql) //nolint:gosec // G204: the test's own.
	cmd.Env = []string{"PGPASSWORD=" + password, "PATH=" + os.Getenv("PATH")}
	said, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// read does what a job's script does, and returns what it got: name -> key -> value.
func read(t *testing.T, stack *sandbox.Stack, more ...string) (map[string]map[string]any, error) {
	t.Helper()
	outputs, err := stack.Outputs(t.Context())
	require.NoError(t, err)
	environment, err := stack.JobEnvironment(t.Context(), outputs)
	require.NoError(t, err)
	python, err := sandbox.FindPython()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), python, "-c",
		"import json; from vault_credentials import read_credentials as r; print(json.dumps({n: dict(c) for n, c in r().items()}))")
	cmd.Dir, cmd.Env = filepath.Join(lab.Repository(), "job"), []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, said bytes.Buffer
	cmd.Env = append(cmd.Env, more...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	var got map[string]map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	return got, nil
}

// Vault's own database engine and a real PostgreSQL server: the value of such a credential is made for one job, and neither
// the configuration nor the state ever has it.
func TestEachJobHasADatabaseUserOfItsOwnThatNobodyElseEverSaw(t *testing.T) {
	db := startPostgres(t)
	_, err := db.query("admin", db.password, "create table features (value text); insert into features values ('a feature')")
	require.NoError(t, err)
	l := newLabWith(t, "dev", "prod")
	require.NoError(t, l.Vault.Root().Sys().MountWithContext(t.Context(), "database", &api.MountInput{Type: "database"}))
	// As docs/operate.md tells the Vault team.
	l.write("database/config/features", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "ml-reader", "username": "admin", "password": db.password,
		"connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:" + db.port + "/postgres?sslmode=disable",
	})
	l.write("database/roles/ml-reader", map[string]any{
		"db_name": "features", "default_ttl": "30s", "max_ttl": "30s",
		"creation_statements": `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON features TO "{{name}}";`,
	})

	static := lab.Payloads{"ml_api_key": {"api_key": lab.Canary + "-key"}}
	dev, _ := l.Up("dev", static, lab.With(t, "vault.reads.features", "database/creds/ml-reader"))
	prod, _ := l.Up("prod", static)
	canaries, users := map[string]string{}, []string{}
	for _, job := range []string{"first", "second"} {
		got, err := read(t, dev)
		require.NoError(t, err)
		require.Equal(t, lab.Canary+"-key", got["ml_api_key"]["api_key"], "the static credential is beside it")
		name, password := fmt.Sprint(got["features"]["username"]), fmt.Sprint(got["features"]["password"])
		row, err := db.query(name, password, "select value from features")
		require.NoError(t, err, row)
		require.Equal(t, "a feature", row, "the user reads its table")
		users = append(users, name)
		parts := strings.Split(name, "-") // v-jwt-...-ml-reader-<random>-<time>
		canaries[job+" user"], canaries[job+" password"] = parts[len(parts)-2], password
	}
	require.NotEqual(t, users[0], users[1], "two jobs, two users")

	_, err = read(t, prod, `VAULT_CREDENTIALS={"features":"database/creds/ml-reader"}`)
	require.ErrorContains(t, err, "grants no read on exactly this path", "the other stack's job gets none")

	require.Eventually(t, func() bool {
		count, err := db.query("admin", db.password, "select count(*) from pg_roles where rolname like 'v-%'")
		return err == nil && count == "0"
	}, 2*time.Minute, time.Second, "each user is gone after its lease")
	_, err = db.query(users[0], canaries["first password"], "select 1")
	require.Error(t, err)

	var said bytes.Buffer
	_, err = dev.Up(t.Context(), optup.Refresh(), optup.ProgressStreams(&said), optup.ErrorProgressStreams(&said))
	require.NoError(t, err)
	outputs, err := dev.Outputs(t.Context())
	require.NoError(t, err)
	shown, err := json.Marshal(outputs)
	require.NoError(t, err)
	search, err := canary.New(canaries)
	require.NoError(t, err)
	require.Empty(t, search.Search(append(said.Bytes(), shown...)), "output of a run, and the stack's outputs")
	files := 0
	require.NoError(t, filepath.WalkDir(l.Options.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		require.Empty(t, search.Search(content), path)
		return err
	}))
	require.Greater(t, files, 20, "settings, state, history, logs, Vault's storage")
}
