package repair

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"
)

// How the CLI tells of locks where it keeps the state itself: in files, Azure Blob Storage, S3 or
// Google Cloud Storage (pkg/backend/diy/lock.go of pulumi, seen in 3.274). Pulumi Cloud says that
// there is an update, and not whose.
var (
	toldCount = regexp.MustCompile(`the stack is currently locked by (\d+) lock`)
	told      = regexp.MustCompile(`: created by (.+)@(\S+) \(pid (\d+)\) at (\S+)`)
)

// toldLocks are the locks that an error of the CLI names, all of them or none.
func toldLocks(failure error) []Lock {
	if failure == nil {
		return nil
	}
	count := toldCount.FindStringSubmatch(failure.Error())
	all := told.FindAllStringSubmatch(failure.Error(), -1)
	if count == nil || count[1] != strconv.Itoa(len(all)) {
		return nil
	}
	var locks []Lock
	for _, found := range all {
		pid, err := strconv.Atoi(found[3])
		if err != nil {
			return nil
		}
		since, err := time.Parse(time.RFC3339, found[4])
		if err != nil {
			return nil
		}
		locks = append(locks, Lock{PID: pid, Username: found[1], Hostname: found[2], Time: since})
	}
	return locks
}

// cancel removes locks that the CLI has named, unless the process of one may live. It has the CLI
// remove all that the stack has. None of them is of a run that lives: while a dead lock is there,
// no run begins.
func (r Repair) cancel(ctx context.Context, locks []Lock, here view) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("locks: %w", err)
	}
	var others []Lock
	for _, lock := range locks {
		lock.Why = judge(lock, host, here)
		if lock.Why != "" {
			others = append(others, lock)
		}
	}
	if len(others) > 0 {
		return &LockedError{Locks: others}
	}
	if err := r.Stack.Cancel(ctx); err != nil {
		return err
	}
	r.Say(lockRemoved)
	return nil
}
