package docs

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

// endpoint serves with the sample score.py until its folder has a file named stop, then says how
// its reads went.
const endpoint = `
import hashlib, json, os, score
from vault_credentials import VaultCredentials
score.init()
score.vault = VaultCredentials(ttl=0.2)
reads, failed, seen = 0, 0, []
while not os.path.exists("stop"):
    try:
        assert score.run('{"credential": "ml_api_key"}')["keys"] == ["api_key"]
        digest = hashlib.sha256(score.vault["ml_api_key"]["api_key"].encode()).hexdigest()
        if digest not in seen:
            seen.append(digest)
            open("seen-%d" % len(seen), "w").close()
        reads += 1
    except Exception:
        failed += 1
print(json.dumps({"reads": reads, "failed": failed, "seen": seen}))
`

// What `make job` writes is run step by step, in a network that lets out only what a rule approves.
func TestTheHandOverRunsAsAzureMLRunsIt(t *testing.T) {
	l := lab.New(t)
	approved := lab.With(t, "azure.managedNetwork.mode", "AllowOnlyApprovedOutbound")
	dev, _ := l.Up("dev", lab.Sample(), approved)

	t.Run("each step reads", func(t *testing.T) {
		var out strings.Builder
		require.NoError(t, dev.Pipeline(t.Context(), &out))
		var steps []string
		for line := range strings.Lines(out.String()) {
			fields := strings.Fields(line)
			steps = append(steps, fields[0]+" "+fields[1])
			if fields[1] != "schedule" {
				require.Contains(t, line, "ml_api_key has api_key")
			}
		}
		require.Equal(t, []string{
			"job.yml job",
			"pipeline.yml prepare", "pipeline.yml train", "pipeline.yml register",
			"component-pipeline.yml prepare",
			"schedule.yml schedule",
		}, steps)
		require.Contains(t, out.String(), "starts pipeline.yml, which is above", "and is not run twice")
		require.Contains(t, out.String(), "register: reads ['train.txt']", "what a step writes the next one gets")
		require.NotContains(t, out.String(), lab.Canary)
	})

	t.Run("a schedule alone runs its job", func(t *testing.T) {
		folder := t.TempDir()
		require.NoError(t, dev.HandOver(t.Context(), folder))
		var out strings.Builder
		require.NoError(t, dev.RunDefinitions(t.Context(), folder, &out, "schedule.yml"))
		require.Contains(t, out.String(), "register: reads ['train.txt']")
	})

	for name, c := range map[string]struct{ file, find, put, says string }{
		"an image that no rule reaches":       {"job.yml", `image: \S+`, "image: python:3.12-slim", "lets a job reach docker.io"},
		"a package index that no rule opens":  {"job.yml", `command: .*`, "command: python -m pip install requests", "lets a job reach pypi.org"},
		"somebody else's cluster":             {"job.yml", `compute: .*`, "compute: azureml:other", "is not the stack's cluster"},
		"a step that waits for none":          {"pipeline.yml", `parent\.jobs\.prepare`, "parent.jobs.none", "or for one that is not there"},
		"no identity":                         {"job.yml", `(?m)^identity:.*\n  type: managed`, "", "managed identity"},
		"no identity of the component's node": {"component-pipeline.yml", `    identity:\n      type: managed\n`, "", "managed identity"},
		"no variables of one step":            {"pipeline.yml", `(?s)(  register:.*?)    environment_variables:.*`, "$1", "step register"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, dev.HandOver(t.Context(), folder))
			path := filepath.Join(folder, c.file)
			text := lab.ReadFile(t, path)
			changed := regexp.MustCompile(c.find).ReplaceAllString(text, c.put)
			require.NotEqual(t, text, changed)
			require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
			require.ErrorContains(t, dev.RunDefinitions(t.Context(), folder, io.Discard, c.file), c.says)
		})
	}

	t.Run("the environment file is private and holds no credential", func(t *testing.T) {
		file, err := dev.WriteJobEnvironment(t.Context())
		require.NoError(t, err)
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.NotContains(t, lab.ReadFile(t, file), lab.Canary)
		cmd := exec.CommandContext(t.Context(), "sh", "-ac", ". '"+file+"' && PYTHONPATH=job python3 -m vault_credentials --check")
		cmd.Dir, cmd.Env = lab.Repository(), []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
		printed, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", printed)
		require.Contains(t, string(printed), "ml_api_key: api_key")
	})

	t.Run("a living endpoint reads through a rotation", func(t *testing.T) {
		folder := t.TempDir()
		require.NoError(t, dev.HandOver(t.Context(), folder))
		cmd := lab.Python(t, dev, folder, endpoint)
		var printed strings.Builder
		cmd.Stdout, cmd.Stderr = &printed, &printed
		require.NoError(t, cmd.Start())
		var want []string
		for i, value := range []string{lab.Canary + "-key", lab.Canary + "-second", lab.Canary + "-third"} {
			if i > 0 {
				rotated := lab.Sample()
				rotated["ml_api_key"]["api_key"] = value
				l.Up("dev", rotated, approved)
			}
			want = append(want, fmt.Sprintf("%x", sha256.Sum256([]byte(value))))
			require.Eventually(t, func() bool {
				_, err := os.Stat(filepath.Join(folder, fmt.Sprintf("seen-%d", i+1)))
				return err == nil
			}, time.Minute, 50*time.Millisecond, "the endpoint sees each value: %s", &printed)
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, "stop"), nil, 0o600))
		require.NoError(t, cmd.Wait(), &printed)
		var result struct {
			Reads, Failed int
			Seen          []string
		}
		require.NoError(t, json.Unmarshal([]byte(printed.String()), &result))
		require.Zero(t, result.Failed, "no read failed")
		require.Equal(t, want, result.Seen)
		t.Logf("%d reads during two rotations, none failed", result.Reads)
	})
}
