//go:build prove

package surfaces

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// What the CLI shows when it is asked to, in any way, is no leak of this program and not ours to
// mask. It is recorded here, so that the documents name what there is: a surface that stops showing
// secrets fails this test too.
func TestProveWhatTheCLIShowsOnRequest(t *testing.T) {
	secrets := newSecrets("shown")
	p := newProof(t, secrets)
	p.expect("up", p.up())

	var rows strings.Builder
	file := func(name string) string { return filepath.Join(p.temp, name) }
	for _, request := range []struct {
		name string
		args []string
		env  string
	}{
		{"preview --save-plan --show-secrets", []string{"--save-plan", file("plan.json"), "--show-secrets"}, ""},
		{"preview --logtostderr -v=9", []string{"--logtostderr", "-v=9"}, ""},
		{"preview -v=9, a log file", []string{"-v=9"}, ""},
		{"preview with PULUMI_DEBUG_GRPC", nil, "PULUMI_DEBUG_GRPC=" + file("grpc.json")},
		{"preview --tracing", []string{"--tracing", "file:" + file("tracing.trace")}, ""},
	} {
		t.Run(request.name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(p.temp))
			require.NoError(t, os.Mkdir(p.temp, 0o700))
			p.ear.args, p.ear.env = request.args, []string{request.env}
			require.NoError(t, p.preview())
			var found []string
			for _, sound := range p.ear.take() {
				found = append(found, p.look("stdout", "stdout", sound.stdout)...)
				found = append(found, p.look("stderr", "stderr", sound.stderr)...)
			}
			found = append(found, p.files("files", p.temp)...)
			if !strings.Contains(request.name, "log") { // CLI 3.250 showed secrets in its log, 3.274.1 does not
				require.NotEmpty(t, found, "the CLI no longer shows secrets here: say so in docs/proofs.md")
			}
			fmt.Fprintf(&rows, "| `%s` | %d |\n", request.name, len(found))
		})
	}
	for _, command := range [][]string{{"stack", "export", "--show-secrets"}, {"config", "--show-secrets"}} {
		p.ear.take()
		require.NoError(t, p.cli("", command...))
		found := p.look("stdout", "stdout", p.ear.take()[0].stdout)
		require.NotEmpty(t, found, command)
		fmt.Fprintf(&rows, "| `%s` | %d |\n", strings.Join(command, " "), len(found))
	}
	lab.Publish(t, "proofs.md", "requests", p.Means()+"\n\n| request | hits |\n|---|---|\n"+rows.String())
}
