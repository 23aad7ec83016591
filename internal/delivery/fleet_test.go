package delivery

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// manifests renders a list of teams, changed by a jq program.
func manifests(t *testing.T, change string) []map[string]any {
	t.Helper()
	const script = `jq "$CHANGE" ../../examples/fleet/teams.json >"$LIST"
python3 ../../examples/fleet/render.py "$LIST"`
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
	cmd.Env = append(os.Environ(), "CHANGE="+change, "LIST="+filepath.Join(t.TempDir(), "teams.json"))
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var list struct{ Items []map[string]any }
	if err := yaml.Unmarshal(output, &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// A new version is applied to all stacks at once, and a ring waits for the one above it.
func TestARingOfTheFleetWaitsForTheWholeRingAboveIt(t *testing.T) {
	type ring struct{ ring, waitsFor string }
	rings := func(change string) []ring {
		var found []ring
		for _, stack := range manifests(t, change) {
			text, err := json.Marshal(stack)
			if err != nil {
				t.Fatal(err)
			}
			var decoded struct {
				Metadata struct{ Labels struct{ Ring string } }
				Spec     struct{ Prerequisites []struct{ Name string } }
			}
			if err := json.Unmarshal(text, &decoded); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, prerequisite := range decoded.Spec.Prerequisites {
				names = append(names, prerequisite.Name)
			}
			next := ring{ring: decoded.Metadata.Labels.Ring, waitsFor: strings.Join(names, " ")}
			if !slices.Contains(found, next) {
				found = append(found, next)
			}
		}
		return found
	}
	want := []ring{
		{ring: "dev", waitsFor: ""},
		{ring: "staging", waitsFor: "platform sandbox"},
		{ring: "prod", waitsFor: "forecasting pricing"},
	}
	if got := rings("."); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Without a team in staging prod waits for dev.
	want = []ring{{ring: "dev", waitsFor: ""}, {ring: "prod", waitsFor: "platform sandbox"}}
	if got := rings(`.teams |= map(select(.ring != "staging"))`); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
