package identity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/canary"
	"mlvault/sandbox/internal/sandbox"
)

// postgres is a PostgreSQL server that ends with its test.
type postgres struct {
	port     string
	admin    string
	password string
}

func startPostgres(t *testing.T) (p postgres) {
	t.Helper()
	cmd := exec.Command("pg_virtualenv", "-t", "sh", "-c",
		`echo "ready $PGPORT $PGUSER $PGPASSWORD"; cat`)
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(),
		"this test needs a PostgreSQL server: install Debian's package postgresql")
	t.Cleanup(func() { _ = input.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(output)
	for p.password == "" && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "ready %s %s %s", &p.port, &p.admin, &p.password)
	}
	require.NotEmpty(t, p.password, "pg_virtualenv starts no server")
	return p
}

func (p postgres) query(name, password, sql string) (string, error) {
	cmd := exec.Command("psql", "-h", "127.0.0.1", "-p", p.port, "-U", name,
		"-d", "postgres", "-w", "-At", "-c", sql)
	cmd.Env = []string{"PGPASSWORD=" + password, "PATH=" + os.Getenv("PATH")}
	said, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// read is what a job's script gets: name -> key -> value.
func read(
	t *testing.T, stack *sandbox.Stack, more ...string,
) (got map[string]map[string]any, err error) {
	t.Helper()
	const script = `
import json
from vault_credentials import read_credentials
print(json.dumps({name: dict(values) for name, values in read_credentials().items()}))
`
	cmd := lab.Python(t, stack, lab.HandedOver(t, stack), script)
	cmd.Env = append(cmd.Env, more...)
	out, err := cmd.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		return nil, fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	require.NoError(t, json.Unmarshal(out, &got))
	return got, err
}

// Vault's own database engine and a real PostgreSQL server: the value of such a credential is made
// for one job, and neither the configuration nor the state ever has it.
func TestEachJobHasADatabaseUserOfItsOwnThatNobodyElseEverSaw(t *testing.T) {
	db := startPostgres(t)
	const table = "create table features (value text); insert into features values ('a feature')"
	_, err := db.query(db.admin, db.password, table)
	require.NoError(t, err)
	l := newLabWith(t, "dev", "prod")
	l.Write("sys/mounts/database", map[string]any{"type": "database"})
	// As docs/operate.md tells the Vault team.
	l.Write("database/config/features", map[string]any{
		"plugin_name":   "postgresql-database-plugin",
		"allowed_roles": "ml-reader",
		"username":      db.admin,
		"password":      db.password,
		"connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:" + db.port +
			"/postgres?sslmode=disable",
	})
	l.Write("database/roles/ml-reader", map[string]any{
		"db_name":     "features",
		"default_ttl": "30s",
		"max_ttl":     "30s",
		"creation_statements": `CREATE ROLE "{{name}}"
			WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
			GRANT SELECT ON features TO "{{name}}";`,
	})

	static := lab.Payloads{"ml_api_key": {"api_key": lab.Canary + "-key"}}
	dev, _ := l.Up("dev", static, lab.With(t, "vault.reads.features", "database/creds/ml-reader"))
	prod, _ := l.Up("prod", static)
	canaries := map[string]string{}
	var users []string
	for _, job := range []string{"first", "second"} {
		got, err := read(t, dev)
		require.NoError(t, err)
		require.Equal(t, lab.Canary+"-key", got["ml_api_key"]["api_key"],
			"the static credential is beside it")
		name := fmt.Sprint(got["features"]["username"])
		password := fmt.Sprint(got["features"]["password"])
		row, err := db.query(name, password, "select value from features")
		require.NoError(t, err, row)
		require.Equal(t, "a feature", row, "the user reads its table")
		users = append(users, name)
		parts := strings.Split(name, "-") // v-jwt-...-ml-reader-<random>-<time>
		canaries[job+" user"] = parts[len(parts)-2]
		canaries[job+" password"] = password
	}
	require.NotEqual(t, users[0], users[1], "two jobs, two users")

	_, err = read(t, prod, `VAULT_CREDENTIALS={"features":"database/creds/ml-reader"}`)
	require.ErrorContains(t, err, "grants no read on exactly this path",
		"the other stack's job gets none")

	require.Eventually(t, func() bool {
		const users = "select count(*) from pg_roles where rolname like 'v-%'"
		count, err := db.query(db.admin, db.password, users)
		return err == nil && count == "0"
	}, 2*time.Minute, time.Second, "each user is gone after its lease")
	_, err = db.query(users[0], canaries["first password"], "select 1")
	require.Error(t, err)

	var said bytes.Buffer
	_, err = dev.Up(t.Context(), optup.Refresh(),
		optup.ProgressStreams(&said), optup.ErrorProgressStreams(&said))
	require.NoError(t, err)
	outputs, err := dev.Outputs(t.Context())
	require.NoError(t, err)
	shown, err := json.Marshal(outputs)
	require.NoError(t, err)
	search, err := canary.New(canaries)
	require.NoError(t, err)
	everything := append(said.Bytes(), shown...)
	require.Empty(t, search.Search(everything), "output of a run, and the stack's outputs")
	files := lab.Files(t, l.Options.Dir)
	require.Greater(t, len(files), 20, "settings, state, history, logs, Vault's storage")
	for path, content := range files {
		require.Empty(t, search.Search(content), path)
	}
}

// loggingIn is the beginning of a script that logs in to PostgreSQL with what the client gives.
const loggingIn = `
import json, os, subprocess, time
from vault_credentials import VaultCredentials

vault = VaultCredentials()


def log_in(credential):
    environment = {**os.environ, "PGPASSWORD": credential["password"]}
    command = ["psql", "-h", "127.0.0.1", "-p", os.environ["PORT"], "-d", "postgres", "-wAt"]
    done = subprocess.run([*command, "-U", credential["username"], "-c", "select 1"],
                          env=environment, capture_output=True)
    return done.returncode == 0

`

// rotating logs in all the time through several rotations, and says how often the database refused
// it. After a refusal it asks Vault again.
const rotating = loggingIn + `
logins, refused, passwords, known = 0, 0, [], []
until = time.monotonic() + 25
while time.monotonic() < until:
    credential = vault["features"]
    known.append(credential.expires_at is not None)
    if credential["password"] not in passwords:
        passwords.append(credential["password"])
    logins += 1
    if not log_in(credential):
        # Vault may have changed it between the read and the login.
        refused += not log_in(vault.refresh("features")["features"])
    time.sleep(0.1)
vault.close()
print(json.dumps({"logins": logins, "refused": refused, "passwords": len(passwords), "known": all(known)}))
`

// Vault changes the password of a static role at set times. A client that lives never uses an old
// one longer than it takes to ask once.
func TestALivingClientFollowsTheRotationsOfAStaticRole(t *testing.T) {
	db := startPostgres(t)
	_, err := db.query(db.admin, db.password, "create role ml_static login password 'unknown'")
	require.NoError(t, err)
	l := newLabWith(t, "dev")
	l.Write("sys/mounts/database", map[string]any{"type": "database"})
	l.Write("database/config/features", map[string]any{
		"plugin_name":    "postgresql-database-plugin",
		"allowed_roles":  "ml-static",
		"username":       db.admin,
		"password":       db.password,
		"connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:" + db.port + "/postgres?sslmode=disable",
	})
	l.Write("database/static-roles/ml-static", map[string]any{
		"db_name": "features", "username": "ml_static", "rotation_period": "7s",
	})
	static := lab.Payloads{"ml_api_key": {"api_key": lab.Canary + "-key"}}
	dev, _ := l.Up("dev", static, lab.With(t, "vault.reads.features", "database/static-creds/ml-static"))

	cmd := lab.Python(t, dev, lab.HandedOver(t, dev), rotating)
	cmd.Env = append(cmd.Env, "PORT="+db.port)
	said, err := cmd.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		require.NoError(t, err, "%s", failed.Stderr)
	}
	require.NoError(t, err)
	var result struct {
		Logins, Refused, Passwords int
		Known                      bool
	}
	require.NoError(t, json.Unmarshal(said, &result))
	require.Zero(t, result.Refused, "%s", said)
	require.GreaterOrEqual(t, result.Passwords, 2, "%s", said)
	require.True(t, result.Known, "expires_at tells of the rotation")
	t.Logf("%s", said)
}

