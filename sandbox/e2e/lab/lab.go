// Package lab runs the program in a sandbox of a test's own. The long tests below sandbox/e2e share
// it.
package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/internal/cli"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// Canary is part of every value that must not be seen.
const Canary = "canary-e5b1f0a9c2"

// APIKeyPath and StorePath are where the dev stack's sample credentials are.
const (
	//nolint:gosec // G101: paths, no credential.
	APIKeyPath = "secret/data/mlvault/dev/ml_api_key"
	StorePath  = "secret/data/mlvault/dev/feature_store"
)

// Pulumi is the CLI that the tests drive: the one on PATH or the one that is built once, never
// none.
var Pulumi string

// Main is a package's TestMain.
func Main(m *testing.M) {
	sandbox.ForgetEnvironment()
	found, err := builder().Find(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "the sandbox's tests need a Pulumi CLI:", err)
		os.Exit(1)
	}
	Pulumi = found.Path
	home, err := moveHome()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the sandbox's tests need a home of their own:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// moveHome gives the tests an empty home: what a person keeps in theirs, such as a Vault token in
// ~/.vault-token, decides about no test. Go's caches and settings stay where they are.
func moveHome() (home string, err error) {
	asked := exec.CommandContext(context.Background(),
		"go", "env", "-json", "GOCACHE", "GOENV", "GOMODCACHE", "GOPATH")
	text, err := asked.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	var places map[string]string
	if err := json.Unmarshal(text, &places); err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	for name, place := range places {
		if err := os.Setenv(name, place); err != nil {
			return "", err
		}
	}
	home, err = os.MkdirTemp("", "home")
	if err != nil {
		return "", err
	}
	return home, os.Setenv("HOME", home)
}

// builder builds commands where make up builds them.
func builder() cli.Builder {
	root := Repository()
	return cli.Builder{
		Module: filepath.Join(root, "sandbox"),
		Bin:    filepath.Join(root, ".sandbox", "bin"),
		Log:    os.Stderr,
	}
}

// languageHost is what a released CLI brings along and the one that is built here lacks.
var languageHost = cli.Command{
	What:    "the language host",
	Name:    "pulumi-language-go",
	Package: "./languagehost",
	LDFlags: "-s -w",
}

// Repository is found from the package's own folder, in which go test runs.
func Repository() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "Pulumi.yaml")); missing == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	panic(fmt.Sprint("no Pulumi.yaml in a folder above this test's: ", err))
}

// Lab is a sandbox that ends with its test.
type Lab struct {
	*sandbox.Sandbox

	T      *testing.T
	Adjust func(*sandbox.Settings) // what every Prepare of the test changes; nil: nothing
}

// New starts a sandbox of this repository in a folder of its own.
func New(t *testing.T) *Lab { t.Helper(); return Open(t, sandbox.Options{}) }

// Open starts a sandbox; what the options leave out is as New has it.
func Open(t *testing.T, options sandbox.Options) *Lab {
	t.Helper()
	if options.Root == "" {
		options.Root = root(t)
	}
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	options.Pulumi = Pulumi
	l := &Lab{T: t}
	l.open(options)
	return l
}

// ProjectName is the project's in all tests that do not say otherwise. They name paths in Vault,
// which begin with it.
const ProjectName = "mlvault"

// root is the repository. In one that `pulumi new` made under another name, it is a copy of what a
// sandbox reads of it, under the name of this one.
func root(t *testing.T) string {
	t.Helper()
	if ownName(t) == ProjectName {
		return Repository()
	}
	files, err := filepath.Glob(filepath.Join(Repository(), "Pulumi.*.yaml"))
	require.NoError(t, err)
	copied := Project(t, ProjectName)
	for _, file := range files {
		text := Neutral(t, ReadFile(t, file))
		path := filepath.Join(copied, filepath.Base(file))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return copied
}

// ownName is the name of the repository's project.
func ownName(t *testing.T) string {
	t.Helper()
	project, err := workspace.LoadProject(filepath.Join(Repository(), "Pulumi.yaml"))
	require.NoError(t, err)
	return project.Name.String()
}

// nameLine is the line of Pulumi.yaml with the project's name.
var nameLine = regexp.MustCompile(`(?m)^name: .*$`)

// WithProjectName is the text of Pulumi.yaml with another name.
func WithProjectName(text, name string) string {
	return nameLine.ReplaceAllLiteralString(text, "name: "+name)
}

// Neutral is the text of a stack's file whose keys belong to the project, whatever its name, and
// that has no secret and no key to one: `pulumi new` puts the name before the keys, and a project
// in use has secrets of its own.
func Neutral(t *testing.T, text string) string {
	t.Helper()
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &file))
	own := ownName(t) + ":"
	neutral := map[string]any{}
	for key, value := range file.Config {
		if !settings.IsSecretKey(key) {
			neutral[strings.TrimPrefix(key, own)] = value
		}
	}
	written, err := yaml.Marshal(map[string]any{"config": neutral})
	require.NoError(t, err)
	return string(written)
}

