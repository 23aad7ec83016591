// Package audit tests the command run, which make audit calls.
package audit

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const unreached = `{"config":{"protocol_version":"v1.0.0"}}
{"finding":{"osv":"GO-1-1","trace":[{"module":"m","version":"v1.0.0"}]}}
`

const report = unreached + `{"finding":{"osv":"GO-2-2","fixed_version":"v1.1.0",
  "trace":[{"module":"m","version":"v1.0.0","package":"m/p","function":"F"}]}}
{"finding":{"osv":"GO-2-2","fixed_version":"v1.1.0",
  "trace":[{"module":"m","version":"v1.0.0","package":"m/p","function":"G"}]}}
{"finding":{"osv":"GO-3-3",
  "trace":[{"module":"stdlib","version":"v1.26.8","package":"os","function":"Remove"}]}}
`

func TestOnlyWhatIsReachedAndNotAcceptedFails(t *testing.T) {
	const found = "sandbox/vaultd: GO-2-2 m m/p.F of v1.0.0, fixed in v1.1.0: "
	const ofGo = "\nsandbox/vaultd: GO-3-3 stdlib os.Remove of v1.26.8, fixed in no version: " +
		"of Go itself: update Go\n"
	const notAccepted = "NOT ACCEPTED: upgrade the module, or give a reason in ./exceptions.txt"
	const malformed = "error: ./exceptions.txt: give an id, a folder and a reason in each line\n"
	const noReason = "GO-2-2 sandbox/vaultd\n"
	const noID = "CVE-1 sandbox/vaultd reason\n"
	for _, c := range []struct {
		name, exceptions, report, says string
		passes                         bool
	}{
		{"accepted", "# why\nGO-2-2 sandbox/vaultd nobody calls it\n", report, found + "nobody calls it" + ofGo, true},
		{"not reached", "", unreached, "", true},
		{"no exception", "", report, found + notAccepted + ofGo, false},
		{"of another module", "GO-2-2 sandbox nobody calls it\n", report, found + notAccepted + ofGo, false},
		{"no report", "", "", "error: sandbox/vaultd: no report of govulncheck\n", false},
		{"no reason", noReason, report, noReason + malformed, false},
		{"no id of Go's", noID, report, noID + malformed, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			script, err := os.ReadFile("run")
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{
				"run":            string(script),
				"exceptions.txt": c.exceptions,
				"report":         c.report,
				// In the place of go, which would run govulncheck.
				"go": "#!/bin/sh\ncat report\n",
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "./run", "govulncheck", "db", "sandbox/vaultd/")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			said, err := cmd.CombinedOutput()
			if string(said) != c.says || (err == nil) != c.passes {
				t.Errorf("%v, said %q, want %q", err, said, c.says)
			}
		})
	}
}
