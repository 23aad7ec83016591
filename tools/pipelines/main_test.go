package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestATemplateOfAzuresIsWhatItMakes(t *testing.T) {
	const text = `
jobs:
- ${{ each ring in parameters.rings }}:
  - job: ring_${{ ring }}
    timeoutInMinutes: 60
- job: last
  ${{ if eq(parameters.deploy, 'true') }}:
    dependsOn: x
`
	var read any
	if err := yaml.Unmarshal([]byte(text), &read); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"jobs": []any{
		map[string]any{"job": "ring_x", "timeoutInMinutes": "60"},
		map[string]any{"job": "last", "dependsOn": "x"},
	}}
	if got := expanded(read); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// The schemas here are the smallest that our files meet. One that demands a field which no file has
// shows that each kind of file can fail.
func TestAFileThatIsNotAsItsSchemaSaysIsNamed(t *testing.T) {
	folder := t.TempDir()
	write := func(name, schema string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(schema), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range vendors {
		write(v.schema, `{"type":"object"}`)
	}
	if err := run("../..", folder); err != nil {
		t.Fatal(err)
	}
	for _, v := range vendors {
		write(v.schema, `{"type":"object","required":["nowhere"]}`)
		err := run("../..", folder)
		if err == nil || !strings.Contains(err.Error(), ".yml: ") || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%s: %v", v.schema, err)
		}
		write(v.schema, `{"type":"object"}`)
	}
}
