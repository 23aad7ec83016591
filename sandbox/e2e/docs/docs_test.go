package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mlvault/sandbox/e2e/lab"

	"github.com/stretchr/testify/require"
)

// block is a shell block of a page of documentation. A comment on the line before its fence says whether a test runs it:
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
	reason string
}

var (
	fence  = regexp.MustCompile("^```(sh|bash|shell|console)$")
	marker = regexp.MustCompile(`^<!-- (run|not run)(?:, input: (\w+)|: (.+))? -->$`)
)

// blocks reads a page. A block without a marker is an error: what nobody runs, and nobody says why, rots.
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
			return nil, fmt.Errorf("line %d: say on the line before this block `<!-- run -->`, `<!-- run, input: NAME -->` or `<!-- not run: the reason -->`", i+1)
		}
		b := block{line: i + 1, under: under, run: m[1] == "run", input: m[2], reason: m[3]}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			b.script += lines[i] + "\n"
		}
		found = append(found, b)
	}
	return found, nil
}

func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(lab.Repository(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".sandbox", "node_modules", ".git", "templates"}, entry.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	}))
	require.Greater(t, len(found), 8)
	return found
}

func page(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	found, err := blocks(string(text))
	require.NoError(t, err, path)
	return found
}

func TestEveryCommandOfTheDocumentationIsRunOrSaysWhyNot(t *testing.T) {
	run := map[string]int{}
	for _, path := range pages(t) {
		for _, b := range page(t, path) {
			if b.run {
				run[filepath.Base(path)]++
			}
		}
	}
	tested := map[string]int{}
	for _, c := range documented {
		for _, name := range c.pages {
			tested[filepath.Base(name)] = run[filepath.Base(name)]
		}
	}
	require.Equal(t, run, tested, "every page with a block to run is in the test that runs them")
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
	require.Equal(t, []block{{line: 3, under: "Keys", script: "a\nb\n", run: true, input: "KEY"}}, found)
}

// documented are the pages that have something to run, in the order in which a reader comes to them: the pages of a case
// are typed into one checkout.
var documented = []struct {
	pages []string
	after func(*terminal)
}{
	{[]string{"docs/deploy.md", "docs/operate.md"}, func(term *terminal) {
		for _, path := range []string{lab.APIKeyPath, "secret/data/mlvault/staging/ml_api_key"} {
			data, version := term.Read(path)
			require.Equal(term.T, lab.Canary, data["api_key"])
			require.Equal(term.T, 1, version, "the value that was set again was the same, so there is no new version")
		}
		settings, err := os.ReadFile(filepath.Join(term.dir, "Pulumi.staging.yaml"))
		require.NoError(term.T, err)
		require.Contains(term.T, string(settings), "environment: staging")
		job, err := os.ReadFile(filepath.Join(term.dir, "job", "dev", "job.yml"))
		require.NoError(term.T, err)
		require.NotContains(term.T, string(job), lab.Canary)
	}},
}

// importing is the section that TestAnExistingWorkspaceAndItsSecretsAreAdoptedAndNotReplaced runs, in a world of its own.
const importing = "Import what exists"

func TestTheCommandsOfTheDocumentationRun(t *testing.T) {
	for _, c := range documented {
		t.Run(strings.Join(c.pages, " and "), func(t *testing.T) {
			term := newTerminal(t)
			term.adapt("dev")
			for _, name := range c.pages {
				printed, err := term.runPage(name)
				require.NoError(t, err, "%s\n%s", name, printed)
				require.NotContains(t, printed, lab.Canary, "no command of the documentation prints a credential")
			}
			c.after(term)
		})
	}
}

// runPage types a page's blocks into one shell, with the sandbox's things in the place of the page's examples. The name
// may end in # and a section, which is then the only one.
func (term *terminal) runPage(name string) (string, error) {
	term.T.Helper()
	name, section, only := strings.Cut(name, "#")
	inputs := map[string]string{"API_KEY": lab.Canary}
	for _, stack := range []string{"dev", "staging"} {
		inputs["VAULT_TOKEN_"+strings.ToUpper(stack)] = term.deployer(stack, `{"ml_api_key":{"api_key":"x"},"feature_store":{"user":"x"}}`)
	}
	environment := []string{"APP_ID=5a9db0c5-0000-4000-8000-00000000a001", "PULUMI_CONFIG_PASSPHRASE=a long passphrase, from your password manager"}
	for name, value := range inputs {
		environment = append(environment, "INPUT_"+name+"="+value)
	}
	var script strings.Builder
	for _, b := range page(term.T, filepath.Join(lab.Repository(), filepath.FromSlash(name))) {
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
	return term.run(script.String(), environment...)
}
