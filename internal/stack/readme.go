package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/config"
)

// readme is the page that tells an ML engineer how a job of this stack reads its credentials. It names the address's
// output instead of the address: one secret inside would make the whole page [secret].
func readme(cfg *config.Config, workspace *azureml.Workspace) (pulumi.StringOutput, error) {
	// With names, because two paths may end in the same part.
	paths, err := json.Marshal(cfg.Access().Paths())
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("readme: %w", err)
	}
	return pulumi.Sprintf(`# %s, stack %s

Azure ML workspace **%s** in resource group **%s**. Jobs read their credentials from Vault with the job identity; no token, no key.

## 1. Give the job its identity

%s

## 2. Tell it where the credentials are

Environment variables of the job (`+"`environment_variables`"+` in `+"`job/job.yml`"+`):

| variable | value |
|---|---|
| VAULT_ADDR | `+"`pulumi stack output vaultAddress --show-secrets`"+` |
| VAULT_LOGIN_PATH | %s |
| VAULT_ROLE | %s |
| VAULT_AUDIENCE | %s |
%s| VAULT_CREDENTIALS | %s |
| AZURE_CLIENT_ID | %s |

## 3. Read them

Put `+"`job/vault_credentials.py`"+` beside the training script:

`+"```python\nfrom vault_credentials import read_credentials\n\ncredentials = read_credentials()\n```"+`

%s`,
		cfg.Project, cfg.Stack,
		workspace.Name, workspace.ResourceGroup,
		identityStep(cfg, workspace),
		cfg.Access().LoginPath(), cfg.Access().Name(), cfg.Workload.Audience, namespaceRow(cfg.Vault.Namespace),
		string(paths),
		workspace.JobIdentity.ClientID,
		nameList(cfg.Access().Paths())), nil
}

func identityStep(cfg *config.Config, workspace *azureml.Workspace) pulumi.StringOutput {
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

// namespaceRow is no row without a namespace: an empty one, or a word for none, would be sent to Vault as it stands.
func namespaceRow(namespace string) string {
	if namespace == "" {
		return ""
	}
	return "| VAULT_NAMESPACE | " + namespace + " |\n"
}
