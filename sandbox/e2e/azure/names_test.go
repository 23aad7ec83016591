package azure

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// notNamed are types whose names Azure or the settings decide: roles are GUIDs, zones are domains,
// their group is part of an endpoint, and clusters have a name each.
var notNamed = []string{
	"/roleAssignments/",
	"/privateDnsZoneGroups/",
	"/computes/",
}

// nameOf is the last name of an id, or the one of a zone's link.
func nameOf(id string) (name string, isNamed bool) {
	for _, kind := range notNamed {
		if strings.Contains(id, kind) {
			return "", false
		}
	}
	isZone := strings.Contains(id, "/privateDnsZones/") && !strings.Contains(id, "/virtualNetworkLinks/")
	parts := strings.Split(id, "/")
	return parts[len(parts)-1], !isZone
}

// All that has a name has the company's, and what is made again finds its name free.
func TestATemplateNamesAllThatIsMade(t *testing.T) {
	l := newRig(t, fixtures())
	text := lab.ReadFile(t, fixtures()+"/Pulumi.named.yaml")
	l.seed(text)
	before := map[string]bool{}
	for _, resource := range l.ARM.List("") {
		before[fmt.Sprint(resource["id"])] = true
	}
	deployed := l.lives("named")
	named := map[string]bool{}
	for _, resource := range l.ARM.List("") {
		id := fmt.Sprint(resource["id"])
		name, isNamed := nameOf(id)
		if before[id] || !isNamed {
			continue
		}
		named[name] = true
		isTheirs := strings.HasPrefix(name, "acme-named-") || strings.HasPrefix(name, "acmenamed")
		require.True(t, isTheirs || name == "acme-ml-secrets", id)
	}
	for _, name := range []string{
		"acme-named-rg", "acme-named-mlw", "acme-named-id", "acme-named-id-mlw", "acmenamedst",
		"acmenamedcr", "acme-named-log", "acme-named-appi", "acme-ml-secrets", "acme-named-pep-blob",
		"acme-named-pep-amlworkspace", "acme-named-link", "acme-named-diag-mlw", "acme-named-lock-st",
	} {
		require.True(t, named[name], "nothing is called %s: %v", name, named)
	}

	subnet := "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-network/providers/" +
		"Microsoft.Network/virtualNetworks/vnet-ml/subnets/others"
	l.seed(subnet)
	moved := lab.With(t, "azure.privateEndpoints.subnetId", subnet)
	_, changes := l.Up("named", lab.Sample(), moved)
	require.NotZero(t, changes["replace"], "%v", changes)
	l.requireOne("Microsoft.Network/privateEndpoints", "acme-named-pep-blob", "others")
	require.NoError(t, deployed.Unprotect(t.Context()))
	l.Destroy(deployed)
	require.Len(t, l.ARM.List(""), len(before)+1, "what was there, and the other subnet")
}