// renewing logs in all the time through several leases, and says as which users.
const renewing = loggingIn + `
users, refused = [], 0
until = time.monotonic() + float(os.environ["SECONDS"])
while time.monotonic() < until:
    credential = vault["features"]
    if credential["username"] not in users:
        users.append(credential["username"])
    refused += not log_in(credential)
    time.sleep(0.1)
vault.close()
print(json.dumps({"users": len(users), "refused": refused}))
`

// A job that may renew its lease stays the same user until the engine's max_ttl. One that may not
// gets another user in time.
func TestALivingClientKeepsItsDatabaseUserAsLongAsVaultLendsIt(t *testing.T) {
	db := startPostgres(t)
	l := newLabWith(t, "dev")
	l.Write("sys/mounts/database", map[string]any{"type": "database"})
	l.Write("database/config/features", map[string]any{
		"plugin_name":   "postgresql-database-plugin",
		"allowed_roles": "ml-reader",
		"username":      db.admin,
		"password":      db.password,
		"connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:" + db.port +
			"/postgres?sslmode=disable",
	})
	l.Write("database/roles/ml-reader", map[string]any{
		"db_name":     "features",
		"default_ttl": "9s",
		"max_ttl":     "20s",
		"creation_statements": `CREATE ROLE "{{name}}"
			WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
	})
	static := lab.Payloads{"ml_api_key": {"api_key": lab.Canary + "-key"}}
	dev, _ := l.Up("dev", static, lab.With(t, "vault.reads.features", "database/creds/ml-reader"))
	users := func(seconds string) int {
		t.Helper()
		cmd := lab.Python(t, dev, lab.HandedOver(t, dev), renewing)
		cmd.Env = append(cmd.Env, "PORT="+db.port, "SECONDS="+seconds)
		said, err := cmd.Output()
		if failed := new(exec.ExitError); errors.As(err, &failed) {
			require.NoError(t, err, "%s", failed.Stderr)
		}
		require.NoError(t, err)
		var result struct{ Users, Refused int }
		require.NoError(t, json.Unmarshal(said, &result))
		require.Zero(t, result.Refused, "%s", said)
		return result.Users
	}

	// Renewed after 6 and 12 seconds. After 17 the end is near, and another user serves.
	require.Equal(t, 1, users("15"))
	require.Equal(t, 2, users("25"))

	restore := l.mutate(dev.Config.PolicyPath(), func(policy map[string]any) {
		text := fmt.Sprint(policy["policy"])
		require.Contains(t, text, "sys/leases/renew")
		policy["policy"] = strings.ReplaceAll(text, "sys/leases/renew", "sys/leases/other")
	})
	defer restore()
	require.Equal(t, 3, users("15"), "another user after each 6 seconds")
}
