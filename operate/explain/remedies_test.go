package explain_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/operate/explain"
)

// What fails by these was refused, and so was not done.
var refusals = []string{
	"invalid token",
	"permission denied",
	"AuthorizationFailed",
	"MissingSubscriptionRegistration",
	"RequestDisallowedByPolicy",
	"does not list this one as a reader",
	"is left alone, since whose it is cannot be seen",
}

// A plain up after a lost answer may be green over a wrong Vault: the configuration goes back, and
// the state never knew that it had moved (TestProveAPlainUpCanBeGreenOverAWrongVault).
func TestAPlainUpIsAdvisedOnlyAfterARefusal(t *testing.T) {
	for _, each := range explain.All() {
		isPlain := strings.Contains(each.Remedy, "run `pulumi up` again")
		require.Equal(t, slices.Contains(refusals, each.Sign), isPlain, each.Sign)
		compares := strings.Contains(each.Remedy, "`make repair`") ||
			strings.Contains(each.Remedy, "`pulumi up --refresh --run-program`")
		if strings.Contains(each.Cause, "may have been done") {
			require.True(t, compares, each.Sign)
		}
	}
}

// Nearly everything that the program makes is a child of a component. An import without its parent
// gives it another URN: the next up makes it a second time and deletes what was imported.
func TestNoRemedyImportsWithoutTheParent(t *testing.T) {
	for _, each := range explain.All() {
		require.NotContains(t, each.Remedy, "pulumi import", each.Sign)
	}
}

// written is a setting as a text for people sets it.
type written struct {
	text, key, value string
	removed          bool
}

const settingKey = `((?:azure|vault|workload|compute|credentials)\b[\w.\[\]<>-]*)`

var (
	command = regexp.MustCompile(`pulumi config (set|rm)(?: --type \w+| --[a-z]+)* ['"]?` +
		settingKey + `['"]?(?: ('[^']*'|"[^"]*|[\w./:-]+))?`)
	// sentence is such as: set `azure.lock` to false.
	sentence = regexp.MustCompile("[^a-z]`?" + settingKey + "`? to `?(true|false|[0-9]+)")
	// pair is such as: `azure.publicNetworkAccess: Disabled`.
	pair = regexp.MustCompile("`" + settingKey + ": ([^`]+)`")
)

func writtenIn(text string) (found []written) {
	for _, m := range command.FindAllStringSubmatch(text, -1) {
		found = append(found, written{
			text:    m[0],
			key:     m[2],
			value:   strings.Trim(m[3], `'"`),
			removed: m[1] == "rm",
		})
	}
	for _, m := range slices.Concat(
		sentence.FindAllStringSubmatch(text, -1),
		pair.FindAllStringSubmatch(text, -1),
	) {
		found = append(found, written{text: m[0], key: m[1], value: m[2]})
	}
	return found
}

func TestEveryAdviceOnASettingIsOneThatTheSettingTakes(t *testing.T) {
	var advice strings.Builder
	for _, each := range explain.All() {
		advice.WriteString(each.Sentence() + "\n")
	}
	texts := map[string]string{"operate/explain/list.go": advice.String()}
	maps.Copy(texts, pages(t))
	count := 0
	var refused []string
	for name, text := range texts {
		for _, each := range writtenIn(text) {
			count++
			if problem := problemOf(t, each); problem != "" {
				refused = append(refused, name+": "+each.text+": "+problem)
			}
		}
	}
	require.Empty(t, refused)
	require.Greater(t, count, 40, "the patterns find the advice no more")
}

func TestAnAdviceThatASettingDoesNotTakeIsSeen(t *testing.T) {
	for _, text := range []string{
		"Set azure.lock to false, run",
		"`pulumi config set --path azure.lock false`",
		"`pulumi config rm --path azure.locks`",
		"`azure.publicNetworkAccess: Off`",
		"pulumi config set --path 'compute[0].vmSise' x",
	} {
		found := writtenIn(text)
		require.Len(t, found, 1, text)
		require.NotEmpty(t, problemOf(t, found[0]), text)
	}
}

// pages are the repository's own texts for people.
func pages(t *testing.T) map[string]string {
	t.Helper()
	const root = "../.."
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		isHidden := strings.HasPrefix(entry.Name(), ".") && path != root
		if entry.IsDir() && (isHidden || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	require.NoError(t, err)
	return texts
}

// problemOf is what the settings say of an advice, or empty.
func problemOf(t *testing.T, advised written) string {
	t.Helper()
	isProviders := strings.HasPrefix(advised.key, "azure-native")
	isCredential := strings.HasPrefix(advised.key, "credentials")
	if isProviders || isCredential {
		return "" // another's setting, and names that the user chooses
	}
	if !isSetting(settings.Reference(), advised.key) {
		return "there is no such setting"
	}
	isOpen := advised.value == "" || advised.value == "..." || strings.ContainsAny(advised.value, "$<")
	if advised.removed || isOpen {
		return ""
	}
	values := map[string]string{
		"azure-native:location": "westeurope",
		"mlvault:vaultAddress":  "https://vault.example.com:8200",
		"mlvault:vaultToken":    "hvs.x",
		"mlvault:credentials":   `{"ml_api_key":{"api_key":"x"}}`,
	}
	sections := roomy()
	put(t, sections, advised)
	for section, content := range sections {
		text, err := json.Marshal(content)
		require.NoError(t, err)
		values["mlvault:"+section] = string(text)
	}
	_, err := settings.From(settings.Source{
		Project:   "mlvault",
		Stack:     "dev",
		Values:    values,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
	problems, _ := settings.AsProblems(err)
	for _, problem := range problems {
		if problem.Key == advised.key {
			return problem.Text
		}
	}
	return ""
}

// roomy is a configuration that has what some settings need beside them.
func roomy() map[string]any {
	return map[string]any{
		"azure": map[string]any{"createContainerRegistry": true},
		"workload": map[string]any{
			"audience":          "api://mlvault",
			"createAuthBackend": false,
			"authPath":          "jwt-azure",
		},
	}
}

var index = regexp.MustCompile(`\[\d+\]`)

// isSetting tells whether a key is that of a setting, or of what the user names in one.
func isSetting(all []settings.Setting, key string) bool {
	key = index.ReplaceAllString(key, "[]")
	return slices.ContainsFunc(all, func(s settings.Setting) bool {
		bare := strings.TrimSuffix(key, "[]")
		isMap := s.Kind == settings.KindTextMap || s.Kind == settings.KindReads
		return s.Key == bare || isMap && strings.HasPrefix(key, s.Key+".") || isSetting(s.Settings, key)
	})
}

// put writes a value as `pulumi config set --path` does.
func put(t *testing.T, sections map[string]any, advised written) {
	t.Helper()
	var value any = advised.value
	number, err := strconv.Atoi(advised.value)
	switch {
	case advised.value == "true" || advised.value == "false":
		value = advised.value == "true"
	case err == nil:
		value = number
	}
	steps := strings.Split(advised.key, ".")
	at := sections
	for i, step := range steps {
		name, _, isElement := strings.Cut(step, "[")
		isLast := i == len(steps)-1
		switch {
		case isLast && isElement:
			at[name] = []any{value}
		case isLast:
			at[name] = value
		default:
			below, has := at[name].(map[string]any)
			if !has {
				below = map[string]any{}
			}
			at[name] = below
			if isElement {
				at[name] = []any{below}
			}
			at = below
		}
	}
}
