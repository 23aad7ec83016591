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

// ofCLI is in the errors of the Automation API, which repeat all that the CLI printed.
const ofCLI = "code: "

// inSandbox turns the commands for a real stack into the sandbox's. Its up repairs by itself.
var inSandbox = strings.NewReplacer(
	"Run `make repair`, then `pulumi up`",
	"Run `make up` again, which looks first at what is there",

	"run `pulumi up --refresh --run-program`",
	"run `make up` again",

	"Run `pulumi up --refresh --run-program`",
	"Run `make up` again",

	"`pulumi up`",
	"`make up`",
)

// Explain is the cause of a failed run and what to do about it. It is empty where nothing can be
// added to what the CLI has printed.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	if inUse, ok := errors.AsType[*vaultserver.InUseError](err); ok {
		return fmt.Sprintf("another make up, down or vault runs here (process %d): "+
			"wait for it, or end it", inUse.PID)
	}
	if auto.IsConcurrentUpdateError(err) {
		return "another run holds the stack, and its process lives or is on another machine: wait for it"
	}
	found, known := explain.Find(err.Error())
	if !known {
		return ""
	}
	return inSandbox.Replace(found.Sentence())
}

// Explained is the short form of an error of a command of make: its cause, else the last error that
// the CLI printed. Refused settings stay as they are.
func Explained(command string, err error) error {
	if err == nil {
		return nil
	}
	isOfCLI := strings.Contains(err.Error(), ofCLI)
	if problems, refused := settings.AsProblems(err); refused {
		if isOfCLI {
			return problems
		}
		return err
	}
	said := Explain(err)
	if said == "" {
		if !isOfCLI {
			return err
		}
		said = lastError(err)
	}
	again := "`make " + command + "` again"
	return errors.New(strings.ReplaceAll(said, "`make up` again", again))
}

// lastError is the CLI's last one, with what to do.
func lastError(err error) string {
	said := explain.LastError(err.Error())
	if said == "" {
		return "the Pulumi CLI ended without a word. Run `make up` again. " +
			"If it stays so, `make clean` forgets the sandbox"
	}
	return said + ". Mend that, then run `make up` again"
}
