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
		{
			name: "preview --save-plan --show-secrets",
			args: []string{"--save-plan", file("plan.json"), "--show-secrets"},
		},
		{name: "preview --logtostderr -v=9", args: []string{"--logtostderr", "-v=9"}},
		{name: "preview -v=9, a log file", args: []string{"-v=9"}},
		{name: "preview with PULUMI_DEBUG_GRPC", env: "PULUMI_DEBUG_GRPC=" + file("grpc.json")},
		{name: "preview --tracing", args: []string{"--tracing", "file:" + file("tracing.trace")}},
	} {
		t.Run(request.name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(p.temp))
			require.NoError(t, os.Mkdir(p.temp, 0o700))
			p.ear.with(request.args, request.env)
			require.NoError(t, p.preview())
			var found []string
			for _, sound := range p.ear.take() {
				found = append(found, p.look("stdout", "stdout", sound.stdout)...)
				found = append(found, p.look("stderr", "stderr", sound.stderr)...)
			}
			found = append(found, p.files("files", p.temp)...)
			// CLI 3.250 showed secrets in its log, 3.274.1 does not.
			if !strings.Contains(request.name, "log") {
				require.NotEmpty(t, found, "the CLI no longer shows secrets here: say so in docs/proofs.md")
			}
			fmt.Fprintf(&rows, "| `%s` | %d |\n", request.name, len(found))
		})
	}
	for _, command := range [][]string{
		{"stack", "export", "--show-secrets"},
		{"config", "--show-secrets"},
	} {
		p.ear.take()
		require.NoError(t, p.cli("", command...))
		found := p.look("stdout", "stdout", p.ear.take()[0].stdout)
		require.NotEmpty(t, found, command)
		fmt.Fprintf(&rows, "| `%s` | %d |\n", strings.Join(command, " "), len(found))
	}
	table := "| request | hits |\n|---|---|\n" + rows.String()
	lab.Publish(t, "proofs.md", "requests", p.Means()+"\n\n"+table)
}
