package surfaces

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/rights"
	"mlvault/sandbox/e2e/lab"
	searching "mlvault/sandbox/internal/canary"
	"mlvault/sandbox/internal/sandbox"
)

// secretsOf are credentials in every shape, made of canaries, and the canaries by name.
type secretsOf struct {
	credentials lab.Payloads
	canaries    map[string]string
}

// newSecrets makes credentials whose every value is a canary of its own.
func newSecrets(generation string) secretsOf {
	s := secretsOf{canaries: map[string]string{}}
	// text is a canary; each % in the format becomes a random text.
	text := func(name, format string) string {
		for strings.Contains(format, "%") {
			format = strings.Replace(format, "%", rand.Text(), 1)
		}
		s.canaries[generation+" "+name] = format
		return format
	}
	digits := mathrand.Int64N(8e14) + 1e14 // 15 digits, which a float64 keeps
	s.canaries[generation+" number"] = fmt.Sprint(digits)
	prefix := text("prefix", "%")
	s.credentials = lab.Payloads{
		"plain": {"key": text("plain", "%")},
		"quotes": {
			"key":  text("quotation marks", `%"%`),
			"path": text("backslashes", `%\%`),
		},
		"html":  {"key": text("HTML", "%<%&%>")},
		"mixed": {"key": text("quotation marks and HTML", `%"<%&"%`)},
		"unicode": {
			"key":   text("Unicode", "%é漢字😀%"),
			"space": text("no-break space", "%\u00a0%"),
		},
		"pem": {"key": strings.Join([]string{
			"-----BEGIN KEY-----",
			text("PEM", "%"),
			text("PEM, line 2", "%"),
			"-----END KEY-----",
			"",
		}, "\n")},
		"nested": {"level": map[string]any{"deep": []any{
			text("nested", "%"),
			map[string]any{"deeper": text("nested deeper", "%")},
		}}},
		"numbers": {
			"number": digits,
			"float":  0.25,
			"beside": text("beside a number", "%"),
			"truth":  true,
		},
		"json": {"key": `{"client_id":"x","client_secret":"` + text("inside a JSON text", "%") + `"}`},
		// The CLI replaces texts in no fixed order, so that the longer one may keep its rest.
		"prefix": {
			"user":     prefix,
			"password": prefix + text("after a prefix", "%"),
		},
	}
	return s
}

// loopback is an address that nothing else on the machine has, so that its text is a canary. On
// Linux all of 127/8 is there.
func loopback() string {
	part := func() int { return 100 + mathrand.IntN(100) }
	return fmt.Sprintf("127.%d.%d.%d:0", part(), part(), part())
}

// proof is a lab in which everything secret is a canary, and what is searched of it.
type proof struct {
	*lab.Lab
	ear      *ear
	settings sandbox.Settings
	dev      *sandbox.Stack
	weak     string // a token that may not write
	dead     string // a token that Vault never made
	temp     string
	log      string // the event log of the last command that wrote one
	debug    int    // lines of the plugin that held a payload before the CLI masked it

	search  *searching.Searcher
	allowed map[string]string // path of a file -> the one canary that must stand in it
	excused string            // a canary that the documents say is shown in the step that runs

	mu    sync.Mutex
	tally map[string]*tally // by kind of surface
	order []string
}

// newProof configures the dev stack with the first secrets; the others are searched for too.
func newProof(t *testing.T, secrets ...secretsOf) *proof {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := t.TempDir()
	phrase := rand.Text()
	token := rand.Text()
	weak := rand.Text()
	dead := rand.Text()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "passphrase"), []byte(phrase), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "vault"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vault", "address"), []byte(loopback()), 0o600))
	l := lab.Open(t, sandbox.Options{Dir: dir})

	canaries := map[string]string{
		"passphrase": phrase,
		"token":      token,
		"weak token": weak,
		"dead token": dead,
		"address":    strings.TrimPrefix(l.Vault.Addr(), "https://"),
	}
	for _, secrets := range secrets {
		maps.Copy(canaries, secrets.canaries)
	}
	search, err := searching.New(canaries)
	require.NoError(t, err)
	p := &proof{
		Lab:     l,
		search:  search,
		temp:    temp,
		dead:    dead,
		ear:     listen(l),
		tally:   map[string]*tally{},
		allowed: map[string]string{filepath.Join(dir, "passphrase"): "passphrase"},
	}
	// The server's own files. OpenBao's log names its address.
	for _, own := range []string{"address", "config.hcl", "vault.log"} {
		p.allowed[filepath.Join(dir, "vault", own)] = "address"
	}
	p.settings = sandbox.Settings{Stack: "dev", Credentials: secrets[0].credentials.JSON(t)}
	// With Vault's own random token the first characters would be the same in every token of the
	// world.
	policy := rights.DeployerPolicy(p.Configured(p.settings).Config, rights.State{})
	p.settings.Token = p.token(token, "deployer", policy)
	p.weak = p.token(weak, "weak", `path "auth/token/*" { capabilities = ["read", "update"] }`)
	// The sandbox's own token is not used here.
	require.NoError(t, os.Remove(p.DeployerTokenFile("dev")))
	p.dev = p.Configured(p.settings)
	p.expect("the settings", nil)
	return p
}

