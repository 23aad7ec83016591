package stack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/credentials"
	"mlvault/internal/settings"
)

// The stack's outputs. Scripts and other stacks read them by these names, so a name is never changed, only added.
// None holds a value of a credential, and none is secret but the address. docs/configuration.md describes each.
const (
	OutputResourceGroup       = "resourceGroup"
	OutputWorkspaceName       = "workspaceName"
	OutputWorkspaceID         = "workspaceId"
	OutputJobIdentityID       = "jobIdentityId"
	OutputJobIdentityClientID = "jobIdentityClientId"
	OutputComputeCluster      = "computeCluster"
	OutputVaultAddress        = "vaultAddress"
	OutputVaultNamespace      = "vaultNamespace"
	OutputVaultLoginPath      = "vaultLoginPath"
	OutputVaultRole           = "vaultRole"
	OutputVaultAudience       = "vaultAudience"
	OutputVaultPolicy         = "vaultPolicy"
	//nolint:gosec // G101: names and paths, no credential.
	OutputCredentialPaths = "credentialPaths"
	OutputReadme          = "readme"
)

func outputs(cfg *settings.Settings, workspace *azureml.Workspace, store *credentials.Store) (pulumi.Map, error) {
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
	if cfg.Workload.PublishAddress {
		out[OutputVaultAddress] = pulumi.String(cfg.Address.Reveal())
	}
	if cfg.Compute != nil {
		out[OutputComputeCluster] = workspace.Cluster
	}
	return out, nil
}
