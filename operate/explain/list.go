package explain

import "regexp"

// again is for a run that was refused: what failed was not done.
const again = "run `pulumi up` again"

// compares is for a run whose answers were lost. What the state calls not done may have been done,
// and if the configuration then goes back, a plain up says "unchanged" over a wrong Vault.
const compares = "run `pulumi up --refresh --run-program`"

// looksFirst is for a run that was cut off, whose state does not say what is there.
const looksFirst = "Run `make repair`, then `pulumi up`"

// adopts is for what exists and is not in the state. `pulumi import` would have to be told its type
// and its parent: with others the next up makes it a second time and deletes what was imported.
const adopts = "write `{\"<name>\": \"<id>\"}` into a file and run " +
	"`make adopt STACK=<stack> FROM=<file>`"

var explanations = []Explanation{
	{
		Sign:    "signal: killed",
		pattern: regexp.MustCompile(`signal: killed`),
		Cause:   "The Pulumi CLI was killed, and what had begun may have been done",
		Remedy:  looksFirst,
	},
	{
		Sign:    "the stack is currently locked by 1 lock(s)",
		pattern: regexp.MustCompile(`stack is currently locked|Another update is currently in progress`),
		Cause:   "Another run holds the stack, or one that was killed left its lock",
		Remedy:  "If the run lives, wait for it. If it is gone, run `make repair`",
	},
	{
		Sign:    "no space left on device",
		pattern: regexp.MustCompile(`no space left on device|file too large`),
		Cause:   "The disk is full, Vault's or the state's, and what was on its way may have been done",
		Remedy:  "Make room. " + looksFirst,
	},
	{
		Sign:    "argument list too long",
		pattern: regexp.MustCompile(`argument list too long`),
		Cause:   "The configuration is larger than Linux lets Pulumi hand to the program",
		Remedy:  "Move credentials into another stack. `make preflight` tells the size",
	},
	{
		Sign:    "incorrect passphrase",
		pattern: regexp.MustCompile(`incorrect passphrase`),
		Cause:   "The key of the stack's secrets is another one",
		Remedy: "Set PULUMI_CONFIG_PASSPHRASE to the stack's own. A copied `Pulumi.<stack>.yaml` " +
			"brings " +
			"the other stack's key: make the new stack with `pulumi stack init --copy-config-from`",
	},
	{
		Sign:    "is left alone: it exists in this Vault",
		pattern: regexp.MustCompile(`is left alone: it exists in this Vault`),
		Cause: "At a path of this stack Vault has something of another state's or of somebody else's, " +
			"and nothing was written there",
		Remedy: "`make preflight` tells whose it is. Check vaultAddress, vault.prefix and " +
			"workload.authPath. If it is this stack's: after a run that was killed run `make repair`, " +
			"after a change by hand `pulumi refresh --run-program`",
	},
	{
		Sign: "lookup-self ... Code: 403",
		pattern: regexp.MustCompile(`(?s)lookup-self.{0,60}\b403\b|` +
			`Vault does not accept the deployer's token`),
		Cause: "Vault does not accept the deployer's token: it was revoked, it has expired, or it is " +
			"another Vault's",
		Remedy: "Make a new one, set it with `pulumi config set --secret vaultToken`, and run the " +
			"command " +
			"again with --run-program",
	},
	{
		Sign:    "auth/.../role/... no handler for route",
		pattern: regexp.MustCompile(`(?s)auth/[^\n]*/role/.*no handler for route`),
		Cause: "This Vault has no auth method at the stack's path. After a change of vaultAddress that " +
			"is " +
			"expected: the new Vault has the credentials and the policy by now",
		Remedy: "Run `pulumi up --refresh --run-program`, which adds the auth method and the role",
	},
	{
		Sign:    "Vault is sealed",
		pattern: regexp.MustCompile(`Vault is sealed`),
		Cause:   "Vault is sealed, and what was on its way before may have been done",
		Remedy:  "Have it unsealed (`vault operator unseal`), then " + compares,
	},
	{
		Sign:    "active cluster node not found",
		pattern: regexp.MustCompile(`active cluster node not found|Vault is in standby|Code: 47[23]`),
		Cause:   "No active Vault answers, and what was on its way before may have been done",
		Remedy:  "Wait until one does (`vault status`), then " + compares,
	},
	{
		Sign:    "invalid token",
		pattern: regexp.MustCompile(`invalid token`),
		Cause: "Vault does not know the deployer's token: it has expired, was revoked, or is " +
			"another Vault's",
		Remedy: "Set a new one (`pulumi config set --secret vaultToken`), then " + again,
	},
	{
		Sign:    "permission denied",
		pattern: regexp.MustCompile(`permission denied`),
		Cause:   "The deployer's token may not do this",
		Remedy:  "Write the policy that `make policy` prints, and give it to the token, then " + again,
	},
	{
		Sign:    "path is already in use",
		pattern: regexp.MustCompile(`path is already in use`),
		Cause: "An auth backend or mount of this path exists and is not in the state: it belongs to " +
			"another state, or a run that failed left it",
		Remedy: "Run `make preflight`, which tells which, with the command that mends it",
	},
	{
		Sign:    "RoleAssignmentExists",
		pattern: regexp.MustCompile(`RoleAssignmentExists`),
		Cause: "Azure has this role assignment already, and the state does not. To run again never " +
			"helps",
		Remedy: "Take it in: " + adopts + ". The failed `pulumi up` prints the name, and " +
			"`az role assignment list --scope <scope> --query \"[].id\"` the id. " +
			"See [Import what exists](#import-what-exists)",
	},
	{
		Sign:    "cannot create already existing resource",
		pattern: regexp.MustCompile(`cannot create already existing resource`),
		Cause:   "Azure has a resource of this name, and the state does not have it",
		Remedy: "If a run was cut off, run `make repair`. If the resource is another's, choose another " +
			"name. If it is yours, " + adopts + ". See [Import what exists](#import-what-exists)",
	},
	{
		Sign:    "The property '...' cannot be changed",
		pattern: regexp.MustCompile(`property '[^']+' cannot be changed|PropertyChangeNotAllowed`),
		Cause:   "Azure never changes this setting of a resource that exists",
		Remedy: "Set it back. Or have Pulumi make the resource anew, which deletes what is in it: " +
			"`pulumi up --target-replace <URN>`",
	},
	{
		Sign:    "AuthorizationFailed",
		pattern: regexp.MustCompile(`AuthorizationFailed|LinkedAuthorizationFailed`),
		Cause:   "The login to Azure lacks a role",
		Remedy: "docs/deploy.md has the roles that the deployer needs. Have them given, wait some " +
			"minutes until they count, then " + again,
	},
	{
		Sign:    "MissingSubscriptionRegistration",
		pattern: regexp.MustCompile(`MissingSubscriptionRegistration`),
		Cause:   "A resource provider of Azure is not registered in the subscription",
		Remedy:  "Run `make preflight`, which names it with the command, then " + again,
	},
	{
		Sign:    "RequestDisallowedByPolicy",
		pattern: regexp.MustCompile(`RequestDisallowedByPolicy`),
		Cause:   "A policy of the subscription refuses the resource as it is set",
		Remedy: "The error names the policy. docs/azure.md has the settings that such policies ask " +
			"for. Set them, then " + again,
	},
	{
		Sign:    "AADSTS700024",
		pattern: regexp.MustCompile(`AADSTS700024`),
		Cause: "The pipeline's token for Azure has expired in the middle of the run, and what had " +
			"begun may have been done",
		Remedy: "Log in again, or start the pipeline anew. " + looksFirst,
	},
	{
		Sign:    "ScopeLocked",
		pattern: regexp.MustCompile(`ScopeLocked`),
		Cause:   "A lock in Azure holds the resource",
		Remedy: "If it is this stack's, run `pulumi config rm --path azure.lock`, then `pulumi up`, " +
			"then repeat the command. Else ask its owner",
	},
	{
		Sign:    "connection refused",
		pattern: regexp.MustCompile(`connection refused|no such host|no route to host`),
		Cause: "Vault is not there: nothing answers at vaultAddress. What was on its way before may " +
			"have been done",
		Remedy: "Start it or correct the address, then " + compares,
	},
	{
		Sign:    "context deadline exceeded",
		pattern: regexp.MustCompile(`context deadline exceeded|Client\.Timeout|i/o timeout`),
		Cause:   "Vault took too long to answer, and may have done what it was asked",
		Remedy:  "Look at its load, then " + compares,
	},
	{
		Sign: "connection reset by peer",
		pattern: regexp.MustCompile(`connection reset|broken pipe|: EOF|unexpected EOF|` +
			`server closed idle connection|stream error: `),
		Cause:  "The connection to Vault broke, and what was on its way may have been done",
		Remedy: "Check that Vault runs, and what stands in between, then " + compares,
	},
	{
		Sign:    "Status=429",
		pattern: regexp.MustCompile(`Status=429`),
		Cause:   "Azure throttles this subscription, and what it had begun may have been done",
		Remedy:  "Wait some minutes, then " + compares,
	},
	{
		Sign:    "Status=409",
		pattern: regexp.MustCompile(`Status=409`),
		Cause: "Another operation on the same Azure resource runs, perhaps one of a run before, which " +
			"may have been done by now. Or another resource holds its name",
		Remedy: "Let it end, or read the code beside Status=409 in the log, then " + compares,
	},
	{
		Sign:    "Status=500",
		pattern: regexp.MustCompile(`Status=5\d\d`),
		Cause:   "Azure failed inside, and may have done what it was asked",
		Remedy:  "If it stays so look at status.azure.com; else " + compares,
	},
	{
		Sign:    "Code: 500",
		pattern: regexp.MustCompile(`Code: 5\d\d`),
		Cause:   "Vault, or what stands before it, fails inside, and may have done what it was asked",
		Remedy:  "Look at its log, then " + compares,
	},
	{
		Sign:    "^C received; terminating",
		pattern: regexp.MustCompile(`\^C received; terminating`),
		Cause:   "Interrupted twice, so that what had begun was cut off and may have been done",
		Remedy:  looksFirst,
	},
	{
		Sign: "update canceled",
		pattern: regexp.MustCompile(`signal: interrupt|update cancell?ed|operation was canceled|` +
			`context canceled`),
		Cause:  "Interrupted: the rest was not started, and what was on its way may have been done",
		Remedy: "To go on, " + compares,
	},
	{
		Sign:    "does not list this one as a reader",
		pattern: regexp.MustCompile(`does not list this one as a reader`),
		Cause:   "`vault.reads` names a credential of another stack, whose owner does not lend it",
		Remedy: "Have its owner run the commands that the error names, or remove the path from " +
			"`vault.reads`. Then " + again,
	},
	{
		Sign:    "is left alone, since whose it is cannot be seen",
		pattern: regexp.MustCompile(`is left alone, since whose it is cannot be seen`),
		Cause:   "The program asks Vault whose an object is before it writes it, and got no answer",
		Remedy:  "The error says why. Mend that, then " + again,
	},
}
