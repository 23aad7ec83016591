package stack

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/settings"
)

// A token is azure-native:<module>/v<day>:<Name>.
var azureToken = regexp.MustCompile(`^azure-native:(\w+)/v(\d{4})(\d{2})(\d{2})(preview)?:(\w+)$`)

// armTypes are Microsoft's names of what azure-native calls otherwise.
var armTypes = map[string]string{
	"authorization ManagementLockByScope":  "Microsoft.Authorization/locks",
	"authorization RoleAssignment":         "Microsoft.Authorization/roleAssignments",
	"containerregistry Registry":           "Microsoft.ContainerRegistry/registries",
	"insights Component":                   "Microsoft.Insights/components",
	"insights DiagnosticSetting":           "Microsoft.Insights/diagnosticSettings",
	"machinelearningservices Compute":      "Microsoft.MachineLearningServices/workspaces/computes",
	"machinelearningservices Workspace":    "Microsoft.MachineLearningServices/workspaces",
	"managedidentity UserAssignedIdentity": "Microsoft.ManagedIdentity/userAssignedIdentities",
	"network PrivateDnsZoneGroup":          "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
	"network PrivateEndpoint":              "Microsoft.Network/privateEndpoints",
	"network PrivateZone":                  "Microsoft.Network/privateDnsZones",
	"network VirtualNetworkLink":           "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
	"operationalinsights Workspace":        "Microsoft.OperationalInsights/workspaces",
	"resources ResourceGroup":              "Microsoft.Resources/resourceGroups",
	"storage StorageAccount":               "Microsoft.Storage/storageAccounts",
}

func TestTheCalendarHasEachAPIVersionThatTheProgramUsesAndNoOther(t *testing.T) {
	want := map[string]string{}
	for _, known := range settings.APIVersions {
		want[known.Type] = known.Version
	}
	if got := versionsInUse(t); !maps.Equal(got, want) {
		t.Errorf("in use: %v\nin settings.APIVersions: %v", got, want)
	}
}

func TestNoAPIVersionInUseIsOneThatAzureWillNotServe(t *testing.T) {
	for _, known := range settings.APIVersions {
		if !known.Serves(known.Version) {
			t.Errorf("%s %s ends on %s", known.Type, known.Version, known.Ends.On)
		}
	}
}

// versionsInUse reads the goldens: API versions by ARM type.
func versionsInUse(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	used := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var registered struct {
				Type   string
				Inputs map[string]any
			}
			if err := json.Unmarshal(line, &registered); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(registered.Type, "azure-native:") {
				armType, version := versionOf(t, registered.Type, registered.Inputs)
				used[armType] = version
			}
		}
	}
	return used
}

func versionOf(t *testing.T, token string, inputs map[string]any) (armType, version string) {
	t.Helper()
	match := azureToken.FindStringSubmatch(token)
	if match == nil {
		t.Fatalf("%s has no API version", token)
	}
	if match[6] == "Resource" {
		return text(inputs["resourceProviderNamespace"]) + "/" + text(inputs["resourceType"]),
			text(inputs["apiVersion"])
	}
	armType, known := armTypes[match[1]+" "+match[6]]
	if !known {
		t.Fatalf("%s: add it to armTypes and to settings.APIVersions", token)
	}
	version = strings.Join(match[2:5], "-")
	if match[5] != "" {
		version += "-preview"
	}
	return armType, version
}

func text(value any) string {
	written, _ := value.(string)
	return written
}

// The page has the same calendar, so that a reader needs no Go.
func TestThePageHasTheCalendar(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "azure.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(Microsoft[^`]+)` \\| (\\S+) \\| ([^|]+) \\| (\\S+) \\|$")
	var got, want []string
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		got = append(got, strings.Join(match[1:], " "))
	}
	for _, known := range settings.APIVersions {
		announced := "nothing"
		if known.Ends != nil {
			announced = "older than " + known.Ends.Oldest + " ends on " + known.Ends.On
		}
		fields := []string{known.Type, known.Version, announced, known.Seen.On}
		want = append(want, strings.Join(fields, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/azure.md:\n%s\nsettings.APIVersions:\n%s",
			strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
