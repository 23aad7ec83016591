package azureml

import (
	"fmt"

	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
)

// clusterSuffix also makes the physical name, where none is given: azure-native copies the logical
// name of a nested resource.
const clusterSuffix = "-cluster"

// fixCluster registers what a cluster keeps for its life: its size, its subnet, and whether it is
// in the workspace's managed network. A cluster that was made outside of it stays outside.
func (b *builder) fixCluster() error {
	compute := b.settings.Compute
	if compute == nil {
		return nil
	}
	values := fmt.Sprintf("vmSize %s, subnetId %q, in the managed network %t. "+
		"A change deletes the cluster, with the jobs that run on it.",
		compute.VMSize, compute.SubnetID, b.azure.ManagedNetwork.IsOn())
	var err error
	b.clusterFixed, err = b.fixed(clusterSuffix, pulumi.String(values))
	return err
}

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
	options := []pulumi.ResourceOption{
		pulumi.IgnoreChanges([]string{"properties.properties.subnet"}), // see fixCluster
		pulumi.DeleteBeforeReplace(true),                               // the new one has the same name
	}
	if compute.SubnetID != "" {
		// PUT of a cluster without public addresses in a network of one's own: Azure ML refuses it
		// until the workspace has its private endpoint ("Secure training environment").
		options = append(options, pulumi.DependsOn(b.endpoints))
	}
	cluster, err := ml.NewCompute(b.ctx, b.name+clusterSuffix, &ml.ComputeArgs{
		ResourceGroupName: b.clusterFixed.Known(b.group),
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
