package sandbox

import "regexp"

// explanations say in one sentence what a failed run means, where the plugin repeats the same error for each resource.
// Each pattern fits the texts of the built-in and of the genuine Vault plugin (6.7.4).
var explanations = []struct {
	says *regexp.Regexp
	fix  string
}{
	{
		regexp.MustCompile(`(?s)lookup-self.{0,60}\b403\b|\b403\b[^\n]{0,60}lookup-self`),
		"Vault does not accept the deployer's token: it was revoked, it has expired, or it is another Vault's. " +
			"Make a new one, set it with `pulumi config set --secret vaultToken`, and run the command again with --run-program",
	},
	{
		regexp.MustCompile(`(?s)auth/[^\n]*/role/.*no handler for route`),
		"this Vault has no auth method at the stack's path. After a change of vaultAddress that is expected: " +
			"the new Vault has the credentials and the policy by now, and `pulumi up --refresh --run-program` adds the auth method and the role",
	},
	{
		regexp.MustCompile(`Vault is sealed`),
		"Vault is sealed: have it unsealed, and run the command again",
	},
}

// Explain is what a person should do about a failed run, or empty where the run's own output is all there is to say.
func Explain(err error) string {
	for _, explanation := range explanations {
		if err != nil && explanation.says.MatchString(err.Error()) {
			return explanation.fix
		}
	}
	return ""
}
