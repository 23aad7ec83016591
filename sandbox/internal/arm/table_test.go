package arm

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryRowIsConsistent(t *testing.T) {
	for _, row := range table {
		t.Run(row.Token, func(t *testing.T) {
			parameters, outputs := row.parameters(), slices.Concat(row.Inputs, row.Computed)
			assert.Equal(t, row.Name.Property, parameters[len(parameters)-1])
			assert.NotEmpty(t, row.Name.Source, "a rule has a source")
			assert.NotPanics(t, func() { regexp.MustCompile(row.Name.Pattern) })
			assert.Equal(t, row.Name.Code != "", strings.Contains(row.Name.Message, "%s"), "a refusal quotes the name")
			assert.Equal(t, row.Name.Global, row.Name.TakenCode != "")
			assert.Subset(t, slices.Concat(row.Inputs, parameters), row.Required)
			assert.Subset(t, row.Inputs, row.Replaces)
			assert.Subset(t, outputs, row.Envelope)
			for wire := range row.Renames {
				root, _, _ := strings.Cut(wire, ".")
				assert.Contains(t, outputs, root)
			}
			version := strings.ReplaceAll(row.APIVersion, "-", "")
			assert.Contains(t, row.Token, "/v"+version+":", "the token says which API version it speaks")
			found, ok := rowOfType(strings.ToUpper(row.Type))
			assert.True(t, ok)
			assert.Same(t, row, found)
		})
	}
}

// An input that no value can carry through Microsoft's type is misspelled in the row, or sits in the wrong place.
func TestEveryInputIsAPropertyOfMicrosoftsType(t *testing.T) {
	values := []any{"text", true, 1.0, map[string]any{}, []any{}, []any{"text"}}
	for _, row := range table {
		for _, input := range row.Inputs {
			fits := slices.ContainsFunc(values, func(value any) bool {
				return knownProperties(&put{row: row, doc: row.body(map[string]any{input: value})}) == nil
			})
			assert.True(t, fits, "%s: %s", row.Token, input)
		}
	}
}

func TestIdsAreTakenApart(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g"
	for id, want := range map[string]resourceID{
		"/subscriptions/s":             {armType: typeSubscription, name: "s"},
		group:                          {armType: typeResourceGroup, name: "g", group: "g", groupID: group, parent: "/subscriptions/s"},
		group + "/providers/N/t/a":     {armType: "N/t", name: "a", group: "g", groupID: group, parent: group},
		group + "/providers/N/t/a/u/b": {armType: "N/t/u", name: "b", group: "g", groupID: group, parent: group + "/providers/N/t/a"},
		group + "/providers/N/t/a/providers/X/e/b": {armType: "X/e", name: "b", group: "g", groupID: group, parent: group + "/providers/N/t/a", extension: true},
		"/subscriptions/s/providers/X/e/b":         {armType: "X/e", name: "b", parent: "/subscriptions/s"},
	} {
		got, err := parseID(id)
		assert.NoError(t, err, id)
		assert.Equal(t, want, got, id)
	}
	for _, id := range []string{"", "/", "name", "subscriptions/s", "/subscriptions//resourceGroups/g", group + "/providers/N/t"} {
		_, err := parseID(id)
		assert.ErrorContains(t, err, "is not a resource id", id)
	}
}
