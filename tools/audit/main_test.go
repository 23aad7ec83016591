package main

import (
	"strings"
	"testing"
)

const report = `{"config":{"protocol_version":"v1.0.0"}}
{"finding":{"osv":"GO-1","trace":[{"module":"m","version":"v1.0.0"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.1.0","trace":[{"module":"m","version":"v1.0.0","package":"m/p","function":"F"}]}}
{"finding":{"osv":"GO-3","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","package":"os","function":"Remove"}]}}
`

func TestOnlyWhatIsReachedAndNotAcceptedFails(t *testing.T) {
	for name, c := range map[string]struct {
		exceptions, says string
		failed           bool
	}{
		"no exception":         {"", "GO-2 m@v1.0.0, m/p.F, fixed in v1.1.0; NOT ACCEPTED", true},
		"accepted":             {"# why\nGO-2 sandbox/vaultd nobody calls it", "accepted: nobody calls it", false},
		"of another module":    {"GO-2 preflight nobody calls it", "NOT ACCEPTED", true},
		"Go itself is told of": {"GO-2 sandbox/vaultd x", "GO-3 stdlib@v1.26.8, os.Remove, fixed in v1.26.9; of Go itself: update Go", false},
	} {
		accepted, err := parse(c.exceptions)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		failed, err := judge(&out, vaultd, []byte(report), accepted)
		if err != nil || failed != c.failed || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), "GO-1") {
			t.Errorf("%s: failed %v, %v, said %s", name, failed, err, out.String())
		}
	}
}

const vaultd = "sandbox/vaultd"

func TestAModuleIsNamedByItsFolder(t *testing.T) {
	for dir, want := range map[string]string{"../": ".", "../sandbox/vaultd/": vaultd} {
		if got := name(dir); got != want {
			t.Errorf("%s is %q, want %q", dir, got, want)
		}
	}
}

func TestAnExceptionWithoutAReasonIsRefused(t *testing.T) {
	for _, line := range []string{"GO-2", "GO-2 preflight", "CVE-1 preflight reason"} {
		if _, err := parse(line); err == nil {
			t.Errorf("%q is accepted", line)
		}
	}
	if _, err := parse(exceptions); err != nil {
		t.Error(err)
	}
	if _, err := judge(&strings.Builder{}, ".", nil, nil); err == nil {
		t.Error("no output at all passes")
	}
}
