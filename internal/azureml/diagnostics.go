package azureml

import (
	"fmt"

	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20210501preview"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// diagnostics sends the logs and metrics of the workspace, and of the key vault and registry that are made here, to
// Log Analytics. What is brought along has an owner, who decides about its logs. A storage account has no logs of its
// own, only its blob, file, queue and table services have, and theirs are as large as the traffic of every job.
func (b *builder) diagnostics() error {
	if !b.args.Diagnostics {
		return nil
	}
	for _, of := range append([]part{{name: "workspace", id: b.parent.ID}}, b.made()...) {
		if of.name == "storage" || of.name == "insights" {
			continue
		}
		if err := b.diagnosticSetting("-"+of.name+"-diagnostics", of.id); err != nil {
			return err
		}
	}
	return nil
}

// diagnosticSetting takes every category, also those that Azure adds later. Retention is the Log Analytics workspace's:
// Azure has retired a setting's own.
func (b *builder) diagnosticSetting(suffix string, of pulumi.StringInput) error {
	setting, err := insights.NewDiagnosticSetting(b.ctx, b.name+suffix, &insights.DiagnosticSettingArgs{
		ResourceUri: of,
		WorkspaceId: b.parts.logs.ToStringOutput(),
		Logs:        insights.LogSettingsArray{insights.LogSettingsArgs{CategoryGroup: pulumi.String("allLogs"), Enabled: pulumi.Bool(true)}},
		Metrics:     insights.MetricSettingsArray{insights.MetricSettingsArgs{Category: pulumi.String("AllMetrics"), Enabled: pulumi.Bool(true)}},
	}, b.child()...)
	if err != nil {
		return fmt.Errorf("%s%s: %w", b.name, suffix, err)
	}
	b.attached = append(b.attached, setting)
	return nil
}
