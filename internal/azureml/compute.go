package azureml

import (
	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// clusterSuffix also makes the physical name, where none is given: azure-native copies the logical
// name of a nested resource.
const clusterSuffix = "-cluster"

// computeCluster carries the job identity: a job on it asks for that identity's token and for no
// other.
func (b *builder) computeCluster() error {
	compute := b.settings.Compute
	if compute == nil {
		return nil
	}
	properties := ml.AmlComputePropertiesArgs{
		VmSize:                      pulumi.String(compute.VMSize),
		RemoteLoginPortPublicAccess: pulumi.String("Disabled"),
		ScaleSettings: ml.ScaleSettingsArgs{
			MinNodeCount:                pulumi.Int(0),
			MaxNodeCount:                pulumi.Int(compute.MaxNodes),
			NodeIdleTimeBeforeScaleDown: pulumi.String("PT2M"),
		},
	}
	if compute.SubnetID != "" {
		properties.Subnet = ml.ResourceIdArgs{Id: pulumi.String(compute.SubnetID)}
	}
	if compute.SubnetID != "" || b.azure.ManagedNetwork.IsOn() {
		// Azure gives each node a public address unless it is told not to.
		properties.EnableNodePublicIp = pulumi.Bool(false)
	}
	// Azure changes neither the size nor the subnet of a cluster.
	fixed := pulumi.String(compute.VMSize + " " + compute.SubnetID)
	options := replaceFor(fixed)
	// A nested resource keeps its name, so the old one has to go first.
	options = append(options, pulumi.DeleteBeforeReplace(true))
	cluster, err := ml.NewCompute(b.ctx, b.name+clusterSuffix, &ml.ComputeArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     b.parent.Name,
		ComputeName:       component.Optional(b.azure.Names.ComputeCluster),
		Location:          pulumi.String(b.settings.Location),
		Identity: ml.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(ml.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{b.parent.JobIdentity.ID},
		},
		Properties: ml.AmlComputeArgs{
			ComputeType:      pulumi.String("AmlCompute"),
			DisableLocalAuth: pulumi.Bool(true),
			Properties:       properties,
		},
		Tags: b.tags(),
	}, b.taggedOptions(options...)...)
	if err != nil {
		return err
	}
	b.parent.Cluster = cluster.Name
	return nil
}
