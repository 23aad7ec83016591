package main

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const official = "github.com/pulumi/pulumi-azure-native-sdk/"

func TestAnyOtherTokenInADeclarationIsSeen(t *testing.T) {
	const upstream = "type Sku struct {\n\tName string `pulumi:\"name\"`\n\tTier string\n}\n" +
		"const (\n\tA = 1\n\tB = 2\n)\n" +
		"func (s *Sku) Get() string {\n\treturn \"web\"\n}\n" +
		"func init() {\n\tregister(1)\n\tregister(2)\n}\n" +
		"func (m *module) Construct() {\n\tswitch typ {\n\tcase \"a\":\n\t\tr = &A{}\n\tcase \"b\":\n\t\tr = &B{}\n\t}\n}\n"
	for slim, want := range map[string]string{
		"type Sku struct {\n\tName string `pulumi:\"sku\"`\n}":                                "Name string",
		"type Other struct {\n\tTier string\n}":                                               "type Other",
		"const (\n\tB = 3\n)":                                                                 "B = 3",
		"func (s *Sku) Get() string {\n\treturn \"other\"\n}":                                 "Get()",
		"func (s *Sku) Get() string {\n}":                                                     "Get()",
		"func init() {\n\tregister(3)\n}":                                                     "register(3)",
		"func (m *module) Construct() {\n\tswitch typ {\n\tcase \"a\":\n\t\tr = &B{}\n\t}\n}": "case",
		"type Extra int": "Extra",
		"// Other words.\nfunc init() {\n\tregister(2)\n}\ntype Sku struct {\n\tTier   string\n}": "", // a part of upstream's
	} {
		got := foreign(pieces(slim), pieces(upstream))
		if (want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s\ngot %q", slim, got)
		}
	}
}

// readGo returns the Go code of a folder.
func readGo(t *testing.T, dir string) (all string) {
	t.Helper()
	for _, file := range glob(t, filepath.Join(dir, "*.go")) {
		all += read(t, file)
	}
	return all
}

// foreign names the pieces of ours that theirs has not. Functions like LookupPrivateZoneExists are
// what our newer generator adds for each resource.
func foreign(ours, theirs map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ours)), func(piece string) bool {
		return theirs[piece] || strings.Contains(piece, "Exists(")
	})
}

var (
	comment = regexp.MustCompile(`(?m)^\s*//.*\n`)
	choice  = regexp.MustCompile(`(case .*:)\n`)
	listing = regexp.MustCompile(`^func (init|\(m \*module\) Construct)\(`)
)

// pieces takes gofmt's code apart. A slim SDK has a part of upstream's structs and of the functions
// that list every type, init and Construct: there each line, below the first one of its declaration,
// is a piece. Any other function is one.
func pieces(code string) map[string]bool {
	found := map[string]bool{}
	first := "" // line of the declaration
	whole := ""
	code = comment.ReplaceAllString(code, "")
	code = choice.ReplaceAllString(code, "$1 ")
	for line := range strings.Lines(code) {
		text := strings.Join(strings.Fields(line), " ")
		if !strings.ContainsAny(line[:1], "\t})\n") {
			first = text
			whole = ""
		}
		isHead := strings.HasPrefix(first, "package ") || strings.HasPrefix(first, "import ")
		if text == "" || isHead {
			continue
		}
		whole += text + "\n"
		switch {
		case !strings.HasPrefix(first, "func ") || listing.MatchString(first):
			found[first+"\n"+text] = true
		case line == "}\n" || line == "}" || strings.HasSuffix(first, "}"):
			found[whole] = true
		}
	}
	return found
}
