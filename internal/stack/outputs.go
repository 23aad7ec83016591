package stack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/component"
	"mlvault/internal/credentials"
	"mlvault/internal/outputs"
	"mlvault/internal/settings"
)

func stackOutputs(
	s *settings.Settings, workspace *azureml.Workspace, store *credentials.Store, certificates string,
) pulumi.Map {
	values := pulumi.Map{
		outputs.ResourceGroup:       workspace.ResourceGroup,
		outputs.WorkspaceName:       workspace.Name,
		outputs.WorkspaceID:         workspace.ID,
		outputs.JobIdentityID:       workspace.JobIdentity.ID,
		outputs.JobIdentityClientID: workspace.JobIdentity.ClientID,
		outputs.PublicNetworkAccess: workspace.PublicNetworkAccess,
		outputs.ServerlessIdentity:  pulumi.Bool(s.Workload.Serverless),
		outputs.Endpoints:           pulumi.Bool(s.Workload.Endpoints),
		outputs.VaultAddress:        component.Secret(s.Address),
		outputs.VaultNamespace:      pulumi.String(s.Vault.Namespace),
		outputs.VaultLoginPath:      pulumi.String(s.LoginPath()),
		outputs.VaultRole:           store.Role,
		outputs.VaultAudience:       pulumi.String(s.Workload.Audience),
		outputs.VaultPolicy:         store.Policy,
		outputs.CredentialPaths:     pulumi.ToStringMap(s.CredentialPaths()),
	}
	if s.Workload.PublishAddress {
		values[outputs.VaultAddress] = pulumi.String(s.Address.Reveal())
	}
	if parameters := s.CredentialParameters(); len(parameters) > 0 {
		values[outputs.CredentialParameters] = pulumi.Any(parameters)
	}
	if s.Azure.WorkspaceExists() {
		values[outputs.ExistingWorkspace] = pulumi.Bool(true)
	}
	if len(workspace.Clusters) > 0 {
		values[outputs.ComputeCluster] = workspace.Clusters[0]
		values[outputs.ComputeClusters] = workspace.Clusters
	}
	if len(workspace.ExistingClusters) > 0 {
		values[outputs.ExistingComputeClusters] = workspace.ExistingClusters
	}
	if certificates != "" {
		values[outputs.VaultCA] = pulumi.String(certificates)
	}
	values[outputs.Readme] = readme(s, workspace, values)
	return values
}
