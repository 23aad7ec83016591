package docs

import (
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/stretchr/testify/require"
)

// block is a shell block of a page of documentation. A comment on the line before its fence says
// whether a test runs it:
//
//	<!-- run -->                        as it stands
//	<!-- run, input: NAME -->           with what the test knows as NAME on its standard input
//	<!-- not run: the reason -->
type block struct {
	line   int
	under  string // the page's section
	script string
	run    bool
	input  string
}

var (
	fence  = regexp.MustCompile("^```(sh|bash|shell|console)$")
	marker = regexp.MustCompile(`^<!-- (run|not run)(?:, input: (\w+)|: (.+))? -->$`)
)

// blocks reads a page. A block without a marker is an error: what nobody runs, and nobody says why,
// rots.
func blocks(page string) ([]block, error) {
	var found []block
	lines, under := strings.Split(page, "\n"), ""
	for i := 0; i < len(lines); i++ {
		if title, is := strings.CutPrefix(lines[i], "## "); is {
			under = title
		}
		if !fence.MatchString(strings.TrimSpace(lines[i])) {
			continue
		}
		m := []string(nil)
		if i > 0 {
			m = marker.FindStringSubmatch(strings.TrimSpace(lines[i-1]))
		}
		if m == nil || (m[1] == "run") != (m[3] == "") {
			return nil, fmt.Errorf("line %d: say on the line before this block `<!-- run -->`, "+
				"`<!-- run, input: NAME -->` or `<!-- not run: the reason -->`", i+1)
		}
		b := block{line: i + 1, under: under, run: m[1] == "run", input: m[2]}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			b.script += lines[i] + "\n"
		}
		found = append(found, b)
	}
	return found, nil
}

func TestEveryCommandOfTheDocumentationIsRunOrSaysWhyNot(t *testing.T) {
	var pages, run []string
	notOurs := []string{".sandbox", "node_modules", ".git", "templates"}
	walk := func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains(notOurs, entry.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return err
		}
		pages = append(pages, path)
		found, err := blocks(lab.ReadFile(t, path))
		require.NoError(t, err, path)
		if slices.ContainsFunc(found, func(b block) bool { return b.run }) {
			run = append(run, "docs/"+filepath.Base(path))
		}
		return nil
	}
	require.NoError(t, filepath.WalkDir(lab.Repository(), walk))
	require.Greater(t, len(pages), 8)
	require.ElementsMatch(t, run, documented,
		"every page with a block to run is in the test that runs them")
}

func TestABlockWithoutAMarkerIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"none":              "text\n```sh\nmake up\n```\n",
		"no reason":         "<!-- not run -->\n```sh\nmake up\n```\n",
		"a reason to run":   "<!-- run: why not -->\n```sh\nmake up\n```\n",
		"on the wrong line": "<!-- run -->\n\n```sh\nmake up\n```\n",
	} {
		_, err := blocks(text)
		require.Error(t, err, name)
	}
	found, err := blocks("## Keys\n<!-- run, input: KEY -->\n```sh\na\nb\n```\n")
	require.NoError(t, err)
	require.Equal(t, []block{{line: 3, under: "Keys", script: "a\nb\n", run: true, input: "KEY"}},
		found)
}

// An auth path may have slashes, as team/jwt. A part of it would be another path.
func TestTheRecipeForARenameKeepsTheWholeAuthPath(t *testing.T) {
	page := lab.ReadFile(t, filepath.Join(lab.Repository(), "docs", "operate.md"))
	recipe := regexp.MustCompile(`pulumi stack output vaultLoginPath \| ([^)]+)\)`)
	filter := recipe.FindStringSubmatch(page)
	require.NotNil(t, filter, "the recipe is there no more")
	for _, path := range []string{"jwt-mlvault-dev-ae5143b98a56bf8e", "team/jwt", "auth/login"} {
		output := "auth/" + path + "/login"
		command := "echo " + output + " | " + filter[1]
		kept, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
		require.NoError(t, err, command)
		require.Equal(t, path+"\n", string(kept))
	}
}

// documented are the pages that have something to run, in the order in which a reader comes to
// them.
var documented = []string{"docs/deploy.md", "docs/operate.md"}

// importing is the section that TestAnExistingWorkspaceAndItsSecretsAreAdoptedAndNotReplaced runs,
// in a world of its own.
const importing = "Import what exists"

func TestTheCommandsOfTheDocumentationRun(t *testing.T) {
	term := newTerminal(t)
	term.adapt()
	for _, name := range documented {
		printed, err := term.runPage(name)
		require.NoError(t, err, "%s\n%s", name, printed)
		require.NotContains(t, printed, lab.Canary, "no command of the documentation prints a credential")
	}
	for _, path := range []string{lab.APIKeyPath, "secret/data/mlvault/staging/ml_api_key"} {
		data, version := term.Read(path)
		require.Equal(t, lab.Canary, data["api_key"])
		require.Equal(t, 1, version,
			"the value that was set again was the same, so there is no new version")
	}
	require.Contains(t, lab.ReadFile(t, filepath.Join(term.Dir, "Pulumi.staging.yaml")),
		"environment: staging")
	require.NotContains(t, lab.ReadFile(t, filepath.Join(term.Dir, "job", "dev", "job.yml")),
		lab.Canary)
}

// passphrase is that of a page's stacks, in its variable.
const passphrase = "PULUMI_CONFIG_PASSPHRASE=a long passphrase, from your password manager"

// runPage types a page's blocks into one shell, with the sandbox's things in the place of the
// page's examples. The name may end in # and a section, which is then the only one.
func (term *terminal) runPage(name string) (string, error) {
	term.T.Helper()
	name, section, only := strings.Cut(name, "#")
	const appID = "5a9db0c5-0000-4000-8000-00000000a001"
	credentials := oneKey
	if only { // the section sets two
		credentials = twoCredentials
	}
	inputs := map[string]string{"API_KEY": lab.Canary}
	for _, stack := range []string{"dev", "staging"} {
		audience := lab.With(term.T, "workload.audience", "api://"+appID) // as the page sets it
		inputs["VAULT_TOKEN_"+strings.ToUpper(stack)] = term.deployer(stack, credentials, audience)
	}
	environment := []string{
		"APP_ID=" + appID,
		passphrase,
	}
	for name, value := range inputs {
		environment = append(environment, "INPUT_"+name+"="+value)
	}
	var script strings.Builder
	path := filepath.Join(lab.Repository(), filepath.FromSlash(name))
	found, err := blocks(lab.ReadFile(term.T, path))
	require.NoError(term.T, err, name)
	for _, b := range found {
		if !b.run || only && b.under != section || !only && b.under == importing {
			continue
		}
		input := "/dev/null"
		if b.input != "" {
			require.Contains(term.T, inputs, b.input, "%s, line %d", name, b.line)
			input = `<(printf '%s\n' "$INPUT_` + b.input + `")`
		}
		fmt.Fprintf(&script, "echo '--- %s, line %d'\nexec < %s\n%s", name, b.line, input,
			strings.ReplaceAll(b.script, "https://vault.example.com:8200", term.Vault.Addr()))
	}
	return term.Run(script.String(), environment...)
}
