package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/settings"
	"mlvault/operate/explain"
	"mlvault/sandbox/internal/vaultserver"
)

// Explain is one sentence with the cause of a failed run and what to do about it, or "" when it has nothing to add to
// what the CLI has printed. It goes by what Vault, ARM and the network say themselves, so that it serves with the
// genuine Vault plugin (6.7.4) and with the built-in one. It quotes nothing.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	var inUse *vaultserver.InUseError
	switch {
	case errors.As(err, &inUse):
		return fmt.Sprintf("another make up, down or vault runs here (process %d): wait for it, or end it", inUse.PID)
	case auto.IsConcurrentUpdateError(err):
		return "another run holds the stack, and its process lives or is on another machine: wait for it"
	}
	found, known := explain.Find(err.Error())
	if !known {
		return ""
	}
	return inSandbox.Replace(found.Sentence())
}

// inSandbox turns the commands for a real stack into the sandbox's. Its up repairs by itself.
var inSandbox = strings.NewReplacer(
	"Run `make repair`, then `pulumi up`", "Run `make up` again, which looks first at what is there",
	"`pulumi up`", "`make up`",
)

// Explained is the short form of an error of a command of make: its cause, else the last error that the CLI printed,
// whose whole output the Automation API repeats in its errors. Refused settings stay as they are.
func Explained(command string, err error) error {
	ofCLI := err != nil && strings.Contains(err.Error(), "code: ")
	problems, refused := settings.AsProblems(err)
	switch {
	case refused && ofCLI:
		return problems
	case err == nil || refused:
		return err
	}
	said := Explain(err)
	switch {
	case said == "" && ofCLI:
		said = lastError(err)
	case said == "":
		return err
	}
	return errors.New(strings.ReplaceAll(said, "`make up` again", "`make "+command+"` again"))
}

func lastError(err error) string {
	said := explain.LastError(err.Error())
	if said == "" {
		return "the Pulumi CLI ended without a word. Run `make up` again. If it stays so, `make clean` forgets the sandbox"
	}
	return said + ". Mend that, then run `make up` again"
}
