package arm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// resourceType is one row of the table: all that the sandbox knows of one azure-native type.
type resourceType struct {
	Token string // azure-native's type token
	Type  string // ARM's type
	Path  string // template of the id, in the casing in which ARM returns it
	Name  nameRule

	Inputs   []string // wire names of azure-native's inputs, but for those in Path
	Required []string // of the inputs, those that azure-native's schema requires
	Replaces []string // of the inputs, those whose change azure-native turns into a replacement: its forceNewMap and x-ms-mutability
	Computed []string // wire names of the outputs that only the service sets, without name and type

	Envelope []string          // beside location and tags, the inputs that ARM has at the top and not in the body's properties
	Nested   bool              // azure-native does not flatten this type's properties: all inputs are at the top
	Renames  map[string]string // ARM's names of properties that azure-native names otherwise
	Items    []string          // objects, or lists of them, with properties of their own; azure-native flattens these too

	Defaults   map[string]any // by path, what the service fills in
	Rules      []rule         // what the service refuses, in order
	Complete   func(*put) map[string]any
	SoftDelete *Error // the refusal of a name that a deleted resource holds; nil: what is deleted is gone
}

// nameRule is what a resource may be called.
type nameRule struct {
	Pattern  string
	Min, Max int
	Source   string // where the rule is published

	Code, Message string // ARM's refusal of a bad name; the message takes the name
	GUID          bool   // an automatic name is a GUID

	TakenCode, TakenMessage string // ARM's refusal of a name that another resource has; "": names are not global
}

func (n nameRule) valid(name string) bool {
	return len(name) >= n.Min && len(name) <= n.Max && regexp.MustCompile(n.Pattern).MatchString(name)
}

func (r *resourceType) located() bool { return slices.Contains(r.Inputs, "location") }

// words splits a list of names, so that a row reads as a row.
func words(list string) []string { return strings.Fields(list) }

// rowOf finds the row of a resource of the program.
func rowOf(urn resource.URN) (*resourceType, error) {
	var known []string
	for _, row := range table {
		if string(urn.Type()) == row.Token {
			return row, nil
		}
		known = append(known, row.Token)
	}
	return nil, fmt.Errorf("the sandbox's ARM has no %s; it has %s", urn.Type(), strings.Join(known, ", "))
}

// rowOfType finds a row by ARM's type.
func rowOfType(armType string) (*resourceType, bool) {
	for _, row := range table {
		if strings.EqualFold(row.Type, armType) {
			return row, true
		}
	}
	return nil, false
}