// genuine tells whether the run has the genuine Vault plugin.
func (p *proof) genuine() bool { return strings.HasPrefix(p.Plugin, "the genuine") }

// token makes a token of a given text with a policy of its own.
func (p *proof) token(text, name, policy string) string {
	p.T.Helper()
	p.Write("sys/policies/acl/"+name, map[string]any{"policy": policy})
	tokens := p.Vault.Root().Auth().Token()
	_, err := tokens.CreateOrphanWithContext(p.T.Context(), &api.TokenCreateRequest{
		ID:              text,
		Policies:        []string{name},
		NoDefaultPolicy: true,
	})
	require.NoError(p.T, err)
	return text
}

// Modes of a command: what a person reads, JSON, and JSON with an event log, which is searched with
// the other temporary files. The Automation API keeps the event log of a preview for itself.
func (p *proof) text() { p.ear.with(nil) }
func (p *proof) json() { p.ear.with([]string{"--json"}) }
func (p *proof) logged() {
	log, err := os.CreateTemp(p.temp, "event-log-*.json")
	require.NoError(p.T, err)
	require.NoError(p.T, log.Close())
	p.log = log.Name()
	p.ear.with([]string{"--json", "--event-log", p.log}, "PULUMI_DEBUG_COMMANDS=true")
}

// These run a command of the stack as it is configured at that moment.
func (p *proof) preview(options ...optpreview.Option) error {
	_, err := p.dev.Preview(p.T.Context(), options...)
	return err
}

func (p *proof) up(options ...optup.Option) error {
	_, err := p.dev.Up(p.T.Context(), options...)
	return err
}

func (p *proof) refresh() error {
	_, err := p.dev.Refresh(p.T.Context())
	return err
}

// expect searches what a step showed that has to succeed. It must be nothing.
func (p *proof) expect(step string, err error) {
	p.T.Helper()
	require.NoError(p.T, err, step)
	require.Empty(p.T, p.hear(), step)
}

// refused is expect for a step that fails: the error itself is searched too.
func (p *proof) refused(step string, err error) {
	p.T.Helper()
	require.Error(p.T, err, step)
	p.expect(step, nil)
	require.Empty(p.T, p.look("errors of the Automation API", step, []byte(err.Error())), step)
}

// cli runs a command of the CLI that the Automation API has no function for.
func (p *proof) cli(stdin string, args ...string) error {
	p.T.Helper()
	workspace := p.dev.Workspace()
	env := []string{"PULUMI_HOME=" + workspace.PulumiHome()}
	for name, value := range workspace.GetEnvVars() {
		env = append(env, name+"="+value)
	}
	args = append(args, "--stack", "dev")
	input := strings.NewReader(stdin)
	folder := workspace.WorkDir()
	_, _, _, err := p.ear.Run(p.T.Context(), folder, input, nil, nil, env, args...)
	return err
}

func TestNoSurfaceOfANormalRunHoldsASecret(t *testing.T) {
	first := newSecrets("first")
	second := newSecrets("second")
	p := newProof(t, first, second)
	stop := p.processes()
	plan := filepath.Join(p.temp, "plan.json")

	p.text()
	p.expect("preview --diff --save-plan", p.preview(optpreview.Diff(), optpreview.Plan(plan)))
	p.json()
	p.expect("preview --json", p.preview())
	p.logged()
	p.expect("up --json --plan", p.up(optup.Plan(plan)))
	require.Positive(t, p.debug,
		"the plugin's debug line, in which payloads leak, was there to be masked")
	p.logged()
	p.expect("refresh --json", p.refresh())
	p.json()
	p.expect("preview --refresh --expect-no-changes --json",
		p.preview(optpreview.Refresh(), optpreview.ExpectNoChanges()))

	p.settings.Credentials = second.credentials.JSON(t)
	p.dev = p.Configured(p.settings)
	p.logged()
	p.expect("up --json, changed payload", p.up())
	p.text()
	p.expect("up --diff", p.up(optup.Diff()))

	for _, command := range [][]string{
		{"stack", "export"},
		{"stack", "history", "--json"},
		{"stack", "history"},
		{"stack"},
		{"stack", "output", "--json"},
		{"config"},
		{"config", "--json"},
		{"stack", "graph", filepath.Join(p.temp, "graph.dot")},
	} {
		p.expect(strings.Join(command, " "), p.cli("", command...))
	}
	p.failures(first)

	p.settings.Credentials = second.credentials.JSON(t)
	p.dev = p.Configured(p.settings)
	p.logged()
	_, err := p.dev.Destroy(t.Context(), optdestroy.ShowSecrets(false))
	p.expect("destroy --json", err)

	const (
		ofSandbox = "files of the sandbox: state, history, backups, logs, Vault's storage"
		temporary = "temporary files: event logs, plan, graph"
	)
	require.Empty(t, stop())
	require.Empty(t, p.files(ofSandbox, p.Options.Dir))
	require.Empty(t, p.files(temporary, p.temp))
	require.Greater(t, p.tally[temporary].bytes, 100_000, "the event logs were written")
	masked := fmt.Sprintf("%d lines of the plugin with a payload were masked.", p.debug)
	lab.Publish(t, "proofs.md", "surfaces", p.Means()+"\n\n"+p.report()+"\n"+masked+"\n")
}

