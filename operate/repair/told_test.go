package repair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inBucket is a stack whose state only the CLI sees. Until a cancel, it refuses an import as the
// CLI does.
type inBucket struct {
	refusal error
	done    []string
}

func (s *inBucket) Export(context.Context) ([]byte, error) {
	return []byte(`{"deployment":{}}`), nil
}

func (s *inBucket) Import(context.Context, []byte) error {
	s.done = append(s.done, "import")
	return s.refusal
}

func (s *inBucket) Runs(context.Context) ([]string, error) { return nil, nil }

func (s *inBucket) Cancel(context.Context) error {
	s.done = append(s.done, "cancel")
	s.refusal = nil
	return nil
}

func (s *inBucket) Refresh(context.Context) error {
	s.done = append(s.done, "refresh")
	return nil
}

// refusal is what the CLI says of the locks in a bucket.
func refusal(count int, locks ...Lock) error {
	var said strings.Builder
	fmt.Fprintf(&said, "`pulumi stack` failed: the stack is currently locked by %d lock(s). Either wait "+
		"for the other process(es) to end or delete the lock file with `pulumi cancel`.", count)
	for _, lock := range locks {
		fmt.Fprintf(&said, "\n  azblob://state/.pulumi/locks/organization/mlvault/dev/5a8c61a7.json?"+
			"storage_account=x: created by a person@%s (pid %d) at %s",
			lock.Hostname, lock.PID, time.Now().Format(time.RFC3339))
	}
	return errors.New(said.String())
}

func TestInABucketOnlyLocksOfProcessesThatAreGoneAreRemoved(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	gone := Lock{PID: ended(t), Hostname: host}
	lives := Lock{PID: pulumi(t).Process.Pid, Hostname: host}
	elsewhere := Lock{PID: 1, Hostname: "another"}
	for _, row := range []struct {
		name    string
		refusal error
		done    string
		fails   string
		// inContainer: the repair sees no process of another container.
		inContainer bool
	}{
		{name: "none", done: "import refresh"},
		{name: "gone", refusal: refusal(1, gone), done: "import cancel import refresh"},
		{name: "two that are gone", refusal: refusal(2, gone, gone), done: "import cancel import refresh"},
		{name: "living", refusal: refusal(1, lives), done: "import", fails: "it runs on this machine"},
		{
			name: "another machine", refusal: refusal(1, elsewhere), done: "import",
			fails: "process 1 of a person on another since ",
		},
		{
			name: "gone, or in another container", refusal: refusal(1, gone), inContainer: true, done: "import",
			fails: "no such process is in this container",
		},
		{
			name: "one of each", refusal: refusal(2, gone, elsewhere), done: "import",
			fails: "the stack is locked by process 1",
		},
		{name: "one that is not told", refusal: refusal(2, gone), done: "import", fails: "locked by 2 lock(s)"},
		{
			name: "Pulumi Cloud", refusal: errors.New("[409] Conflict: Another update is currently in progress"),
			done: "import", fails: "Another update is currently in progress",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			stack := &inBucket{refusal: row.refusal}
			machine := func() view { return view{isContainer: row.inContainer} }
			err := Repair{Stack: stack, Say: func(string) {}, view: machine}.Run(t.Context())
			require.Equal(t, row.done, strings.Join(stack.done, " "))
			if row.fails == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.fails)
			}
		})
	}
}
