package sandbox

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/settings"
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
	for _, cause := range causes {
		if cause.said.MatchString(err.Error()) {
			return cause.sentence
		}
	}
	return ""
}

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
		said = lastWords(err)
	case said == "":
		return err
	}
	return errors.New(strings.ReplaceAll(said, "run up again", "run `make "+command+"` again"))
}

func lastWords(err error) string {
	said := errorLine.FindAllStringSubmatch(err.Error(), -1)
	if len(said) == 0 {
		return "the Pulumi CLI ended without a word: run up again, and if it stays so `make clean` forgets the sandbox"
	}
	return strings.TrimSpace(said[len(said)-1][1]) + "; mend that, then run up again"
}

var errorLine = regexp.MustCompile(`(?m)^\s*error:\s+(.*)$`)

// The order matters: one cause may show several of these, and the first is the one to mend.
var causes = []struct {
	said     *regexp.Regexp
	sentence string
}{
	{regexp.MustCompile(`signal: killed`),
		"the Pulumi CLI was killed: run up again, which removes its lock and looks first at what it left"},
	{regexp.MustCompile(`no space left on device|file too large`),
		"the disk is full, Vault's or the state's: make room, then run up again"},
	{regexp.MustCompile(`(?s)lookup-self.{0,60}\b403\b`),
		"Vault does not accept the deployer's token: it was revoked, it has expired, or it is another Vault's. " +
			"Make a new one, set it with `pulumi config set --secret vaultToken`, and run the command again with --run-program"},
	{regexp.MustCompile(`(?s)auth/[^\n]*/role/.*no handler for route`),
		"this Vault has no auth method at the stack's path. After a change of vaultAddress that is expected: " +
			"the new Vault has the credentials and the policy by now, and `pulumi up --refresh --run-program` adds the auth method and the role"},
	{regexp.MustCompile(`Vault is sealed`),
		"Vault is sealed: have it unsealed (vault operator unseal), then run up again"},
	{regexp.MustCompile(`active cluster node not found|Vault is in standby|Code: 47[23]`),
		"no active Vault answers: wait until one is (vault status), then run up again"},
	{regexp.MustCompile(`invalid token`),
		"Vault does not know the deployer's token: it has expired, was revoked, or is another Vault's. Set a new one (pulumi config set --secret vaultToken), then run up again"},
	{regexp.MustCompile(`permission denied`),
		"the deployer's token may not do this: compare its policy with what make policy prints"},
	{regexp.MustCompile(`path is already in use`),
		"an auth backend or mount of this path exists and is not in the state: it belongs to another state, or a run that failed left it. `make preflight` tells which, with the command that mends it"},
	{regexp.MustCompile(`connection refused|no such host|no route to host`),
		"Vault is not there: nothing answers at vaultAddress. Start it or mend the address, then run up again"},
	{regexp.MustCompile(`context deadline exceeded|Client\.Timeout|i/o timeout`),
		"Vault took too long to answer, and may have done what it was asked: look at its load, then run up again"},
	{regexp.MustCompile(`connection reset|broken pipe|: EOF|unexpected EOF|server closed idle connection|stream error: `),
		"the connection to Vault broke, and what was on its way may have been done: look whether Vault runs and at what stands in between, then run up again"},
	{regexp.MustCompile(`Status=429`),
		"Azure throttles this subscription: wait some minutes, then run up again"},
	{regexp.MustCompile(`Status=409`),
		"another operation on the same Azure resource runs or holds its name: let it end, or read the code beside Status=409 above, then run up again"},
	{regexp.MustCompile(`Status=5\d\d`),
		"Azure failed inside: run up again, and if it stays so look at status.azure.com"},
	{regexp.MustCompile(`Code: 5\d\d`),
		"Vault, or what stands before it, fails inside: look at its log, then run up again"},
	{regexp.MustCompile(`\^C received; terminating`),
		"interrupted twice, so that what had begun was cut off and may have been done: run up again, which looks first at what is there"},
	{regexp.MustCompile(`signal: interrupt|update cancell?ed|operation was canceled|context canceled`),
		"interrupted: what had begun was finished, the rest was not started; run up again to go on"},
}