func (l *Lab) open(options sandbox.Options) {
	l.T.Helper()
	s, err := sandbox.Open(l.T.Context(), options)
	require.NoError(l.T, err)
	l.T.Cleanup(s.Close)
	l.Sandbox = s
}

// Reopen is the sandbox after a restart, as the next make up finds it.
func (l *Lab) Reopen() {
	l.T.Helper()
	l.Close()
	l.open(l.Options)
}

// For is the same sandbox for a part of the test.
func (l *Lab) For(t *testing.T) *Lab { t.Helper(); return &Lab{Sandbox: l.Sandbox, T: t} }

// In makes a lab use another's Vault, as two states of one team do. Its own ends with it, unused.
func (l *Lab) In(other *Lab) *Lab {
	own := l.Vault
	l.Vault = other.Vault
	l.T.Cleanup(func() { l.Vault = own })
	return l
}

// Project is a folder with the settings of dev under the names of other stacks, and of a project.
func Project(t *testing.T, name string, stacks ...string) string {
	t.Helper()
	folder := t.TempDir()
	write := func(file, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
	}
	client := filepath.Join("job", "vault_credentials")
	source := os.DirFS(filepath.Join(Repository(), client))
	require.NoError(t, os.CopyFS(filepath.Join(folder, client), source))
	yaml := ReadFile(t, filepath.Join(Repository(), "Pulumi.yaml"))
	write("Pulumi.yaml", WithProjectName(yaml, name))
	dev := Neutral(t, ReadFile(t, filepath.Join(Repository(), "Pulumi.dev.yaml")))
	for _, stack := range stacks {
		write("Pulumi."+stack+".yaml", dev)
	}
	return folder
}

// Payloads are credentials of a test: name -> key -> value.
type Payloads map[string]map[string]any

// JSON is what a credentials file would hold.
func (p Payloads) JSON(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return string(text)
}

// Sample is a credential of texts and one that the CLI cannot mask whole.
func Sample() Payloads {
	return Payloads{
		"ml_api_key":    {"api_key": Canary + "-key"},
		"feature_store": {"user": "ml", "password": Canary + `-"<&>`, "port": 5432},
	}
}

// Edit changes a stack's settings before a test deploys it.
type Edit = func(pulumiconfig.Map)

// With sets one setting, by the path that `pulumi config set --path` takes.
func With(t *testing.T, key, value string) Edit {
	t.Helper()
	return Settings(t, map[string]string{key: value})
}

// Settings sets some.
func Settings(t *testing.T, settings map[string]string) Edit {
	t.Helper()
	return func(m pulumiconfig.Map) {
		project := "mlvault"
		for known := range m {
			if known.Name() == "workload" { // every stack has that
				project = known.Namespace()
			}
		}
		for key, value := range settings {
			path := pulumiconfig.MustMakeKey(project, key)
			require.NoError(t, m.Set(path, pulumiconfig.NewValue(value), true), key)
		}
	}
}

// Configured prepares a stack with settings that it must accept.
func (l *Lab) Configured(settings sandbox.Settings) *sandbox.Stack {
	l.T.Helper()
	if l.Adjust != nil {
		l.Adjust(&settings)
	}
	configured, err := l.Configure(l.T.Context(), settings)
	require.NoError(l.T, err)
	return configured
}

