package azureml

import (
	"fmt"

	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20210501preview"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// diagnostics sends logs and metrics to Log Analytics: those of the workspace, and of the key vault
// and the registry that are made here. What exists already has an owner, who decides about its
// logs. A storage account has no logs of its own, only its blob, file, queue and table services
// have, and theirs are as large as the traffic of every job.
func (b *builder) diagnostics() error {
	if !b.azure.Diagnostics {
		return nil
	}
	if err := b.diagnosticSetting("workspace", b.parent.ID); err != nil {
		return err
	}
	for _, part := range b.ownedParts() {
		if part.name == "storage" || part.name == "insights" {
			continue
		}
		if err := b.diagnosticSetting(part.name, part.id); err != nil {
			return err
		}
	}
	return nil
}

// diagnosticSetting takes every category, also those that Azure adds later. Retention is the Log
// Analytics workspace's: Azure has retired a setting's own.
func (b *builder) diagnosticSetting(part string, of pulumi.StringInput) error {
	args := &insights.DiagnosticSettingArgs{
		Name:        component.Optional(b.settings.DiagnosticsName(part)),
		ResourceUri: of,
		WorkspaceId: b.dependents.logs.ToStringOutput(),
		Logs: insights.LogSettingsArray{insights.LogSettingsArgs{
			CategoryGroup: pulumi.String("allLogs"),
			Enabled:       pulumi.Bool(true),
		}},
		Metrics: insights.MetricSettingsArray{insights.MetricSettingsArgs{
			Category: pulumi.String("AllMetrics"),
			Enabled:  pulumi.Bool(true),
		}},
	}
	name := b.name + "-" + part + "-diagnostics"
	setting, err := insights.NewDiagnosticSetting(b.ctx, name, args, b.childOptions(b.nameStays())...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.attachments = append(b.attachments, setting)
	return nil
}
