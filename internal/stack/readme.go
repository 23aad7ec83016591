package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/settings"
)

// readme is the page that tells an ML engineer how a job of this stack reads its credentials. It has the address only
// where the output has it in the clear: one secret inside would make the whole page [secret].
func readme(cfg *settings.Settings, workspace *azureml.Workspace) (pulumi.StringOutput, error) {
	// With names, because two paths may end in the same part.
	paths, err := json.Marshal(cfg.Access().Paths())
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("readme: %w", err)
	}
	address := "ask whoever deploys this stack: `pulumi stack output vaultAddress --show-secrets`"
	if cfg.Workload.PublishAddress {
		address = cfg.Address.Reveal()
	}
	namespace := ""
	if cfg.Vault.Namespace != "" {
		namespace = "| VAULT_NAMESPACE | " + cfg.Vault.Namespace + " |\n"
	}
	return pulumi.Sprintf(`# %[1]s, stack %[2]s

Azure ML workspace **%[3]s** in resource group **%[4]s**. Jobs read their credentials from Vault with the job identity; no token, no key.

## The short way

Ask whoever deploys this stack for the folder that `+"`make job STACK=%[2]s`"+` writes. It holds definitions ready to submit, the Python client
and a README. It holds no credential, so it may be given to anyone who may read the workspace.

## By hand

%[5]s

Give the job these environment variables:

| variable | value |
|---|---|
| VAULT_ADDR | %[6]s |
| VAULT_LOGIN_PATH | %[7]s |
| VAULT_ROLE | %[8]s |
| VAULT_AUDIENCE | %[9]s |
%[10]s| VAULT_CREDENTIALS | %[11]s |
| AZURE_CLIENT_ID | %[12]s |

In the script, with the client of that folder:

`+"```python\nfrom vault_credentials import read_credentials\n\ncredentials = read_credentials()\n```"+`

%[13]s`,
		cfg.Project, cfg.Stack, workspace.Name, workspace.ResourceGroup, identityStep(cfg, workspace), address,
		cfg.Access().LoginPath(), cfg.Access().Name(), cfg.Workload.Audience, namespace, string(paths),
		workspace.JobIdentity.ClientID, nameList(cfg.Access().Paths())), nil
}

func identityStep(cfg *settings.Settings, workspace *azureml.Workspace) pulumi.StringOutput {
	if cfg.Compute != nil {
		return pulumi.Sprintf("The cluster **%s** carries it. Submit with `compute: azureml:%s` and `identity: {type: managed}`.",
			workspace.Cluster, workspace.Cluster)
	}
	return pulumi.Sprintf(`This stack has no cluster of its own. Attach the identity to an existing one:

`+"```sh\naz ml compute update --name <cluster> --resource-group %s --workspace-name %s --identity-type user_assigned --user-assigned-identities %s\n```"+`

and submit with `+"`identity: {type: managed}`"+`.`,
		workspace.ResourceGroup, workspace.Name, workspace.JobIdentity.ID)
}

func nameList(paths map[string]string) string {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&list, "- `credentials[%q]` is `%s`\n", name, paths[name])
	}
	return list.String()
}
