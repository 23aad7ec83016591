// Package stack puts the program together: it reads the configuration, builds the two halves and exports the outputs.
// It is the only package that knows both halves, and the one that hands a secret to Pulumi, marked by [pulumi.ToSecret].
package stack

import (
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/component"
	"mlvault/internal/credentials"
	"mlvault/internal/settings"
)

// Run is the program. A refused configuration is an error before anything is registered.
func Run(ctx *pulumi.Context) error { return In(".")(ctx) }

// In is [Run] where the stack's settings file is in another folder than the working directory.
func In(dir string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		cfg, err := settings.Load(ctx, dir)
		if err != nil {
			return err
		}
		if err := reportUnreadable(ctx, cfg); err != nil {
			return err
		}
		outputs, err := deploy(ctx, cfg)
		if err != nil {
			return err
		}
		for name, value := range outputs {
			ctx.Export(name, value)
		}
		return nil
	}
}

// reportUnreadable names the credentials that lose their drift detection, in every preview and update: nobody should
// find out from an incident. Whoever sets vault.disableRead knows it.
func reportUnreadable(ctx *pulumi.Context, cfg *settings.Settings) error {
	var names []string
	for _, credential := range cfg.Credentials {
		if !credential.Masked && !cfg.Vault.DisableRead {
			names = append(names, credential.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return ctx.Log.Info(fmt.Sprintf("written, but never read back: %s. A change made in Vault itself will not be noticed there. "+
		"The debug output could show a value: it is not encrypted by itself in Pulumi.%s.yaml, or the CLI cannot mask it. See docs/decisions/0007.",
		strings.Join(names, ", "), cfg.Stack), nil)
}

// deploy registers everything and returns the stack's outputs. The logical names here are part of every URN.
func deploy(ctx *pulumi.Context, cfg *settings.Settings) (pulumi.Map, error) {
	workspace, err := azureml.New(ctx, "ml", workspaceArgs(cfg))
	if err != nil {
		return nil, err
	}
	provider, err := newVaultProvider(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("vault provider: %w", err)
	}
	store, err := credentials.New(ctx, "credentials", storeArgs(cfg, workspace.JobIdentity), pulumi.Providers(provider))
	if err != nil {
		return nil, err
	}
	return outputs(cfg, workspace, store)
}

// newVaultProvider states every setting that the SDK would otherwise take from the deployer's environment, where
// VAULT_SKIP_VERIFY or VAULT_MAX_RETRIES of one laptop would become part of the state and a diff for the next.
func newVaultProvider(ctx *pulumi.Context, cfg *settings.Settings) (*vault.Provider, error) {
	return vault.NewProvider(ctx, "vault", &vault.ProviderArgs{
		Address:            secret(cfg.Address),
		Token:              secret(cfg.Token),
		TokenName:          pulumi.String(cfg.Access().Name()),
		SkipChildToken:     pulumi.Bool(cfg.Vault.SkipChildToken),
		MaxLeaseTtlSeconds: pulumi.Int(cfg.Vault.MaxLeaseTTLSeconds),
		MaxRetries:         pulumi.Int(2),
		SkipTlsVerify:      pulumi.Bool(false),
		// On the provider and nowhere else: a resource's own namespace is relative to it and would be doubled.
		Namespace:  component.Optional(cfg.Vault.Namespace),
		CaCertFile: component.Optional(cfg.Vault.CACertFile),
	})
}

// secret wraps masked text for Pulumi: from here on the engine encrypts it in the state and masks it in the output.
func secret(text settings.Secret) pulumi.StringOutput {
	return pulumi.ToSecret(pulumi.String(text.Reveal())).(pulumi.StringOutput) //nolint:forcetypeassert // ToSecret keeps the type.
}

func workspaceArgs(cfg *settings.Settings) azureml.Args {
	azure := cfg.Azure
	args := azureml.Args{
		Location: cfg.Location,
		Names:    azureml.Names(azure.Names),
		Existing: azureml.Existing{
			ResourceGroup:         azure.ExistingResourceGroup,
			StorageAccountID:      azure.StorageAccountID,
			KeyVaultID:            azure.KeyVaultID,
			ApplicationInsightsID: azure.ApplicationInsightsID,
			LogAnalyticsID:        azure.LogAnalyticsWorkspaceID,
			ContainerRegistryID:   azure.ContainerRegistryID,
		},
		Tags: map[string]string{
			"project": cfg.Project, "stack": cfg.Stack, "managed-by": "pulumi",
		},
		Protect:                 azure.Protect,
		ContainerRegistrySKU:    azure.ContainerRegistrySKU,
		KeyVaultPurgeProtection: azure.KeyVaultPurgeProtection,
		PublicNetworkAccess:     azure.PublicNetworkAccess,
		ManagedNetwork:          managedNetwork(cfg),
		HBIWorkspace:            azure.HBIWorkspace,
		CustomerManagedKey:      (*azureml.CustomerManagedKey)(azure.CustomerManagedKey),
		Compute:                 (*azureml.Compute)(cfg.Compute),
		WorkspaceIdentity:       azure.WorkspaceIdentity,
		Serverless:              (*azureml.Serverless)(azure.ServerlessComputeSettings),
		Diagnostics:             azure.Diagnostics,
		IgnoreTags:              azure.IgnoreTags,
		Lock:                    azure.Lock != "",
		JobUsesWorkspace:        azure.JobHas(settings.RoleDataScientist),
		JobUsesBlobs:            azure.JobHas(settings.RoleBlobContributor),
	}
	maps.Copy(args.Tags, azure.Tags)
	if p := azure.PrivateEndpoints; p != nil {
		args.PrivateEndpoints = &azureml.PrivateEndpoints{
			SubnetID: p.SubnetID, ZoneIDs: p.DNSZoneIDs, VirtualNetworkID: p.VirtualNetworkID, Zones: cfg.PrivateZones(),
		}
	}
	for _, assignment := range azure.RoleAssignments {
		role := settings.WorkspaceRoles[assignment.Role]
		args.RoleAssignments = append(args.RoleAssignments, azureml.RoleAssignment{
			Role: role.Short, RoleID: role.ID, PrincipalID: assignment.PrincipalID, PrincipalType: assignment.PrincipalType,
		})
	}
	return args
}

func managedNetwork(cfg *settings.Settings) *azureml.ManagedNetwork {
	network := cfg.Azure.ManagedNetwork
	if network == nil {
		return nil
	}
	args := &azureml.ManagedNetwork{IsolationMode: network.Mode, FirewallSKU: network.FirewallSKU}
	for _, rule := range network.OutboundRules {
		args.OutboundRules = append(args.OutboundRules, azureml.OutboundRule(rule))
	}
	if host := cfg.VaultHost(); !host.Empty() {
		args.VaultHost = secret(host)
	}
	return args
}

func storeArgs(cfg *settings.Settings, identity azureml.JobIdentity) credentials.Args {
	args := credentials.Args{
		Access: cfg.Access(),
		Data:   make(map[string]pulumi.StringInput, len(cfg.Credentials)),
		Login: credentials.Login{
			Issuer:       cfg.Workload.Issuer,
			IssuerCAPEM:  cfg.Workload.IssuerCAPEM,
			Audience:     cfg.Workload.Audience,
			PrincipalID:  identity.PrincipalID,
			TenantID:     identity.TenantID,
			PrincipalIDs: cfg.Workload.PrincipalIDs,
			TokenTTL:     cfg.Workload.TokenTTLSeconds,
		},
	}
	for _, credential := range cfg.Credentials {
		args.Data[credential.Name] = secret(credential.Payload)
	}
	return args
}