// Prepare is Configured with credentials and changes of the stack's own settings.
func (l *Lab) Prepare(stack string, credentials Payloads, edits ...Edit) *sandbox.Stack {
	l.T.Helper()
	return l.Configured(sandbox.Settings{
		Stack:       stack,
		Credentials: credentials.JSON(l.T),
		Edits:       edits,
	})
}

// Up deploys a stack and returns it with the number of resources for each kind of change.
func (l *Lab) Up(
	stack string, credentials Payloads, edits ...Edit,
) (*sandbox.Stack, map[string]int) {
	l.T.Helper()
	configured := l.Prepare(stack, credentials, edits...)
	result, err := configured.Up(l.T.Context(), optup.SuppressProgress())
	require.NoError(l.T, err)
	return configured, *result.Summary.ResourceChanges
}

// Planned is what an up would change.
func (l *Lab) Planned(stack *sandbox.Stack, options ...optpreview.Option) map[string]int {
	l.T.Helper()
	result, err := stack.Preview(l.T.Context(), append(options, optpreview.SuppressProgress())...)
	require.NoError(l.T, err)
	changes := map[string]int{}
	for operation, count := range result.ChangeSummary {
		changes[string(operation)] = count
	}
	return changes
}

// Destroy takes a stack down.
func (l *Lab) Destroy(stack *sandbox.Stack) {
	l.T.Helper()
	_, err := stack.Destroy(l.T.Context(), optdestroy.SuppressProgress())
	require.NoError(l.T, err)
}

// Read is a credential's data in Vault and its current version, or no data when the newest version
// is deleted.
func (l *Lab) Read(path string) (data map[string]any, version int) {
	l.T.Helper()
	mount, name, _ := strings.Cut(path, "/data/")
	secret, err := l.Vault.Root().KVv2(mount).Get(l.T.Context(), name)
	if errors.Is(err, api.ErrSecretNotFound) {
		return nil, 0
	}
	require.NoError(l.T, err, path)
	return secret.Data, secret.VersionMetadata.Version
}

// SharedBackend is an auth backend of somebody else's in the lab's Vault, which trusts the lab's
// issuer.
func (l *Lab) SharedBackend(path string) {
	l.T.Helper()
	l.Write("sys/auth/"+path, map[string]any{"type": "jwt"})
	l.Write("auth/"+path+"/config", map[string]any{
		"oidc_discovery_url":    l.Issuer.URL(issuer.V1),
		"oidc_discovery_ca_pem": ReadFile(l.T, l.IssuerCA),
		"bound_issuer":          l.Issuer.URL(issuer.V1),
	})
}

// Write changes Vault as its operator does.
func (l *Lab) Write(path string, fields map[string]any) {
	l.T.Helper()
	_, err := l.Vault.Root().Logical().WriteWithContext(l.T.Context(), path, fields)
	require.NoError(l.T, err, path)
}

// OneLess is a policy that lacks exactly one capability of what a deployer has.
type OneLess struct {
	Capability string
	Path       string
	Policy     string
}

// Reduced are all of them.
func Reduced(grants []rights.Grant) (all []OneLess) {
	for i, grant := range grants {
		for _, capability := range grant.Capabilities {
			isGone := func(c string) bool { return c == capability }
			left := slices.DeleteFunc(slices.Clone(grant.Capabilities), isGone)
			reduced := slices.Clone(grants)
			reduced[i].Capabilities = left
			if len(left) == 0 {
				reduced = slices.Delete(reduced, i, i+1)
			}
			all = append(all, OneLess{
				Capability: capability,
				Path:       grant.Path,
				Policy:     rights.PolicyText("one less", reduced),
			})
		}
	}
	return all
}

// HandedOver is a folder as `make job` writes it.
func HandedOver(t *testing.T, stack *sandbox.Stack) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "job")
	require.NoError(t, stack.HandOver(t.Context(), folder))
	return folder
}

// Python runs a script as a job of the stack, in a folder that was handed over, with a job's
// environment and nothing else.
func Python(t *testing.T, stack *sandbox.Stack, folder, script string) *exec.Cmd {
	t.Helper()
	_, environment, err := stack.JobEnvironment(t.Context())
	require.NoError(t, err)
	cmd, err := sandbox.Python(t.Context(), folder, environment, "-c", script)
	require.NoError(t, err)
	return cmd
}

