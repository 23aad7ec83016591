package main

import (
	"strings"
	"testing"
)

const report = `{"config":{"protocol_version":"v1.0.0"}}
{"finding":{"osv":"GO-1","trace":[{"module":"m","version":"v1.0.0"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.1.0","trace":[{"module":"m","version":"v1.0.0","package":"m/p","function":"F"}]}}
{"finding":{"osv":"GO-3","trace":[{"module":"stdlib","version":"v1.26.8","package":"os","function":"Remove"}]}}
`

func TestOnlyWhatIsReachedAndNotAcceptedFails(t *testing.T) {
	for exceptions, says := range map[string]string{
		"": "not accepted", "GO-2 preflight nobody calls it": "not accepted",
		"# why\nGO-2 sandbox/vaultd nobody calls it": "accepted: nobody calls it",
	} {
		accepted, err := parse(exceptions)
		if err != nil && exceptions != "" {
			t.Fatal(err)
		}
		var out strings.Builder
		err = judge(&out, name("../sandbox/vaultd/"), []byte(report), accepted)
		want := "sandbox/vaultd: 2 known vulnerabilities are reached\n  GO-2 m@v1.0.0, m/p.F, fixed in \"v1.1.0\"; " + says +
			"\n  GO-3 stdlib@v1.26.8, os.Remove, fixed in \"\"; of Go itself: update Go\n"
		if out.String() != want || (err != nil) != (says == "not accepted") {
			t.Errorf("%q: %v, said %s", exceptions, err, out.String())
		}
	}
	if judge(&strings.Builder{}, ".", nil, nil) == nil {
		t.Error("no output at all passes")
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
}
