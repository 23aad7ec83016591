package stack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/config"
	"mlvault/internal/credentials"
)

// The stack's outputs. Scripts and other stacks read them by these names, so a name is never changed, only added.
// None is secret but the address, and none holds a value of a credential.
const (
	OutputResourceGroup       = "resourceGroup"
	OutputWorkspaceName       = "workspaceName"
	OutputWorkspaceID         = "workspaceId"
	OutputJobIdentityID       = "jobIdentityId"
	OutputJobIdentityClientID = "jobIdentityClientId"
	OutputComputeCluster      = "computeCluster"  // only with compute
	OutputVaultAddress        = "vaultAddress"    // secret: `pulumi stack output vaultAddress --show-secrets`
	OutputVaultNamespace      = "vaultNamespace"  // empty without one
	OutputVaultLoginPath      = "vaultLoginPath"  // API path, for example auth/jwt-mlvault-dev-ae5143b9/login
	OutputVaultRole           = "vaultRole"       // to send with the token
	OutputVaultAudience       = "vaultAudience"   // to ask the managed identity a token for
	OutputVaultPolicy         = "vaultPolicy"     // the read policy's name
	OutputCredentialPaths     = "credentialPaths" //nolint:gosec // G101: credential name -> API path, no credential.
	OutputReadme              = "readme"          // Markdown, which Pulumi Cloud shows on the stack's page
)

func outputs(cfg *config.Config, workspace *azureml.Workspace, store *credentials.Store) (pulumi.Map, error) {
	page, err := readme(cfg, workspace)
	if err != nil {
		return nil, err
	}
	out := pulumi.Map{
		OutputResourceGroup:       workspace.ResourceGroup,
		OutputWorkspaceName:       workspace.Name,
		OutputWorkspaceID:         workspace.ID,
		OutputJobIdentityID:       workspace.JobIdentity.ID,
		OutputJobIdentityClientID: workspace.JobIdentity.ClientID,
		OutputVaultAddress:        secret(cfg.Address),
		OutputVaultNamespace:      pulumi.String(cfg.Vault.Namespace),
		OutputVaultLoginPath:      pulumi.String(cfg.Access().LoginPath()),
		OutputVaultRole:           store.Role,
		OutputVaultAudience:       pulumi.String(cfg.Workload.Audience),
		OutputVaultPolicy:         store.Policy,
		OutputCredentialPaths:     pulumi.ToStringMap(cfg.Access().Paths()),
		OutputReadme:              page,
	}
	if cfg.Compute != nil {
		out[OutputComputeCluster] = workspace.Cluster
	}
	return out, nil
}
