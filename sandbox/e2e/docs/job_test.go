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
			switch fields[1] {
			case "job":
				require.Contains(t, line, "ml_api_key: api_key", "it asks for all")
			case "schedule":
			default:
				require.Contains(t, line, fields[1]+": feature_store has ", "a step asks by name")
			}
		}
		require.Equal(t, []string{
			"job.yml job",
			"pipeline.yml prepare", "pipeline.yml train", "pipeline.yml register",
			"component-pipeline.yml prepare",
			"schedule.yml schedule",
		}, steps)
		require.Contains(t, out.String(), "starts pipeline.yml, which is above", "and is not run twice")
		require.Contains(t, out.String(), "register: reads ['train.txt']",
			"what a step writes the next one gets")
		require.NotContains(t, out.String(), lab.Canary)
	})

	t.Run("a schedule alone runs its job", func(t *testing.T) {
		folder := t.TempDir()
		require.NoError(t, dev.HandOver(t.Context(), folder))
		var out strings.Builder
		require.NoError(t, dev.RunDefinitions(t.Context(), folder, &out, "schedule.yml"))
		require.Contains(t, out.String(), "register: reads ['train.txt']")
	})

	for _, test := range []struct {
		name string
		file string
		find string // a regular expression
		put  string // in its place
		says string
	}{
		{
			name: "an image that no rule reaches",
			file: "job.yml",
			find: `image: \S+`,
			put:  "image: python:3.12-slim",
			says: "lets a job reach docker.io",
		},
		{
			name: "a package index that no rule opens",
			file: "job.yml",
			find: `command: .*`,
			put:  "command: python -m pip install requests",
			says: "lets a job reach pypi.org",
		},
		{
			name: "somebody else's cluster",
			file: "job.yml",
			find: `compute: .*`,
			put:  "compute: azureml:other",
			says: "is no cluster of the workspace that carries the job identity",
		},
		{
			name: "a step that waits for none",
			file: "pipeline.yml",
			find: `parent\.jobs\.prepare`,
			put:  "parent.jobs.none",
			says: "or for one that is not there",
		},
		{
			name: "no identity",
			file: "job.yml",
			find: `(?m)^identity:.*\n  type: managed`,
			says: "managed identity",
		},
		{
			name: "no identity of the component's node",
			file: "component-pipeline.yml",
			find: `    identity:\n      type: managed\n`,
			says: "managed identity",
		},
		{
			name: "no variables of one step",
			file: "pipeline.yml",
			find: `(?s)(  register:.*?)    environment_variables:.*`,
			put:  "$1",
			says: "step register",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, dev.HandOver(t.Context(), folder))
			path := filepath.Join(folder, test.file)
			text := lab.ReadFile(t, path)
			changed := regexp.MustCompile(test.find).ReplaceAllString(text, test.put)
			require.NotEqual(t, text, changed)
			require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
			err := dev.RunDefinitions(t.Context(), folder, io.Discard, test.file)
			require.ErrorContains(t, err, test.says)
		})
	}

	t.Run("the environment file is private and holds no credential", func(t *testing.T) {
		file, err := dev.WriteJobEnvironment(t.Context())
		require.NoError(t, err)
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.NotContains(t, lab.ReadFile(t, file), lab.Canary)
		script := ". '" + file + "' && PYTHONPATH=job python3 -m vault_credentials --check"
		cmd := exec.CommandContext(t.Context(), "sh", "-ac", script)
		cmd.Dir = lab.Repository()
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
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
		for i, end := range []string{"-key", "-second", "-third"} {
			value := lab.Canary + end
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
