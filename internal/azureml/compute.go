package azureml

import (
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// Compute is an AmlCompute cluster that scales to zero.
type Compute struct {
	VMSize   string
	MaxNodes int
	SubnetID string // of the user's own network; empty: Azure's, or the managed one
}

// clusterSuffix also makes the physical name, where none is given: azure-native copies it for a nested resource.
const clusterSuffix = "-cluster"

// computeCluster carries the job identity: a job on it asks for that identity's token and for no other.
func (b *builder) computeCluster() error {
	compute := b.args.Compute
	if compute == nil {
		return nil
	}
	properties := machinelearningservices.AmlComputePropertiesArgs{
		VmSize:                      pulumi.String(compute.VMSize),
		RemoteLoginPortPublicAccess: pulumi.String("Disabled"),
		ScaleSettings: machinelearningservices.ScaleSettingsArgs{
			MinNodeCount:                pulumi.Int(0),
			MaxNodeCount:                pulumi.Int(compute.MaxNodes),
			NodeIdleTimeBeforeScaleDown: pulumi.String("PT2M"),
		},
	}
	if compute.SubnetID != "" {
		properties.Subnet = machinelearningservices.ResourceIdArgs{Id: pulumi.String(compute.SubnetID)}
	}
	if compute.SubnetID != "" || b.args.ManagedNetwork.on() {
		// Azure gives each node a public address unless it is told not to.
		properties.EnableNodePublicIp = pulumi.Bool(false)
	}
	// Azure changes neither the size nor the subnet of a cluster, and a nested resource keeps its name: it goes first.
	fixed := pulumi.String(compute.VMSize + " " + compute.SubnetID)
	cluster, err := machinelearningservices.NewCompute(b.ctx, b.name+clusterSuffix, &machinelearningservices.ComputeArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     b.parent.Name,
		ComputeName:       component.Optional(b.args.Names.ComputeCluster),
		Location:          pulumi.String(b.args.Location),
		Identity: machinelearningservices.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(machinelearningservices.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{b.parent.JobIdentity.ID},
		},
		Properties: machinelearningservices.AmlComputeArgs{
			ComputeType:      pulumi.String("AmlCompute"),
			DisableLocalAuth: pulumi.Bool(true),
			Properties:       properties,
		},
		Tags: b.tags(),
	}, b.tagged(b.replacedBy(fixed, true)...)...)
	if err != nil {
		return err
	}
	b.parent.Cluster = cluster.Name
	return nil
}