// Shell is where a person types: its commands are the real CLI's, and the engine finds the
// sandbox's ARM and Vault.
type Shell struct {
	*Lab

	Dir string
	Env []string // of every command
}

// Shell opens one in a folder. It forgets this process's environment, but for what the variables
// say.
func (l *Lab) Shell(dir string, variables ...string) *Shell {
	l.T.Helper()
	settings, err := l.Environment()
	require.NoError(l.T, err)
	folders := []string{filepath.Dir(Pulumi), cmp.Or(settings["PATH"], os.Getenv("PATH"))}
	delete(settings, "HTTPS_PROXY") // it is for the genuine plugin, and leads to Vault's name only
	s := &Shell{Lab: l, Dir: dir, Env: append(os.Environ(), "PULUMI_HOME="+l.Path("pulumi"))}
	for name, value := range settings {
		s.Env = append(s.Env, name+"="+value)
	}
	path := strings.Join(folders, string(os.PathListSeparator))
	s.Env = append(s.Env, "PATH="+path)
	s.Env = append(s.Env, variables...)
	b := builder()
	if folders[0] == b.Bin { // a released CLI brings its own language host
		require.NoError(l.T, b.Build(l.T.Context(), languageHost))
	}
	return s
}

// Run runs a script of bash and returns what it printed.
func (s *Shell) Run(script string, variables ...string) (string, error) {
	script = "set -euo pipefail\n" + script
	cmd := exec.CommandContext(s.T.Context(), "bash", "-c", script) //nolint:gosec // G204: the test's.
	cmd.Dir = s.Dir
	cmd.Env = append(slices.Clone(s.Env), variables...)
	printed, err := cmd.CombinedOutput()
	return string(printed), err
}

// Must runs a script that has to succeed.
func (s *Shell) Must(script string, variables ...string) string {
	s.T.Helper()
	printed, err := s.Run(script, variables...)
	require.NoError(s.T, err, "%s\n%s", script, printed)
	return printed
}

// Files are the files below a folder, by path.
func Files(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			found[path], err = os.ReadFile(path)
		}
		return err
	}))
	return found
}

// ReadFile is a file's text.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// Means says with what a lab's runs were measured, for the tables in docs.
func (l *Lab) Means() string {
	l.T.Helper()
	version := func(path, flag string) string {
		text, err := exec.CommandContext(l.T.Context(), path, flag).Output()
		require.NoError(l.T, err)
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return line
	}
	plugin, _, _ := strings.Cut(l.Plugin, " in /")
	return fmt.Sprintf("Measured with Pulumi CLI %s, the server %s,\nVault plugin: %s.",
		version(Pulumi, "version"), version(l.Vault.Binary, "-version"), plugin)
}

var publishing sync.Mutex

// Matches requires of a section in a page of docs that it is this text. Where UPDATE_GOLDEN is set,
// it becomes so.
func Matches(t *testing.T, page, name, text string) {
	t.Helper()
	Publish(t, page, name, text)
	whole := ReadFile(t, filepath.Join(Repository(), "docs", page))
	_, rest, _ := strings.Cut(whole, "<!-- table: "+name+" -->\n")
	section, _, _ := strings.Cut(rest, "<!-- end: "+name+" -->")
	require.Equal(t, text, section, "docs/%s: write it again with UPDATE_GOLDEN=1", page)
}

// Publish prints a table and, where UPDATE_GOLDEN is set, puts it between its marks in a page of
// docs.
func Publish(t *testing.T, page, name, text string) {
	t.Helper()
	t.Logf("\n%s", text)
	if os.Getenv("UPDATE_GOLDEN") == "" {
		return
	}
	publishing.Lock()
	defer publishing.Unlock()
	path := filepath.Join(Repository(), "docs", page)
	head, rest, found := strings.Cut(ReadFile(t, path), "<!-- table: "+name+" -->\n")
	_, tail, ends := strings.Cut(rest, "<!-- end: "+name+" -->")
	require.True(t, found && ends, "docs/%s has the marks of the table %s", page, name)
	text = head + "<!-- table: " + name + " -->\n" + text + "<!-- end: " + name + " -->" + tail
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
