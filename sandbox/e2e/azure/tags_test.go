package azure

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// A policy adds a tag, and then somebody changes another setting of every resource. No refresh is
// asked for: the project's file has each run begin with one.
func TestATagOfAPolicyOutlivesAnOrdinaryUp(t *testing.T) {
	l := newRig(t, fixtures())
	tagged := func(team string) lab.Edit {
		return azureIs(t, fmt.Sprintf(`{"ignoreTags":["CostCenter"],"tags":{"team":%q}}`, team))
	}
	l.Up("dev", lab.Sample(), tagged("one"))
	require.NoError(t, l.ARM.Live(map[string]any{"CostCenter": "4711"}))
	_, changes := l.Up("dev", lab.Sample(), tagged("two"))
	require.NotZero(t, changes["update"])
	seen := 0
	for _, resource := range l.ARM.List("") {
		tags, _ := resource["tags"].(map[string]any)
		if tags["managed-by"] != "pulumi" {
			continue // Azure's own
		}
		seen++
		require.Equal(t, "two", tags["team"], "%v", resource["id"])
		require.Equal(t, "4711", tags["CostCenter"], "%v", resource["id"])
	}
	require.Greater(t, seen, 5)
}