// failures are the ups that fail, each with something to write.
func (p *proof) failures(changed secretsOf) {
	t := p.T
	good := p.settings
	settings := p.settings
	settings.Credentials = changed.credentials.JSON(t)
	up := func(step string) {
		t.Helper()
		p.dev = p.Configured(settings)
		p.logged()
		p.refused(step, p.up())
	}

	// The genuine plugin's error holds Vault's whole address, in --json, in the event log and, since a
	// failed resource keeps its error, in the state, its history and its backups (6.7.4).
	// docs/proofs.md has it among the known hits.
	known := ""
	if p.genuine() {
		known = "address"
	}
	p.excused = known
	settings.Token = p.weak
	up("a token that may not write")
	settings.Token = p.dead
	up("a dead token")
	settings.Token = good.Token

	p.dev = p.Configured(settings)
	malformed := `{"key": "` + changed.canaries["first plain"]
	p.expect("a malformed payload is set",
		p.cli(malformed, "config", "set", "--path", "--secret", "credentials.plain"))
	p.logged()
	p.refused("a malformed payload", p.up())

	require.NoError(t, p.Vault.Seal())
	up("a sealed Vault")
	require.NoError(t, p.Vault.Unseal(t.Context()))
	require.NoError(t, p.Vault.Stop(t.Context()))
	// The system's own error names host and port, and the CLI masks the address only as it was
	// configured, with https://. The genuine plugin's error is the same: "dial tcp <host:port>:
	// connect: connection refused".
	p.excused = "address"
	up("no Vault")
	p.excused = known
	p.allowed[p.log] = "address"
	p.Reopen()
	p.ear = listen(p.Lab)
}

func TestAPlantedLeakIsFoundOnEverySurface(t *testing.T) {
	foreign := newSecrets("foreign")
	held := newSecrets("held")
	p := newProof(t, held, foreign)
	leak := foreign.canaries["foreign plain"]
	p.expect("up", p.up())

	// What Vault holds and the configuration does not, the CLI cannot mask: somebody's edit, or the
	// value before a rotation that is refreshed before it is deployed. This is also the limit of the
	// default, and docs/decisions/0007 says so.
	p.Write("secret/data/mlvault/dev/plain", map[string]any{"data": map[string]any{"key": leak}})
	p.logged()
	require.NoError(t, p.refresh())
	hits := p.hear()
	if !p.genuine() { // which prints less there when it is attached from PATH
		require.NotEmpty(t, hits, "stdout of refresh --json")
	}
	require.NotEmpty(t, p.files("temporary files", p.temp), "the event log")
	p.text()
	require.NoError(t, p.refresh())
	require.Empty(t, p.hear(), "a refresh that is not asked for JSON shows nothing all the same")

	require.Empty(t, p.files("files", p.Options.Dir))
	planted := filepath.Join(p.Options.Dir, "state", "planted.json")
	encoded := base64.StdEncoding.EncodeToString([]byte(leak))
	require.NoError(t, os.WriteFile(planted, []byte(`{"x":"`+encoded+`"}`), 0o600))
	require.NotEmpty(t, p.files("files", p.Options.Dir), "a file of the state")
	require.NoError(t, os.Remove(planted))

	stop := p.processes()
	sleeper, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(sleeper, "sh", "-c", "sleep 60", leak)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.tally["process arguments"] != nil && p.tally["process arguments"].hits > 0
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	_ = cmd.Wait()
	require.NotEmpty(t, stop(), "the arguments of a process")

	require.NotEmpty(t, p.look("arguments of the CLI", "x", []byte("config\x00set\x00"+leak)))
}
