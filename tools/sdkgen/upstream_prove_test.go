//go:build prove

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// The promise of a slim SDK is that the official module can take its place. The official network
// module is small enough to download (10 MB); the other two are not served by every proxy. It needs
// the network, so it is one of the tests of make prove.
func TestProveEveryDeclarationOfTheSlimNetworkIsUpstreams(t *testing.T) {
	upstream := download(t, official+"network/v2@v2.92.3")
	for _, dir := range glob(t, "../../sdks/network/v*") {
		ours := pieces(readGo(t, dir))
		theirs := pieces(readGo(t, filepath.Join(upstream, filepath.Base(dir))))
		if differences := foreign(ours, theirs); len(differences) != 0 {
			t.Errorf("%s: upstream has these otherwise, or not at all: %q", dir, differences)
		}
	}
}

// download is the folder of a module.
func download(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of any module
	output, failed := cmd.Output()
	var found struct {
		Dir   string
		Error string
	}
	err := json.Unmarshal(output, &found)
	if err != nil || found.Dir == "" {
		t.Fatalf("download %s: %v %v %s", module, failed, err, found.Error)
	}
	return found.Dir
}
