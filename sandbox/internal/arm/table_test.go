package arm

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"mlvault/sandbox/internal/arm/armspec"
)

func TestEveryRowIsConsistent(t *testing.T) {
	for _, row := range table {
		t.Run(row.Token, func(t *testing.T) {
			outputs := slices.Concat(row.Inputs, row.Computed)
			assert.NotEmpty(t, row.Name.Source, "a rule has a source")
			assert.NotPanics(t, func() { regexp.MustCompile(row.Name.Pattern) })
			assert.Equal(t, row.Name.Code != "", strings.Contains(row.Name.Message, "%s"), "a refusal quotes the name")
			assert.Subset(t, row.Inputs, row.Required)
			assert.Subset(t, row.Inputs, row.Replaces)
			assert.Subset(t, outputs, row.Envelope)
			assert.Subset(t, outputs, slices.Collect(maps.Keys(row.Renames)))
			assert.Regexp(t, `/v20\d{6}(preview)?:`, row.Token, "a dated API version")
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
				err := armspec.Check(row.Type, row.body(map[string]any{input: value}))
				return err == nil || strings.Contains(err.Error(), "Allowed values are")
			})
			assert.True(t, fits, "%s: %s", row.Token, input)
		}
	}
}

func TestTheSandboxItselfLinksNothingOfMicrosofts(t *testing.T) {
	linked, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "mlvault/sandbox").Output()
	assert.NoError(t, err)
	assert.Contains(t, string(linked), "mlvault/sandbox/internal/arm\n")
	assert.NotContains(t, string(linked), "azure-sdk-for-go")
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
