package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/outputs"
	"mlvault/internal/settings"
)

// readme is the page that tells an ML engineer how a job of this stack reads its credentials. It
// has the address only where the output has it in the clear: one secret inside would make the whole
// page [secret].
func readme(
	s *settings.Settings, workspace *azureml.Workspace, values pulumi.Map,
) pulumi.StringOutput {
	page := pulumi.Sprintf("# %s, stack %s", s.Project, s.Stack)
	for _, section := range []pulumi.StringInput{
		readmeSummary(workspace),
		pulumi.Sprintf(readmeFolder, s.Stack),
		readmeIdentity(workspace),
		readmeVariables(s, values),
		pulumi.String(readmeScript(slices.Sorted(maps.Keys(s.CredentialPaths())))),
	} {
		page = pulumi.Sprintf("%s\n\n%s", page, section)
	}
	return page
}

func readmeSummary(workspace *azureml.Workspace) pulumi.StringOutput {
	return pulumi.Sprintf("Jobs in the Azure ML workspace **%s** (resource group **%s**) read their "+
		"credentials from Vault.\nThey log in as the job identity and need no token and no key.",
		workspace.Name, workspace.ResourceGroup)
}

const readmeFolder = "## With the job folder\n\n" +
	"Ask whoever deploys this stack to run `make job STACK=%s` and to give you the folder. It has\n" +
	"jobs ready to submit, the Python client and a README. There is no credential in it.\n\n" +
	"## By hand"

func readmeIdentity(workspace *azureml.Workspace) pulumi.StringOutput {
	if len(workspace.Clusters) == 0 {
		return pulumi.Sprintf("This stack has no cluster. Give the job identity to one of yours:\n\n"+
			"%s\n\nSubmit the job with `identity: {type: managed}`.",
			attachIdentity(workspace, pulumi.String("<cluster>")))
	}
	page := pulumi.Sprintf("Submit the job to the cluster **%s**, which has the job identity:\n\n"+
		"```yaml\ncompute: azureml:%s\nidentity:\n  type: managed\n```",
		workspace.Clusters[0], workspace.Clusters[0])
	for _, other := range workspace.Clusters[1:] {
		page = pulumi.Sprintf("%s\n\nOr to the cluster **%s**.", page, other)
	}
	for _, existing := range workspace.ExistingClusters {
		page = pulumi.Sprintf("%s\n\nThe cluster **%s** is somebody else's. Its owner gives it the job "+
			"identity, once, with the identities that it has already, separated by commas:\n\n%s",
			page, existing, attachIdentity(workspace, existing))
	}
	return page
}

// attachIdentity is what gives the job identity to a cluster that the program did not make.
func attachIdentity(
	workspace *azureml.Workspace, cluster pulumi.StringInput,
) pulumi.StringOutput {
	return pulumi.Sprintf("```sh\naz ml compute update --name %s --resource-group %s "+
		"--workspace-name %s --identity-type user_assigned --user-assigned-identities %s\n```",
		cluster, workspace.ResourceGroup, workspace.Name, workspace.JobIdentity.ID)
}

// readmeVariables are the environment of a job, as a table.
func readmeVariables(s *settings.Settings, values pulumi.Map) pulumi.StringOutput {
	table := pulumi.String("Set these environment variables in the job:\n\n" +
		"| variable | value |\n|---|---|").ToStringOutput()
	for _, variable := range outputs.JobVariables {
		isUnset := variable.Output == outputs.VaultNamespace && s.Vault.Namespace == "" ||
			variable.Output == outputs.VaultCA && s.Vault.CACertFile == ""
		if isUnset {
			continue
		}
		value := readmeValue(s, variable.Output, values)
		table = pulumi.Sprintf("%s\n| %s | %s |", table, variable.Name, value)
	}
	return table
}

func readmeValue(s *settings.Settings, output string, values pulumi.Map) pulumi.Input {
	switch {
	case output == outputs.VaultAddress && !s.Workload.PublishAddress:
		return pulumi.String("ask whoever deploys this stack: " +
			"`pulumi stack output vaultAddress --show-secrets`")
	case output == outputs.VaultCA:
		return pulumi.String(outputs.CAFile + ", a file beside your script: " +
			"`pulumi stack output vaultCaCertificate > " + outputs.CAFile + "`")
	case output == outputs.CredentialPaths:
		return pulumi.String(readmeCredentials(s))
	default:
		return values[output]
	}
}

// readmeCredentials is the variable that names the credentials, with what a job writes to their
// paths.
func readmeCredentials(s *settings.Settings) string {
	paths := map[string]any{}
	for name, path := range s.CredentialPaths() {
		paths[name] = path
	}
	environment, err := outputs.JobEnvironment(map[string]any{
		outputs.CredentialPaths:      paths,
		outputs.CredentialParameters: s.CredentialParameters(),
	})
	if err != nil {
		return err.Error() // cannot be: all of it was JSON
	}
	return environment["VAULT_CREDENTIALS"]
}

// readmeScript asks for the credentials by name: a job that asks for all of them fails when another
// one goes.
func readmeScript(names []string) string {
	var page strings.Builder
	page.WriteString("Copy the folder `job/vault_credentials` next to your script.\n" +
		"Ask for the credentials that the script needs, by name:\n\n" +
		"```python\nfrom vault_credentials import read_credentials\n\n")
	fmt.Fprintf(&page, "credentials = read_credentials(%q)\n", names[0])
	fmt.Fprintf(&page, "value = credentials[%q][\"<key>\"]\n```\n\n", names[0])
	fmt.Fprintf(&page, "This stack has: `%s`.\n", strings.Join(names, "`, `"))
	return page.String()
}
